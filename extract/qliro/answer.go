package qliro

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// maxBody bounds one answer. Nothing is paged: 64 MB are a batch of 90 000 lines, of one day and acquirer.
const maxBody = 64 << 20

// errNotSettled is Qliro's refusal of a period that today is in.
var errNotSettled = errors.New("the period is not settled")

// authorization signs a request: base64 of the SHA-256 of its body and the secret. A GET has no body.
// Source: https://developers.qliro.com/ → Authorization.
func authorization(body []byte, secret string) string {
	h := sha256.New()
	h.Write(body)
	h.Write([]byte(secret))
	return "Qliro " + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// An answer is a response that is worth reading: 200, or a 404 in Qliro's own words.
type answer struct {
	body []byte
	typ  string
	gone bool
}

// get asks for path, which is escaped already, below the base address.
//
// Errors: the context's; ErrTransient, ErrAuth, ErrRefused, ErrMalformed, saying which;
// errNotSettled besides, where that is why. None of them holds the secret or what is made of it.
func (c *client) get(ctx context.Context, path string, query url.Values) (answer, error) {
	u, err := url.Parse(c.base.String() + path)
	if err != nil {
		return answer{}, fmt.Errorf("%w: no address can be made of it", extract.ErrRefused)
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req.Header.Set("Authorization", c.signed)
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, extract.Unreachable(ctx, err, c.wrongBase())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return answer{}, extract.Unreachable(ctx, err, c.wrongBase())
	}
	if len(body) > maxBody {
		return answer{}, fmt.Errorf("%w: an answer of more than %d MB", extract.ErrMalformed, maxBody>>20)
	}
	a := answer{body: body, typ: extract.MediaType(resp.Header, "application/json")}
	if resp.StatusCode == http.StatusOK {
		return a, nil
	}
	return c.refused(resp, a)
}

// refused reads an answer that is not 200. Some refusals come as 400 with a code that says more.
func (c *client) refused(resp *http.Response, a answer) (answer, error) {
	refusal, documented := readRefusal(a.body)
	says := refusal.after(resp.Status)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound && documented, code == http.StatusBadRequest && refusal.Code == "ORDER_NOT_FOUND":
		a.gone = true
		return a, nil
	case code == http.StatusUnauthorized, code == http.StatusBadRequest && refusal.Code == "UNAUTHORIZED":
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.wrongKey())
	case code == http.StatusForbidden, code == http.StatusBadRequest && refusal.Code == "FORBIDDEN":
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.weakKey())
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code == http.StatusNotFound: // not Qliro's words: another server, or a path that is not there
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase())
	case refusal.Code == "PERIOD_NOT_SETTLED":
		return answer{}, fmt.Errorf("%w: %w: %s", extract.ErrRefused, errNotSettled, says)
	case code >= 400:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrRefused, says)
	case code >= 300:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase())
	default:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase())
	}
}

// A refusal is the body Qliro refuses with.
// Source: Admin API v2, ErrorResponseModel.
type refusal struct {
	Code      string `json:"ErrorCode"`
	Message   string `json:"ErrorMessage"`
	Reference string `json:"ErrorReference"` // what Qliro's support asks for
}

// readRefusal reports false when body is not Qliro's: a proxy or another server may have answered.
func readRefusal(body []byte) (refusal, bool) {
	var r refusal
	if json.Unmarshal(body, &r) != nil || r.Code == "" {
		return refusal{}, false
	}
	return r, true
}

// after returns status followed by what Qliro says, on one line of reasonable length.
func (r refusal) after(status string) string {
	var b strings.Builder
	b.WriteString(status)
	if r.Code != "" {
		b.WriteString(", " + r.Code)
	}
	if r.Message != "" {
		b.WriteString(": " + r.Message)
	}
	if r.Reference != "" {
		b.WriteString(", reference " + r.Reference)
	}
	return extract.Clip(b.String())
}
