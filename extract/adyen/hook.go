package adyen

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// A notification is a standard webhook, as much of it as is signed or read.
// Source: NotificationRequestItem in Adyen's Webhooks v1.
type notification struct {
	AdditionalData struct {
		HMAC string `json:"hmacSignature"`
	} `json:"additionalData"`
	Amount struct {
		Currency string `json:"currency"`
		Value    scalar `json:"value"`
	} `json:"amount"`
	EventCode           string `json:"eventCode"`
	MerchantAccountCode string `json:"merchantAccountCode"`
	MerchantReference   string `json:"merchantReference"`
	OriginalReference   string `json:"originalReference"`
	PSPReference        string `json:"pspReference"`
	Reason              string `json:"reason"`
	Success             scalar `json:"success"`
}

// A scalar is a number, a truth value or a text, as its text: Adyen writes "true" and 1000, and in old notifications "1000".
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(s))
	}
	if bytes.ContainsAny(b, "{[") {
		return fmt.Errorf("%.20q is no single value", b)
	}
	if *s = scalar(b); *s == "null" {
		*s = ""
	}
	return nil
}

// signed is what the signature is over: eight fields, what is missing empty, nothing escaped.
// Source: https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures, and the vectors of Adyen's libraries.
func (n notification) signed() string {
	return strings.Join([]string{n.PSPReference, n.OriginalReference, n.MerchantAccountCode, n.MerchantReference,
		string(n.Amount.Value), n.Amount.Currency, n.EventCode, string(n.Success)}, ":")
}

// readHook reads Adyen's standard webhooks. One that tells of a new settlement details report of the
// own account is a hint to fetch it; all others are accepted and mean nothing here.
//
// The report's address, in the field reason, is not signed: whoever tampers with it must not get a
// password sent there. The report is fetched by its name, which is signed, from base_url; an
// address that is not Adyen's nor base_url's, or that is no report of the own account, is refused.
func readHook(cfg extract.Config, call extract.Call) ([]extract.Hint, error) {
	keys, err := hmacKeys(cfg.Keys["hmac_key"])
	if err != nil {
		return nil, err
	}
	var envelope struct {
		Items []struct {
			Item *notification `json:"NotificationRequestItem"`
		} `json:"notificationItems"`
	}
	if err := json.Unmarshal(call.Body, &envelope); err != nil {
		return nil, fmt.Errorf("%w: no notification of Adyen's: %w", extract.ErrMalformed, err)
	}
	if len(envelope.Items) == 0 {
		return nil, fmt.Errorf("%w: a notification without items", extract.ErrMalformed)
	}
	var hints []extract.Hint
	for i, it := range envelope.Items {
		if it.Item == nil {
			return nil, fmt.Errorf("%w: item %d of the notification is empty", extract.ErrMalformed, i)
		}
		if err := it.Item.check(keys); err != nil {
			return nil, err
		}
	}
	for _, it := range envelope.Items {
		n := it.Item
		if n.EventCode != "REPORT_AVAILABLE" || n.Success != "true" || n.MerchantAccountCode != cfg.Keys["merchant_account"] || !reportFile.MatchString(n.PSPReference) {
			continue
		}
		if err := n.ownReport(cfg); err != nil {
			return nil, err
		}
		hints = append(hints, extract.Hint{Stream: Reports, ID: n.MerchantAccountCode + "/" + n.PSPReference})
	}
	return hints, nil
}

// check compares the signature, in constant time, with that of every key.
func (n notification) check(keys [][]byte) error {
	if n.AdditionalData.HMAC == "" {
		return fmt.Errorf("%w: the notification is not signed; switch on its HMAC key in the Customer Area → Developers → Webhooks", extract.ErrAuth)
	}
	got, err := base64.StdEncoding.DecodeString(n.AdditionalData.HMAC)
	if err != nil {
		return fmt.Errorf("%w: hmacSignature is not base64", extract.ErrAuth)
	}
	ok := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(n.signed()))
		if hmac.Equal(got, mac.Sum(nil)) {
			ok = true
		}
	}
	if !ok {
		return fmt.Errorf("%w: the signature of the notification fits none of %d keys", extract.ErrAuth, len(keys))
	}
	return nil
}

// hmacKeys reads the keys of the webhook: several, with commas between, while one replaces another.
func hmacKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' }) {
		key, err := hex.DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("%w: hmac_key is not hexadecimal; the Customer Area shows it as 64 digits, once, when it is made", extract.ErrAuth)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: hmac_key is not set, so no notification can be believed", extract.ErrAuth)
	}
	return keys, nil
}

// ownReport checks that the address is that of a report of the own account, at Adyen or where base_url points.
func (n notification) ownReport(cfg extract.Config) error {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return err
	}
	refuse := func(why string) error {
		return fmt.Errorf("%w: the notification of %s names an address that %s; nothing was asked there", extract.ErrMalformed, n.PSPReference, why)
	}
	u, err := url.Parse(n.Reason)
	if err != nil || u.Host == "" || u.User != nil {
		return refuse("is none")
	}
	host := strings.ToLower(u.Hostname())
	prefix := ""
	switch {
	case u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host):
		prefix = base.Path
	case u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") && strings.HasSuffix(host, ".adyen.com"):
	default:
		return refuse("is neither Adyen's nor base_url's: " + host)
	}
	path := "/reports/download/MerchantAccount/" + n.MerchantAccountCode + "/" + n.PSPReference
	if u.Path != prefix+path && u.Path != path {
		return refuse("is not of a report of " + n.MerchantAccountCode)
	}
	return nil
}

// reply is what Adyen waits for: without it the notification comes again for days.
func reply(extract.Call) (mediaType string, body []byte) { return "text/plain", []byte("[accepted]") }
