package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A runState says what may be missing from a run.
type runState int

const (
	runFinished    runState = iota // has a manifest: nothing
	runInterrupted                 // a later run is finished: the manifest, and files it had no time to create
	runNewest                      // none after it is finished: also the end of its last commit
)

// An indexLine is one line of an index.
type indexLine struct {
	raw    []byte // newline included, unless the file ends without; valid until the next line is read
	offset int64
	number int // from 1; 0 when reading began further on
	rec    Record
	stamp  stamp
	err    error // why it is no record
}

func (l *indexLine) end() int64 { return l.offset + int64(len(l.raw)) }

// An indexReader reads an index line by line. It goes on after a line that is no record.
type indexReader struct {
	path string
	run  string
	f    *os.File
	br   *bufio.Reader
	line indexLine
}

// openIndex opens the index of a run for reading at byte offset at, which must be where
// a line begins.
func openIndex(path, run string, at int64) (*indexReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &Error{File: path, Offset: -1, Err: err}
	}
	r := &indexReader{path: path, run: run, f: f}
	if err := r.seek(at); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *indexReader) seek(at int64) error {
	r.line = indexLine{offset: at}
	if at > 0 {
		var before [1]byte
		if _, err := r.f.ReadAt(before[:], at-1); err == io.EOF {
			return &Error{File: r.path, Offset: at, Err: fmt.Errorf("%w: the index ends before this position", ErrMissing), Do: doBehind}
		} else if err != nil {
			return &Error{File: r.path, Offset: at - 1, Err: err}
		}
		if before[0] != '\n' {
			return altered(r.path, at, "no line begins here")
		}
	}
	if _, err := r.f.Seek(at, io.SeekStart); err != nil {
		return &Error{File: r.path, Offset: at, Err: err}
	}
	r.br = bufio.NewReaderSize(r.f, 256<<10)
	return nil
}

const doBehind = "the archive lost records, or this position is of another archive: restore the archive from a backup, or rebuild"

// next reads a line, and returns nil and io.EOF after the last. A line that is no record
// is returned with its err set. Any other error is an *Error.
func (r *indexReader) next() (*indexLine, error) {
	offset, number := r.line.end(), r.line.number
	if number > 0 || offset == 0 {
		number++
	}
	raw, err := r.br.ReadBytes('\n')
	if err != nil && err != io.EOF {
		return nil, &Error{File: r.path, Line: number, Offset: offset, Err: err}
	}
	if len(raw) == 0 {
		return nil, io.EOF
	}
	l := &r.line
	*l = indexLine{raw: raw, offset: offset, number: number}
	l.rec, l.stamp, l.err = decodeLine(raw)
	if l.err == nil && l.stamp.At != offset {
		l.err = fmt.Errorf("line was written at byte %d", l.stamp.At)
	}
	l.rec.Next = Position{Run: r.run, Offset: l.end()}
	return l, nil
}

func (r *indexReader) close() { r.f.Close() }

// fail returns the error of a line that is no record.
func (r *indexReader) fail(l *indexLine) *Error {
	if l.number == 0 {
		l.number = lineNumber(r.path, l.offset)
	}
	e := altered(r.path, l.offset, "%w", l.err)
	e.Line = l.number
	if errors.Is(l.err, ErrFormat) {
		e.Err, e.Do = l.err, "use the version of kvitt that wrote it, or a newer one"
	}
	return e
}

// lineNumber returns the number of the line that begins at offset, and 0 when the file
// cannot be read.
func lineNumber(path string, offset int64) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	n, buf, r := 1, make([]byte, 64<<10), io.LimitReader(f, offset)
	for {
		k, err := r.Read(buf)
		n += bytes.Count(buf[:k], []byte{'\n'})
		if err == io.EOF {
			return n
		} else if err != nil {
			return 0
		}
	}
}

// scanIndex calls fn for each record of an index from a position on, and returns the
// byte after the last one. In the newest runs it stops before what a crash tore.
//
// Errors: those of fn; *Error, wrapping ErrAltered or ErrFormat where one fits.
func scanIndex(ctx context.Context, path string, from Position, state runState, fn func(*indexLine) error) (int64, error) {
	r, err := openIndex(path, from.Run, from.Offset)
	if errors.Is(err, fs.ErrNotExist) && state != runFinished && from.Offset == 0 {
		return 0, nil // the crash came before the file
	}
	if err != nil {
		return 0, err
	}
	defer r.close()
	end := from.Offset
	for {
		if err := ctx.Err(); err != nil {
			return end, err
		}
		l, err := r.next()
		if err == io.EOF {
			return end, nil
		} else if err != nil {
			return end, err
		}
		if l.err != nil {
			if state == runNewest {
				if torn, err := r.torn(l); err != nil || torn {
					return end, err
				}
			}
			return end, r.fail(l)
		}
		if err := fn(l); err != nil {
			return end, err
		}
		end = l.end()
	}
}

// torn reports whether a crash can have left the line bad as it is. The lines of one
// commit are written at once and then fsynced: after a crash the file may end anywhere
// in them, and blocks of it that were not written read as zeros. A line that is whole
// and only does not match its checksum was whole once, and so was every line before one
// of a later commit: those were altered, and cutting them off would lose what was
// promised to be kept.
func (r *indexReader) torn(bad *indexLine) (bool, error) {
	if n := len(bad.raw) - 1; bad.raw[n] != '\n' {
		_, _, err := decodeLine(append(bytes.Clone(bad.raw[:n]), '\n'))
		return err != nil, nil // else its newline was altered
	}
	if !bytes.Contains(bad.raw, make([]byte, 8)) { // one altered bit makes one zero at most
		return false, nil
	}
	rest, err := openIndex(r.path, r.run, bad.end())
	if err != nil {
		return false, err
	}
	defer rest.close()
	for {
		l, err := rest.next()
		if err == io.EOF {
			return true, nil
		} else if err != nil {
			return false, err
		}
		if l.err == nil && l.stamp.Commit > bad.offset {
			return false, nil
		}
	}
}
