package centra_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/centra"
)

func call(secret, body string, at time.Time) extract.Call {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + body))
	return extract.Call{Method: "POST", Header: http.Header{"X-Centra-Signature": {"t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))}}, Body: []byte(body), At: at}
}

func TestHook(t *testing.T) {
	cfg := extract.Config{Keys: map[string]string{"webhook_secret": "test123"}}
	read := centra.Source().Hook.Read

	// The vector of Centra's documentation.
	documented := extract.Call{Header: http.Header{"X-Centra-Signature": {"t=12345678,\n  v1=0b9cd84f5d583e5e1aadfb9f160aa8080b51d5b85ff85808d6b75bdac356c549"}},
		Body: []byte("payload=%7B%22x%22%3A%22test%22%7D"), At: time.Unix(12345678, 0)}
	if hints, err := read(cfg, documented); err != nil || len(hints) != 0 {
		t.Errorf("the documented call: %v, %v", hints, err)
	}

	body := "payload=" + url.QueryEscape(`{"events": [{"type": "order", "action": "update", "date": "2021-01-29 14:40:58.628033", "id": 2735},
		{"type": "shipment", "action": "create", "id": 1902}, {"type": "return", "action": "create", "id": "7"}, {"type": "customer", "id": 1}]}`)
	hints, err := read(cfg, call("test123", body, now))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]extract.Hint{{Stream: "orders", ID: "2735"}, {Stream: "orders"}}, hints); diff != "" {
		t.Error(diff)
	}

	changed := call("test123", body, now)
	changed.Body = append(changed.Body, ' ')
	old := call("test123", body, now.Add(-2*time.Hour))
	old.At = now
	unsigned := call("test123", body, now)
	unsigned.Header = http.Header{}
	for what, c := range map[string]extract.Call{"another secret": call("test124", body, now), "a changed body": changed, "an old call": old, "no signature": unsigned} {
		if _, err := read(cfg, c); !errors.Is(err, extract.ErrAuth) {
			t.Errorf("%s: %v, want ErrAuth", what, err)
		}
	}
	if _, err := read(extract.Config{Keys: map[string]string{}}, call("", body, now)); !errors.Is(err, extract.ErrAuth) {
		t.Errorf("without a secret set: %v, want ErrAuth", err)
	}
	for what, b := range map[string]string{"no payload": "x=1", "no JSON": "payload=x"} {
		if _, err := read(cfg, call("test123", b, now)); !errors.Is(err, extract.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", what, err)
		}
	}
}
