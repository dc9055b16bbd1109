// Package centra extracts from Centra: orders with their shipments, returns and payment history,
// through the Integration API (GraphQL).
//
// An order is invoiced per shipment and given back per return, so one order is an order, some
// deliveries and some refunds. What is odd about the API:
//
//   - Everything is one POST to base_url/graphql with an access token, which expires (30 days
//     unless said otherwise) and holds permissions field by field. An answer may be HTTP 200 and
//     hold nothing but errors.
//   - A page holds 200 elements at most; a list ends with an empty page. Every query has a
//     complexity that is limited, so a batch that is too much for the server is halved.
//   - What changes an order is not all in its updatedAt. The window is read in four light
//     lists, orders and shipments by their update, returns and payments by their creation, and
//     the orders that these name are then read whole, with a range of order numbers per request:
//     the range is the same next time, so what has not changed is not kept twice.
//   - Order number (an integer) and order ID (a hash) both name an order.
//   - 429 says in Retry-After at which moment to come again.
//   - A return has no time of update; an order with an open return is followed.
//   - Centra knows nothing of fees. What ties an order to a payment provider is the external
//     reference in its payment history and the order number.
//
// Fields that a version of Centra no longer has are left out of the query when they can be done
// without (marked ? in query.go); where the sums then do not add up, the document is held.
//
// Sources: https://centra.dev/graphql/, https://docs.centra.com/api-references/graphql-integration-api
package centra

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// The streams, in the order they are fetched.
const (
	orders  extract.Stream = "orders"  // by window, or by order number or ID
	lookups extract.Stream = "lookups" // by a payment provider's reference
)

// A client reads what one token lets it read. It is safe for concurrent use.
type client struct {
	name  string // the configured name of the source
	base  *url.URL
	token string
	store int64 // only this store's orders; 0: all that the token shows
	http  *http.Client
	now   func() time.Time

	mu      sync.Mutex
	without map[string]bool // optional fields that the server does not have
	most    int64           // as many orders in one request as the server bears; 0: not known to be fewer than a batch
}

// Extract yields what r asks for. Keys:
//
//	orders?numbers=39775-39799   the orders of the window with these numbers, and all others in that range
//	order/39790                  one order, by its number or ID, as it was asked for
//	lookup/8835612345678901      which orders have a payment of this reference
//	order/39790?ref=8835612…     an order that such a look-up found
//
// Every answer of an order holds its shipments and returns. An ID given twice is fetched once.
//
// Errors: *extract.Error always. Its Key is set, in the form above, when one range or order
// failed and the others go on. The third of them in a row that fails for a reason outside of it
// (Centra is down) ends the sequence, and so does an answer that the token is wrong.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		q := &sequence{Feed: extract.Feed{Source: c.name, Stream: r.Stream, Yield: yield}, client: c}
		switch {
		case r.Stream == orders && r.IDs == nil:
			q.window(ctx, r.Window)
		case r.Stream == orders:
			q.eachAhead(ctx, jobs(r.IDs, c.order))
		case r.Stream == lookups && r.IDs != nil:
			q.eachAhead(ctx, jobs(r.IDs, c.lookup))
		case r.Stream == lookups:
			q.Fail(fmt.Errorf("%w: payments are looked up by reference only", extract.ErrRefused), "")
		default:
			q.Fail(fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream), "")
		}
	}
}
