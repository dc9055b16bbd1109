package klarna

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// maxBody bounds one answer; a full page of 500 lines is about half a megabyte.
const maxBody = 64 << 20

// An answer is a response that is worth reading: 200, or a 404 in Klarna's own words.
type answer struct {
	body []byte
	typ  string
	gone bool
}

// get asks for path, which is escaped already, below the base address.
//
// Errors: the context's; ErrTransient, ErrAuth, ErrRefused, ErrMalformed, saying
// which. None of them holds the username, the password or the query.
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
	req.SetBasicAuth(c.username, c.password)
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
	refusal, documented := readRefusal(body)
	says := refusal.after(resp.Status)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound && documented:
		a.gone = true
		return a, nil
	case code == http.StatusUnauthorized:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.wrongKey())
	case code == http.StatusForbidden:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.weakKey())
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code == http.StatusNotFound: // not Klarna's words: another server, or a path that is not there
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase())
	case code >= 400:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrRefused, says)
	case code >= 300:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase())
	default:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase())
	}
}

// A refusal is the body Klarna refuses with.
// Source: ErrorResponse in Settlements v1, ErrorMessageDto in Order Management v1.
type refusal struct {
	Code     string   `json:"error_code"`
	Messages []string `json:"error_messages"`
	ID       string   `json:"correlation_id"` // what Klarna's support asks for
}

// readRefusal reports false when body is not Klarna's: a proxy or another server may have answered.
func readRefusal(body []byte) (refusal, bool) {
	var r refusal
	if json.Unmarshal(body, &r) != nil || r.Code == "" {
		return refusal{}, false
	}
	return r, true
}

// after returns status followed by what Klarna says, on one line of reasonable length.
func (r refusal) after(status string) string {
	var b strings.Builder
	b.WriteString(status)
	if r.Code != "" {
		b.WriteString(", " + r.Code)
	}
	if len(r.Messages) > 0 {
		b.WriteString(": " + strings.Join(r.Messages, "; "))
	}
	if r.ID != "" {
		b.WriteString(", correlation ID " + r.ID)
	}
	return extract.Clip(b.String())
}
