package shopify

import (
	"context"
	"errors"

	"github.com/kvitt/kvitt/extract"
)

// maxInARow is how many documents in a row may fail for a reason that lies outside of
// them (Shopify is down, another server answers) before it is taken to concern all.
const maxInARow = 3

// ahead is how many orders are asked for at once; the points of the bucket seldom allow more.
const ahead = 4

// A sequence is one run of Extract.
type sequence struct {
	client *client
	stream extract.Stream
	yield  func(extract.Blob, error) bool
	failed int // in a row, for a reason outside of the document
}

// A placed error says where it happened.
type placed struct {
	error
	where string // URL path and page
	key   string // of the document, as in Blob.Key
}

func (p *placed) Unwrap() error { return p.error }

// fail yields err as an *extract.Error and reports whether to go on. key is set when
// only one document failed.
func (q *sequence) fail(err error, key string) bool {
	e := &extract.Error{Source: q.client.name, Stream: q.stream, Key: key, Err: err}
	if p, ok := errors.AsType[*placed](err); ok {
		e.Where, e.Err = p.where, p.error
	}
	if a, ok := errors.AsType[*advised](err); ok {
		e.Do = a.do
	}
	return q.yield(extract.Blob{}, e) && key != ""
}

// document yields one document's blobs, or its error, and reports whether to go on.
func (q *sequence) document(blobs []extract.Blob, err error) bool {
	if err == nil {
		q.failed = 0
		for _, b := range blobs {
			if !q.yield(b, nil) {
				return false
			}
		}
		return true
	}
	key := ""
	if p, ok := errors.AsType[*placed](err); ok {
		key = p.key
	}
	_, advice := errors.AsType[*advised](err)
	switch {
	case errors.Is(err, extract.ErrTransient), errors.Is(err, extract.ErrRefused) && advice:
		if q.failed++; q.failed == maxInARow {
			key = ""
		}
	case errors.Is(err, extract.ErrRefused), errors.Is(err, extract.ErrMalformed):
		q.failed = 0
	default: // the key, or the caller has left
		key = ""
	}
	return q.fail(err, key)
}

// eachAhead fetches up to ahead documents at once and yields them in the order of ids.
// When it returns, nothing is being fetched any more. It reports whether all of them came or failed
// each for itself.
func (q *sequence) eachAhead(ctx context.Context, ids []string, fetch func(ctx context.Context, id string) ([]extract.Blob, error)) bool {
	return extract.Ahead(ctx, ahead, extract.Once(ids), fetch, q.document)
}
