package svea

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/kvitt/kvitt/extract"
)

const (
	// maxInARow is how many documents in a row may fail for a reason that lies outside of
	// them (Svea is down, another server answers) before it is taken to concern all.
	maxInARow = 3
	// ahead is how many documents are asked for at once.
	ahead = 8
)

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
	where string // URL path and day
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

// refusal yields why a document could not be had, and reports whether to go on.
func (q *sequence) refusal(p *placed) bool {
	key := p.key
	_, advice := errors.AsType[*advised](p.error)
	switch {
	case errors.Is(p, extract.ErrTransient), errors.Is(p, extract.ErrRefused) && advice:
		if q.failed++; q.failed == maxInARow {
			key = ""
		}
	case errors.Is(p, extract.ErrRefused), errors.Is(p, extract.ErrMalformed):
		q.failed = 0
	default: // the key, or the caller has left
		key = ""
	}
	return q.fail(p, key)
}

// eachAhead fetches up to ahead documents at once and yields them in the order of next.
// seen is told of each blob before it is yielded, and ends the sequence after it with false;
// except, when given, takes an error or leaves it. It reports whether next came to its end.
// When it returns, nothing is being fetched any more.
func (q *sequence) eachAhead(ctx context.Context, next func() (string, bool), fetch func(ctx context.Context, id string) (extract.Blob, error),
	seen func(extract.Blob) bool, except ...func(*placed) (handled, on bool),
) bool {
	type result struct {
		blob extract.Blob
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	var waiting []chan result // in the order of next
	defer func() {
		cancel()
		for _, ch := range waiting {
			<-ch
		}
	}()
	ask := func() {
		id, ok := next()
		if !ok {
			return
		}
		ch := make(chan result, 1)
		waiting = append(waiting, ch)
		go func() {
			b, err := fetch(ctx, id)
			ch <- result{b, err}
		}()
	}
	for range ahead {
		ask()
	}
	for len(waiting) > 0 {
		r := <-waiting[0]
		waiting = waiting[1:]
		if p, ok := errors.AsType[*placed](r.err); ok {
			handled, on := false, true
			for _, f := range except {
				handled, on = f(p)
			}
			if !handled {
				on = q.refusal(p)
			}
			if !on {
				return false
			}
			ask()
			continue
		}
		q.failed = 0
		on := seen == nil || seen(r.blob)
		if !q.yield(r.blob, nil) {
			return false
		}
		if !on {
			return true
		}
		ask()
	}
	return true
}

// list yields ids without repetition, in the order they came.
func list(ids []string) func() (string, bool) {
	known := make(map[string]bool, len(ids))
	return func() (string, bool) {
		for len(ids) > 0 {
			id := ids[0]
			if ids = ids[1:]; !known[id] {
				known[id] = true
				return id, true
			}
		}
		return "", false
	}
}

// checkID refuses an ID that cannot stand in a path. Others are escaped.
func checkID(id string) error {
	switch {
	case id == "" || id == "." || id == "..":
		return fmt.Errorf("%w: %q is no ID", extract.ErrRefused, id)
	case len(id) > 100:
		return fmt.Errorf("%w: an ID of %d characters", extract.ErrRefused, len(id))
	case strings.ContainsFunc(id, unicode.IsControl):
		return fmt.Errorf("%w: the ID %q holds a control character", extract.ErrRefused, id)
	}
	return nil
}

// clip shortens what a message quotes.
func clip(s string) string {
	const longest = 80
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
