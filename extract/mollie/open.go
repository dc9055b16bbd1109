package mollie

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// defaultBase is Mollie's one host, for live and test mode.
const defaultBase = "https://api.mollie.com"

// Open returns an extractor for the account that cfg names. It never dials: whether
// the token is right is seen at the first request.
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
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		refuse(err, "base_url is what stands before /v2/settlements, e.g. "+defaultBase)
	}
	var test bool
	switch cfg.Keys["testmode"] {
	case "", "false":
	case "true":
		test = true
	default:
		refuse(errors.New("testmode: is neither true nor false"), `write testmode = "true", or leave it out`)
	}
	var hc http.Client
	if cfg.Client != nil {
		hc = *cfg.Client
	}
	// Mollie documents no redirect; following one could only carry the token away.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &client{name: cfg.Name, base: base, test: test, http: &hc, now: cfg.Now}
	token := cfg.Keys["access_token"]
	switch id, secret := cfg.Keys["client_id"], cfg.Keys["client_secret"]; {
	case token != "":
		if err := extract.Token("access_token", token); err != nil {
			refuse(err, whereTokensAre)
		} else if strings.HasPrefix(token, "live_") || strings.HasPrefix(token, "test_") {
			refuse(errors.New("access_token: is the API key of a website profile, which cannot read settlements"), whereTokensAre)
		}
		c.tokens = fixed(token)
	case id == "" && secret == "":
		refuse(errors.New("access_token: is empty"), whereTokensAre)
	default:
		for name, v := range map[string]string{"client_id": id, "client_secret": secret} {
			if err := extract.Token(name, v); err != nil {
				refuse(err, whereAppsAre)
			}
		}
		if cfg.Vault == nil {
			refuse(errors.New("there is no place to keep the OAuth token in"), "set access_token instead")
		}
		if base != nil {
			c.tokens = &granted{name: cfg.Name, id: id, secret: secret, url: base.String() + tokenPath, vault: cfg.Vault, http: &hc, now: cfg.Now}
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return c, nil
}

// parseBase returns the address that the documented paths are appended to; "" is the default.
func parseBase(s string) (*url.URL, error) {
	return extract.Address(cmp.Or(s, defaultBase), "the token")
}
