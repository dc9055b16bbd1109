package mollie

import (
	"context"
	"net/url"

	"github.com/kvitt/kvitt/extract"
)

// balanceTransactions yields the account's balances, and the pages of their transactions down to those made before w.
// A list has no filter by date and goes back in time, and what is in it never changes.
//
// A token need not have balances.read: nothing is booked from them, and the stage is optional.
func (q *sequence) balanceTransactions(ctx context.Context, w extract.Window) {
	if !q.open(w) {
		return
	}
	var accounts []string
	if !q.pagesOf(ctx, list{client: q.client, path: "/v2/balances", name: "balances", mayBeGone: true}, "balances", func(p page) bool {
		for _, it := range p.items {
			accounts = append(accounts, it.ID)
		}
		return true
	}) {
		return
	}
	for _, id := range accounts {
		if err := extract.CheckID(id, 255); err != nil {
			q.Fail(err, "")
			return
		}
		l := list{client: q.client, path: "/v2/balances/" + url.PathEscape(id) + "/transactions", name: "balance_transactions", mayBeGone: true}
		if !q.pagesOf(ctx, l, "balance_transactions/"+url.PathEscape(id), func(p page) bool {
			for _, it := range p.items {
				if made := when(it.CreatedAt); !made.IsZero() && made.Before(w.Since) {
					return false
				}
			}
			return true
		}) {
			return
		}
	}
}

// pagesOf yields the pages of a list, each named by its first element, until more says that the one it saw was the
// last that is wanted. It reports whether to go on with what comes after the list.
func (q *sequence) pagesOf(ctx context.Context, l list, key string, more func(page) bool) bool {
	for p, err := range l.pages(ctx) {
		if err != nil {
			q.Fail(err, "")
			return false
		}
		b := extract.Blob{Key: key, At: q.client.now().UTC(), Type: p.typ, Body: p.body, Gone: p.gone}
		if len(p.items) > 0 && l.name == "balance_transactions" {
			b.Key += "?from=" + url.QueryEscape(p.items[0].ID)
		} else if p.from != "" {
			b.Key = p.key(key)
		}
		if !q.Yield(b, nil) {
			return false
		}
		if !more(p) {
			break
		}
	}
	return true
}
