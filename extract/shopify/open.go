package shopify

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

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
	if err := extract.Token("access_token", cfg.Keys["access_token"]); err != nil {
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

// parseBase returns the address that /admin/api is appended to; "" is the shop's own.
func parseBase(s, host string) (*url.URL, error) {
	return extract.Address(cmp.Or(s, "https://"+host), "the token")
}
