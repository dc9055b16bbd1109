package mollie

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

// maxBody bounds one answer; a full page of 250 payments is about one megabyte.
const maxBody = 64 << 20

// What a person is told about keys and hosts.
const (
	whereTokensAre = "access_token is an organization access token (access_…), made in the Mollie dashboard → More → Developers → Organization access tokens, " +
		"with the permissions settlements.read, payments.read and refunds.read, and balances.read for fees per payment"
	whereAppsAre = "client_id and client_secret are those of your app in the Mollie dashboard → More → Developers → Your apps"
	connectAgain = "allow it anew: kvitt connect, with the name of the source"
)

// wrongBase advises when something else than Mollie's API seems to answer.
func (c *client) wrongBase() string {
	return fmt.Sprintf("check base_url, which is all that stands before /v2: %s was asked", c.base.Redacted())
}

// An answer is a response that is worth reading: 200, or a 404 or 410 in Mollie's own words.
type answer struct {
	body []byte
	typ  string
	gone bool
}

// get asks for path, which is escaped already, below the base address. A token that has
// run out before its time is renewed once.
//
// Errors: the context's; ErrTransient, ErrAuth, ErrRefused, ErrMalformed, saying
// which. None of them holds the token or the query.
func (c *client) get(ctx context.Context, path string, query url.Values) (answer, error) {
	token, err := c.tokens.token(ctx, "")
	if err != nil {
		return answer{}, err
	}
	a, code, err := c.ask(ctx, path, query, token)
	if code == http.StatusUnauthorized {
		if renewed, renewErr := c.tokens.token(ctx, token); renewErr != nil {
			return answer{}, renewErr
		} else if renewed != token {
			a, _, err = c.ask(ctx, path, query, renewed)
		}
	}
	return a, err
}

func (c *client) ask(ctx context.Context, path string, query url.Values, token string) (answer, int, error) {
	u, err := url.Parse(c.base.String() + path)
	if err != nil {
		return answer{}, 0, fmt.Errorf("%w: no address can be made of it", extract.ErrRefused)
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, 0, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/hal+json")
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
		return answer{}, 0, fmt.Errorf("%w: an answer of more than %d MB", extract.ErrMalformed, maxBody>>20)
	}
	a := answer{body: body, typ: extract.MediaType(resp.Header, "application/hal+json")}
	if resp.StatusCode == http.StatusOK {
		return a, resp.StatusCode, nil
	}
	refusal, documented := readRefusal(body)
	says := refusal.after(resp.Status)
	if (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone) && documented {
		a.gone = true
		return a, resp.StatusCode, nil
	}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		err = extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), whereTokensAre+"; "+c.base.Host+" was asked")
	case code == http.StatusForbidden:
		needs := "settlements.read, payments.read and refunds.read"
		if strings.HasPrefix(path, "/v2/balances") {
			needs = "balances.read, or leave it: only fees per payment and the balance's own proof come from it"
		}
		err = extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says),
			c.base.Host+" knows the token but does not let it read this: give it "+needs)

	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		err = fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code == http.StatusNotFound: // not Mollie's words: another server, or a path that is not there
		err = extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase())
	case code >= 400:
		err = fmt.Errorf("%w: %s", extract.ErrRefused, says)
	case code >= 300:
		err = extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase())
	default:
		err = extract.Advise(fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase())
	}
	return answer{}, resp.StatusCode, err
}

// A refusal is the body Mollie refuses with.
// Source: error-response in Mollie's OpenAPI file.
type refusal struct {
	Status json.Number `json:"status"`
	Title  string      `json:"title"`
	Detail string      `json:"detail"`
	Field  string      `json:"field"`
}

// readRefusal reports false when body is not Mollie's: a proxy or another server may have answered.
func readRefusal(body []byte) (refusal, bool) {
	var r refusal
	if json.Unmarshal(body, &r) != nil || r.Title == "" && r.Detail == "" {
		return refusal{}, false
	}
	return r, true
}

// after returns status followed by what Mollie says, on one line of reasonable length.
func (r refusal) after(status string) string {
	var b strings.Builder
	b.WriteString(status)
	for _, s := range []string{r.Detail, r.Field} {
		if s != "" {
			b.WriteString(", " + s)
		}
	}
	return extract.Clip(b.String())
}
