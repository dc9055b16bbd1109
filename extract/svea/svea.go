// Package svea extracts from Svea Checkout: reconciliation reports (v2) and the orders
// behind them, both from the Payment Admin API.
//
// Amounts, quantities and percents are integers times 100. What is odd about the API:
//
//   - A report is of one day. There is no list of days that have one, and most weekends
//     have none, so every day of a window is asked for by its date. Days are Swedish.
//   - A report holds several payouts: one per client, which is an agreement about one
//     kind of payment. None has an ID or a bank reference; client and day name it.
//   - There is no list of orders. An order is found through the report rows that name
//     it, through a webhook, or asked for by its checkout ID.
//   - What is delivered moves from the order's rows into its deliveries. Credits belong
//     to a delivery and have neither ID nor date: the staging SQL says how they get them.
//   - Times carry no zone. They are read as Swedish local time, which is inferred.
//   - Credentials are of one checkout merchant (a shop, a country). Another merchant's
//     order is refused with 403.
//   - The signature covers the body and the time, not the path: TLS protects the rest.
//
// Sources: https://docs.payments.svea.com/docs/manage-order/reports, sveawebpay/php-checkout
// and notima/svea-pmt-admin-api for the signature.
package svea

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	_ "time/tzdata" // Swedish days must be the same on a machine without time zones

	"github.com/kvitt/kvitt/extract"
)

// The streams, in the order they are fetched.
const (
	reports extract.Stream = "reports" // by window, or by day: 2026-03-06
	orders  extract.Stream = "orders"  // by checkout order ID
)

// A client reads one account. It is safe for concurrent use.
type client struct {
	name             string // the configured name of the source
	base             *url.URL
	merchant, secret string
	http             *http.Client
	now              func() time.Time
	works            atomic.Bool  // a report has been answered: the key is right
	off              atomic.Int64 // by how much Svea's clock is ahead of now, in nanoseconds; 0 until a 401 says otherwise
}

// stockholm is where Svea's days turn.
var stockholm = func() *time.Location {
	l, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		panic(err) // cannot be: tzdata is part of the program
	}
	return l
}()

const (
	// quiet is how many days without a report in a row end a window that has no beginning.
	quiet = 400
	// strangers is how many refused orders in a row, before any that was answered, end a request.
	strangers = 50
)

// beginning is before the first report there can be: Svea Checkout is younger.
var beginning = time.Date(2015, 1, 1, 0, 0, 0, 0, stockholm)

// Extract yields what r asks for. Keys:
//
//	report/2026-03-06   the reconciliation report of one day
//	order/9201634       one order
//
// An ID given twice is fetched once. A day without a report is a blob all the same: one
// that says so, or a Gone one. A window without a beginning is read backwards from
// its end until more than a year has no report.
//
// Errors: *extract.Error always. Its Key is set, in the form above, when one day or order
// failed and the others go on. The third of them in a row that fails for a reason outside of
// it (Svea is down) ends the sequence, and so does an answer that the key is wrong.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		q := &sequence{Feed: extract.Feed{Source: c.name, Stream: r.Stream, Yield: yield}, client: c}
		switch {
		case r.Stream == reports && r.IDs != nil:
			extract.Ahead(ctx, ahead, slices.Values(extract.Once(r.IDs)), c.report, q.document)
		case r.Stream == reports:
			q.window(ctx, r.Window)
		case r.Stream == orders && r.IDs != nil:
			q.orders(ctx, r.IDs)
		case r.Stream == orders:
			q.Fail(fmt.Errorf("%w: Svea has no list of orders; they are read by ID", extract.ErrRefused), "")
		default:
			q.Fail(fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream), "")
		}
	}
}

// window yields the reports of the Swedish days that w touches, none of them in the future.
func (q *sequence) window(ctx context.Context, w extract.Window) {
	if w.Until.IsZero() {
		q.Fail(fmt.Errorf("%w: a window without an end", extract.ErrRefused), "")
		return
	}
	if !w.Since.IsZero() && !w.Since.Before(w.Until) {
		return
	}
	last := startOfDay(w.Until.Add(-time.Nanosecond))
	if today := startOfDay(q.client.now()); last.After(today) {
		last = today
	}
	since, step, day := startOfDay(w.Since), 1, startOfDay(w.Since)
	open := w.Since.IsZero()
	if open {
		since, step, day = beginning, -1, last
	}
	days := func(yield func(string) bool) {
		for ; !day.Before(since) && !day.After(last); day = day.AddDate(0, 0, step) {
			if !yield(day.Format(time.DateOnly)) {
				return
			}
		}
	}
	read, missing, empty := 0, 0, 0
	enough := false
	whole := extract.Ahead(ctx, ahead, days, q.client.report, func(b extract.Blob, err error) bool {
		if !q.document(b, err) {
			return false
		}
		if err != nil {
			return true
		}
		read++
		if b.Gone {
			missing++
		}
		if b.Gone || !hasClients(b.Body) {
			empty++
		} else {
			empty = 0
		}
		enough = open && empty >= quiet
		return !enough
	})
	// A day without a report may be a 404; all of them are another server, or a path that is not there.
	if (whole || enough) && read >= 7 && missing == read {
		q.Fail(extract.Advise(fmt.Errorf("%w: none of %d days has a report, not even an empty one", extract.ErrRefused, read), q.client.wrongBase()), "")
	}
}

// startOfDay returns when the Swedish day of t began.
func startOfDay(t time.Time) time.Time {
	y, m, d := t.In(stockholm).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, stockholm)
}

// report returns the report of one day.
func (c *client) report(ctx context.Context, day string) (extract.Blob, error) {
	const path = "/api/v2/reports"
	key := "report/" + url.PathEscape(day)
	fail := func(err error) (extract.Blob, error) {
		return extract.Blob{}, extract.At(err, path+"?date="+url.QueryEscape(day), key)
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return fail(fmt.Errorf("%w: %q is no day; write 2026-03-06", extract.ErrRefused, extract.Clip(day)))
	}
	a, err := c.get(ctx, path, url.Values{"date": {day}, "includeWithholding": {"true"}})
	switch {
	case err != nil && errors.Is(err, errForbidden):
		return fail(extract.Advise(err, c.noReports()))
	case err != nil:
		return fail(err)
	}
	if !a.gone {
		if err := checkReport(a.body); err != nil {
			return fail(extract.Advise(fmt.Errorf("%w: %w", extract.ErrMalformed, err), c.wrongBase()))
		}
	}
	c.works.Store(true)
	return extract.Blob{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}, nil
}

// checkReport reports why body is no reconciliation report.
func checkReport(body []byte) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	clients, ok := doc["clientReports"]
	if !ok {
		if _, ok := doc["totalNrOfRows"]; !ok {
			return errors.New("clientReports and totalNrOfRows are missing")
		}
		return nil
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(clients, &items); err != nil {
		return errors.New("clientReports is no list of objects")
	}
	return nil
}

// hasClients reports whether there is a payout in a report.
func hasClients(body []byte) bool {
	var doc struct{ ClientReports []struct{} }
	return json.Unmarshal(body, &doc) == nil && len(doc.ClientReports) > 0
}

// orders yields orders by ID. Another merchant's order is refused as a wrong key would be:
// once the key has been shown to work, by an order or a report, such an order is one that is not there.
func (q *sequence) orders(ctx context.Context, ids []string) {
	var refused []error
	answered := q.client.works.Load()
	whole := extract.Ahead(ctx, ahead, slices.Values(extract.Once(ids)), q.client.order, func(b extract.Blob, err error) bool {
		if errors.Is(err, errForbidden) {
			refused = append(refused, err)
			return answered || len(refused) < strangers
		}
		answered = answered || err == nil
		return q.document(b, err)
	})
	if !whole && !answered && len(refused) == strangers {
		q.Fail(refused[0], "")
		return
	}
	if !whole {
		return
	}
	for _, err := range refused {
		_, key := extract.Place(err)
		if !answered {
			if !q.Fail(err, key) {
				return
			}
			continue
		}
		f, _ := errors.AsType[*forbidden](err)
		if !q.Yield(extract.Blob{Key: key, At: q.client.now().UTC(), Type: f.typ, Body: f.body, Gone: true}, nil) {
			return
		}
	}
}

// order returns one order, or the answer that there is none.
func (c *client) order(ctx context.Context, id string) (extract.Blob, error) {
	key := "order/" + url.PathEscape(id)
	path := "/api/v1/orders/" + url.PathEscape(id)
	fail := func(err error) (extract.Blob, error) {
		return extract.Blob{}, extract.At(err, path, key)
	}
	if err := extract.CheckID(id, 100); err != nil {
		return fail(err)
	}
	a, err := c.get(ctx, path, nil)
	switch {
	case err != nil && errors.Is(err, errForbidden):
		return fail(extract.Advise(err, c.anotherMerchant()))
	case err != nil:
		return fail(err)
	}
	if !a.gone {
		if err := names(a.body, id); err != nil {
			return fail(extract.Advise(err, c.wrongBase()))
		}
	}
	return extract.Blob{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}, nil
}

// names checks that body is the order id.
//
// Errors: wrap ErrMalformed.
func names(body []byte, id string) error {
	var order map[string]json.RawMessage
	if err := json.Unmarshal(body, &order); err != nil {
		return fmt.Errorf("%w: not a JSON object: %w", extract.ErrMalformed, err)
	}
	got := strings.Trim(string(order["Id"]), `"`)
	if got == "" || got == "null" {
		return fmt.Errorf("%w: Id is missing", extract.ErrMalformed)
	}
	if strings.TrimLeft(got, "0") != strings.TrimLeft(id, "0") {
		return fmt.Errorf("%w: %q was asked for, %q came", extract.ErrMalformed, extract.Clip(id), extract.Clip(got))
	}
	return nil
}
