package woocommerce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// maxBody bounds one answer; a page of 100 orders is about half a megabyte.
const maxBody = 64 << 20

// api is what stands before each path below.
const api = "/wc/v3"

// An answer is a response that is worth reading: 200, or that there is no such document.
type answer struct {
	body   []byte
	typ    string
	header http.Header
	gone   bool
}

// get asks for path below /wc/v3. A site that has no pretty permalinks is found out once, and so is
// one that takes signatures only.
//
// Errors: the context's; ErrTransient, ErrAuth, ErrRefused, ErrMalformed, saying which. None of
// them holds key, secret or query.
func (c *client) get(ctx context.Context, path string, query url.Values) (answer, error) {
	routed, auth := c.routed.Load(), c.method()
	a, status, err := c.ask(ctx, path, query, routed, auth)
	for tried := err; ; tried = err {
		foreign := new(foreignError)
		switch {
		case status == http.StatusUnauthorized && c.auth == "" && auth == "header" && c.base.Scheme == "http":
			auth = "oauth"
		case status == http.StatusNotFound && errors.As(err, &foreign) && !routed:
			routed = true
		case err == nil:
			c.routed.Store(routed)
			c.signed.Store(auth == "oauth")
			return a, nil
		default:
			return a, err
		}
		if a, status, err = c.ask(ctx, path, query, routed, auth); err != nil && status == http.StatusNotFound && errors.As(err, &foreign) {
			return a, tried // neither way leads to WordPress: what it said first is what a person should see
		}
	}
}

func (c *client) method() string {
	if c.auth == "" && c.signed.Load() {
		return "oauth"
	}
	if c.auth == "" {
		return "header"
	}
	return c.auth
}

// A foreignError is a refusal that is not in WordPress's words: something else answered.
type foreignError struct{ error }

func (f *foreignError) Unwrap() error { return f.error }

// ask asks once, in one of the ways there are, and also returns the status, 0 if none came.
func (c *client) ask(ctx context.Context, path string, query url.Values, routed bool, auth string) (answer, int, error) {
	u := *c.base
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	if routed {
		u.Path, u.RawPath = u.Path+"/index.php", ""
		q.Set("rest_route", api+path)
	} else {
		u.Path, u.RawPath = u.Path+"/wp-json"+api+path, ""
	}
	if auth == "query" {
		q.Set("consumer_key", c.key)
		q.Set("consumer_secret", c.secret)
	}
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, 0, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	switch auth {
	case "header":
		req.SetBasicAuth(c.key, c.secret)
	case "oauth":
		sign(req, c.key, c.secret, c.now())
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, 0, extract.Unreachable(ctx, err, c.wrongBase())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return answer{}, 0, extract.Unreachable(ctx, err, c.wrongBase())
	}
	if len(body) > maxBody {
		return answer{}, resp.StatusCode, fmt.Errorf("%w: an answer of more than %d MB", extract.ErrMalformed, maxBody>>20)
	}
	a := answer{body: body, typ: extract.MediaType(resp.Header, "application/json"), header: resp.Header}
	a.gone, err = c.judge(resp, body)
	if err != nil {
		return answer{}, resp.StatusCode, err
	}
	return a, resp.StatusCode, nil
}

// judge says what an answer's status means.
func (c *client) judge(resp *http.Response, body []byte) (gone bool, err error) {
	refusal, documented := readRefusal(body)
	says := refusal.after(resp.Status)
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		if json.Valid(body) {
			return false, nil
		}
		return false, extract.Advise(fmt.Errorf("%w: %s", extract.ErrMalformed, notJSON(body)), c.notJSON(body))
	case documented && refusal.Code == "rest_no_route":
		return false, extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.noRoute())
	case documented && (code == http.StatusNotFound || code == http.StatusGone),
		code == http.StatusBadRequest && strings.HasSuffix(refusal.Code, "invalid_id"):
		return true, nil
	case code == http.StatusUnauthorized:
		return false, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.wrongKey(refusal))
	case code == http.StatusForbidden:
		return false, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.weakKey(documented))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return false, fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code == http.StatusNotFound: // not WordPress's words: another server, or a path that is not there
		return false, &foreignError{extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase())}
	case code >= 400:
		return false, fmt.Errorf("%w: %s", extract.ErrRefused, says)
	case code >= 300:
		return false, extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.moved(resp))
	default:
		return false, extract.Advise(fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase())
	}
}

// A refusal is the body WordPress refuses with.
// Source: the WooCommerce documentation, "Errors".
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// readRefusal reports false when body is not WordPress's: a proxy or another server may have answered.
func readRefusal(body []byte) (refusal, bool) {
	var r refusal
	if json.Unmarshal(body, &r) != nil || r.Code == "" {
		return refusal{}, false
	}
	return r, true
}

// after returns status followed by what the shop says, on one line of reasonable length.
func (r refusal) after(status string) string {
	if r.Code != "" {
		status += ", " + r.Code
	}
	if r.Message != "" {
		status += ": " + r.Message
	}
	return clip(status)
}

// notJSON says what came instead of JSON, as far as that can be told without quoting a page.
func notJSON(body []byte) string {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return "an empty answer where JSON is due"
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return "a byte order mark stands before the JSON"
	case body[0] == '<' && hasJSON(body):
		return "HTML stands before the JSON"
	case body[0] == '<':
		return "a web page where JSON is due"
	case hasJSON(body):
		return "text stands before or after the JSON"
	}
	return "not JSON"
}

// hasJSON reports whether an answer of the API seems to be in body, with something about it.
func hasJSON(body []byte) bool {
	for _, begin := range []string{`[{"id":`, `{"id":`, `{"code":`} {
		if bytes.Contains(body, []byte(begin)) {
			return true
		}
	}
	return bytes.HasSuffix(body, []byte("[]"))
}

// clip keeps a text from filling a log: control characters become blanks, and what is beyond
// 300 characters is cut.
func clip(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
	if len(runes) > 300 {
		return string(runes[:300]) + "…"
	}
	return string(runes)
}
