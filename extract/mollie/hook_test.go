package mollie_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	connector "github.com/kvitt/kvitt/extract/mollie"
)

// The signature is HMAC-SHA256 of the body under the secret, computed apart:
// printf '%s' BODY | openssl dgst -sha256 -hmac test_webhook_secret
const (
	hookSecret = "test_webhook_secret"
	linkEvent  = `{"id":"tr_12345","event_type":"payment-link.paid"}`
	linkSigned = "e479a5e4aaa17db94cfc546071e10e91c0b37f21e464e751ebdd7d7ad2ffd146"
)

func TestHook(t *testing.T) {
	h := connector.Source().Hook
	refund := `{"resource":"event","id":"event_1","type":"refund.refunded","entityId":"re_1","_links":{"entity":{"href":"/v2/payments/tr_9/refunds/re_1"}}}`
	payout := `{"resource":"event","id":"event_2","type":"payout.completed","entityId":"payout_1"}`
	paid := `{"resource":"event","id":"event_3","type":"payment.paid","entityId":"tr_7"}`
	for name, tt := range map[string]struct {
		secret, typ, body, signature string
		want                         []extract.Hint
		is                           error
	}{
		"classic":                      {"", "application/x-www-form-urlencoded", "id=tr_5B8cwPMGnU", "", []extract.Hint{{Stream: "payments", ID: "tr_5B8cwPMGnU"}}, nil},
		"classic, a secret is set":     {hookSecret, "application/x-www-form-urlencoded", "id=tr_5B8cwPMGnU", "", []extract.Hint{{Stream: "payments", ID: "tr_5B8cwPMGnU"}}, nil},
		"classic, an order":            {"", "application/x-www-form-urlencoded", "id=ord_1", "", []extract.Hint{{Stream: "payments", ID: "ord_1"}}, nil},
		"classic, something else":      {"", "application/x-www-form-urlencoded", "id=sub_1", "", nil, nil},
		"classic, no id":               {"", "application/x-www-form-urlencoded", "x=1", "", nil, extract.ErrMalformed},
		"the published vector":         {hookSecret, "application/json", linkEvent, "sha256=" + linkSigned, []extract.Hint{{Stream: "payments", ID: "tr_12345"}}, nil},
		"signed, no event":             {hookSecret, "application/json", `{}`, "sha256=" + sign(`{}`), nil, extract.ErrMalformed},
		"one of two signatures":        {"old," + hookSecret, "application/json", paid, "sha256=00, sha256=" + sign(paid), []extract.Hint{{Stream: "payments", ID: "tr_7"}}, nil},
		"a refund names its payment":   {hookSecret, "application/json", refund, "sha256=" + sign(refund), []extract.Hint{{Stream: "payments", ID: "tr_9"}}, nil},
		"a payout":                     {hookSecret, "application/json", payout, "sha256=" + sign(payout), []extract.Hint{{Stream: "settlements"}}, nil},
		"another body":                 {hookSecret, "application/json", linkEvent + " ", "sha256=" + linkSigned, nil, extract.ErrAuth},
		"another secret":               {"x", "application/json", linkEvent, "sha256=" + linkSigned, nil, extract.ErrAuth},
		"unsigned event":               {hookSecret, "application/json", paid, "", nil, extract.ErrAuth},
		"unsigned event as a form":     {hookSecret, "application/x-www-form-urlencoded", paid, "", nil, extract.ErrAuth},
		"signed, no secret configured": {"", "application/json", paid, "sha256=" + sign(paid), nil, extract.ErrAuth},
		"an empty secret is no secret": {",", "application/json", paid, "sha256=" + sign(paid), nil, extract.ErrAuth},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Content-Type": {tt.typ}}
			if tt.signature != "" {
				header.Set("X-Mollie-Signature", tt.signature)
			}
			got, err := h.Read(extract.Config{Keys: map[string]string{"webhook_secret": tt.secret}}, extract.Call{Method: "POST", Header: header, Body: []byte(tt.body)})
			if !errors.Is(err, tt.is) || (tt.is == nil && err != nil) {
				t.Errorf("error %v, want %v", err, tt.is)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
	if !h.Unsigned {
		t.Error("classic webhooks carry no signature: the address must hold a secret")
	}
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}
