package archive

import (
	"errors"
	"fmt"
)

// What went wrong, for errors.Is. Errors of the file system keep their own, such as
// syscall.ENOSPC and fs.ErrNotExist.
var (
	ErrAltered  = errors.New("altered")                             // the bytes are not the ones that were stored
	ErrMissing  = errors.New("missing from the archive")            // a run, records, or bytes that a record names
	ErrChanged  = errors.New("changed while it was read")           // a file given to AddFile; try again later
	ErrBehind   = errors.New("index is behind the archive")         // read Records into it first
	ErrOrder    = errors.New("run ID does not sort after the last") // the clock went backwards, or an ID was used twice
	ErrReadOnly = errors.New("archive is open for reading only")
	ErrFormat   = errors.New("written by a newer version of kvitt")
	ErrClosed   = errors.New("run is finished or closed")

	errBusy  = errors.New("another run of this archive is open")
	errRunID = errors.New("run ID may have letters, digits, '-', '.' and '_', and begins with a letter or digit")
)

// An Error says where in the archive something is wrong.
type Error struct {
	File   string // path, the archive's folder included
	Line   int    // from 1; 0 when it is not about a line
	Offset int64  // bytes from the start of File; -1 when it is about the whole file
	Err    error
	Do     string // what a person can do; "" if nothing is known
}

func (e *Error) Error() string {
	s := e.File
	switch {
	case e.Line > 0:
		s += fmt.Sprintf(" line %d (byte %d)", e.Line, e.Offset)
	case e.Offset >= 0:
		s += fmt.Sprintf(" at byte %d", e.Offset)
	}
	s += ": " + e.Err.Error()
	if e.Do != "" {
		s += " (" + e.Do + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

const doRestore = "restore this file from a backup; kvitt verify lists everything that is wrong"

func altered(file string, offset int64, format string, args ...any) *Error {
	return &Error{File: file, Offset: offset, Err: fmt.Errorf("%w: %w", ErrAltered, fmt.Errorf(format, args...)), Do: doRestore}
}
