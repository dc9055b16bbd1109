package woocommerce

import (
	"context"
	"errors"

	"github.com/kvitt/kvitt/extract"
)

// maxInARow is how many documents in a row may fail for a reason that lies outside of
// them (the shop is down, another server answers) before it is taken to concern all.
const maxInARow = 3

// ahead is how many things are asked for at once. A shop has no stated limit and a small machine.
const ahead = 6

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
	where string // path below /wc/v3
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
// When it returns, nothing is being fetched any more.
func (q *sequence) eachAhead(ctx context.Context, ids []string, fetch func(ctx context.Context, id string) ([]extract.Blob, error)) {
	inOrder(ctx, unique(ids), fetch, q.document)
}

// inOrder calls fetch for up to ahead things at once, and take with what came, in the order of
// things, until take says no. When it returns, nothing is being fetched any more.
func inOrder[T, R any](ctx context.Context, things []T, fetch func(ctx context.Context, thing T) (R, error), take func(R, error) bool) {
	type result struct {
		got R
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	var waiting []chan result // in the order of things
	defer func() {
		cancel()
		for _, ch := range waiting {
			<-ch
		}
	}()
	ask := func() {
		if len(things) == 0 {
			return
		}
		thing, ch := things[0], make(chan result, 1)
		things, waiting = things[1:], append(waiting, ch)
		go func() {
			got, err := fetch(ctx, thing)
			ch <- result{got, err}
		}()
	}
	for range ahead {
		ask()
	}
	for len(waiting) > 0 {
		r := <-waiting[0]
		waiting = waiting[1:]
		if ctx.Err() == nil {
			ask()
		}
		if !take(r.got, r.err) {
			return
		}
	}
}

// unique returns ids without repetition, in the order they came.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	var once []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			once = append(once, id)
		}
	}
	return once
}
