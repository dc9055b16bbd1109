// Package shopify extracts from Shopify's Admin GraphQL API: orders with all that has
// happened to them, and the payouts of Shopify Payments.
//
// Everything is one POST address, {shop}.myshopify.com/admin/api/{version}/graphql.json,
// and one header, X-Shopify-Access-Token. What is odd about the API:
//
//   - The limit is by cost, not by request: a query is charged for the objects it
//     returns, and must fit what is left of a bucket that refills every second. Each answer
//     says what is left. A query too large at that moment is refused as THROTTLED, with
//     HTTP 200; one that could cost more than 1000 is refused always.
//   - So the list of orders is asked for IDs only, and each order for itself, in pages
//     small enough. What does not fit is paged to its end, and an order that took
//     several answers is one blob.
//   - order.agreements is Shopify's journal of what was sold, edited, given back and
//     exchanged, with the tax of each row: revenue comes from there. transactions is the
//     money: what the payment provider moved, under the payment ID that provider was given.
//   - Every amount comes in the shop's currency and in the customer's. The setting money
//     picks one, and the other is not asked for: they cannot be mixed.
//   - Without the scope read_all_orders, orders older than 60 days do not exist.
//   - Names, addresses, e-mail and phone are never asked for; the country is, and whether
//     a company bought.
//
// Sources: https://shopify.dev/docs/api/admin-graphql, https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits
package shopify

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
	orders      extract.Stream = "orders"       // by window of the last change, or by ID or name
	payouts     extract.Stream = "payouts"      // by window of issue
	payoutLines extract.Stream = "payout_lines" // by payout ID
	lookups     extract.Stream = "lookups"      // orders, by what a payout line calls their payment
)

// A client reads one shop. It is safe for concurrent use.
type client struct {
	name    string // the configured name of the source
	base    *url.URL
	version string
	token   string
	money   string // presentmentMoney | shopMoney
	http    *http.Client
	now     func() time.Time
	bucket  bucket
	sizes   sizes
}

// Extract yields what r asks for. Keys:
//
//	order/450789469                                order by Shopify's number for it, whatever it was asked for by
//	payouts?since=2026-03-01&until=2026-03-31&page=0   a page of the list
//	payout_lines/54321                                  all of one payout's transactions
//
// Errors: *extract.Error always. Its Key is set, in the form above, when one order or payout
// failed and the others go on. The third of them in a row that fails for a reason
// outside of it ends the sequence, and so does an answer that the token is wrong.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		q := &sequence{Feed: extract.Feed{Source: c.name, Stream: r.Stream, Yield: yield}, client: c}
		switch {
		case r.Stream == orders && r.IDs == nil:
			q.changed(ctx, r.Window)
		case r.Stream == orders:
			q.Ahead(ctx, ahead, r.IDs, c.orderNamed)
		case r.Stream == lookups && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.orderPaid)
		case r.Stream == payouts && r.IDs == nil:
			q.payoutList(ctx, r.Window)
		case r.Stream == payoutLines && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.payoutLines)
		case r.Stream == lookups || r.Stream == payoutLines:
			q.Fail(fmt.Errorf("%w: %s are read by ID", extract.ErrRefused, r.Stream), "")
		default:
			q.Fail(fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream), "")
		}
	}
}
