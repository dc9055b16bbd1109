// Package mollie extracts from Mollie's API v2: settlements, what is in them, and the
// payments behind them.
//
// Amounts are decimal texts with the currency's decimals; those of a settlement's periods
// have up to four. Times are ISO 8601 in UTC. What is odd about the API:
//
//   - Lists have a cursor (from, inclusive) and no filter by date: newest first, read until
//     everything on a page is older than what is asked for. 50 elements a page unless limit
//     says otherwise, 250 at most.
//
//   - The address of the next page is absolute. Only its query is used, so that an answer
//     cannot send the token to another host.
//
//   - A settlement in a list may lack its periods, so each is read by its ID.
//
//   - Fees are per settlement, month and method, never per payment, and have four decimals:
//     each row is rounded on its own, and what is then left of the amount is shown.
//
//   - Klarna and others that are captured are in a settlement's captures, not its payments.
//
//   - A settlement has an ID before it is paid out; it is read once it is paidout or failed.
//
//   - The API key (live_…) of a website profile cannot read settlements: it takes an access
//     token of the organization (access_…), or an app's OAuth token.
//
//   - A payment states its lines and their VAT only where its maker gave them: the shop is
//     the better source of sales. Payments without lines are held as documents.
//
//   - Balance transactions are where a fee is of one payment, and where all that moved is, settled or not.
//     Nothing is booked from them: a balance lists by the day of making and a settlement pays by the day of
//     availability, so what is in a settlement comes from its own lists. They take the permission
//     balances.read; without it all else is read.
//
// A payout of an amount of one's choice has no settlement; it lowers the next one, which is held until a
// person maps the row that says so. Not read: balance reports.
//
// Source: https://docs.mollie.com/reference/
package mollie

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
	settlements     extract.Stream = "settlements"      // by window of the day paid, or by ID
	settlementLines extract.Stream = "settlement_lines" // by settlement ID
	paymentList     extract.Stream = "payment_list"     // by window of the day created: which payments there are
	payments        extract.Stream = "payments"         // by payment ID (tr_…) or order ID (ord_…)

	balanceTransactions extract.Stream = "balance_transactions" // by window of the day created: the balances, and what was booked on them
)

// A client reads one account. It is safe for concurrent use.
type client struct {
	name   string // the configured name of the source
	base   *url.URL
	test   bool // asks for what happened in test mode
	tokens tokens
	http   *http.Client
	now    func() time.Time
}

// Extract yields what r asks for. Keys:
//
//	settlement/stl_jDk30akdN                              one settlement
//	settlement_lines/stl_jDk30akdN/payments               a page of its payments, captures, refunds or chargebacks;
//	settlement_lines/stl_jDk30akdN/payments?from=tr_SD…   the pages after the first name what they begin with
//	settlement_lines/stl_jDk30akdN/settlement             the settlement again, with its periods
//	payment_list?from=tr_5B8cwPMGnU                       a page of payments, named by its first
//	order/tr_5B8cwPMGnU                                   one payment with its captures and refunds, or one order
//	balances                                              a page of the balances with what is on them
//	balance_transactions/bal_3kUf4yU2nT?from=baltr_QM…    a page of a balance's transactions, named by its first
//
// An ID given twice is fetched once. What belongs to one ID comes all or not at all.
//
// Errors: *extract.Error always. Its Key is set, in the form above, when one document
// failed and the others go on. The third of them in a row that fails for a reason outside
// of it (Mollie is down) ends the sequence, and so does an answer that the token is wrong.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		q := &sequence{Feed: extract.Feed{Source: c.name, Stream: r.Stream, Yield: yield}, client: c}
		switch {
		case r.Stream == settlements && r.IDs == nil:
			q.settlementList(ctx, r.Window)
		case r.Stream == settlements:
			q.Ahead(ctx, ahead, r.IDs, c.settlement)
		case r.Stream == settlementLines && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.settlementLines)
		case r.Stream == paymentList && r.IDs == nil:
			q.paymentList(ctx, r.Window)
		case r.Stream == payments && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.payment)
		case r.Stream == balanceTransactions && r.IDs == nil:
			q.balanceTransactions(ctx, r.Window)
		case r.Stream == settlementLines || r.Stream == payments:
			q.Fail(fmt.Errorf("%w: %s are read by ID", extract.ErrRefused, r.Stream), "")
		case r.Stream == paymentList || r.Stream == balanceTransactions:
			q.Fail(fmt.Errorf("%w: %s is read by window", extract.ErrRefused, r.Stream), "")
		default:
			q.Fail(fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream), "")
		}
	}
}
