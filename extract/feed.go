package extract

import (
	"context"
	"errors"
	"slices"
)

// maxInARow is how many documents in a row may fail for a reason that lies outside of them (the provider is
// down, another server answers) before it is taken to concern all.
const maxInARow = 3

// A Feed is what one run of Extract has to say: documents, and what went wrong with which. One that fails does
// not end it, unless the reason concerns the others too.
type Feed struct {
	Source string
	Stream Stream
	Yield  func(Blob, error) bool
	Whole  bool // what comes are the parts of one list: one that fails ends it

	failed int // in a row, for a reason outside of the document
}

// Documents yields one document's blobs, or why it could not be had, and reports whether to go on.
func (f *Feed) Documents(blobs []Blob, err error) bool {
	if err != nil {
		return f.Refusal(err)
	}
	f.failed = 0
	for _, b := range blobs {
		if !f.Yield(b, nil) {
			return false
		}
	}
	return true
}

// Refusal yields why a document could not be had, and reports whether to go on: by what kind of error it is, and
// what the same error means for the documents after it.
func (f *Feed) Refusal(err error) bool {
	_, key := Place(err)
	_, advised := Advice(err)
	switch {
	case f.Whole:
		key = ""
	case errors.Is(err, ErrTransient), errors.Is(err, ErrRefused) && advised:
		if f.failed++; f.failed == maxInARow {
			key = ""
		}
	case errors.Is(err, ErrRefused), errors.Is(err, ErrMalformed):
		f.failed = 0
	default: // the key to the account, or the caller has left
		key = ""
	}
	return f.Fail(err, key)
}

// Fail yields err as an *Error and reports whether to go on: key is set when only one document failed.
func (f *Feed) Fail(err error, key string) bool {
	e := &Error{Source: f.Source, Stream: f.Stream, Key: key, Err: err}
	e.Do, _ = Advice(err)
	if p, ok := errors.AsType[*placed](err); ok {
		e.Where, e.Err = p.where, p.error
	}
	return f.Yield(Blob{}, e) && key != ""
}

// Ahead fetches up to n documents at once and yields them in the order of ids, each once. It reports whether all
// were fetched. When it returns, nothing is being fetched any more.
func (f *Feed) Ahead(ctx context.Context, n int, ids []string, fetch func(ctx context.Context, id string) ([]Blob, error)) bool {
	return Ahead(ctx, n, slices.Values(Once(ids)), fetch, f.Documents)
}

// A placed error says where it happened.
type placed struct {
	error
	where string
	key   string
}

func (p *placed) Unwrap() error { return p.error }

// At says where err happened, as URL path and page, and with which document, by its key as in Blob.Key; "" is none.
func At(err error, where, key string) error { return &placed{err, where, key} }

// Place is what At said of err; "" and "" when nothing was.
func Place(err error) (where, key string) {
	if p, ok := errors.AsType[*placed](err); ok {
		return p.where, p.key
	}
	return "", ""
}

// An advised error carries what a person can do about it.
type advised struct {
	error
	do string
}

func (a *advised) Unwrap() error { return a.error }

// Advise says what a person can do about err.
func Advise(err error, do string) error { return &advised{err, do} }

// Advice is what Advise said of err, and whether it did.
func Advice(err error) (do string, ok bool) {
	if a, ok := errors.AsType[*advised](err); ok {
		return a.do, true
	}
	return "", false
}
