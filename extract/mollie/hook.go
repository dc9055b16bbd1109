package mollie

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// hook reads both generations of webhooks.
//
// The classic one is sent to each payment's own webhookUrl: a form with the ID and nothing
// else, unsigned, so that a secret in the address stands in for a signature. It must be
// answered by 200 even for unknown IDs.
//
// The newer one, of a webhook subscription, is a JSON event under an HMAC-SHA256 of the raw
// body, in lower-case hex, in X-Mollie-Signature: sha256=…. While a secret is being replaced
// there are two of them. webhook_secret holds it, or several divided by commas.
//
// Source: https://docs.mollie.com/reference/webhooks, https://docs.mollie.com/reference/webhooks-new
func hook() *extract.Hook {
	return &extract.Hook{
		Unsigned: true,
		Read:     readCall,
		Reply:    func(extract.Call) (string, []byte) { return "text/plain", nil },
	}
}

const signatureHeader = "X-Mollie-Signature"

func readCall(cfg extract.Config, call extract.Call) ([]extract.Hint, error) {
	signatures := call.Header.Values(signatureHeader)
	typ, _, _ := mime.ParseMediaType(call.Header.Get("Content-Type"))
	isEvent := typ == "application/json" || strings.HasSuffix(typ, "+json") || strings.HasPrefix(strings.TrimSpace(string(call.Body)), "{")
	if len(signatures) > 0 || isEvent {
		if err := signed(cfg.Keys["webhook_secret"], signatures, call.Body); err != nil {
			return nil, err
		}
		return readEvent(call.Body)
	}
	form, err := url.ParseQuery(string(call.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: the body is no form", extract.ErrMalformed)
	}
	id := form.Get("id")
	if id == "" || extract.CheckID(id, 255) != nil {
		return nil, fmt.Errorf("%w: the form names no id", extract.ErrMalformed)
	}
	return hints(id, ""), nil
}

// signed checks that some signature is that of body under some secret, in constant time.
func signed(secrets string, signatures []string, body []byte) error {
	if secrets == "" {
		return fmt.Errorf("%w: an event came, and there is no webhook_secret to check it by", extract.ErrAuth)
	}
	found := false
	for _, secret := range strings.Split(secrets, ",") {
		if secret = strings.TrimSpace(secret); secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		want := mac.Sum(nil)
		for _, header := range signatures {
			for _, s := range strings.Split(header, ",") {
				got, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(s), "sha256="))
				if err == nil && hmac.Equal(got, want) {
					found = true
				}
			}
		}
	}
	if !found {
		return fmt.Errorf("%w: the signature of the event is missing or wrong", extract.ErrAuth)
	}
	return nil
}

// readEvent says which payment an event is about. A refund, capture or chargeback is part of
// its payment, whose ID is in the entity or in the entity's address.
func readEvent(body []byte) ([]extract.Hint, error) {
	var e struct {
		ID       string `json:"id"` // of the event; the first events had the entity's
		Type     string `json:"type"`
		EntityID string `json:"entityId"`
		Embedded struct {
			Entity struct {
				PaymentID string `json:"paymentId"`
			} `json:"entity"`
		} `json:"_embedded"`
		Links struct {
			Entity struct {
				Href string `json:"href"`
			} `json:"entity"`
		} `json:"_links"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.EntityID == "" && e.ID == "" {
		return nil, fmt.Errorf("%w: the body is no event", extract.ErrMalformed)
	}
	payment := e.Embedded.Entity.PaymentID
	if u, err := url.Parse(e.Links.Entity.Href); err == nil && payment == "" {
		for _, part := range strings.Split(u.Path, "/") {
			if strings.HasPrefix(part, "tr_") {
				payment = part
			}
		}
	}
	if strings.HasPrefix(e.Type, "payout.") || strings.HasPrefix(e.Type, "balance-transaction.") {
		return []extract.Hint{{Stream: settlements}}, nil
	}
	if e.EntityID == "" {
		e.EntityID = e.ID
	}
	return hints(e.EntityID, payment), nil
}

// hints says what is worth fetching when id has changed. A payment link or a subscription is nothing of ours.
func hints(id, payment string) []extract.Hint {
	switch prefix, _, _ := strings.Cut(id, "_"); prefix {
	case "tr", "ord":
		return []extract.Hint{{Stream: payments, ID: id}}
	case "re", "cpt", "chb":
		if strings.HasPrefix(payment, "tr_") && extract.CheckID(payment, 255) == nil {
			return []extract.Hint{{Stream: payments, ID: payment}}
		}
		return []extract.Hint{{Stream: paymentList}}
	case "stl":
		return []extract.Hint{{Stream: settlements, ID: id}}
	}
	return nil
}
