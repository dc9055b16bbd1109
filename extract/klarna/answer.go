package klarna

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
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
		return answer{}, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return answer{}, c.unreachable(ctx, err)
	}
	if len(body) > maxBody {
		return answer{}, fmt.Errorf("%w: an answer of more than %d MB", extract.ErrMalformed, maxBody>>20)
	}
	a := answer{body: body, typ: mediaType(resp.Header)}
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
		return answer{}, &advised{fmt.Errorf("%w: %s", extract.ErrAuth, says), c.wrongKey()}
	case code == http.StatusForbidden:
		return answer{}, &advised{fmt.Errorf("%w: %s", extract.ErrAuth, says), c.weakKey()}
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code == http.StatusNotFound: // not Klarna's words: another server, or a path that is not there
		return answer{}, &advised{fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase()}
	case code >= 400:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrRefused, says)
	case code >= 300:
		return answer{}, &advised{fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase()}
	default:
		return answer{}, &advised{fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase()}
	}
}

// unreachable says why no whole answer came. The address is cut from the message: the
// error's Where names the path.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &advised{fmt.Errorf("%w: %w", extract.ErrRefused, err), c.wrongBase()}
	}
	return fmt.Errorf("%w: %w", extract.ErrTransient, err)
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
	return clip(b.String())
}

// clip keeps a provider's text from filling a log: control characters become blanks,
// and what is beyond 500 characters is cut.
func clip(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
	if len(runes) > 500 {
		return string(runes[:500]) + "…"
	}
	return string(runes)
}

// mediaType returns the media type without its parameters; JSON when none is stated.
func mediaType(h http.Header) string {
	if t, _, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil {
		return t
	}
	return "application/json"
}
