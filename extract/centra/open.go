package centra

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/kvitt/kvitt/extract"
)

// Open returns an extractor for the Centra that cfg names. It never dials: whether the
// token is right is seen at the first request.
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
	token := cfg.Keys["access_token"]
	const whereTokensAre = "a token is made in Centra AMS → System → API tokens → + Integration API token"
	switch {
	case token == "":
		refuse(errors.New("access_token: is empty"), whereTokensAre)
	case strings.ContainsFunc(token, unicode.IsControl) || strings.TrimSpace(token) != token || strings.ContainsFunc(token, unicode.IsSpace):
		refuse(errors.New("access_token: holds a blank, a line break or another control character"), whereTokensAre)
	}
	var store int64
	if s := cfg.Keys["store"]; s != "" {
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil || n <= 0 {
			refuse(fmt.Errorf("store: %q is no store ID", s), "leave store out to read every store that the token shows")
		}
		store = n
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		refuse(err, "base_url is what stands before /graphql, e.g. https://yourshop.centra.com")
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	// Centra documents no redirect; following one could only carry the token away.
	hc := *cfg.Client
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{name: cfg.Name, base: base, token: token, store: store, http: &hc, now: cfg.Now, without: map[string]bool{}}, nil
}

// parseBase returns the address that /graphql is appended to. Each merchant has its own, so there is no default.
func parseBase(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("base_url: is missing; every Centra has an address of its own")
	}
	u, err := url.Parse(strings.TrimSuffix(strings.TrimRight(s, "/"), "/graphql"))
	if err != nil {
		// The text of a *url.Error holds the whole address, and perhaps a password in it.
		return nil, errors.New("base_url: is not an address")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("base_url: holds a username or password")
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
