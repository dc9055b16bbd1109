package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shown is how many problems are printed: more than a screenful helps nobody.
const shown = 20

// An Error is one thing that is wrong in the configuration, and what to write instead.
type Error struct {
	File    string // the configuration file as it was named, or a CSV file it names
	Line    int    // from 1; 0 when the whole file is meant
	Column  int    // from 1, in characters
	Key     string // path of the setting, "source[0].accounts.fee"; "" if none
	Message string // what is wrong; holds no secret
	Do      string // what to write instead; "" when Message says it

	cause error
}

// Error reads like a compiler's message: file:line:column: what: what to do.
func (e *Error) Error() string {
	msg := position(e.File, e.Line, e.Column) + ": " + e.Message
	if e.Do != "" {
		msg += ": " + e.Do
	}
	return msg
}

// Unwrap returns the file system's error, where there was one.
func (e *Error) Unwrap() error { return e.cause }

// Errors are all the problems of a configuration, in the order of the file; problems of
// files it names come after its own.
type Errors []*Error

// Error lists the first twenty, one under the other.
func (es Errors) Error() string {
	var b strings.Builder
	for i, e := range es {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more", len(es)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap returns every problem, for errors.Is and errors.As.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// A Warning is something that works and is probably not meant, or not wise.
type Warning struct {
	File    string
	Line    int // from 1
	Column  int // from 1, in characters
	Key     string
	Message string
}

// String reads like an Error.
func (w Warning) String() string {
	return position(w.File, w.Line, w.Column) + ": " + w.Message
}

func position(file string, line, column int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

// sortProblems puts what concerns the configuration file itself first, then by place.
func (r *reader) sortProblems() {
	slices.SortStableFunc(r.problems, func(a, b *Error) int {
		return r.compare(a.File, a.Line, a.Column, b.File, b.Line, b.Column)
	})
	slices.SortStableFunc(r.warnings, func(a, b Warning) int {
		return r.compare(a.File, a.Line, a.Column, b.File, b.Line, b.Column)
	})
}

func (r *reader) compare(fileA string, lineA, colA int, fileB string, lineB, colB int) int {
	if (fileA == r.file) != (fileB == r.file) {
		if fileA == r.file {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(lineA, lineB), cmp.Compare(colA, colB))
}
