package mollie

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// slack is how much older than the window a settlement's making may be: it is closed first
// and paid days later, and a failed one keeps the day it was made. The list is left when a
// whole page is older than that.
const slack = 60 * 24 * time.Hour

// parts are the lists of one settlement.
var parts = []string{"payments", "captures", "refunds", "chargebacks"}

// settlementList yields the settlements that were paid out, or failed, within w.
func (q *sequence) settlementList(ctx context.Context, w extract.Window) {
	if !q.open(w) {
		return
	}
	l := list{client: q.client, path: "/v2/settlements", name: "settlements"}
	var ids []string
	var last time.Time // when the latest element was made
	falling := false   // the list has been seen to go back in time, as it should
	for p, err := range l.pages(ctx) {
		if err != nil {
			q.Fail(err, "")
			return
		}
		old := len(p.items) > 0
		for _, it := range p.items {
			made, paid := when(it.CreatedAt), when(it.SettledAt)
			if paid.IsZero() {
				paid = made
			}
			falling = falling || made.Before(last)
			last = made
			switch {
			case made.IsZero() && paid.IsZero(): // no times to go by: it is looked at
				old = false
			case !w.Since.IsZero() && paid.Before(w.Since.Add(-slack)) && made.Before(w.Since.Add(-slack)):
				continue
			default:
				old = false
			}
			if it.closed() && !paid.Before(w.Since) && paid.Before(w.Until) {
				ids = append(ids, it.ID)
			}
		}
		if old && falling {
			break
		}
	}
	if len(ids) > 0 {
		q.Ahead(ctx, ahead, ids, q.client.settlement)
	}
}

// open reports whether w holds anything; a window without an end is refused.
func (q *sequence) open(w extract.Window) bool {
	if w.Until.IsZero() {
		q.Fail(fmt.Errorf("%w: a window without an end", extract.ErrRefused), "")
		return false
	}
	return w.Since.Before(w.Until)
}

// closed reports whether a settlement has reached its end. Before 2019 there was no status.
func (it item) closed() bool {
	switch it.Status {
	case "paidout", "failed":
		return true
	case "":
		return it.SettledAt != "" && strings.HasPrefix(it.ID, "stl_")
	}
	return false
}

// when reads a time; zero if it is none. Both 2024-04-06T09:41:44+00:00 and
// 2018-04-06T06:00:01.0Z are in use.
func when(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// settlement returns one settlement, or the answer that there is none. Mollie takes its bank
// reference for an ID too; then what comes names itself otherwise.
func (c *client) settlement(ctx context.Context, id string) ([]extract.Blob, error) {
	return c.one(ctx, id, "/v2/settlements/", "settlement/"+url.PathEscape(id), nil)
}

// one returns the document at path + id, which must be id.
func (c *client) one(ctx context.Context, id, path, key string, query url.Values) ([]extract.Blob, error) {
	if err := extract.CheckID(id, 255); err != nil {
		return nil, extract.At(err, "", key)
	}
	path += url.PathEscape(id)
	a, err := c.get(ctx, path, query)
	if err != nil {
		return nil, extract.At(err, path, key)
	}
	if !a.gone {
		if err := object(a.body, "id", id); err != nil {
			if object(a.body, "reference", id) != nil {
				return nil, extract.At(extract.Advise(err, c.wrongBase()), path, key)
			}
		}
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}}, nil
}

// settlementLines returns every page of what is in a settlement, then the settlement itself:
// which of its revenue has no list of its own shows only beside the lists.
func (c *client) settlementLines(ctx context.Context, id string) ([]extract.Blob, error) {
	key := "settlement_lines/" + url.PathEscape(id)
	if err := extract.CheckID(id, 255); err != nil {
		return nil, extract.At(err, "", key)
	}
	var blobs []extract.Blob
	for _, part := range parts {
		l := list{client: c, path: "/v2/settlements/" + url.PathEscape(id) + "/" + part, name: part, mayBeGone: true}
		if part != "payments" {
			// What the shop called the payment stands on the payment alone, which may be of a settlement long ago.
			l.embed = "payment"
		}
		for p, err := range l.pages(ctx) {
			if err != nil {
				return nil, extract.At(err, l.path, key)
			}
			b := extract.Blob{Key: p.key(key + "/" + part), At: c.now().UTC(), Type: p.typ, Body: p.body, Gone: p.gone}
			if p.gone {
				b.Key = key
				return []extract.Blob{b}, nil
			}
			blobs = append(blobs, b)
		}
	}
	last, err := c.one(ctx, id, "/v2/settlements/", key+"/settlement", nil)
	if err != nil {
		return nil, extract.At(err, "", key)
	}
	return append(blobs, last...), nil
}

// paymentList yields the pages of payments made within w, and only those: where a page holds
// others too, the wanted part of it is asked for again by itself.
func (q *sequence) paymentList(ctx context.Context, w extract.Window) {
	if !q.open(w) {
		return
	}
	l := list{client: q.client, path: "/v2/payments", name: "payments"}
	for p, err := range l.pages(ctx) {
		if err != nil {
			q.Fail(err, "")
			return
		}
		first, wanted, over := -1, 0, false
		for i, it := range p.items {
			made := when(it.CreatedAt)
			if !made.IsZero() && made.Before(w.Since) {
				over = true
				break
			}
			if made.IsZero() || made.Before(w.Until) {
				if first < 0 {
					first = i
				}
				wanted = i - first + 1
			}
		}
		if first >= 0 {
			id := p.items[first].ID
			a, at := p.answer, l.path+"?from="+extract.Clip(id)
			if wanted < len(p.items) {
				a, err = l.get(ctx, url.Values{"from": {id}, "limit": {strconv.Itoa(wanted)}})
				if err == nil && a.gone {
					err = extract.Advise(fmt.Errorf("%w: 404 for a list", extract.ErrRefused), q.client.wrongBase())
				}
				if err == nil {
					var items []item
					if items, _, err = l.read(a.body); err == nil && (len(items) != wanted || items[0].ID != id) {
						err = fmt.Errorf("%d payments from %s were asked for, others came", wanted, extract.Clip(id))
					}
					if err != nil {
						err = fmt.Errorf("%w: %w", extract.ErrMalformed, err)
					}
				}
				if err != nil {
					q.Fail(extract.At(err, at, ""), "")
					return
				}
			}
			if !q.Yield(extract.Blob{Key: "payment_list?from=" + url.QueryEscape(id), At: q.client.now().UTC(), Type: a.typ, Body: a.body}, nil) {
				return
			}
		}
		if over {
			return
		}
	}
}

// payment returns one payment with its captures and refunds, or one order of the former Orders
// API with its payments, refunds and shipments, or the answer that there is none.
func (c *client) payment(ctx context.Context, id string) ([]extract.Blob, error) {
	path, query := "/v2/payments/", url.Values{"embed": {"captures,refunds"}}
	if strings.HasPrefix(id, "ord_") {
		path, query = "/v2/orders/", url.Values{"embed": {"payments,refunds,shipments"}}
	}
	if c.test {
		query.Set("testmode", "true")
	}
	return c.one(ctx, id, path, "order/"+url.PathEscape(id), query)
}
