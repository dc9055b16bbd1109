package klarna

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// defaultBase is Klarna's production host for Europe. Others are api-na, api-oc and
// the playground's; Kustom's is https://api.kustom.co.
const defaultBase = "https://api.klarna.com"

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
	username, password := cfg.Keys["username"], cfg.Keys["password"]
	if err := extract.Credential("username", username); err != nil {
		refuse(err, whereKeysAre)
	} else if strings.Contains(username, ":") {
		// RFC 7617 §2: everything after the first colon would be read as the password.
		refuse(errors.New("username: holds a colon"), whereKeysAre)
	}
	if err := extract.Credential("password", password); err != nil {
		refuse(err, whereKeysAre)
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		refuse(err, "base_url is what stands before /settlements/v1, e.g. "+defaultBase)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	// Klarna documents no redirect; following one could only carry the password away.
	hc := *cfg.Client
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{name: cfg.Name, base: base, username: username, password: password, http: &hc, now: cfg.Now}, nil
}

// parseBase returns the address that the documented paths are appended to; "" is the default.
func parseBase(s string) (*url.URL, error) {
	return extract.Address(cmp.Or(s, defaultBase), "the password")
}
