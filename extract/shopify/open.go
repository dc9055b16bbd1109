package shopify

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/kvitt/kvitt/extract"
)

// defaultVersion is the version of the API that this package was written against.
const defaultVersion = "2026-01"

// whereTokenIs says where a merchant finds the token.
const whereTokenIs = "access_token (shpat_…) is shown once in the Shopify admin → Settings → Apps → Develop apps → the app → API credentials"

var (
	shopName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]*$`)
	versions = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}|unstable)$`)
)

// domain returns the shop's own host: "exempel" and "https://exempel.myshopify.com/" are one.
func domain(shop string) (string, error) {
	s := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(shop), "https://"), "http://")
	s = strings.TrimSuffix(strings.TrimRight(s, "/"), ".myshopify.com")
	if !shopName.MatchString(s) {
		return "", fmt.Errorf("shop: %q is not the name before .myshopify.com", shop)
	}
	return strings.ToLower(s) + ".myshopify.com", nil
}

// Open returns an extractor for the shop that cfg names. It never dials.
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
	host, err := domain(cfg.Keys["shop"])
	if err != nil {
		refuse(err, `shop = "exempel" for exempel.myshopify.com: the shop's first name, not its domain for customers`)
	}
	if err := credential("access_token", cfg.Keys["access_token"]); err != nil {
		refuse(err, whereTokenIs)
	}
	version := cfg.Keys["api_version"]
	if version == "" {
		version = defaultVersion
	}
	if !versions.MatchString(version) {
		refuse(fmt.Errorf("api_version: %q is not a version", version), `Shopify's versions are quarters: api_version = "`+defaultVersion+`"`)
	}
	money, ok := map[string]string{"": "presentmentMoney", "presentment": "presentmentMoney", "shop": "shopMoney"}[cfg.Keys["money"]]
	if !ok {
		refuse(fmt.Errorf("money: %q is neither presentment nor shop", cfg.Keys["money"]), `write money = "presentment", the currency the customer paid in, or money = "shop"`)
	}
	base, err := parseBase(cfg.BaseURL, host)
	if err != nil {
		refuse(err, "base_url is what stands before /admin/api, e.g. https://exempel.myshopify.com; leave it out for the default")
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	// Shopify documents no redirect of the API; following one could only carry the token away.
	hc := *cfg.Client
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{name: cfg.Name, base: base, version: version, token: cfg.Keys["access_token"], money: money, http: &hc, now: cfg.Now}, nil
}

// credential checks the form of a secret. The value is in no message.
func credential(name, v string) error {
	switch {
	case v == "":
		return fmt.Errorf("%s: is empty", name)
	case strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("%s: holds a blank, a line break or another control character", name)
	}
	return nil
}

// parseBase returns the address that /admin/api is appended to; "" is the shop's own.
func parseBase(s, host string) (*url.URL, error) {
	if s == "" {
		s = "https://" + host
	}
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
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
// speak plain HTTP.
func near(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	host = strings.ToLower(host)
	for _, private := range []string{".localhost", ".test", ".local", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, private) {
			return true
		}
	}
	return !strings.Contains(host, ".")
}
