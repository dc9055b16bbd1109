package centra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

const (
	pageSize = 200 // "Limit must be in range 1 - 200"
	batch    = 25  // order numbers per request: 20 requests in 10 seconds are then about the complexity allowed
	maxPages = 50_000
)

// A listing is one of the lists that tell which orders to read.
type listing struct {
	root     string // the query's root field, as a list of objects
	by       string // the time it is filtered by
	number   string // the selection of the order's number
	noStore  bool   // its filter knows no store
	optional bool   // a Centra without it is read by the others
}

// Source: OrderFilter, ShipmentFilter, ReturnFilter, PaymentHistoryEntryFilter. A return and a
// payment have no time of update.
var listings = []listing{
	{root: "orders", by: "updatedAt", number: "number"},
	{root: "shipments", by: "updatedAt", number: "order { number }", optional: true},
	{root: "returns", by: "createdAt", number: "order { number }"},
	{root: "orderPaymentHistory", by: "createdAt", number: "order { number }", noStore: true, optional: true},
}

// window reads the orders that something has happened to in a window.
func (q *sequence) window(ctx context.Context, w extract.Window) {
	c := q.client
	must := map[int64]bool{} // by number: named by a list; true when it must be there
	for _, l := range listings {
		if err := c.index(ctx, l, w, must); err != nil {
			q.Fail(err, "")
			return
		}
	}
	const size = batch
	buckets := map[int64][]int64{}
	for n, sure := range must {
		if _, ok := buckets[n/size]; !ok {
			buckets[n/size] = nil
		}
		if sure {
			buckets[n/size] = append(buckets[n/size], n)
		}
	}
	var work []job
	for _, b := range slices.Sorted(maps.Keys(buckets)) {
		from, to, sure := b*size, b*size+size-1, buckets[b]
		work = append(work, func(ctx context.Context) ([]extract.Blob, error) { return c.numbers(ctx, from, to, sure) })
	}
	q.eachAhead(ctx, work)
}

// unknownFilter is how a server says that its lists cannot be filtered by the time of the last change.
var unknownFilter = regexp.MustCompile(`(?i)["'\x60]?updatedAt["'\x60]? (?:is not defined|is not accepted|doesn't exist|does not exist)|unknown (?:field|argument|filter)[^"'\x60]*["'\x60]?updatedAt`)

// index adds the order numbers that a list names. Pages are read until one is empty, so that a server
// that gives less than was asked for hides nothing.
func (c *client) index(ctx context.Context, l listing, w extract.Window, into map[int64]bool) error {
	var bounds []string
	vars := map[string]any{}
	decl := ""
	if !w.Since.IsZero() {
		bounds, decl = append(bounds, "from: $from"), decl+"$from: DateTimeTz, "
		vars["from"] = w.Since.UTC().Format(time.RFC3339)
	}
	if !w.Until.IsZero() {
		bounds, decl = append(bounds, "to: $to"), decl+"$to: DateTimeTz, "
		vars["to"] = w.Until.UTC().Format(time.RFC3339)
	}
	var filter string
	if len(bounds) > 0 {
		filter = l.by + ": {" + strings.Join(bounds, ", ") + "}"
	}
	where := ""
	switch {
	case l.noStore && filter != "":
		where = "where: {" + filter + "}, "
	case !l.noStore && filter != "":
		where = "where: " + c.where(filter) + ", "
	case !l.noStore && c.store != 0:
		where = "where: " + c.where() + ", "
	}
	query := fmt.Sprintf("query Index(%s$limit: Int, $page: Int) { %s(%slimit: $limit, page: $page) { %s } }", decl, l.root, where, l.number)
	size := pageSize
	for page := 1; ; page++ {
		at := fmt.Sprintf("/graphql, %s page %d", l.root, page)
		fail := func(err error) error { return extract.At(err, at, "") }
		if page > maxPages {
			return fail(fmt.Errorf("%w: a list of more than %d pages", extract.ErrMalformed, maxPages))
		}
		vars["limit"], vars["page"] = size, page
		a, refused, err := c.post(ctx, query, vars)
		if err == nil && len(refused) > 0 {
			err = c.refusedBy(refused)
			if l.by == "updatedAt" && page == 1 && slices.ContainsFunc(refused, func(r refusal) bool { return unknownFilter.MatchString(r.Message) }) {
				// What happened to an order since it was made, the other lists tell.
				l.by = "createdAt"
				return c.index(ctx, l, w, into)
			}
			if l.optional && page == 1 && slices.ContainsFunc(refused, func(r refusal) bool { return unknownField[0].MatchString(r.Message) }) {
				return nil
			}
		}
		if errors.Is(err, errTooMuch) && page == 1 && size > 1 {
			size, page = size/2, 0
			continue
		}
		if err != nil {
			return fail(err)
		}
		items, err := a.list(l.root)
		if err != nil {
			return fail(err)
		}
		if len(items) == 0 {
			return nil
		}
		fresh := false
		for _, item := range items {
			var o struct {
				Number flexInt `json:"number"`
				Order  *struct {
					Number flexInt `json:"number"`
				} `json:"order"`
			}
			if err := json.Unmarshal(item, &o); err != nil {
				return fail(fmt.Errorf("%w: an order's number is none", extract.ErrMalformed))
			}
			n := int64(o.Number)
			if l.number != "number" {
				if o.Order == nil {
					continue // a payment of something else than an order that this token shows
				}
				n = int64(o.Order.Number)
			}
			if n <= 0 {
				return fail(fmt.Errorf("%w: an order's number is missing", extract.ErrMalformed))
			}
			was, known := into[n]
			fresh = fresh || !known
			into[n] = was || l.root == "orders"
		}
		// A server that does not page answers the same for ever; one order may have many payments.
		if !fresh && page > 1 && len(items) >= size && page > len(into)+10 {
			return fail(fmt.Errorf("%w: the list goes on without naming anything new", extract.ErrMalformed))
		}
	}
}

// A flexInt is a whole number, quoted or not.
type flexInt int64

func (f *flexInt) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	*f = flexInt(n)
	return err
}

// numbers reads a range of order numbers, in halves when it is too much at once. Those in
// sure must be there.
func (c *client) numbers(ctx context.Context, from, to int64, sure []int64) ([]extract.Blob, error) {
	key := fmt.Sprintf("orders?numbers=%d-%d", from, to)
	fail := func(err error) ([]extract.Blob, error) {
		return nil, extract.At(err, "/graphql, "+key, key)
	}
	var these []int64
	for n := max(from, 1); n <= to; n++ {
		these = append(these, n)
	}
	var a answer
	var found map[int64]bool
	var err error
	if c.tooMany(to - from + 1) {
		err = errTooMuch
	} else if a, found, err = c.whole(ctx, these, true); errors.Is(err, errTooMuch) && from < to {
		c.notAgain(to - from + 1)
	}
	if errors.Is(err, errTooMuch) && from < to {
		mid := from + (to-from)/2
		var blobs []extract.Blob
		for _, half := range [][2]int64{{from, mid}, {mid + 1, to}} {
			in := slices.DeleteFunc(slices.Clone(sure), func(n int64) bool { return n < half[0] || n > half[1] })
			part, err := c.numbers(ctx, half[0], half[1], in)
			if err != nil {
				return nil, err
			}
			blobs = append(blobs, part...)
		}
		return blobs, nil
	}
	if err != nil {
		return fail(err)
	}
	for _, n := range sure {
		if !found[n] {
			return fail(fmt.Errorf("%w: order %d is listed, and did not come when asked for by its number", extract.ErrMalformed, n))
		}
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body}}, nil
}

// tooMany reports whether the server has refused so many orders at once before.
func (c *client) tooMany(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return n > 1 && c.most > 0 && n > c.most
}

func (c *client) notAgain(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most == 0 || n <= c.most {
		c.most = max(n/2, 1)
	}
}

// order reads one order by its number or ID.
func (c *client) order(ctx context.Context, id string) ([]extract.Blob, error) {
	b, err := c.one(ctx, id, "order/"+id)
	if err != nil {
		return nil, err
	}
	return []extract.Blob{b}, nil
}

func (c *client) one(ctx context.Context, id, key string) (extract.Blob, error) {
	fail := func(err error) (extract.Blob, error) {
		return extract.Blob{}, extract.At(err, "/graphql, order "+id, key)
	}
	if err := extract.CheckID(id, 255); err != nil {
		return fail(err)
	}
	var a answer
	var found map[int64]bool
	var err error
	if n, ok := orderNumber(id); ok {
		a, found, err = c.whole(ctx, []int64{n}, true)
	} else {
		a, found, err = c.whole(ctx, []string{id}, false)
	}
	if err != nil {
		return fail(err)
	}
	return extract.Blob{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: len(found) == 0}, nil
}

// orderNumber reads an order number, as people write it; Centra's are 32-bit integers. IDs are hashes.
func orderNumber(id string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(id), "#"), 10, 32)
	return n, err == nil && n > 0
}

// whole asks for orders with everything that belongs to them, and says which numbers came.
func (c *client) whole(ctx context.Context, these any, byNumber bool) (answer, map[int64]bool, error) {
	n := 1
	if all, ok := these.([]int64); ok {
		n = len(all)
	}
	var a answer
	var items []json.RawMessage
	// Few orders have a return: a low limit costs less. A list as long as its limit may lack some.
	for limit := 2*n + 10; ; limit = pageSize {
		var err error
		a, err = c.ask(ctx, func() string { return c.wholeOrders(byNumber) }, map[string]any{"these": these, "limit": n, "returnLimit": limit})
		if err != nil {
			return answer{}, nil, err
		}
		if items, err = a.list("orders"); err != nil {
			return answer{}, nil, err
		}
		returns, err := a.list("returns")
		if err != nil {
			return answer{}, nil, err
		}
		if len(returns) < limit {
			break
		}
		if limit == pageSize {
			return answer{}, nil, fmt.Errorf("%w: %w: %d returns or more", extract.ErrRefused, errTooMuch, limit)
		}
	}
	found := map[int64]bool{}
	for _, item := range items {
		var o struct {
			ID     any     `json:"id"`
			Number flexInt `json:"number"`
		}
		if err := json.Unmarshal(item, &o); err != nil || o.Number <= 0 || o.ID == nil {
			return answer{}, nil, fmt.Errorf("%w: an order without its number or ID", extract.ErrMalformed)
		}
		found[int64(o.Number)] = true
	}
	return a, found, nil
}

// lookup asks which orders have a payment of this reference, and reads them.
func (c *client) lookup(ctx context.Context, ref string) ([]extract.Blob, error) {
	key := "lookup/" + ref
	fail := func(err error) ([]extract.Blob, error) {
		return nil, extract.At(err, "/graphql, payments of "+ref, key)
	}
	if err := extract.CheckID(ref, 255); err != nil {
		return fail(err)
	}
	a, refused, err := c.post(ctx, "query Lookup($ref: [String!], $limit: Int) { orderPaymentHistory(where: {externalReference: $ref}, limit: $limit) { externalReference order { id number } } }",
		map[string]any{"ref": []string{ref}, "limit": pageSize})
	if err == nil && len(refused) > 0 {
		err = c.refusedBy(refused)
	}
	if err != nil {
		return fail(err)
	}
	items, err := a.list("orderPaymentHistory")
	if err != nil {
		return fail(err)
	}
	blobs := []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body}}
	var numbers []int64
	for _, item := range items {
		var e struct {
			Order *struct {
				Number flexInt `json:"number"`
			} `json:"order"`
		}
		if err := json.Unmarshal(item, &e); err != nil {
			return fail(fmt.Errorf("%w: a payment's order has no number", extract.ErrMalformed))
		}
		if e.Order != nil && e.Order.Number > 0 && !slices.Contains(numbers, int64(e.Order.Number)) {
			numbers = append(numbers, int64(e.Order.Number))
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		b, err := c.one(ctx, strconv.FormatInt(n, 10), fmt.Sprintf("order/%d?ref=%s", n, ref))
		if err != nil {
			return nil, err
		}
		if !b.Gone { // another store's than the one read here
			blobs = append(blobs, b)
		}
	}
	return blobs, nil
}
