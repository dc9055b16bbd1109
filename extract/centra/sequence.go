package centra

import (
	"context"
	"errors"

	"github.com/kvitt/kvitt/extract"
)

// maxInARow is how many documents in a row may fail for a reason that lies outside of
// them (Centra is down, another server answers) before it is taken to concern all.
const maxInARow = 3

// ahead is how many requests are under way at once.
const ahead = 6

// A job fetches what one key stands for.
type job func(ctx context.Context) ([]extract.Blob, error)

// jobs makes a job of each ID, once.
func jobs(ids []string, fetch func(ctx context.Context, id string) ([]extract.Blob, error)) []job {
	var out []job
	for _, id := range extract.Once(ids) {
		out = append(out, func(ctx context.Context) ([]extract.Blob, error) { return fetch(ctx, id) })
	}
	return out
}

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
	where string
	key   string // as in Blob.Key
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
	default: // the token, or the caller has left
		key = ""
	}
	return q.fail(err, key)
}

// eachAhead does up to ahead jobs at once and yields what they fetch in the order of work.
// When it returns, nothing is being fetched any more.
func (q *sequence) eachAhead(ctx context.Context, work []job) {
	extract.Ahead(ctx, ahead, work, func(ctx context.Context, j job) ([]extract.Blob, error) { return j(ctx) }, q.document)
}
