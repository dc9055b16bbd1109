package mollie

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

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
		if err := credential("access_token", token); err != nil {
			refuse(err, whereTokensAre)
		} else if strings.HasPrefix(token, "live_") || strings.HasPrefix(token, "test_") {
			refuse(errors.New("access_token: is the API key of a website profile, which cannot read settlements"), whereTokensAre)
		}
		c.tokens = fixed(token)
	case id == "" && secret == "":
		refuse(errors.New("access_token: is empty"), whereTokensAre)
	default:
		for name, v := range map[string]string{"client_id": id, "client_secret": secret} {
			if err := credential(name, v); err != nil {
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

// credential checks the form of a token or secret. The value is in no message.
func credential(name, v string) error {
	switch {
	case v == "":
		return fmt.Errorf("%s: is empty", name)
	case strings.ContainsFunc(v, unicode.IsControl):
		return fmt.Errorf("%s: holds a line break or another control character", name)
	case strings.ContainsFunc(v, unicode.IsSpace):
		return fmt.Errorf("%s: holds a blank", name)
	}
	return nil
}

// parseBase returns the address that the documented paths are appended to; "" is the default.
func parseBase(s string) (*url.URL, error) {
	if s == "" {
		s = defaultBase
	}
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
		// The text of a *url.Error holds the whole address, and perhaps a password in it.
		return nil, errors.New("base_url: is not an address")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("base_url: holds a username or password; the token has a key of its own")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, fmt.Errorf("base_url: %q does not begin with https:// and a host", s)
	case u.Scheme == "http" && !near(u.Hostname()):
		return nil, fmt.Errorf("base_url: %q would send the token in the clear; use https", s)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("base_url: %q holds a query or a fragment", s)
	}
	return u, nil
}

// near reports whether host is this machine or one beside it, where a test server may
// speak plain HTTP: a loopback or private address, a name without a dot, or one under
// a domain that the public network does not have.
func near(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	i := strings.LastIndexByte(host, '.')
	return i < 0 || slices.Contains([]string{".localhost", ".internal", ".test"}, strings.ToLower(host[i:]))
}
