package mollie

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// pageSize is the largest that Mollie documents.
const pageSize = 250

// maxPages ends a list that does not: two and a half million elements are beyond any settlement.
const maxPages = 10_000

// A list is read page by page.
type list struct {
	client    *client
	path      string
	name      string // of the elements under _embedded
	mayBeGone bool   // a 404 is an answer: what the list belongs to may not be there
	embed     string // what to have along with each element; "" for nothing
}

// A page is one answer and what must be known of it.
type page struct {
	answer
	from  string // what it was asked to begin with; "" for the first
	items []item
}

// An item is as much of an element as tells whether it is wanted.
type item struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	CreatedAt string `json:"createdAt"`
	SettledAt string `json:"settledAt"`
}

// pages yields every page, in order.
//
// Errors: those of get, with At, and ErrMalformed for what is no page, for a page
// that repeats an element of one before it, and for a list that never ends.
func (l list) pages(ctx context.Context) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		query := url.Values{}
		seen, asked := map[string]bool{}, map[string]bool{}
		for n := 0; ; n++ {
			from := query.Get("from")
			if from == "" {
				from = query.Encode() // some other cursor
			}
			where := l.path
			if from != "" {
				where += "?from=" + extract.Clip(from)
			}
			malformed := func(format string, args ...any) {
				yield(page{}, extract.At(extract.Advise(fmt.Errorf("%w: %s", extract.ErrMalformed, fmt.Sprintf(format, args...)), l.client.wrongBase()), where, ""))
			}
			if n == maxPages {
				malformed("a list of more than %d pages", maxPages)
				return
			}
			a, err := l.get(ctx, query)
			if err != nil {
				yield(page{}, extract.At(err, where, ""))
				return
			}
			p := page{answer: a, from: from}
			if a.gone {
				if !l.mayBeGone || n > 0 {
					yield(page{}, extract.At(extract.Advise(fmt.Errorf("%w: 404 for a list", extract.ErrRefused), l.client.wrongBase()), where, ""))
					return
				}
				yield(p, nil)
				return
			}
			items, next, err := l.read(a.body)
			if err != nil {
				malformed("%v", err)
				return
			}
			for _, it := range items {
				if it.ID != "" && seen[it.ID] {
					malformed("%s is there twice", extract.Clip(it.ID))
					return
				}
				seen[it.ID] = true
			}
			p.items = items
			if !yield(p, nil) || next == nil {
				return
			}
			if at := next.Encode(); at == "" || asked[at] {
				malformed("the next page is one that was read")
				return
			} else {
				asked[at] = true
			}
			query = next
		}
	}
}

// get asks for one page of the list.
func (l list) get(ctx context.Context, query url.Values) (answer, error) {
	q := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if l.embed != "" {
		q.Set("embed", l.embed)
	}
	for k, v := range query {
		q[k] = v
	}
	if l.client.test && (l.path == "/v2/payments" || strings.HasPrefix(l.path, "/v2/balances")) { // settlements know no test mode
		q.Set("testmode", "true")
	}
	return l.client.get(ctx, l.path, q)
}

// read checks that body is a page, and returns its elements and the query of the next one.
// Of the next page's address only the query counts: it must not lead to another host.
func (l list) read(body []byte) ([]item, url.Values, error) {
	var doc struct {
		Count    *int64                     `json:"count"`
		Embedded map[string]json.RawMessage `json:"_embedded"`
		Links    struct {
			Next *struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"_links"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, nil, fmt.Errorf("not a page of a list: %w", err)
	}
	raw, ok := doc.Embedded[l.name]
	var items []item
	if ok {
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, nil, fmt.Errorf("_embedded.%s is no list of objects", l.name)
		}
	} else if doc.Count == nil || *doc.Count != 0 {
		return nil, nil, fmt.Errorf("_embedded.%s is missing", l.name)
	}
	if doc.Count != nil && *doc.Count != int64(len(items)) {
		return nil, nil, fmt.Errorf("it counts %d elements and holds %d", *doc.Count, len(items))
	}
	if doc.Links.Next == nil || doc.Links.Next.Href == "" {
		return items, nil, nil
	}
	next, err := url.Parse(doc.Links.Next.Href)
	if err != nil {
		return nil, nil, fmt.Errorf("the next page's address is none")
	}
	query := next.Query()
	query.Del("limit")
	return items, query, nil
}

// key names a page by what it begins with.
func (p page) key(of string) string {
	if p.from == "" {
		return of
	}
	return of + "?from=" + url.QueryEscape(p.from)
}

// object checks that body is a JSON object whose field is id.
//
// Errors: wrap ErrMalformed.
func object(body []byte, field, id string) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return fmt.Errorf("%w: not a JSON object: %w", extract.ErrMalformed, err)
	}
	var got string
	if err := json.Unmarshal(doc[field], &got); err != nil {
		return fmt.Errorf("%w: %s is missing or no string", extract.ErrMalformed, field)
	}
	if !strings.EqualFold(got, id) {
		return fmt.Errorf("%w: %q was asked for, %q came", extract.ErrMalformed, extract.Clip(id), extract.Clip(got))
	}
	return nil
}
