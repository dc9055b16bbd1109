package adyen

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// maxReport bounds one report: more than a million rows.
const maxReport = 384 << 20

// whereUserIs says where a merchant finds the two keys.
const whereUserIs = "the report user (report@Company.…) and its password are made in the Customer Area → Developers → API credentials → Report service user"

// errForbidden is a 403. Adyen answers so to a user who may not read the report, and also when
// the report is not made yet: whether another report can be read tells the one from the other.
// Source: https://help.adyen.com, "How do I download reports from the Customer Area?", technical errors.
var errForbidden = errors.New("403 Forbidden")

// An answer is a response worth keeping: a report, or that there is none.
type answer struct {
	body []byte
	gone bool
}

// path returns where a report of the account is, escaped.
func (c *client) path(file string) string {
	return "/reports/download/MerchantAccount/" + url.PathEscape(c.account) + "/" + url.PathEscape(file)
}

// get asks for one report file.
//
// Errors: the context's; ErrTransient, ErrAuth (a 403 wraps errForbidden too), ErrRefused,
// ErrMalformed. None of them holds the user or the password.
func (c *client) get(ctx context.Context, method, file string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+c.path(file), nil)
	if err != nil {
		return answer{}, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req.SetBasicAuth(c.user, c.password)
	req.Header.Set("Accept", "text/csv, */*;q=0.5")
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, unreachable(ctx, err)
	}
	defer resp.Body.Close()
	announced := resp.ContentLength
	if method == http.MethodHead {
		announced = 0
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(max(announced, 0), maxReport)+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, maxReport+1)); err != nil {
		return answer{}, unreachable(ctx, err)
	}
	body := buf.Bytes()
	if len(body) > maxReport {
		return answer{}, fmt.Errorf("%w: a report of more than %d MB; have Adyen deliver it by SFTP and read that folder: inbox, which has no limit", extract.ErrRefused, maxReport>>20)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusOK && method == http.MethodHead:
		return answer{}, nil
	case code == http.StatusOK:
		return c.report(resp.Header.Get("Content-Type"), body)
	case code == http.StatusNotFound, code == http.StatusGone:
		return answer{body: body, gone: true}, nil
	case code == http.StatusUnauthorized:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s", extract.ErrAuth, resp.Status), c.wrongUser())
	case code == http.StatusForbidden:
		return answer{body: body}, extract.Advise(fmt.Errorf("%w: %w", extract.ErrAuth, errForbidden), c.weakUser())
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500 && code != http.StatusNotImplemented:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrTransient, resp.Status)
	case code >= 400:
		return answer{}, fmt.Errorf("%w: %s", extract.ErrRefused, resp.Status)
	case code >= 300:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s to another address, which was not followed", extract.ErrRefused, resp.Status), c.wrongBase())
	default:
		return answer{}, extract.Advise(fmt.Errorf("%w: %s where a report was asked for", extract.ErrMalformed, resp.Status), c.wrongBase())
	}
}

// report checks that an answer is a report and no page for people. What is in it, the staging says.
func (c *client) report(mediaType string, body []byte) (answer, error) {
	start := bytes.TrimSpace(bytes.TrimPrefix(body[:min(len(body), 512)], []byte("\xef\xbb\xbf")))
	switch {
	case len(start) == 0:
		// A report that is being written is there, and empty.
		return answer{}, fmt.Errorf("%w: the report is empty", extract.ErrTransient)
	case start[0] == '<' || strings.HasPrefix(strings.ToLower(mediaType), "text/html"):
		return answer{}, extract.Advise(fmt.Errorf("%w: a page for people came instead of a report", extract.ErrMalformed), c.wrongBase())
	}
	return answer{body: body}, nil
}

// unreachable says why no whole answer came. The address is cut from the message: the
// error's Where names the path.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: %w", extract.ErrRefused, err)
	}
	return fmt.Errorf("%w: %w", extract.ErrTransient, err)
}

// wrongUser advises on a 401.
func (c *client) wrongUser() string {
	do := whereUserIs
	if !strings.HasPrefix(c.user, "report") {
		do += "; report_user is not one of them: only a report user may download reports"
	}
	return fmt.Sprintf("%s; %s was asked: live reports are at %s, those of a test account at https://ca-test.adyen.com", do, c.base.Host, defaultBase)
}

// weakUser advises on a 403.
func (c *client) weakUser() string {
	return fmt.Sprintf("in the Customer Area → Developers → API credentials, give the report user the role \"Merchant Report Download role\" and access to the merchant account %s; "+
		"Adyen answers the same when no settlement details report was made yet: switch its automatic generation on under Reports", c.account)
}

// wrongBase advises when something else than Adyen's report server seems to answer.
func (c *client) wrongBase() string {
	return fmt.Sprintf("check base_url, which is all that stands before /reports/download: %s was asked; "+
		"Adyen shows its sign-in page to users who are no report users", c.base.Redacted())
}
