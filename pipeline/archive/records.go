package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
)

// Records yields the records after a position in the order they were written, those of
// crashed runs and the committed ones of a run that is going on included. The sequence
// stops after the first error; nothing it yields is uncertain. A rebuild reads from the
// zero Position.
//
// Errors: those of ctx; *Error, wrapping ErrAltered, ErrFormat, or ErrMissing when
// records or the position's run are gone.
func (a *Archive) Records(ctx context.Context, after Position) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := a.records(ctx, after, func(r Record) bool { return yield(r, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(Record{}, fmt.Errorf("archive: read records: %w", err))
		}
	}
}

var errStopped = errors.New("stopped")

func (a *Archive) records(ctx context.Context, after Position, yield func(Record) bool) error {
	// The newest manifest is looked for before the runs are listed: what is finished in
	// between is then still read as unfinished, which is right for either.
	last, _, err := a.split()
	if err != nil {
		return err
	}
	ids, err := a.runIDs()
	if err != nil {
		return err
	}
	first, found := slices.BinarySearch(ids, after.Run)
	if after.Run != "" && !found {
		return &Error{File: a.path(after.Run), Offset: -1, Err: fmt.Errorf("run is %w", ErrMissing), Do: doBehind}
	}
	seq := int64(-1) // of the blob record before; -1 when it is not known
	if after == (Position{}) {
		seq = 0
	}
	for _, id := range ids[first:] {
		from := Position{Run: id}
		if id == after.Run {
			from = after
		}
		state, size := runNewest, int64(-1)
		if id <= last.RunID {
			m, err := a.Manifest(id)
			switch {
			case err == nil:
				state, size = runFinished, m.IndexSize
			case errors.Is(err, fs.ErrNotExist):
				state = runInterrupted
			default:
				return err
			}
		}
		path := a.path(id, indexName)
		end, err := scanIndex(ctx, path, from, state, func(l *indexLine) error {
			if b := l.rec.Blob; b != nil {
				if seq >= 0 && b.Seq != seq+1 {
					return &Error{
						File: path, Line: l.number, Offset: l.offset, Do: doBehind,
						Err: fmt.Errorf("records are %w: seq %d follows %d", ErrMissing, b.Seq, seq),
					}
				}
				seq = b.Seq
			}
			if !yield(l.rec) {
				return errStopped
			}
			return nil
		})
		if err != nil {
			return err
		}
		if state == runFinished && end != size {
			return altered(path, end, "the index has %d bytes, its manifest says %d", end, size)
		}
	}
	return nil
}
