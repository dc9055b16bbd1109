package woocommerce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// pageSize is the largest that the documentation allows.
const pageSize = 100

// maxPages ends a list that does not: a million orders are more than one window of any shop has.
const maxPages = 10_000

// maxWalks is how often a list that gets shorter while it is read is read again.
const maxWalks = 3

// clock is how the API writes times, without a zone.
const clock = "2006-01-02T15:04:05"

// A page is one page of the list of orders.
type page struct {
	blob     extract.Blob
	elements int
	total    int  // orders there are in all; -1 when the answer does not say
	pages    int  // pages there are; -1 when the answer does not say
	next     bool // the answer links to another
}

// orderList yields the pages of orders that changed in the window, by ascending ID.
func (q *sequence) orderList(ctx context.Context, w extract.Window) {
	query := url.Values{"orderby": {"id"}, "order": {"asc"}, "status": {"any"}, "dates_are_gmt": {"true"}, "per_page": {strconv.Itoa(pageSize)}}
	named := url.Values{}
	for k, v := range q.client.settings {
		named[k] = v
	}
	// Both ends are exclusive; a window holds its first moment.
	if !w.Since.IsZero() {
		since := w.Since.UTC().Add(-time.Second).Format(clock)
		query.Set("modified_after", since)
		named.Set("modified_after", since)
	}
	if !w.Until.IsZero() {
		until := w.Until.UTC().Format(clock)
		query.Set("modified_before", until)
		named.Set("modified_before", until)
	}
	for walk := 1; ; walk++ {
		shrunk, ok := q.walk(ctx, query, named)
		if !ok {
			return
		}
		if !shrunk {
			q.trash(ctx, query, named)
			return
		}
		if walk == maxWalks {
			q.Fail(extract.At(fmt.Errorf("%w: the list of orders got shorter each of the %d times it was read", extract.ErrTransient, walk), "/orders", ""), "")
			return
		}
	}
}

// trash yields the orders of the window that were thrown away, which are in no other list: what was
// delivered and thrown away between two runs would never be seen. A shop that does not have such a list is left alone.
func (q *sequence) trash(ctx context.Context, query, named url.Values) {
	query, named = maps.Clone(query), maps.Clone(named)
	query.Set("status", "trash")
	named.Set("status", "trash")
	for n := 1; n <= maxPages; n++ {
		p, err := q.client.page(ctx, query, named, n)
		if errors.Is(err, extract.ErrRefused) {
			return
		}
		if err != nil {
			q.Fail(err, "")
			return
		}
		var list []struct {
			Status text `json:"status"`
		}
		if json.Unmarshal(p.blob.Body, &list) != nil || len(list) == 0 || list[0].Status != "trash" {
			return
		}
		if !q.Yield(p.blob, nil) || p.pages >= 0 && n >= p.pages || p.pages < 0 && p.elements < pageSize {
			return
		}
	}
}

// walk reads the list once. It reports whether the list got shorter meanwhile, so that an order may
// have slipped from a page not read yet onto one that was, and whether to go on.
func (q *sequence) walk(ctx context.Context, query, named url.Values) (shrunk, ok bool) {
	get := func(ctx context.Context, n int) (page, error) { return q.client.page(ctx, query, named, n) }
	var last page
	most := -1
	read := 0
	take := func(p page, err error) bool {
		if err != nil {
			q.Fail(err, "")
			return false
		}
		if read++; read > maxPages {
			q.Fail(extract.At(fmt.Errorf("%w: a list of more than %d pages", extract.ErrMalformed, maxPages), "/orders", ""), "")
			return false
		}
		if read > 1 && p.elements > 0 && bytes.Equal(p.blob.Body, last.blob.Body) {
			q.Fail(extract.At(extract.Advise(fmt.Errorf("%w: page %d repeats the one before it", extract.ErrMalformed, read),
				"something between kvitt and the shop caches its answers without looking at the page: let it pass "+api),
				"/orders", ""),
				"")
			return false
		}
		shrunk = shrunk || p.total >= 0 && p.total < most
		most = max(most, p.total)
		last = p
		if p.elements == 0 && read > 1 {
			return true // a page past the end says nothing
		}
		return q.Yield(p.blob, nil)
	}
	if !take(get(ctx, 1)) {
		return false, false
	}
	for {
		switch {
		case last.pages > read:
			var numbers []int
			for n := read + 1; n <= last.pages; n++ {
				numbers = append(numbers, n)
			}
			ok := true
			extract.Ahead(ctx, ahead, slices.Values(numbers), get, func(p page, err error) bool { ok = take(p, err); return ok })
			if !ok {
				return false, false
			}
		case last.pages < 0 && last.elements > 0 && (last.next || last.elements == pageSize):
			if !take(get(ctx, read+1)) {
				return false, false
			}
		default:
			return shrunk, true
		}
	}
}

// page reads one page of the list.
func (c *client) page(ctx context.Context, query, named url.Values, n int) (page, error) {
	asked := url.Values{"page": {strconv.Itoa(n)}}
	for k, v := range query {
		asked[k] = v
	}
	fail := func(err error) (page, error) {
		return page{}, extract.At(err, fmt.Sprintf("/orders page %d", n), "")
	}
	a, err := c.get(ctx, "/orders", asked)
	if err != nil {
		return fail(err)
	}
	if a.gone {
		return fail(extract.Advise(fmt.Errorf("%w: 404 for a list", extract.ErrRefused), c.wrongBase()))
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(a.body, &elements); err != nil || elements == nil {
		return fail(extract.Advise(fmt.Errorf("%w: no list of orders", extract.ErrMalformed), c.wrongBase()))
	}
	key := "orders?"
	if len(named) > 0 {
		key += readable(named) + "&"
	}
	return page{
		blob:     extract.Blob{Key: key + "page=" + strconv.Itoa(n), At: c.now().UTC(), Type: a.typ, Body: a.body},
		elements: len(elements),
		total:    number(a.header, "X-WP-Total"),
		pages:    number(a.header, "X-WP-TotalPages"),
		next:     strings.Contains(strings.Join(a.header.Values("Link"), ","), `rel="next"`),
	}, nil
}

// readable is a query as people like to read it in a key; colons and commas need no escaping there.
func readable(v url.Values) string {
	return strings.NewReplacer("%3A", ":", "%2C", ",").Replace(v.Encode())
}

// number returns a header's whole number, -1 if there is none.
func number(h http.Header, name string) int {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get(name)))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// order reads one order by its ID, or by its number when no order has that ID.
func (c *client) order(ctx context.Context, id string) ([]extract.Blob, error) {
	id = strings.TrimPrefix(strings.TrimSpace(id), "#")
	key := "order/" + id
	if err := checkID(id); err != nil {
		return nil, extract.At(err, "/orders", key)
	}
	var missing answer
	if isID(id) {
		blobs, a, err := c.byID(ctx, id)
		if err != nil || !a.gone {
			return blobs, err
		}
		missing = a
	}
	found, a, err := c.find(ctx, id, func(o called) bool { return normal(o.Number.String()) == normal(id) })
	switch {
	case err != nil:
		return nil, extract.At(err, "/orders?search", key)
	case len(found) == 1:
		blobs, _, err := c.byID(ctx, found[0])
		return blobs, err
	case missing.body == nil:
		missing = a
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: missing.typ, Body: missing.body, Gone: true}}, nil
}

// byID reads one order by its ID.
func (c *client) byID(ctx context.Context, id string) ([]extract.Blob, answer, error) {
	key := "order/" + id
	fail := func(err error) ([]extract.Blob, answer, error) {
		return nil, answer{}, extract.At(err, "/orders/"+id, key)
	}
	a, err := c.get(ctx, "/orders/"+id, nil)
	if err != nil {
		return fail(err)
	}
	if !a.gone {
		var o called
		if err := json.Unmarshal(a.body, &o); err != nil || o.ID.String() != id {
			return fail(extract.Advise(fmt.Errorf("%w: order %s was asked for, %s came", extract.ErrMalformed, id, clip("\""+o.ID.String()+"\"")), c.wrongBase()))
		}
		if len(c.settings) > 0 {
			key += "?" + readable(c.settings)
		}
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}}, a, nil
}

// refunds reads the refunds of one order. What follows the ID's question mark is for the staging
// SQL and stays in the key.
func (c *client) refunds(ctx context.Context, id string) ([]extract.Blob, error) {
	key := "refunds/" + id
	order, _, _ := strings.Cut(id, "?")
	path := "/orders/" + url.PathEscape(order) + "/refunds"
	fail := func(err error) ([]extract.Blob, error) {
		return nil, extract.At(err, path, key)
	}
	if !isID(order) {
		return fail(fmt.Errorf("%w: %q is no order ID", extract.ErrRefused, order))
	}
	a, err := c.get(ctx, path, url.Values{"per_page": {strconv.Itoa(pageSize)}})
	if err != nil {
		return fail(err)
	}
	if !a.gone {
		var list []json.RawMessage
		if err := json.Unmarshal(a.body, &list); err != nil || list == nil {
			return fail(extract.Advise(fmt.Errorf("%w: no list of refunds", extract.ErrMalformed), c.wrongBase()))
		}
		if n := number(a.header, "X-WP-TotalPages"); n > 1 {
			return fail(fmt.Errorf("%w: more than %d refunds of one order", extract.ErrMalformed, pageSize))
		}
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}}, nil
}

// look finds the order behind a payout line. id is what the line calls it, in the order the names are to
// be tried, a bar between them; then, after "?", what it moved. An order is taken when one of its own names is
// one of those. The number of an order is that of another order in every other shop: where that is all
// there is, an order whose money is not the line's is left where it is, for it would be booked.
func (c *client) look(ctx context.Context, id string) ([]extract.Blob, error) {
	names, moved := settled(id)
	key := "lookup/" + id + "?on="
	if moved != nil {
		key = "lookup/" + id + "&on="
	}
	key += c.now().UTC().Format("2006-01-02")
	var none answer
	for name := range strings.SplitSeq(names, "|") {
		name = strings.TrimPrefix(strings.TrimSpace(name), "#")
		if checkID(name) != nil {
			continue
		}
		found, a, err := c.find(ctx, name, func(o called) bool { return o.isMeant(name, moved) })
		if err != nil {
			return nil, extract.At(err, "/orders?search", key)
		}
		if len(found) > 0 {
			var blobs []extract.Blob
			for _, f := range found {
				one, a, err := c.byID(ctx, f)
				if err != nil {
					return nil, err
				}
				if !a.gone {
					blobs = append(blobs, one...)
				}
			}
			return blobs, nil
		}
		none = a
		if isID(name) {
			blobs, a, err := c.byID(ctx, name)
			if err != nil {
				return nil, err
			}
			if !a.gone {
				var o called
				if json.Unmarshal(a.body, &o) == nil && o.isMeant(name, moved) {
					return blobs, nil
				}
				a.body = []byte("[]") // another order, which is nobody's business here
			}
			none = a
		}
	}
	if none.body == nil {
		return nil, nil // no name that could be asked for
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: none.typ, Body: none.body, Gone: true}}, nil
}

// An amount is what a payout line moved, > 0 to us.
type amount struct {
	minor    int64
	currency string
}

// settled takes the ID of a look-up apart. Where it does not say what was moved there is nothing to compare with.
func settled(id string) (names string, moved *amount) {
	names, query, found := strings.Cut(id, "?minor=")
	if !found {
		return id, nil
	}
	minor, currency, _ := strings.Cut(query, "&currency=")
	n, err := strconv.ParseInt(minor, 10, 64)
	if err != nil {
		return id, nil
	}
	return names, &amount{n, currency}
}

// find asks the shop's own search for name, and returns the IDs of the orders it found that are meant. The
// search looks into more than names, and some shops ignore it, so what it finds is looked at.
func (c *client) find(ctx context.Context, name string, meant func(called) bool) ([]string, answer, error) {
	a, err := c.get(ctx, "/orders", url.Values{"search": {name}, "status": {"any"}, "per_page": {strconv.Itoa(pageSize)}})
	if err != nil {
		return nil, answer{}, err
	}
	var list []called
	if a.gone || json.Unmarshal(a.body, &list) != nil {
		return nil, answer{}, extract.Advise(fmt.Errorf("%w: no list of orders", extract.ErrMalformed), c.wrongBase())
	}
	var ids []string
	for _, o := range list {
		if isID(o.ID.String()) && meant(o) {
			ids = append(ids, o.ID.String())
		}
	}
	return ids, a, nil
}

// called is what an order may be called by.
type called struct {
	ID          text   `json:"id"`
	Number      text   `json:"number"`
	OrderKey    text   `json:"order_key"`
	Transaction text   `json:"transaction_id"`
	Meta        []meta `json:"meta_data"`
	Total       text   `json:"total"`
	Currency    text   `json:"currency"`
	Refunds     []struct {
		Total text `json:"total"`
	} `json:"refunds"`
}

type meta struct {
	Key   text            `json:"key"`
	Value json.RawMessage `json:"value"`
}

// isMeant reports whether a payout line that calls an order name, and moved that much, can mean o.
func (o called) isMeant(name string, moved *amount) bool {
	own, number := o.isCalled(name)
	return own || number && (moved == nil || o.has(*moved))
}

// isCalled reports whether name is a name that o alone has, or one that is counted in each shop, by which a provider may know it.
func (o called) isCalled(name string) (own, number bool) {
	want := normal(name)
	is := func(n text) bool { return n != "" && normal(n.String()) == want }
	own = is(o.Transaction) || is(o.OrderKey)
	number = is(o.Number) || is(o.ID)
	for _, m := range o.Meta {
		var v text
		if json.Unmarshal(m.Value, &v) == nil && strings.HasPrefix(m.Key.String(), "_") && is(v) && len(want) > 5 {
			if strings.Contains(m.Key.String(), "order_number") { // numbers that a plugin counts
				number = true
			} else {
				own = true
			}
		}
	}
	return own, number
}

// has reports whether an amount is all of o, or one of its refunds. Where the shop names no refunds,
// any that o has room for.
func (o called) has(moved amount) bool {
	if o.Currency != "" && !strings.EqualFold(o.Currency.String(), moved.currency) {
		return false
	}
	if moved.minor >= 0 {
		return minor(o.Total, moved.currency) == moved.minor
	}
	for _, r := range o.Refunds {
		if m := minor(r.Total, moved.currency); m == moved.minor || m == -moved.minor {
			return true
		}
	}
	return len(o.Refunds) == 0 && minor(o.Total, moved.currency) >= -moved.minor
}

// minor is a decimal in minor units; 0 if it is none.
func minor(t text, currency string) int64 {
	places := 2
	switch strings.ToUpper(currency) {
	case "JPY", "KRW", "VND", "CLP", "XOF", "XAF", "PYG", "UGX":
		places = 0
	case "KWD", "BHD", "OMR", "JOD", "TND", "IQD", "LYD":
		places = 3
	}
	whole, part, _ := strings.Cut(strings.TrimSpace(t.String()), ".")
	part += "000"
	n, err := strconv.ParseInt(whole+part[:places], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// A text is a JSON string, or a number as it is written.
type text string

func (t text) String() string { return string(t) }

// UnmarshalJSON takes strings and numbers; anything else is no text, and no error.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
		return nil
	}
	var n json.Number
	if json.Unmarshal(b, &n) == nil {
		*t = text(n)
	}
	return nil
}

// normal is a name as it is compared, as the macro normal_reference does.
func normal(s string) string {
	return strings.TrimLeft(strings.ToUpper(strings.TrimSpace(s)), "#0")
}

// isID reports whether s can be the ID of an order: it is a number in WordPress.
func isID(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == "" && s[0] != '0'
}

// checkID refuses what can be neither ID nor number.
func checkID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: %q is no ID", extract.ErrRefused, id)
	case len(id) > 255:
		return fmt.Errorf("%w: an ID of %d characters", extract.ErrRefused, len(id))
	case strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("%w: the ID %q holds a control character", extract.ErrRefused, id)
	}
	return nil
}
