package centra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// maxBody bounds one answer; a batch of 25 orders is well below a megabyte.
const maxBody = 64 << 20

// An answer is a response without errors in it.
type answer struct {
	body []byte
	typ  string
	data map[string]json.RawMessage
}

// errTooMuch is wrapped when the server finds a query too complex or a page too large.
var errTooMuch = errors.New("too much for one query")

// A refusal is one entry of an answer's "errors".
type refusal struct {
	Message    string `json:"message"`
	Extensions struct {
		Category string `json:"category"`
		Code     string `json:"code"`
	} `json:"extensions"`
}

// ask sends a query and reads its answer; query is made anew when optional fields had to be left out.
//
// Errors: the context's; ErrTransient, ErrAuth, ErrRefused, ErrMalformed and errTooMuch, saying
// which. None of them holds the token.
func (c *client) ask(ctx context.Context, query func() string, vars map[string]any) (answer, error) {
	for range 40 { // there are fewer optional fields than that
		sent := query()
		a, refused, err := c.post(ctx, sent, vars)
		if err != nil || len(refused) == 0 {
			return a, err
		}
		c.leaveOut(refused)
		if query() == sent {
			return answer{}, c.refusedBy(refused)
		}
	}
	return answer{}, fmt.Errorf("%w: the server knows too few of the fields asked for", extract.ErrRefused)
}

// leaveOut remembers the fields that the server says it does not have, of those that can be done without.
func (c *client) leaveOut(refused []refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range refused {
		for _, re := range unknownField {
			if m := re.FindStringSubmatch(r.Message); m != nil && optional(m[1]) {
				c.without[m[1]] = true
			}
		}
	}
}

// optional reports whether some place asks for the field with a ?.
func optional(name string) bool {
	return regexp.MustCompile(`(?:^|[\s:{])` + name + `(?:\([^)]*\))?\?`).MatchString(orderFields + " " + returnFields)
}

// post sends one query. Refusals are what a whole answer says instead of data.
func (c *client) post(ctx context.Context, query string, vars map[string]any) (answer, []refusal, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		return answer{}, nil, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.String()+"/graphql", bytes.NewReader(body))
	if err != nil {
		return answer{}, nil, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header["X-Idempotency-Key"] = nil // not sent: a query may be asked twice (net/http, Transport)
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, nil, extract.Unreachable(ctx, err, c.wrongBase())
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return answer{}, nil, extract.Unreachable(ctx, err, c.wrongBase())
	}
	if len(got) > maxBody {
		return answer{}, nil, fmt.Errorf("%w: an answer of more than %d MB", extract.ErrMalformed, maxBody>>20)
	}
	var doc struct {
		Data   map[string]json.RawMessage `json:"data"`
		Errors []refusal                  `json:"errors"`
	}
	readable := json.Unmarshal(got, &doc) == nil
	says := resp.Status
	if readable && len(doc.Errors) > 0 {
		says = extract.Clip(resp.Status + ", " + doc.Errors[0].Message)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		return answer{}, nil, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.wrongToken())
	case readable && len(doc.Errors) > 0 && code < 500 && code != http.StatusTooManyRequests:
		return answer{}, doc.Errors, nil
	case code == http.StatusForbidden:
		return answer{}, nil, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.weakToken(""))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return answer{}, nil, fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code >= 400:
		return answer{}, nil, extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase())
	case code >= 300:
		return answer{}, nil, extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase())
	case code != http.StatusOK:
		return answer{}, nil, extract.Advise(fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase())
	case !readable || doc.Data == nil:
		return answer{}, nil, extract.Advise(fmt.Errorf("%w: the answer is no GraphQL answer", extract.ErrMalformed), c.wrongBase())
	}
	return answer{body: got, typ: extract.MediaType(resp.Header, "application/json"), data: doc.Data}, nil, nil
}

// needs finds the permission in "You need Order:read permission to access orderConnection."
var needs = regexp.MustCompile(`\b([A-Z][A-Za-z]+(?:\.[A-Za-z]+)*:(?:read|write))\b`)

var tooMuch = regexp.MustCompile(`(?i)complexity|limit must be in range|too (?:complex|many)|query depth`)

// refusedBy says what errors in an answer mean.
// Source: "Permissions" in the documentation of authorization; the categories are graphql-php's.
func (c *client) refusedBy(refused []refusal) error {
	var lacking, messages []string
	for _, r := range refused {
		if m := needs.FindStringSubmatch(r.Message); m != nil {
			lacking = append(lacking, m[1])
		}
		messages = append(messages, r.Message)
	}
	says := extract.Clip(strings.Join(messages, "; "))
	first := refused[0]
	category := strings.ToLower(first.Extensions.Category + " " + first.Extensions.Code)
	switch {
	case len(lacking) > 0:
		return extract.Advise(fmt.Errorf("%w: the token lacks the permission %s: %s", extract.ErrAuth, strings.Join(lacking, ", "), says), c.weakToken(strings.Join(lacking, ", ")))
	case strings.Contains(category, "authentication"), strings.Contains(category, "unauthenticated"):
		return extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.wrongToken())
	case strings.Contains(category, "authorization"), strings.Contains(category, "forbidden"):
		return extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.weakToken(""))
	case tooMuch.MatchString(says):
		return fmt.Errorf("%w: %w: %s", extract.ErrRefused, errTooMuch, says)
	case strings.Contains(category, "internal"):
		return fmt.Errorf("%w: %s", extract.ErrTransient, says)
	}
	return fmt.Errorf("%w: %s", extract.ErrRefused, says)
}

// list reads a list of objects in an answer.
func (a answer) list(name string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	if err := json.Unmarshal(a.data[name], &out); err != nil || out == nil {
		return nil, fmt.Errorf("%w: %s is missing or no list", extract.ErrMalformed, name)
	}
	return out, nil
}

// permissions are all that the queries need.
const permissions = "Order:read, Order.shippingAddress:read, Order.billingAddress:read, Shipment:read, Shipment.shippingAddress:read, Return:read, PaymentHistory:read, Product:read, StorePlugin:read, Store:read"

func (c *client) wrongToken() string {
	return "access_token is made in Centra AMS → System → API tokens; it expires, after 30 days unless said otherwise, and belongs to one Centra: " + c.base.Host + " was asked"
}

func (c *client) weakToken(lacks string) string {
	if lacks != "" {
		lacks = "give it " + lacks + "; "
	}
	return "permissions are set in Centra AMS → System → API tokens: " + lacks + "kvitt needs " + permissions
}

func (c *client) wrongBase() string {
	return fmt.Sprintf("check base_url, which is all that stands before /graphql: %s was asked", c.base.Redacted())
}
