package shopify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// maxBody bounds one answer.
const maxBody = 64 << 20

// maxThrottled is how often one question may be told to wait; each wait is as long as the answer says.
const maxThrottled = 60

// maxInternal is how often a question is asked that Shopify fails to answer with HTTP 200.
const maxInternal = 5

// errTooDear is wrapped by the refusal of a query that may cost more than Shopify allows at all.
var errTooDear = errors.New("the query may cost too much")

// A reply is an answer without errors.
type reply struct {
	body []byte
	data json.RawMessage
}

// cost is extensions.cost of an answer.
type cost struct {
	Requested float64 `json:"requestedQueryCost"`
	Throttle  struct {
		Maximum   float64 `json:"maximumAvailable"`
		Available float64 `json:"currentlyAvailable"`
		Restore   float64 `json:"restoreRate"`
	} `json:"throttleStatus"`
}

// A complaint is one of the errors of an answer with HTTP 200.
type complaint struct {
	Message    string `json:"message"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

type envelope struct {
	Data       json.RawMessage `json:"data"`
	Errors     json.RawMessage `json:"errors"`
	Extensions struct {
		Cost *cost `json:"cost"`
	} `json:"extensions"`
}

// ask asks one question, waiting while the shop's points do not suffice.
//
// Errors: the context's; ErrTransient, ErrAuth, ErrRefused, ErrMalformed, errTooDear, saying
// which. None of them holds the token.
func (c *client) ask(ctx context.Context, query string, vars map[string]any) (reply, error) {
	question, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		return reply{}, fmt.Errorf("%w: no question can be made of it", extract.ErrRefused)
	}
	for tries := 1; ; tries++ {
		reserved, err := c.bucket.take(ctx, query)
		if err != nil {
			return reply{}, err
		}
		body, err := c.post(ctx, question)
		if err != nil {
			c.bucket.give(query, reserved, nil)
			return reply{}, err
		}
		var e envelope
		if err := json.Unmarshal(body, &e); err != nil {
			c.bucket.give(query, reserved, nil)
			return reply{}, extract.Advise(fmt.Errorf("%w: the answer is not JSON: %w", extract.ErrMalformed, err), c.wrongBase())
		}
		c.bucket.give(query, reserved, e.Extensions.Cost)
		complaints := e.complaints()
		if len(complaints) == 0 {
			if len(e.Data) == 0 || string(e.Data) == "null" {
				return reply{}, extract.Advise(fmt.Errorf("%w: the answer has no data", extract.ErrMalformed), c.wrongBase())
			}
			return reply{body: body, data: e.Data}, nil
		}
		wait, err := c.refusal(complaints, e.Extensions.Cost)
		if !wait || tries >= maxThrottled || tries >= maxInternal && !strings.Contains(err.Error(), "THROTTLED") && !strings.Contains(strings.ToLower(err.Error()), "throttled") {
			return reply{}, err
		}
		if err := sleep(ctx, min(e.Extensions.Cost.lack(), 30)); err != nil {
			return reply{}, err
		}
	}
}

// complaints returns the errors of an answer; Shopify also writes them as a mere text.
func (e envelope) complaints() []complaint {
	if len(e.Errors) == 0 || string(e.Errors) == "null" {
		return nil
	}
	var list []complaint
	if json.Unmarshal(e.Errors, &list) == nil {
		return list
	}
	var text string
	if json.Unmarshal(e.Errors, &text) != nil {
		text = string(e.Errors)
	}
	return []complaint{{Message: text}}
}

// refusal says what the errors of an answer mean, and whether waiting helps.
//
// Source: https://shopify.dev/docs/api/admin-graphql#status_and_error_codes
func (c *client) refusal(all []complaint, spent *cost) (wait bool, err error) {
	var says []string
	code := ""
	for _, one := range all {
		says = append(says, one.Message)
		if code == "" {
			code = one.Extensions.Code
		}
	}
	text := extract.Clip(strings.TrimSpace(code + " " + strings.Join(says, "; ")))
	switch {
	case code == "THROTTLED", code == "" && strings.Contains(strings.ToLower(text), "throttled"):
		return true, fmt.Errorf("%w: %s", extract.ErrTransient, text)
	case code == "MAX_COST_EXCEEDED":
		return false, fmt.Errorf("%w: %w: %s", extract.ErrRefused, errTooDear, text)
	case code == "ACCESS_DENIED":
		return false, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, text), c.lacksScope())
	case code == "SHOP_INACTIVE":
		return false, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, text), "the shop is closed or frozen: open it again in the Shopify admin")
	case code == "INTERNAL_SERVER_ERROR":
		return true, fmt.Errorf("%w: %s", extract.ErrTransient, text)
	}
	return false, fmt.Errorf("%w: %s", extract.ErrRefused, text)
}

// post sends one question and returns the body of a 200.
func (c *client) post(ctx context.Context, question []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.String()+c.path(), bytes.NewReader(question))
	if err != nil {
		return nil, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req.Header.Set("X-Shopify-Access-Token", c.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header["Idempotency-Key"] = nil // a question: it may be asked again, and the header is not sent
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, extract.Unreachable(ctx, err, c.wrongBase())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, extract.Unreachable(ctx, err, c.wrongBase())
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("%w: an answer of more than %d MB", extract.ErrMalformed, maxBody>>20)
	}
	if resp.StatusCode == http.StatusOK {
		return body, nil
	}
	says := resp.Status
	var e envelope
	if json.Unmarshal(body, &e) == nil {
		for _, one := range e.complaints() {
			says += ": " + one.Message
		}
	}
	says = extract.Clip(says)
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		return nil, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), whereTokenIs+"; "+c.base.Host+" was asked")
	case code == http.StatusForbidden:
		return nil, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.lacksScope())
	case code == http.StatusPaymentRequired, code == http.StatusLocked:
		return nil, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), "the shop is frozen or locked by Shopify: see its admin")
	case code == http.StatusTooManyRequests, code == 430, code == http.StatusRequestTimeout, code >= 500:
		return nil, fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code == http.StatusNotFound:
		return nil, extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase())
	case code >= 400:
		return nil, fmt.Errorf("%w: %s", extract.ErrRefused, says)
	case code >= 300:
		return nil, extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase())
	}
	return nil, extract.Advise(fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase())
}

func (c *client) path() string { return "/admin/api/" + c.version + "/graphql.json" }

// lacksScope advises when the token is known and may not do this.
func (c *client) lacksScope() string {
	return "in the Shopify admin → Settings → Apps → Develop apps → the app → Configuration, give it the scopes read_orders, read_all_orders, " +
		"read_fulfillments and read_returns, and for payouts read_shopify_payments_payouts (or take \"payouts\" out of flows); then install it again"
}

// wrongBase advises when something else than this shop's API seems to answer.
func (c *client) wrongBase() string {
	return fmt.Sprintf("check shop and api_version (versions live a year; %s was asked for), and base_url if there is one: %s was asked", c.version, c.base.Redacted())
}
