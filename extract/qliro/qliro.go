// Package qliro extracts from Qliro Checkout (Qliro One): settlement batches, their lines,
// and the orders behind them, all through Admin API v2.
//
// Amounts are decimals in major units. What is odd about the API:
//
//   - There is no list of orders. An order is found through the settlement lines that
//     name it, or through a push, or asked for by its ID.
//   - A GET is signed with the hash of the secret alone: its header never changes and is as
//     good as the secret. It is in no message and goes to no other host.
//   - Nothing is paged. What is asked for by date takes 61 days at most (60 in one call), and
//     refuses today.
//   - /settlements leaves out fees and chargebacks unless all three Types are named. Batches
//     are read line by line by their number instead, which takes no Types and leaves out nothing;
//     a batch whose lines do not add up to its total is held.
//   - Two batches may share a BatchId, the bank's word for the transfer. A batch is named by Id.
//   - Enums are integers in the documented schema and words in what plugins see: both are read.
//   - An order is a log of actions and payment transactions. Only what hangs on a transaction
//     that succeeded has happened. Rates of VAT are not stated: they are in the two prices.
//   - The path of an order takes a number or a merchant reference: the answer must be of the
//     order that was asked for.
//
// Source: https://developers.qliro.com/
package qliro

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
	payouts     extract.Stream = "payouts"      // settlement batches, by window
	payoutLines extract.Stream = "payout_lines" // by a batch's Id
	orders      extract.Stream = "orders"       // by order ID
)

// A client reads one account. It is safe for concurrent use.
type client struct {
	name   string // the configured name of the source
	base   *url.URL
	signed string // the Authorization of a GET: a secret
	http   *http.Client
	now    func() time.Time
}

// Extract yields what r asks for. Keys:
//
//	payouts?from=2026-03-01&to=2026-03-31            the batches of some days, both inclusive
//	payout_lines/501?total=38625&less_fees=36750     the lines of one batch, and what its header says they come to
//	order/67890                                      one order
//
// The two sums are in the ID that names a batch's lines, "501/38625/36750", and go no
// further than the key; "501" alone is an ID too. An ID given twice is fetched once.
//
// Errors: *extract.Error always. Its Key is set, in the form above, when one batch or order
// failed and the others go on. The third of them in a row that fails for a reason outside of
// it (Qliro is down) ends the sequence, and so does an answer that the key is wrong.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		q := &sequence{Feed: extract.Feed{Source: c.name, Stream: r.Stream, Yield: yield}, client: c}
		switch {
		case r.Stream == payouts && r.IDs == nil:
			q.batches(ctx, r.Window)
		case r.Stream == payoutLines && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.batchLines)
		case r.Stream == orders && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.order)
		case r.Stream == payouts:
			q.Fail(fmt.Errorf("%w: Qliro lists batches by date only", extract.ErrRefused), "")
		case r.Stream == payoutLines || r.Stream == orders:
			q.Fail(fmt.Errorf("%w: Qliro has no list of %s; they are read by ID", extract.ErrRefused, r.Stream), "")
		default:
			q.Fail(fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream), "")
		}
	}
}
