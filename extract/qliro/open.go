package qliro

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// defaultBase is Qliro's production host; https://pago.qit.nu is the test environment.
const defaultBase = "https://payments.qit.nu"

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
	// Reading takes the secret alone; the key names the account.
	for _, name := range []string{"api_key", "api_secret"} {
		if err := extract.Credential(name, cfg.Keys[name]); err != nil {
			refuse(err, whereKeysAre)
		}
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		refuse(err, "base_url is what stands before "+adminAPI+", e.g. "+defaultBase)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	// Qliro documents no redirect; following one could only carry the secret away.
	hc := *cfg.Client
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{name: cfg.Name, base: base, signed: authorization(nil, cfg.Keys["api_secret"]), http: &hc, now: cfg.Now}, nil
}

// parseBase returns the address that the documented paths are appended to; "" is the default.
// Qliro's own documentation counts part of the path to the server: that part may be there.
func parseBase(s string) (*url.URL, error) {
	s = strings.TrimRight(cmp.Or(s, defaultBase), "/")
	for _, tail := range []string{adminAPI, "/checkout/adminapi", "/checkout"} {
		if rest, ok := strings.CutSuffix(s, tail); ok {
			s = rest
			break
		}
	}
	return extract.Address(s, "what stands for the secret")
}
