package centra

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	return extract.Address(strings.TrimSuffix(strings.TrimRight(s, "/"), "/graphql"), "the token")
}
