package archive

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// load reads what a new run must know, and repairs the runs that crashed.
func (a *Archive) load() error {
	last, after, err := a.split()
	if err != nil {
		return err
	}
	s := state{last: last, newest: last.RunID, lastSeq: last.LastSeq}
	for _, id := range after {
		in, seq, err := a.repair(id)
		if err != nil {
			return err
		}
		s.interrupted = append(s.interrupted, in)
		s.newest = id
		s.lastSeq = max(s.lastSeq, seq)
	}
	a.state = s
	return nil
}

// repair cuts off what a crashed run wrote and never committed, and returns what the
// next manifest says about it and the last seq in it.
func (a *Archive) repair(id string) (Interrupted, int64, error) {
	index, blobs := a.path(id, indexName), a.path(id, blobsName)
	var seq, framesEnd int64
	sum := newSum()
	end, err := scanIndex(context.Background(), index, Position{Run: id}, runNewest, func(l *indexLine) error {
		sum.Write(l.raw)
		if b := l.rec.Blob; b != nil {
			seq = b.Seq
			if b.FramesCRC != "" {
				framesEnd = max(framesEnd, b.Place.Offset+b.Place.Length)
			}
		}
		return nil
	})
	if err != nil {
		return Interrupted{}, 0, err
	}
	if err := cut(index, end); err != nil {
		return Interrupted{}, 0, err
	}
	if err := cut(blobs, framesEnd); err != nil {
		return Interrupted{}, 0, err
	}
	return Interrupted{RunID: id, IndexSHA256: sum.digest(), IndexSize: end}, seq, nil
}

// cut shortens the file to size bytes, durably. A file that is missing counts as empty.
func cut(path string, size int64) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && size == 0:
		return nil
	case err != nil:
		return &Error{File: path, Offset: -1, Err: err}
	case fi.Size() < size:
		return altered(path, fi.Size(), "the file ends here, committed records reach to byte %d", size)
	case fi.Size() == size:
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return &Error{File: path, Offset: -1, Err: err}
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return &Error{File: path, Offset: size, Err: err}
	}
	return nil
}
