package pipeline

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// A Hint names what a source said has changed.
type Hint struct {
	Source string
	extract.Hint
}

// An Unread hint is one that could not be followed now and may be later.
type Unread struct {
	Hint
	Gone bool // the source does not know it, or not yet
}

// extractSelected fetches what sel asks for, and notes in res what was not found.
func (w *work) extractSelected(ctx context.Context, sel Selection, res *Result) (int64, error) {
	defer w.phase("extract")()
	if len(sel.Hints) == 0 {
		n, err := w.extractAll(ctx, sel)
		res.Gone = w.gone
		return n, err
	}
	var n int64
	var errs []error
	for _, src := range w.Sources {
		var own []extract.Hint
		for _, h := range sel.Hints {
			if h.Source == src.Name {
				own = append(own, h.Hint)
			}
		}
		if len(own) == 0 {
			continue
		}
		got, unread, err := w.follow(ctx, src, own)
		n += got
		res.Unread = append(res.Unread, unread...)
		if err != nil {
			errs = append(errs, err)
			w.Log.Error("not all that a webhook named was read", "source", src.Name, "err", err)
			if ctx.Err() != nil || isFatal(err) {
				break
			}
		}
	}
	return n, errors.Join(errs...)
}

// follow reads what hints name: single documents, or a stream's window. What hangs on them is
// read too: of orders their own parts, of payouts everything that their lines lead to.
//
// A hint of a stream that the source does not have, or that no flow wants, is of nothing.
func (w *work) follow(ctx context.Context, src Source, hints []extract.Hint) (n int64, unread []Unread, err error) {
	left := func(stream extract.Stream, ids []string, gone bool) {
		for _, id := range ids {
			unread = append(unread, Unread{Hint{src.Name, extract.Hint{Stream: stream, ID: id}}, gone})
		}
	}
	if src.Inbox != "" || src.Connector.Open == nil {
		return 0, nil, nil // its reports come as files: nothing can be asked for
	}
	x, err := src.Connector.Open(src.Config)
	if err != nil {
		for _, h := range hints {
			left(h.Stream, []string{h.ID}, false)
		}
		return 0, unread, err
	}
	named := map[extract.Stream][]string{}
	listed := map[extract.Stream]bool{}
	for _, h := range hints {
		if h.ID == "" {
			listed[h.Stream] = true
		} else if !slices.Contains(named[h.Stream], h.ID) {
			named[h.Stream] = append(named[h.Stream], h.ID)
		}
	}
	var errs []error
	orders, payouts := false, false
	fetch := func(st extract.Stage, req extract.Request, mark, isNamed bool) error {
		before := len(w.gone)
		got, err := w.fetch(ctx, src, x, req, mark)
		n += got
		gone := slices.Clone(w.gone[before:])
		w.gone = w.gone[:before]
		if isNamed {
			left(st.Stream, worthAnotherTry(err, req.IDs), false)
			left(st.Stream, gone, true)
		} else if listed[st.Stream] && isPassing(err) {
			left(st.Stream, []string{""}, false)
		}
		if err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil || isFatal(err) || errors.Is(err, extract.ErrAuth) {
			return err
		}
		return nil
	}
	for _, st := range src.Connector.Stages {
		if st.Late || !src.wants(st) {
			continue
		}
		isNamed, isListed := len(named[st.Stream]) > 0, listed[st.Stream]
		if isNamed && (st.Follow == "" || st.Backfill || !hasOther(src, st)) {
			ids := named[st.Stream]
			delete(named, st.Stream)
			if err := fetch(st, extract.Request{Stream: st.Stream, IDs: ids}, false, true); err != nil {
				break
			}
		}
		hangsOn := st.Follow != "" && (payouts || orders && st.Along)
		if isListed || hangsOn {
			req, err := w.request(ctx, src, st, Selection{})
			if err != nil {
				return n, unread, errors.Join(append(errs, err)...)
			}
			if st.Follow == "" || len(req.IDs) > 0 {
				if err := fetch(st, req, st.Follow == "", false); err != nil {
					break
				}
			}
			delete(listed, st.Stream)
		}
		if isNamed || isListed {
			orders, payouts = orders || st.Backfill, payouts || !st.Backfill
		}
	}
	if err := errors.Join(errs...); isPassing(err) {
		// What was not come to.
		for st, ids := range named {
			if slices.ContainsFunc(src.Connector.Stages, func(s extract.Stage) bool { return s.Stream == st && !s.Late && src.wants(s) }) {
				left(st, ids, false)
			}
		}
	}
	return n, unread, errors.Join(errs...)
}

// hasOther reports whether another stage of the same stream takes IDs that are given.
func hasOther(src Source, st extract.Stage) bool {
	return slices.ContainsFunc(src.Connector.Stages, func(o extract.Stage) bool {
		return o.Stream == st.Stream && !o.Late && (o.Follow == "" || o.Backfill)
	})
}

// isPassing reports whether err may be gone by the next try.
func isPassing(err error) bool {
	return errors.Is(err, extract.ErrTransient) || errors.Is(err, extract.ErrAuth) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// worthAnotherTry returns those of ids that err left unread and that may be read later. An error that
// ended the whole request leaves all of them.
func worthAnotherTry(err error, ids []string) []string {
	if err == nil {
		return nil
	}
	var out []string
	for _, e := range parts(err) {
		if !isPassing(e) {
			continue
		}
		var xe *extract.Error
		if !errors.As(e, &xe) || xe.Key == "" {
			return ids
		}
		known := false
		for _, id := range ids {
			if strings.HasSuffix(xe.Key, "/"+id) || strings.HasSuffix(xe.Key, "/"+url.PathEscape(id)) {
				known = true
				if !slices.Contains(out, id) {
					out = append(out, id)
				}
			}
		}
		if !known {
			return ids
		}
	}
	return out
}

// parts takes a joined error apart.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if _, isOne := err.(*extract.Error); isOne || !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, parts(e)...)
	}
	return out
}
