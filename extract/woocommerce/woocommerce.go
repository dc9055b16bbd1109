// Package woocommerce extracts from WooCommerce, the shop plugin of WordPress: orders and
// their refunds, by its REST API v3. The shop owns the sales; payment providers pay them out.
//
// Amounts are decimals in texts, most of them rounded to two places and taxes often at six.
// Times ending in _gmt are UTC. What is odd about the API:
//
//   - An order has no shipments. That it is delivered is taken from its status, completed
//     unless the setting delivered_when says otherwise, and the day from date_completed_gmt.
//   - Refunds are read per order: the list of orders names them without lines, some versions
//     not at all, and no list of refunds can be asked for what changed. A refund's own answer
//     does not say its currency, country or rates; what the order says of them is in the ID
//     that follow_woocommerce__refunds.sql asks for, and so in the key of the answer.
//   - Pages are numbered, and move while orders change: the list is asked for by ID, upwards,
//     so that an order that is new to it can repeat another and never hide one. When the list
//     got shorter while it was read, it is read again.
//   - A plugin that fails writes a warning in HTML before the JSON, with status 200.
//   - Over plain HTTP a site takes OAuth 1.0a signatures only; over HTTPS key and secret as
//     username and password, and some hosts drop that header.
//   - Without pretty permalinks the API is at index.php?rest_route=/wc/v3.
//   - A deleted order is 404 by its ID, a trashed one comes with status trash; neither is in a list.
//
// Sources: https://woocommerce.github.io/woocommerce-rest-api-docs/,
// https://github.com/woocommerce/woocommerce/issues/65488 (refunds)
package woocommerce

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// The streams.
const (
	orders  extract.Stream = "orders"  // by window, or by order ID
	refunds extract.Stream = "refunds" // by order ID, with what the order says of its refunds
	lookup  extract.Stream = "lookup"  // orders by what a payout line calls them
)

// A client reads one shop. It is safe for concurrent use.
type client struct {
	name        string // the configured name of the source
	base        *url.URL
	key, secret string
	settings    url.Values // what the staging SQL must know; in the keys of answers
	http        *http.Client
	now         func() time.Time
	auth        string      // header | query | oauth; "" begins with header
	signed      atomic.Bool // header was refused over plain HTTP: sign from now on
	routed      atomic.Bool // the API is at index.php?rest_route=
}

// Extract yields what r asks for. Keys:
//
//	orders?modified_after=2026-03-01T00:00:00&page=1   a page of the list
//	order/723                                           one order
//	refunds/723?modified=…&currency=SEK&…               the refunds of one version of one order
//	lookup/1001?on=2026-03-05                           no order is called that (Gone)
//
// Settings that the staging SQL needs are added to the key of an order or a page where they are not
// the default. An ID given twice is fetched once. An ID that the shop does not know is looked for
// among the order numbers before it is called gone.
//
// Errors: *extract.Error always. Its Key is set when one order failed and the others go on. The
// third of them in a row that fails for a reason outside of it ends the sequence, and so does
// an answer that the key is wrong.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		q := &sequence{Feed: extract.Feed{Source: c.name, Stream: r.Stream, Yield: yield}, client: c}
		switch {
		case r.Stream == orders && r.IDs == nil:
			q.orderList(ctx, r.Window)
		case r.Stream == orders:
			q.Ahead(ctx, ahead, r.IDs, c.order)
		case r.Stream == refunds && r.IDs != nil:
			q.Ahead(ctx, ahead, r.IDs, c.refunds)
		case r.Stream == lookup && r.IDs != nil:
			// A sale and its refund lead to the same order.
			seen := map[string]bool{}
			q.Yield = func(b extract.Blob, err error) bool {
				if err == nil && seen[b.Key] {
					return true
				}
				seen[b.Key] = err == nil
				return yield(b, err)
			}
			q.Ahead(ctx, ahead, r.IDs, c.look)
		case r.Stream == refunds || r.Stream == lookup:
			q.Fail(fmt.Errorf("%w: %s are read by ID", extract.ErrRefused, r.Stream), "")
		default:
			q.Fail(fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream), "")
		}
	}
}
