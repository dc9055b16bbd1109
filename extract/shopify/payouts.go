package shopify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// An account is what is looked at of an answer of Shopify Payments.
type account struct {
	Account *struct {
		Payouts      *pageOf `json:"payouts"`
		Transactions *pageOf `json:"balanceTransactions"`
	} `json:"shopifyPaymentsAccount"`
}

// pages reads a connection of the account, page by page. A shop without Shopify Payments has
// no account and one answer that says so.
func (c *client) pages(ctx context.Context, query, search string, pick func(account) *pageOf, each func(n int, body []byte) bool) error {
	var after any
	seen := map[string]bool{}
	for n := 0; ; n++ {
		rep, err := c.ask(ctx, query, map[string]any{"query": search, "after": after})
		if err != nil {
			return err
		}
		var d account
		if err := json.Unmarshal(rep.data, &d); err != nil {
			return extract.Advise(fmt.Errorf("%w: %w", extract.ErrMalformed, err), c.wrongBase())
		}
		var page *pageOf
		if d.Account != nil {
			if page = pick(d); page == nil {
				return extract.Advise(fmt.Errorf("%w: the answer lacks the list asked for", extract.ErrMalformed), c.wrongBase())
			}
		}
		next, err := page.cursor()
		if err == nil && next != "" && (seen[next] || n == maxPages) {
			err = fmt.Errorf("%w: the pages of a list do not end", extract.ErrMalformed)
		}
		if err != nil {
			return err
		}
		if !each(n, rep.body) || next == "" {
			return nil
		}
		seen[next] = true
		after = next
	}
}

// payoutList yields the pages of the list of payouts issued within w.
func (q *sequence) payoutList(ctx context.Context, w extract.Window) {
	c := q.client
	since, until := "", ""
	search := ""
	if !w.Since.IsZero() {
		since = w.Since.UTC().Format(time.RFC3339)
		search = "issued_at:>='" + since + "' "
	}
	if !w.Until.IsZero() {
		until = w.Until.UTC().Format(time.RFC3339)
		search += "issued_at:<'" + until + "'"
	}
	err := c.pages(ctx, payoutsQuery, search, func(a account) *pageOf { return a.Account.Payouts }, func(n int, body []byte) bool {
		return q.Yield(extract.Blob{Key: fmt.Sprintf("payouts?since=%s&until=%s&page=%d", since, until, n), At: c.now().UTC(), Type: "application/json", Body: body}, nil)
	})
	if err != nil {
		q.Fail(extract.At(err, c.path()+" payouts", ""), "")
	}
}

// payoutLines returns all transactions of one payout as one blob.
func (c *client) payoutLines(ctx context.Context, id string) ([]extract.Blob, error) {
	key := "payout_lines/" + url.PathEscape(id)
	place := func(err error) error { return extract.At(err, c.path()+" balanceTransactions", key) }
	if !digits.MatchString(id) {
		return nil, place(fmt.Errorf("%w: %q is no payout ID", extract.ErrRefused, extract.Clip(id)))
	}
	var answers [][]byte
	err := c.pages(ctx, transactionsQuery, "payments_transfer_id:"+id, func(a account) *pageOf { return a.Account.Transactions }, func(n int, body []byte) bool {
		answers = append(answers, body)
		return true
	})
	if err != nil {
		return nil, place(err)
	}
	b := extract.Blob{Key: key, At: c.now().UTC(), Type: "application/json", Body: answers[0]}
	if len(answers) > 1 {
		b.Type, b.Body = extract.Sequence, extract.Join(answers)
	}
	return []extract.Blob{b}, nil
}
