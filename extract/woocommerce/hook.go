package woocommerce

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// readHook checks the signature of a webhook, base64 of HMAC-SHA256 over the body, and names the
// order it is about. The ping that WooCommerce sends when a webhook is saved is a form with
// nothing but webhook_id and has no signature: it names nothing, and so proves nothing.
//
// Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks
func readHook(cfg extract.Config, call extract.Call) ([]extract.Hint, error) {
	stated := call.Header.Get("X-WC-Webhook-Signature")
	if stated == "" && isPing(call) {
		return nil, nil
	}
	secret := cfg.Keys["webhook_secret"]
	if secret == "" {
		return nil, fmt.Errorf("%w: webhook_secret is not set, so no webhook can be checked", extract.ErrAuth)
	}
	got, err := base64.StdEncoding.DecodeString(strings.TrimSpace(stated))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(call.Body)
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return nil, fmt.Errorf("%w: the signature is missing or wrong; the secret of the webhook in WooCommerce must be webhook_secret", extract.ErrAuth)
	}
	resource := call.Header.Get("X-WC-Webhook-Resource")
	if resource == "" {
		resource, _, _ = strings.Cut(call.Header.Get("X-WC-Webhook-Topic"), ".")
	}
	if resource != "" && resource != "order" {
		return nil, nil // of products, customers, coupons: nothing that is read here
	}
	var body struct {
		ID text `json:"id"`
	}
	if err := json.Unmarshal(call.Body, &body); err != nil || !isID(body.ID.String()) {
		return nil, fmt.Errorf("%w: a webhook about an order that names none", extract.ErrMalformed)
	}
	return []extract.Hint{{Stream: orders, ID: body.ID.String()}}, nil
}

// isPing recognises the form webhook_id=N.
func isPing(call extract.Call) bool {
	if len(call.Body) > 64 {
		return false
	}
	form, err := url.ParseQuery(string(call.Body))
	return err == nil && len(form) == 1 && isID(form.Get("webhook_id"))
}

// reply is empty: WooCommerce only looks at the status.
func reply(extract.Call) (string, []byte) { return "text/plain; charset=utf-8", nil }
