package shopify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// readHook checks a webhook: base64 of HMAC-SHA256 over the raw body, keyed with the app's
// client secret, in X-Shopify-Hmac-SHA256. The topic says what the body's IDs are of.
//
// Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https. The signature has no
// time in it: a call sent again is a hint given again, and reads the same order.
func readHook(cfg extract.Config, call extract.Call) ([]extract.Hint, error) {
	secret := cfg.Keys["webhook_secret"]
	if secret == "" {
		return nil, fmt.Errorf("%w: webhook_secret is not set", extract.ErrAuth)
	}
	given, err := base64.StdEncoding.DecodeString(call.Header.Get("X-Shopify-Hmac-Sha256"))
	if err != nil || len(given) == 0 {
		return nil, fmt.Errorf("%w: X-Shopify-Hmac-SHA256 is missing or no base64", extract.ErrAuth)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(call.Body)
	if !hmac.Equal(given, mac.Sum(nil)) {
		return nil, fmt.Errorf("%w: the signature is not of this body by webhook_secret", extract.ErrAuth)
	}
	if from := call.Header.Get("X-Shopify-Shop-Domain"); from != "" {
		// One app's secret may sign for several shops.
		if own, err := domain(cfg.Keys["shop"]); err == nil && !strings.EqualFold(from, own) {
			return nil, fmt.Errorf("%w: the call is from %s, this source is %s", extract.ErrAuth, extract.Clip(from), own)
		}
	}
	var body struct {
		ID      json.RawMessage `json:"id"`
		OrderID json.RawMessage `json:"order_id"`
	}
	d := json.NewDecoder(bytes.NewReader(call.Body))
	if err := d.Decode(&body); err != nil {
		return nil, fmt.Errorf("%w: the body is not a JSON object", extract.ErrMalformed)
	}
	id := body.OrderID
	switch topic := strings.ToLower(strings.ReplaceAll(call.Header.Get("X-Shopify-Topic"), "_", "/")); {
	case strings.HasPrefix(topic, "orders/"):
		if n := number(body.ID); n != "" {
			return []extract.Hint{{Stream: orders, ID: n}}, nil
		}
		return []extract.Hint{{Stream: orders}}, nil // orders/edited nests its ID: the window finds it
	case strings.HasPrefix(topic, "refunds/"), strings.HasPrefix(topic, "order/transactions/"), strings.HasPrefix(topic, "fulfillments/"),
		strings.HasPrefix(topic, "returns/"), strings.HasPrefix(topic, "tender/transactions/"):
		return []extract.Hint{{Stream: orders, ID: number(id)}}, nil
	case strings.HasPrefix(topic, "disputes/"), strings.HasPrefix(topic, "shopify/payments/"):
		return []extract.Hint{{Stream: payouts}}, nil
	}
	return nil, nil // nothing that is booked
}

// number returns an ID that is written as a number or as a text of digits.
func number(raw json.RawMessage) string {
	s := strings.Trim(string(raw), `"`)
	s = strings.TrimPrefix(s, gid)
	if !digits.MatchString(s) {
		return ""
	}
	return s
}
