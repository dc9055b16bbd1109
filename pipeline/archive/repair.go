package archive

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// state is what a new run must know about those before it.
type state struct {
	last        Manifest      // of the last finished run; zero if there is none
	interrupted []Interrupted // runs after it, in order
	tails       []tail        // what those left behind and never committed
	newest      string        // the last run folder's name
	lastSeq     int64         // of the last committed blob record
}

// A tail is the end of a file, which no record names and nobody was promised.
type tail struct {
	path string
	from int64 // byte
}

// load reads what a new run must know. It changes nothing.
func (a *Archive) load() error {
	last, after, err := a.split()
	if err != nil {
		return err
	}
	s := state{last: last, newest: last.RunID, lastSeq: last.LastSeq}
	for _, id := range after {
		if err := s.crashed(a, id); err != nil {
			return err
		}
	}
	a.state = s
	return nil
}

// crashed adds a run without a manifest.
func (s *state) crashed(a *Archive, id string) error {
	index, blobs := a.path(id, indexName), a.path(id, blobsName)
	var framesEnd int64
	sum := newSum()
	end, err := scanIndex(context.Background(), index, Position{Run: id}, runNewest, func(l *indexLine) error {
		sum.Write(l.raw)
		if b := l.rec.Blob; b != nil {
			s.lastSeq = b.Seq
			if b.FramesCRC != "" {
				framesEnd = b.Place.Offset + b.Place.Length
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range []tail{{index, end}, {blobs, framesEnd}} {
		switch fi, err := os.Stat(t.path); {
		case errors.Is(err, fs.ErrNotExist) && t.from == 0: // the crash came before the file
		case err != nil:
			return &Error{File: t.path, Offset: -1, Err: err}
		case fi.Size() < t.from:
			return altered(t.path, fi.Size(), "the file ends here, committed records reach to byte %d", t.from)
		case fi.Size() > t.from:
			s.tails = append(s.tails, t)
		}
	}
	s.interrupted = append(s.interrupted, Interrupted{RunID: id, IndexSHA256: sum.digest(), IndexSize: end})
	s.newest = id
	return nil
}

// cut removes the tail, durably.
func (t tail) cut() error {
	f, err := os.OpenFile(t.path, os.O_RDWR, 0)
	if err != nil {
		return &Error{File: t.path, Offset: -1, Err: err}
	}
	err = f.Truncate(t.from)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return &Error{File: t.path, Offset: t.from, Err: err}
	}
	return nil
}
