package svea

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// The Payment Admin API's hosts, live and test.
const (
	defaultBase = "https://paymentadminapi.svea.com"
	stageBase   = "https://paymentadminapistage.svea.com"
)

// Open returns an extractor for the account that cfg names. It never dials: whether
// the key is right is seen at the first request.
//
// Errors: *extract.Error for everything in cfg that cannot be right, joined.
func Open(cfg extract.Config) (extract.Extractor, error) {
	var wrong []error
	refuse := func(err error, do string) {
		wrong = append(wrong, &extract.Error{Source: cfg.Name, Err: err, Do: do})
	}
	if cfg.Client == nil || cfg.Now == nil {
		refuse(errors.New("opened without an HTTP client or a clock"), "")
	}
	merchant, secret := cfg.Keys["merchant_id"], cfg.Keys["secret"]
	if err := extract.Credential("merchant_id", merchant); err != nil {
		refuse(err, whereKeysAre)
	} else if strings.Contains(merchant, ":") {
		// Everything after the first colon would be read as the signature.
		refuse(errors.New("merchant_id: holds a colon"), whereKeysAre)
	}
	if err := extract.Credential("secret", secret); err != nil {
		refuse(err, whereKeysAre)
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		refuse(err, "base_url is what stands before /api/v2/reports, e.g. "+defaultBase)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	// Svea documents no redirect; following one could only carry the signature away.
	hc := *cfg.Client
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{name: cfg.Name, base: base, merchant: merchant, secret: secret, http: &hc, now: cfg.Now}, nil
}

// parseBase returns the address that the documented paths are appended to; "" is the default.
func parseBase(s string) (*url.URL, error) {
	return extract.Address(cmp.Or(s, defaultBase), "what is signed")
}
