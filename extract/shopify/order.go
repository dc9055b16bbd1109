package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// What is looked at of an order's answer: whether it is whole, and nothing of what it means.
type (
	pageOf struct {
		PageInfo struct {
			HasNextPage bool    `json:"hasNextPage"`
			EndCursor   *string `json:"endCursor"`
		} `json:"pageInfo"`
		Nodes []struct {
			ID    string  `json:"id"`
			Sales *pageOf `json:"sales"`
		} `json:"nodes"`
	}
	orderOf struct {
		ID            string          `json:"id"`
		Legacy        json.RawMessage `json:"legacyResourceId"`
		Name          string          `json:"name"`
		UpdatedAt     string          `json:"updatedAt"`
		LineItems     *pageOf         `json:"lineItems"`
		ShippingLines *pageOf         `json:"shippingLines"`
		Transactions  []transactionOf `json:"transactions"`
		Refunds       []partOf        `json:"refunds"`
		Fulfillments  []partOf        `json:"fulfillments"`
		Agreements    *pageOf         `json:"agreements"`
	}
	transactionOf struct {
		ID        string `json:"id"`
		PaymentID string `json:"paymentId"`
		Kind      string `json:"kind"`
		Status    string `json:"status"`
		AmountSet map[string]struct {
			Amount       json.RawMessage `json:"amount"`
			CurrencyCode string          `json:"currencyCode"`
		} `json:"amountSet"`
	}
	partOf struct {
		ID                   string  `json:"id"`
		OrderAdjustments     *pageOf `json:"orderAdjustments"`
		Transactions         *pageOf `json:"transactions"`
		FulfillmentLineItems *pageOf `json:"fulfillmentLineItems"`
	}
	dataOf struct {
		Order       *orderOf `json:"order"`
		Refund      *partOf  `json:"refund"`
		Fulfillment *partOf  `json:"fulfillment"`
		Orders      *struct {
			pageOf
			Nodes []orderOf `json:"nodes"`
		} `json:"orders"`
	}
)

// errChanged says that an order changed between two of its answers.
var errChanged = errors.New("the order changed while it was read")

// maxPages bounds one connection: a server that never ends is not believed.
const maxPages = 2000

// A reading gathers the answers of one order.
type reading struct {
	c       *client
	ctx     context.Context
	id      string
	updated string
	answers [][]byte
}

// ask asks one more question about the order and keeps the answer. query is made anew when
// the shop finds it too dear.
func (r *reading) ask(query func() string, vars map[string]any) (dataOf, error) {
	for {
		rep, err := r.c.ask(r.ctx, query(), vars)
		if errors.Is(err, errTooDear) && r.c.sizes.smaller() {
			continue
		}
		if err != nil {
			return dataOf{}, err
		}
		var d dataOf
		if err := json.Unmarshal(rep.data, &d); err != nil {
			return d, extract.Advise(fmt.Errorf("%w: %w", extract.ErrMalformed, err), r.c.wrongBase())
		}
		if d.Order != nil {
			if r.updated != "" && d.Order.UpdatedAt != r.updated {
				return d, errChanged
			}
			if d.Order.ID != "" && d.Order.ID != r.id {
				return d, fmt.Errorf("%w: %q was asked for, %q came", extract.ErrMalformed, extract.Clip(r.id), extract.Clip(d.Order.ID))
			}
		}
		r.answers = append(r.answers, rep.body)
		return d, nil
	}
}

// cursor returns where the next page begins; "" when p is the last.
func (p *pageOf) cursor() (string, error) {
	if p == nil || !p.PageInfo.HasNextPage {
		return "", nil
	}
	if p.PageInfo.EndCursor == nil || *p.PageInfo.EndCursor == "" {
		return "", fmt.Errorf("%w: a page says that another follows, and not where", extract.ErrMalformed)
	}
	return *p.PageInfo.EndCursor, nil
}

// rest reads a connection to its end. pick finds it in an answer.
func (r *reading) rest(p *pageOf, id string, query func() string, pick func(dataOf) *pageOf) error {
	seen := map[string]bool{}
	for n := 0; ; n++ {
		after, err := p.cursor()
		if err != nil || after == "" {
			return err
		}
		if seen[after] || n == maxPages {
			return fmt.Errorf("%w: the pages of a list do not end", extract.ErrMalformed)
		}
		seen[after] = true
		d, err := r.ask(query, map[string]any{"id": id, "after": after})
		if err != nil {
			return err
		}
		if p = pick(d); p == nil {
			return fmt.Errorf("%w: a page that was announced did not come", extract.ErrMalformed)
		}
	}
}

// read reads the order whole. It returns false when the shop does not know it.
func (r *reading) read() (*orderOf, bool, error) {
	c := r.c
	halved := c.sizes.halved.Load()
	d, err := r.ask(c.orderQuery, map[string]any{"id": r.id})
	if err != nil {
		return nil, false, err
	}
	o := d.Order
	if o == nil {
		return nil, false, nil
	}
	if o.ID == "" {
		return nil, false, extract.Advise(fmt.Errorf("%w: the answer has no order", extract.ErrMalformed), c.wrongBase())
	}
	r.updated = o.UpdatedAt
	asked := func(first int) int { return max(first>>max(c.sizes.halved.Load(), halved), 1) }

	if err := r.rest(o.LineItems, r.id, func() string { return c.more("lineItems", c.lineItem(), 50) },
		func(d dataOf) *pageOf { return orderPage(d, func(o *orderOf) *pageOf { return o.LineItems }) }); err != nil {
		return nil, false, err
	}
	if err := r.rest(o.ShippingLines, r.id, func() string { return c.more("shippingLines", c.shippingLine(), 50) },
		func(d dataOf) *pageOf { return orderPage(d, func(o *orderOf) *pageOf { return o.ShippingLines }) }); err != nil {
		return nil, false, err
	}
	if len(o.Transactions) >= asked(firstTransactions) {
		if err := r.list("transactions", c.transaction(), func(o *orderOf) int { return len(o.Transactions) }, func(o2 *orderOf) { o.Transactions = o2.Transactions }); err != nil {
			return nil, false, err
		}
	}
	refunds := o.Refunds
	if len(refunds) >= asked(firstRefunds) {
		if err := r.list("refunds", refundHead+c.bag("totalRefundedSet"), func(o *orderOf) int { return len(o.Refunds) }, func(o2 *orderOf) { refunds = o2.Refunds }); err != nil {
			return nil, false, err
		}
	}
	known := map[string]partOf{}
	for _, p := range o.Refunds {
		known[p.ID] = p
	}
	for _, p := range refunds {
		first, ok := known[p.ID]
		for _, part := range []struct {
			adjustments bool
			page        *pageOf
			of          func(*partOf) *pageOf
		}{
			{true, first.OrderAdjustments, func(p *partOf) *pageOf { return p.OrderAdjustments }},
			{false, first.Transactions, func(p *partOf) *pageOf { return p.Transactions }},
		} {
			query := func() string { return c.refundRest(part.adjustments) }
			pick := func(d dataOf) *pageOf {
				if d.Refund == nil {
					return nil
				}
				return part.of(d.Refund)
			}
			page := part.page
			if !ok { // beyond the first few: nothing of it is here yet
				d, err := r.ask(query, map[string]any{"id": p.ID, "after": nil})
				if err != nil {
					return nil, false, err
				}
				page = pick(d)
			}
			if err := r.rest(page, p.ID, query, pick); err != nil {
				return nil, false, err
			}
		}
	}
	parcels := o.Fulfillments
	if len(parcels) >= asked(firstFulfillments) {
		if err := r.list("fulfillments", fulfillmentHead, func(o *orderOf) int { return len(o.Fulfillments) }, func(o2 *orderOf) { parcels = o2.Fulfillments }); err != nil {
			return nil, false, err
		}
	}
	clear(known)
	for _, p := range o.Fulfillments {
		known[p.ID] = p
	}
	for _, p := range parcels {
		first, ok := known[p.ID]
		pick := func(d dataOf) *pageOf {
			if d.Fulfillment == nil {
				return nil
			}
			return d.Fulfillment.FulfillmentLineItems
		}
		page := first.FulfillmentLineItems
		if !ok {
			d, err := r.ask(c.fulfillmentRest, map[string]any{"id": p.ID, "after": nil})
			if err != nil {
				return nil, false, err
			}
			page = pick(d)
		}
		if err := r.rest(page, p.ID, c.fulfillmentRest, pick); err != nil {
			return nil, false, err
		}
	}
	return o, true, r.agreements(o.Agreements)
}

// list asks for all of a list that has no pages.
func (r *reading) list(name, node string, count func(*orderOf) int, use func(*orderOf)) error {
	const most = 150
	d, err := r.ask(func() string { return r.c.all(name, node, r.c.sizes.of(most)) }, map[string]any{"id": r.id})
	if err != nil {
		return err
	}
	if d.Order == nil {
		return errChanged
	}
	if n := count(d.Order); n >= r.c.sizes.of(most) {
		return fmt.Errorf("%w: the order has %d %s or more, and Shopify has no pages of them", extract.ErrMalformed, n, name)
	}
	use(d.Order)
	return nil
}

// agreements reads the journal to its end: page by page while every agreement is whole,
// else each agreement for itself, for only so can its sales be paged.
func (r *reading) agreements(p *pageOf) error {
	if p == nil {
		return nil
	}
	whole := !p.PageInfo.HasNextPage
	for _, a := range p.Nodes {
		whole = whole && (a.Sales == nil || !a.Sales.PageInfo.HasNextPage)
	}
	if whole {
		return nil
	}
	var after any
	for n := 0; ; n++ {
		var sales any
		seen := map[string]bool{}
		for {
			d, err := r.ask(r.c.oneAgreement, map[string]any{"id": r.id, "after": after, "sales": sales})
			if err != nil {
				return err
			}
			page := orderPage(d, func(o *orderOf) *pageOf { return o.Agreements })
			if page == nil || len(page.Nodes) > 1 || n == maxPages {
				return fmt.Errorf("%w: one agreement was asked for, something else came", extract.ErrMalformed)
			}
			if len(page.Nodes) == 0 {
				return nil
			}
			next, err := page.Nodes[0].Sales.cursor()
			if err != nil {
				return err
			}
			if next != "" {
				if seen[next] {
					return fmt.Errorf("%w: the pages of a list do not end", extract.ErrMalformed)
				}
				seen[next] = true
				sales = next
				continue
			}
			follow, err := page.cursor()
			if err != nil {
				return err
			}
			if follow == "" {
				return nil
			}
			if follow == after {
				return fmt.Errorf("%w: the pages of a list do not end", extract.ErrMalformed)
			}
			after = follow
			break
		}
	}
}

func orderPage(d dataOf, pick func(*orderOf) *pageOf) *pageOf {
	if d.Order == nil {
		return nil
	}
	return pick(d.Order)
}

const gid = "gid://shopify/Order/"

// order returns one order by its GID; nothing when the shop does not know it, with the answer that says so.
func (c *client) order(ctx context.Context, id string) (blob *extract.Blob, o *orderOf, none []byte, err error) {
	key := "order/" + strings.TrimPrefix(id, gid)
	place := func(err error) error { return extract.At(err, c.path(), key) }
	for tries := 1; ; tries++ {
		r := &reading{c: c, ctx: ctx, id: id}
		o, ok, err := r.read()
		if errors.Is(err, errChanged) && tries < 4 {
			continue
		}
		if errors.Is(err, errChanged) {
			return nil, nil, nil, place(fmt.Errorf("%w: %w", extract.ErrTransient, err))
		}
		if err != nil {
			return nil, nil, nil, place(err)
		}
		if !ok {
			return nil, nil, r.answers[0], nil
		}
		b := extract.Blob{Key: key, At: c.now().UTC(), Type: "application/json", Body: r.answers[0]}
		if len(r.answers) > 1 {
			b.Type, b.Body = extract.Sequence, extract.Join(r.answers)
		}
		return &b, o, nil, nil
	}
}

var digits = regexp.MustCompile(`^[0-9]{1,20}$`)

// orderNamed returns an order by its GID, its number in Shopify's URLs or its name ("#1001").
func (c *client) orderNamed(ctx context.Context, id string) ([]extract.Blob, error) {
	key := "order/" + id
	place := func(err error) error { return extract.At(err, c.path(), key) }
	if id == "" || len(id) > 255 || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return nil, place(fmt.Errorf("%w: %q is no ID and no name of an order", extract.ErrRefused, extract.Clip(id)))
	}
	var none []byte
	if full := gid + strings.TrimPrefix(id, gid); digits.MatchString(strings.TrimPrefix(id, gid)) {
		b, _, answer, err := c.order(ctx, full)
		if err != nil {
			return nil, err
		}
		if b != nil {
			return []extract.Blob{*b}, nil
		}
		none = answer
	}
	if !strings.HasPrefix(id, gid) {
		found, answer, err := c.search(ctx, `name:"`+id+`"`)
		if err != nil {
			return nil, place(err)
		}
		none = answer
		for _, o := range found {
			if strings.EqualFold(strings.TrimPrefix(o.Name, "#"), strings.TrimPrefix(id, "#")) {
				b, _, answer, err := c.order(ctx, o.ID)
				if err != nil {
					return nil, err
				}
				if b != nil {
					return []extract.Blob{*b}, nil
				}
				none = answer
			}
		}
	}
	if all, known := c.readsAll(ctx); known && !all {
		return nil, place(extract.Advise(fmt.Errorf("%w: %s is not found, and the app may not see orders older than 60 days", extract.ErrAuth, id), needsAll))
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: "application/json", Body: none, Gone: true}}, nil
}

// orderPaid returns the order that was paid under a payment ID, or that has it for a name. Of some shops the
// provider gets to know the order's name instead (Klarna's extended access rewrites its reference to it), and
// names are counted alike in every shop: such an order is taken only where it moved what the payout line did, which
// follows the "?". That there is none is no news: most shops know nothing of most payments.
func (c *client) orderPaid(ctx context.Context, id string) ([]extract.Blob, error) {
	payment, query, _ := strings.Cut(id, "?minor=")
	minor, currency, _ := strings.Cut(query, "&currency=")
	place := func(err error) error { return extract.At(err, c.path(), "payment/"+id) }
	if payment == "" || len(payment) > 255 || strings.ContainsFunc(payment, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return nil, nil
	}
	// A search may be taken for a search of words: what it finds is looked at.
	take := func(search string, meant func(*orderOf) bool) (blobs []extract.Blob, err error) {
		found, _, err := c.search(ctx, search)
		if err != nil {
			return nil, place(err)
		}
		for _, hit := range found {
			b, o, _, err := c.order(ctx, hit.ID)
			if err != nil {
				return nil, err
			}
			if b != nil && meant(o) {
				blobs = append(blobs, *b)
			}
		}
		return blobs, nil
	}
	if paymentID.MatchString(payment) {
		forms := []string{payment}
		if bare := plain(payment); bare != payment {
			forms = append(forms, bare)
		} else if digits.MatchString(payment) {
			forms = append(forms, "c"+payment+".1") // the shop's is the decorated one
		}
		for _, form := range forms {
			blobs, err := take(`payment_id:"`+form+`"`, func(o *orderOf) bool {
				return slices.ContainsFunc(o.Transactions, func(t transactionOf) bool { return plain(t.PaymentID) == plain(payment) })
			})
			if err != nil || len(blobs) > 0 {
				return blobs, err
			}
		}
	}
	if minor == "" || !orderName.MatchString(payment) {
		return nil, nil
	}
	return take(`name:"`+payment+`"`, func(o *orderOf) bool {
		return strings.EqualFold(strings.TrimPrefix(o.Name, "#"), strings.TrimPrefix(payment, "#")) && o.moved(minor, currency)
	})
}

// What a payment ID, and what the name of an order, may look like.
var (
	paymentID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{5,}$`)
	orderName = regexp.MustCompile(`^#?[\pL0-9._/-]{0,20}[0-9][\pL0-9._/-]{0,10}$`)
)

// moved reports whether one of the order's payments (of its refunds, when minor is negative) was of that many minor units.
func (o *orderOf) moved(minor, currency string) bool {
	amount, back := strings.CutPrefix(minor, "-")
	return slices.ContainsFunc(o.Transactions, func(t transactionOf) bool {
		if t.Status != "SUCCESS" || (t.Kind == "REFUND") != back || t.Kind != "REFUND" && t.Kind != "SALE" && t.Kind != "CAPTURE" {
			return false
		}
		for _, m := range t.AmountSet {
			if m.CurrencyCode == currency && inMinor(strings.Trim(string(m.Amount), `"`), currency) == amount {
				return true
			}
		}
		return false
	})
}

// inMinor writes a decimal in minor units; "" if it is none, or not whole.
func inMinor(decimal, currency string) string {
	places := 2
	switch currency {
	case "JPY", "KRW", "VND", "CLP", "XOF", "XAF", "PYG", "UGX":
		places = 0
	case "KWD", "BHD", "OMR", "JOD", "TND", "IQD", "LYD":
		places = 3
	}
	whole, part, _ := strings.Cut(decimal, ".")
	if part = strings.TrimRight(part, "0"); len(part) > places {
		return ""
	}
	n, err := strconv.ParseUint(whole+part+strings.Repeat("0", places-len(part)), 10, 63)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

var decorated = regexp.MustCompile(`^[cC]?([0-9]{6,})(\.[0-9]{1,2})?$`)

// plain takes from a payment ID what providers put around it: c20412829696200.1.
func plain(payment string) string {
	if m := decorated.FindStringSubmatch(payment); m != nil {
		return m[1]
	}
	return payment
}

// search returns the first orders that a search finds.
func (c *client) search(ctx context.Context, query string) ([]orderOf, []byte, error) {
	rep, err := c.ask(ctx, listQuery(10), map[string]any{"query": query, "after": nil})
	if err != nil {
		return nil, nil, err
	}
	var d dataOf
	if err := json.Unmarshal(rep.data, &d); err != nil || d.Orders == nil {
		return nil, nil, extract.Advise(fmt.Errorf("%w: the answer has no list of orders", extract.ErrMalformed), c.wrongBase())
	}
	return d.Orders.Nodes, rep.body, nil
}

const needsAll = "give the app the scope read_all_orders (Shopify must approve it), or set start_date to a day within the last 60"

// readsAll asks whether the app may see orders older than 60 days; known is false when
// the shop does not say.
func (c *client) readsAll(ctx context.Context) (all, known bool) {
	rep, err := c.ask(ctx, scopesQuery, nil)
	if err != nil {
		return false, false
	}
	var d struct {
		App struct {
			Scopes []struct {
				Handle string `json:"handle"`
			} `json:"accessScopes"`
		} `json:"currentAppInstallation"`
	}
	if json.Unmarshal(rep.data, &d) != nil || len(d.App.Scopes) == 0 {
		return false, false
	}
	for _, s := range d.App.Scopes {
		if s.Handle == "read_all_orders" {
			return true, true
		}
	}
	return false, true
}

// history is how far back an app without read_all_orders sees.
// Source: shopify.dev, object Order.
const history = 60 * 24 * time.Hour

// changed yields the orders changed within w, each whole.
func (q *sequence) changed(ctx context.Context, w extract.Window) {
	c := q.client
	var terms []string
	if !w.Since.IsZero() {
		terms = append(terms, "updated_at:>='"+w.Since.UTC().Format(time.RFC3339)+"'")
	}
	if !w.Until.IsZero() {
		terms = append(terms, "updated_at:<'"+w.Until.UTC().Format(time.RFC3339)+"'")
	}
	fail := func(err error) { q.Fail(extract.At(err, c.path()+" orders", ""), "") }
	// An order that changes meanwhile moves to the end of the list and may be met twice: the
	// list is read to its end first, and each order once.
	var ids []string
	seen := map[string]bool{}
	var after any
	for n := 0; ; n++ {
		rep, err := c.ask(ctx, listQuery(100), map[string]any{"query": strings.Join(terms, " "), "after": after})
		if err != nil {
			fail(err)
			return
		}
		var d dataOf
		if err := json.Unmarshal(rep.data, &d); err != nil || d.Orders == nil {
			fail(extract.Advise(fmt.Errorf("%w: the answer has no list of orders", extract.ErrMalformed), c.wrongBase()))
			return
		}
		for _, o := range d.Orders.Nodes {
			if o.ID == "" {
				fail(fmt.Errorf("%w: an order without an ID", extract.ErrMalformed))
				return
			}
			ids = append(ids, o.ID)
		}
		next, err := d.Orders.pageOf.cursor()
		if err == nil && next != "" && (seen[next] || n == 100*maxPages) {
			err = fmt.Errorf("%w: the list of orders does not end", extract.ErrMalformed)
		}
		if err != nil {
			fail(err)
			return
		}
		if next == "" {
			break
		}
		seen[next] = true
		after = next
	}
	whole := q.Ahead(ctx, ahead, ids, func(ctx context.Context, id string) ([]extract.Blob, error) {
		b, _, _, err := c.order(ctx, id)
		if b == nil {
			return nil, err // deleted since the list was read
		}
		return []extract.Blob{*b}, nil
	})
	if !whole || !w.Since.IsZero() && w.Since.After(c.now().Add(-history)) {
		return
	}
	if all, known := c.readsAll(ctx); known && !all {
		fail(extract.Advise(fmt.Errorf("%w: orders from before %s were asked for, and the app may not see them: it lacks read_all_orders",
			extract.ErrAuth, c.now().Add(-history).UTC().Format(time.DateOnly)), needsAll))
	}
}
