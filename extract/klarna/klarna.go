// Package klarna extracts from Klarna: settlements (Settlements v1) and the orders
// behind them (Order Management v1). Kustom, the former Klarna Checkout, serves the
// same paths at https://api.kustom.co.
//
// Amounts are integers in minor units, times are UTC. What is odd about the API:
//
//   - There is no list of orders. An order is found through the payout lines that
//     name it, or asked for by its ID.
//   - A page holds 20 elements unless size says otherwise, 500 at most. A reader who
//     does not page loses lines without noticing.
//   - The date filter of the payout list is a date-time: a bare date means midnight,
//     so a day that ends on itself is empty. Start and end are both sent with their time.
//   - The next page's address in an answer is absolute. It is never followed: pages
//     are asked for by offset, so that an answer cannot send the password elsewhere.
//   - There is no webhook about settlements. The push address of an order is the shop's, and
//     unsigned: kvitt asks instead of being told.
//   - Refunds belong to the order, not to a capture, and often have no lines. Debts
//     carried from payout to payout are in a payout's totals and have no line.
//   - Settlements answers for an order that Order Management no longer knows.
//
// Sources: https://docs.klarna.com/api/settlements/, https://docs.klarna.com/api/ordermanagement/
package klarna

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// The streams, in the order they are fetched.
const (
	payouts     extract.Stream = "payouts"      // by window, or by payment reference
	payoutLines extract.Stream = "payout_lines" // by payment reference
	orders      extract.Stream = "orders"       // by order ID

	settlementFiles extract.Stream = "settlement_files" // the settlement CSV, from an inbox
)

// A client reads one account. It is safe for concurrent use.
type client struct {
	name               string // the configured name of the source
	base               *url.URL
	username, password string
	http               *http.Client
	now                func() time.Time
}

// Extract yields what r asks for. Keys:
//
//	payouts?since=2026-03-01&until=2026-03-31&offset=0   a page of the list; since and until are the first and last day, or second, asked for
//	payout/XISA93DJ                                       one payout
//	payout_lines/XISA93DJ?offset=0                        a page of one payout's lines
//	order/ce17b4cb-147f-48b7-b8e6-dde2fa397f04            one order
//
// An ID is in a key as it is in a URL path. An ID given twice is fetched once. The
// pages of one payout's lines come all or not at all.
//
// Errors: *extract.Error always. Its Key is set, in the form above, when one payout or
// order failed and the others go on. The third of them in a row that fails for a reason
// outside of it (Klarna is down) ends the sequence, and so does an answer that the key is wrong.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		q := &sequence{Feed: extract.Feed{Source: c.name, Stream: r.Stream, Yield: yield}, client: c}
		switch {
		case r.Stream == payouts && r.IDs == nil:
			q.payoutList(ctx, r.Window)
		case r.Stream == payouts:
			q.each(r.IDs, func(id string) ([]extract.Blob, error) { return c.payout(ctx, id) })
		case r.Stream == payoutLines && r.IDs != nil:
			q.each(r.IDs, func(id string) ([]extract.Blob, error) { return c.payoutLines(ctx, id) })
		case r.Stream == orders && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.order)
		case r.Stream == payoutLines || r.Stream == orders:
			q.Fail(fmt.Errorf("%w: Klarna has no list of %s; they are read by ID", extract.ErrRefused, r.Stream), "")
		default:
			q.Fail(fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream), "")
		}
	}
}
