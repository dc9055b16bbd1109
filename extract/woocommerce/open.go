package woocommerce

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// What the settings are when nobody says otherwise. The staging SQL knows them too.
const (
	defaultDelivered  = "completed"
	defaultVATCountry = "shipping"
)

var (
	statusName  = regexp.MustCompile(`^[a-z0-9_-]+$`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
)

// Open returns an extractor for the shop that cfg names. It never dials: whether the key is
// right is seen at the first request.
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
	key, secret := cfg.Keys["consumer_key"], cfg.Keys["consumer_secret"]
	if err := extract.Credential("consumer_key", key); err != nil {
		refuse(err, whereKeysAre)
	} else if strings.Contains(key, ":") {
		// RFC 7617 §2: everything after the first colon would be read as the password.
		refuse(errors.New("consumer_key: holds a colon"), whereKeysAre)
	}
	if err := extract.Credential("consumer_secret", secret); err != nil {
		refuse(err, whereKeysAre)
	}
	base, routed, err := parseBase(cfg.BaseURL)
	if err != nil {
		refuse(err, `base_url is the address of the WordPress site, e.g. "https://shop.example.com" or "https://example.com/butik"`)
	}
	auth := cfg.Keys["auth"]
	if !slices.Contains([]string{"", "header", "query", "oauth"}, auth) {
		refuse(fmt.Errorf("auth: %q is none of header, query and oauth", auth), "leave it out unless the shop's host drops the Authorization header")
	}
	settings, err := readSettings(cfg.Keys)
	if err != nil {
		refuse(err, "")
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	// A redirect could only carry the secret away, or turn a question into another.
	hc := *cfg.Client
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &client{name: cfg.Name, base: base, key: key, secret: secret, settings: settings, http: &hc, now: cfg.Now, auth: auth}
	c.routed.Store(routed)
	return c, nil
}

// readSettings returns what the staging SQL must know, without what is the default.
func readSettings(keys map[string]string) (url.Values, error) {
	out := url.Values{}
	var statuses []string
	for s := range strings.SplitSeq(keys["delivered_when"], ",") {
		s = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "wc-")
		if s == "" {
			continue
		}
		if !statusName.MatchString(s) {
			return nil, fmt.Errorf("delivered_when: %q is no order status; write e.g. \"completed\" or \"completed,shipped\"", s)
		}
		statuses = append(statuses, s)
	}
	slices.Sort(statuses)
	if s := strings.Join(slices.Compact(statuses), ","); s != "" && s != defaultDelivered {
		out.Set("delivered", s)
	}
	switch v := keys["vat_country"]; {
	case v == "" || strings.EqualFold(v, defaultVATCountry):
	case strings.EqualFold(v, "billing"):
		out.Set("vat_country", "billing")
	case countryCode.MatchString(strings.ToUpper(v)):
		out.Set("vat_country", strings.ToUpper(v))
	default:
		return nil, fmt.Errorf("vat_country: %q is none of shipping, billing and a country such as SE", v)
	}
	return out, nil
}

// parseBase returns the address of the site, and whether its API is to be asked for by
// rest_route: people paste the address of the API in any of its forms.
func parseBase(s string) (u *url.URL, routed bool, err error) {
	if s == "" {
		return nil, false, errors.New("base_url: is empty, and every shop has an address of its own")
	}
	bare, query, _ := strings.Cut(s, "?")
	if values, err := url.ParseQuery(query); err == nil && len(values) == 1 && values.Has("rest_route") {
		s, routed = bare, true
	}
	u, err = extract.Address(s, "orders and keys")
	if err != nil {
		return nil, false, err
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if strings.HasSuffix(path, "/index.php") {
		routed = true
	}
	for _, end := range []string{"/index.php", "/wc/v3", "/wc", "/wp-json"} {
		path = strings.TrimRight(strings.TrimSuffix(path, end), "/")
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, false, errors.New("base_url: is not an address")
	}
	u.Path, u.RawPath = plain, path
	return u, routed, nil
}
