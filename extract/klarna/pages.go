package klarna

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// pageSize is the largest that Settlements v1 documents.
const pageSize = 500

// maxPages ends a list that does not: five million elements are beyond any merchant's payout.
const maxPages = 10_000

// pages reads one list page by page.
type pages struct {
	client    *client
	path      string
	query     url.Values // besides size and offset
	list      string     // the field that holds the elements
	key       string     // of a page, without its offset
	mayBeGone bool       // a 404 is an answer: what is asked for by its ID may not be there
}

// A page is what must be known of one to ask for the next.
type page struct {
	elements int
	total    *int64 // all elements there are; not always stated
	next     bool   // the answer says that there is another
	digest   [sha256.Size]byte
}

// all yields every page, in order. The next offset is counted from the elements that
// came, never taken from the address an answer names.
//
// Errors: those of get, with At, and ErrMalformed for a page that repeats one
// before it, for one that is not at the offset asked for, and for a list that ends early or never.
func (p pages) all(ctx context.Context) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		seen := make(map[[sha256.Size]byte]int)
		for offset, n := 0, 0; ; n++ {
			at := "?offset=" + strconv.Itoa(offset)
			if strings.Contains(p.key, "?") {
				at = "&offset=" + strconv.Itoa(offset)
			}
			fail := func(err error) {
				yield(extract.Blob{}, extract.At(err, fmt.Sprintf("%s?offset=%d", p.path, offset), p.key+at))
			}
			malformed := func(format string, args ...any) {
				fail(fmt.Errorf("%w: %s", extract.ErrMalformed, fmt.Sprintf(format, args...)))
			}
			if n == maxPages {
				malformed("a list of more than %d pages", maxPages)
				return
			}
			query := maps.Clone(p.query)
			query.Set("size", strconv.Itoa(pageSize))
			query.Set("offset", strconv.Itoa(offset))
			a, err := p.client.get(ctx, p.path, query)
			if err != nil {
				fail(err)
				return
			}
			b := extract.Blob{Key: p.key + at, At: p.client.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}
			if a.gone {
				if !p.mayBeGone || offset > 0 {
					fail(extract.Advise(fmt.Errorf("%w: 404 for a list", extract.ErrRefused), p.client.wrongBase()))
					return
				}
				yield(b, nil)
				return
			}
			pg, err := p.read(a.body, offset)
			if err != nil {
				fail(extract.Advise(fmt.Errorf("%w: %w", extract.ErrMalformed, err), p.client.wrongBase()))
				return
			}
			if first, repeated := seen[pg.digest]; repeated && pg.elements > 0 {
				malformed("the page at offset %d repeats the one at %d", offset, first)
				return
			}
			seen[pg.digest] = offset
			offset += pg.elements
			if pg.elements == 0 && pg.total != nil && int64(offset) < *pg.total {
				malformed("the list ends after %d of %d", offset, *pg.total)
				return
			}
			if !yield(b, nil) || pg.last(offset) {
				return
			}
		}
	}
}

// last reports whether nothing follows the elements before offset.
func (pg page) last(offset int) bool {
	if pg.total != nil {
		return int64(offset) >= *pg.total
	}
	return pg.elements == 0 || !pg.next
}

// read checks that body is the documented page at offset.
func (p pages) read(body []byte, offset int) (page, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return page{}, fmt.Errorf("not a JSON object: %w", err)
	}
	var elements []map[string]json.RawMessage
	if err := json.Unmarshal(doc[p.list], &elements); err != nil || elements == nil {
		return page{}, fmt.Errorf("%s is missing or no list of objects", p.list)
	}
	var pagination struct {
		Count, Total, Offset *int64
		Next                 string
	}
	if err := json.Unmarshal(doc["pagination"], &pagination); err != nil || pagination.Count == nil {
		return page{}, fmt.Errorf("pagination.count is missing or no whole number")
	}
	if o := pagination.Offset; o != nil && *o != int64(offset) {
		return page{}, fmt.Errorf("offset %d was asked for, %d came", offset, *o)
	}
	return page{
		elements: len(elements),
		total:    pagination.Total,
		next:     pagination.Next != "",
		digest:   sha256.Sum256(doc[p.list]),
	}, nil
}
