package adyen

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// defaultBase is where live accounts' reports are; those of test accounts are at https://ca-test.adyen.com.
const defaultBase = "https://ca-live.adyen.com"

// Open returns an extractor for the merchant account that cfg names. It never dials.
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
	account, user, password := cfg.Keys["merchant_account"], cfg.Keys["report_user"], cfg.Keys["report_password"]
	if err := extract.Credential("merchant_account", account); err != nil {
		refuse(err, "its name stands at the top of the Customer Area")
	} else if strings.ContainsAny(account, `/\:?#%`) || account == "." || account == ".." {
		refuse(errors.New("merchant_account: holds a character that no account's name has"), "write the name alone, without an address")
	}
	if err := extract.Credential("report_user", user); err != nil {
		refuse(err, whereUserIs)
	} else if strings.Contains(user, ":") {
		// RFC 7617 §2: everything after the first colon would be read as the password.
		refuse(errors.New("report_user: holds a colon"), whereUserIs)
	}
	if err := extract.Credential("report_password", password); err != nil {
		refuse(err, whereUserIs)
	}
	first := 0
	if s := cfg.Keys["first_batch"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxBatch {
			refuse(fmt.Errorf("first_batch: %q is no batch number", s), "the Customer Area lists the batches under Reports → Settlement details")
		}
		first = n
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		refuse(err, "base_url is what stands before /reports/download, e.g. "+defaultBase)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	hc := *cfg.Client
	hc.CheckRedirect = sameOrigin
	return &client{name: cfg.Name, base: base, account: account, user: user, password: password, first: first, http: &hc, now: cfg.Now}, nil
}

// sameOrigin follows a redirect within the host that was asked, and no other: the password goes along.
func sameOrigin(req *http.Request, via []*http.Request) error {
	if from := via[0].URL; len(via) > 3 || req.URL.Scheme != from.Scheme || req.URL.Host != from.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// parseBase returns the address that the documented paths are appended to; "" is the default.
func parseBase(s string) (*url.URL, error) {
	return extract.Address(cmp.Or(s, defaultBase), "the password")
}
