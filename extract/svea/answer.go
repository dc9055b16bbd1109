package svea

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// maxBody bounds one answer: a row of a report is about a kilobyte.
const maxBody = 256 << 20

// stale is how old a signature may be before a 401 is asked again with a new one: the
// client below waits out a busy server with the headers of the first try.
const stale = 20 * time.Second

// An answer is a response that is worth reading: 200, or that there is nothing.
type answer struct {
	body []byte
	typ  string
	gone bool
}

// errForbidden marks a 403: whose key it is depends on what was asked for.
var errForbidden = errors.New("403 Forbidden")

// A forbidden error keeps what Svea answered.
type forbidden struct {
	says string
	body []byte
	typ  string
}

func (f *forbidden) Error() string { return fmt.Sprintf("%v: %s", extract.ErrAuth, f.says) }

func (f *forbidden) Is(err error) bool { return err == errForbidden || err == extract.ErrAuth }

// authorization signs body at timestamp, which goes with it as it is hashed.
// Source: sveawebpay/php-checkout Connector; the hash is hex in lower case.
func authorization(merchant, secret, body, timestamp string) string {
	sum := sha512.Sum512([]byte(body + secret + timestamp))
	return "Svea " + base64.StdEncoding.EncodeToString([]byte(merchant+":"+hex.EncodeToString(sum[:])))
}

// get asks for path, which is escaped already, below the base address.
//
// Errors: the context's; ErrTransient, ErrAuth, ErrRefused, ErrMalformed, saying
// which. None of them holds the secret or the query.
func (c *client) get(ctx context.Context, path string, query url.Values) (answer, error) {
	a, signed, err := c.ask(ctx, path, query)
	if _, is := errors.AsType[*unauthorized](err); is && c.clock().Sub(signed) > stale {
		a, signed, err = c.ask(ctx, path, query)
	}
	// This machine's clock may be off, or held by KVITT_NOW: Svea's own clock decides.
	if wrong, is := errors.AsType[*unauthorized](err); is && !wrong.at.IsZero() && wrong.at.Sub(signed).Abs() > stale {
		c.off.Store(int64(wrong.at.Sub(c.now())))
		a, _, err = c.ask(ctx, path, query)
	}
	return a, err
}

// clock is what Svea's clock says, as far as it is known.
func (c *client) clock() time.Time { return c.now().Add(time.Duration(c.off.Load())) }

// An unauthorized error is a 401.
type unauthorized struct {
	error
	at time.Time // when Svea says that it answered; zero if it does not
}

func (u *unauthorized) Unwrap() error { return u.error }

func (c *client) ask(ctx context.Context, path string, query url.Values) (_ answer, signed time.Time, _ error) {
	signed = c.clock()
	a, err := c.try(ctx, path, query, signed.UTC().Format(time.DateTime))
	return a, signed, err
}

func (c *client) try(ctx context.Context, path string, query url.Values, timestamp string) (answer, error) {
	u, err := url.Parse(c.base.String() + path)
	if err != nil {
		return answer{}, fmt.Errorf("%w: no address can be made of it", extract.ErrRefused)
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req.Header.Set("Timestamp", timestamp)
	req.Header.Set("Authorization", authorization(c.merchant, c.secret, "", timestamp))
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
	a := answer{body: body, typ: extract.MediaType(resp.Header, "application/octet-stream")}
	says := explained(resp.Status, body)
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return a, nil
	case code == http.StatusNoContent, code == http.StatusNotFound && !isPage(a):
		// What Svea's 404 says is not documented: anything but a page for people is taken for one.
		a.gone = true
		return a, nil
	case code == http.StatusUnauthorized:
		at, _ := http.ParseTime(resp.Header.Get("Date"))
		return answer{}, &unauthorized{extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, says), c.wrongKey()), at}
	case code == http.StatusForbidden:
		return answer{}, &forbidden{says: says, body: body, typ: a.typ}
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrTransient, says)
	case code == http.StatusNotFound:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrRefused, says), c.wrongBase())
	case code >= 400:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrRefused, says)
	case code >= 300:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase())
	default:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s where only 200 is documented", extract.ErrMalformed, resp.Status), c.wrongBase())
	}
}

// explained returns status followed by what Svea says, on one line of reasonable length.
// The form of its errors is not documented; these are the fields its SDKs look for.
func explained(status string, body []byte) string {
	var r struct {
		Code, ErrorCode               any
		Message, ErrorMessage, Detail string
	}
	if json.Unmarshal(body, &r) != nil {
		return status
	}
	says := status
	for _, code := range []any{r.Code, r.ErrorCode} {
		if s := fmt.Sprint(code); code != nil && s != "" {
			says += ", " + extract.Clip(s)
		}
	}
	for _, m := range []string{r.Message, r.ErrorMessage, r.Detail} {
		if m != "" {
			says += ": " + extract.Clip(strings.Join(strings.Fields(m), " "))
		}
	}
	return says
}

// isPage reports whether an answer is a page for people.
func isPage(a answer) bool {
	return a.typ == "text/html" || strings.HasPrefix(strings.TrimSpace(string(a.body)), "<")
}

// whereKeysAre says where a merchant finds the two keys.
const whereKeysAre = "merchant_id and secret are those of the checkout merchant (one shop in one country), from Svea's integration support or PaymentAdmin"

func (c *client) wrongKey() string {
	which := "test keys work at " + stageBase + " only"
	if strings.Contains(c.base.Host, "stage") {
		which = "it takes test keys only"
	}
	return fmt.Sprintf("%s; %s was asked: %s. The clock is part of the signature: it says %s UTC", whereKeysAre, c.base.Host, which, c.clock().UTC().Format(time.DateTime))
}

func (c *client) noReports() string {
	return fmt.Sprintf("ask Svea to activate reports for merchant %s, which needs Svea as payment facilitator; until then take \"payouts\" from the flows of %s", c.merchant, c.name)
}

func (c *client) anotherMerchant() string {
	return fmt.Sprintf("the order belongs to another checkout merchant than %s: ask with the source of that merchant, or add one", c.merchant)
}

func (c *client) wrongBase() string {
	return fmt.Sprintf("check base_url, which is all that stands before /api/v2/reports and /api/v1/orders: %s was asked", c.base.Redacted())
}
