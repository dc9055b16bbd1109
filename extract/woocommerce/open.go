package woocommerce

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

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
	if err := credential("consumer_key", key); err != nil {
		refuse(err, whereKeysAre)
	} else if strings.Contains(key, ":") {
		// RFC 7617 §2: everything after the first colon would be read as the password.
		refuse(errors.New("consumer_key: holds a colon"), whereKeysAre)
	}
	if err := credential("consumer_secret", secret); err != nil {
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

// credential checks the form of a key. The value is in no message.
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

// parseBase returns the address of the site, and whether its API is to be asked for by
// rest_route: people paste the address of the API in any of its forms.
func parseBase(s string) (u *url.URL, routed bool, err error) {
	if s == "" {
		return nil, false, errors.New("base_url: is empty, and every shop has an address of its own")
	}
	u, err = url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
		// The text of a *url.Error holds the whole address, and perhaps a password in it.
		return nil, false, errors.New("base_url: is not an address")
	}
	query := u.Query()
	if query.Has("rest_route") {
		routed = true
		query.Del("rest_route")
		u.RawQuery = ""
	}
	switch {
	case u.User != nil:
		return nil, false, errors.New("base_url: holds a username or password; they have keys of their own")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, false, fmt.Errorf("base_url: %q does not begin with https:// and a host", s)
	case u.Scheme == "http" && !near(u.Hostname()):
		return nil, false, errors.New("base_url: would send orders and keys in the clear; use https")
	case len(query) > 0 || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, false, errors.New("base_url: holds a query or a fragment")
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
