package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
)

func TestHook(t *testing.T) {
	// Computed with: printf '%s' BODY | openssl dgst -sha256 -hmac hush -binary | base64
	const body, signature = `{"id":820982911946154508,"name":"#9999","test":true}`, "gDNqPtsSGNIZr+0z6buASxL0JezlSs+GnkU7eeSwnOw="
	sign := func(body string) string {
		m := hmac.New(sha256.New, []byte("hush"))
		m.Write([]byte(body))
		return base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	if got := sign(body); got != signature {
		t.Errorf("signature %s, want %s", got, signature)
	}
	for _, tt := range []struct {
		name, topic, body, signature, shop, secret string
		want                                       []extract.Hint
		err                                        error
	}{
		{"an order", "orders/updated", body, signature, "exempel.myshopify.com", "hush", []extract.Hint{{Stream: "orders", ID: "820982911946154508"}}, nil},
		{"a refund names its order", "refunds/create", `{"id":1,"order_id":450789469}`, sign(`{"id":1,"order_id":450789469}`), "", "hush", []extract.Hint{{Stream: "orders", ID: "450789469"}}, nil},
		{"a transaction", "order_transactions/create", `{"id":1,"order_id":450789469}`, sign(`{"id":1,"order_id":450789469}`), "", "hush", []extract.Hint{{Stream: "orders", ID: "450789469"}}, nil},
		{"an edit nests its ID", "orders/edited", `{"order_edit":{"order_id":7}}`, sign(`{"order_edit":{"order_id":7}}`), "", "hush", []extract.Hint{{Stream: "orders"}}, nil},
		{"nothing that is booked", "products/update", `{"id":1}`, sign(`{"id":1}`), "", "hush", nil, nil},
		{"one byte changed", "orders/updated", body + " ", signature, "", "hush", nil, extract.ErrAuth},
		{"another secret", "orders/updated", body, signature, "", "hushhush", nil, extract.ErrAuth},
		{"no secret configured", "orders/updated", body, signature, "", "", nil, extract.ErrAuth},
		{"no signature", "orders/updated", body, "", "", "hush", nil, extract.ErrAuth},
		{"another shop", "orders/updated", body, signature, "annan.myshopify.com", "hush", nil, extract.ErrAuth},
		{"no JSON", "orders/updated", "x=1", sign("x=1"), "", "hush", nil, extract.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			h.Set("X-Shopify-Topic", tt.topic)
			h.Set("X-Shopify-Hmac-SHA256", tt.signature)
			if tt.shop != "" {
				h.Set("X-Shopify-Shop-Domain", tt.shop)
			}
			cfg := extract.Config{Keys: map[string]string{"shop": "exempel", "webhook_secret": tt.secret}}
			got, err := Source().Hook.Read(cfg, extract.Call{Header: h, Body: []byte(tt.body)})
			if !errors.Is(err, tt.err) {
				t.Errorf("err = %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
}
