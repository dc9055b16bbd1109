package qliro

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
		if err := credential(name, cfg.Keys[name]); err != nil {
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

// credential checks the form of a key or secret. The value is in no message.
func credential(name, v string) error {
	switch {
	case v == "":
		return fmt.Errorf("%s: is empty", name)
	case strings.ContainsFunc(v, unicode.IsControl):
		return fmt.Errorf("%s: holds a line break or another control character", name)
	case strings.TrimSpace(v) != v:
		return fmt.Errorf("%s: begins or ends with a blank", name)
	}
	return nil
}

// parseBase returns the address that the documented paths are appended to; "" is the default.
// Qliro's own documentation counts part of the path to the server: that part may be there.
func parseBase(s string) (*url.URL, error) {
	if s == "" {
		s = defaultBase
	}
	s = strings.TrimRight(s, "/")
	for _, tail := range []string{adminAPI, "/checkout/adminapi", "/checkout"} {
		if rest, ok := strings.CutSuffix(s, tail); ok {
			s = rest
			break
		}
	}
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
		// The text of a *url.Error holds the whole address, and perhaps a password in it.
		return nil, errors.New("base_url: is not an address")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("base_url: holds a username or password; they have keys of their own")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, fmt.Errorf("base_url: %q does not begin with https:// and a host", s)
	case u.Scheme == "http" && !near(u.Hostname()):
		return nil, fmt.Errorf("base_url: %q would send what stands for the secret in the clear; use https", s)
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
