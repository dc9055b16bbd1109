package centra

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// maxAge is how old a signed call may be. Centra retries three times at most and says nothing of
// the pauses between.
const maxAge = time.Hour

// readHook reads a Centra Webhook: a form with JSON in its field payload, signed by
// X-Centra-Signature: t=<Unix time>,v1=<hex HMAC-SHA256 of "<t>.<raw body>">.
//
// Source: https://docs.centra.com/plugins/centra-webhook
func readHook(cfg extract.Config, call extract.Call) ([]extract.Hint, error) {
	secret := cfg.Keys["webhook_secret"]
	if secret == "" {
		return nil, fmt.Errorf("%w: webhook_secret is not set", extract.ErrAuth)
	}
	var stamp string
	var sums []string
	for part := range strings.SplitSeq(call.Header.Get("X-Centra-Signature"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			stamp = value
		case "v1":
			sums = append(sums, value)
		}
	}
	if stamp == "" || len(sums) == 0 {
		return nil, fmt.Errorf("%w: no X-Centra-Signature", extract.ErrAuth)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(call.Body)
	want := mac.Sum(nil)
	good := false
	for _, s := range sums {
		got, err := hex.DecodeString(s)
		good = (err == nil && hmac.Equal(got, want)) || good
	}
	if !good {
		return nil, fmt.Errorf("%w: X-Centra-Signature does not fit the body", extract.ErrAuth)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: X-Centra-Signature has no time", extract.ErrAuth)
	}
	if age := call.At.Sub(time.Unix(seconds, 0)); age > maxAge || age < -maxAge {
		return nil, fmt.Errorf("%w: X-Centra-Signature is %s old", extract.ErrAuth, age.Round(time.Second))
	}
	form, err := url.ParseQuery(string(call.Body))
	if err != nil || !form.Has("payload") {
		return nil, fmt.Errorf("%w: no form with a payload", extract.ErrMalformed)
	}
	var payload struct {
		Events []struct {
			Type string      `json:"type"`
			ID   json.Number `json:"id"`
		} `json:"events"`
	}
	dec := json.NewDecoder(strings.NewReader(form.Get("payload")))
	dec.UseNumber()
	if err := dec.Decode(&payload); err != nil {
		return nil, fmt.Errorf("%w: the payload is not the JSON that is documented", extract.ErrMalformed)
	}
	var hints []extract.Hint
	seen := map[extract.Hint]bool{}
	for _, e := range payload.Events {
		var h extract.Hint
		switch e.Type {
		case "order": // its ID is the order's number
			h = extract.Hint{Stream: orders, ID: e.ID.String()}
		case "shipment", "return": // their IDs are their own; the window finds the order
			h = extract.Hint{Stream: orders}
		default:
			continue
		}
		if !seen[h] {
			seen[h] = true
			hints = append(hints, h)
		}
	}
	return hints, nil
}
