package sie

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Stored is a file in a target's folder, read back.
type Stored struct {
	Name string // as in load.Batch.Name
	File *File  // nil when it cannot be read at all
	Err  error  // nil when it is what Post wrote
}

// ReadDir reads every .si file under dir, in order of folder and name: all that was ever
// posted.
// It returns nothing for a folder that does not exist. What is wrong with a file is in
// its Err: ErrSyntax, ErrTruncated, ErrChecksum, ErrAltered, or the file system's.
//
// Errors: those of listing the folders.
func ReadDir(dir string) ([]Stored, error) {
	var all []Stored
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if path == dir && errors.Is(err, fs.ErrNotExist) {
			return fs.SkipAll
		}
		if err != nil {
			return err
		}
		if e.IsDir() || !strings.EqualFold(filepath.Ext(path), ".si") {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		s := Stored{Name: filepath.ToSlash(rel)}
		s.File, s.Err = readStored(dir, s.Name)
		all = append(all, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sie: %w", err)
	}
	return all, nil
}

// readStored reads the file of a batch and makes sure it is what Post wrote, except
// for the flag. The file is not nil when it could be read in spite of the error.
func readStored(dir, batch string) (*File, error) {
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(batch)))
	if err != nil {
		return nil, err
	}
	f, err := Read(bytes.NewReader(b))
	if err != nil {
		return f, err
	}
	if !asWritten(b) {
		return f, fmt.Errorf("%w: its line ends or control characters are not those that were written", ErrAltered)
	}
	return f, f.checkStored(batch)
}

// asWritten reports whether b has the line ends of Write and no other control characters:
// a reader forgives them, and the checksum leaves them out.
func asWritten(b []byte) bool {
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		return false
	}
	for i, c := range b {
		switch {
		case c == '\r' && b[i+1] == '\n', c == '\n' && i > 0 && b[i-1] == '\r', c >= 32 && c != 127:
		default:
			return false
		}
	}
	return true
}

// checkStored reports what of f cannot have been written by Post under the name batch.
//
// Errors: all wrap ErrAltered.
func (f *File) checkStored(batch string) error {
	altered := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrAltered, fmt.Sprintf(format, a...))
	}
	n, err := parseName(batch)
	if err != nil {
		return altered("%v", err)
	}
	if f.Checksum.State != ChecksumOK {
		return altered("its checksum is %s", f.Checksum.State)
	}
	if f.Checksum.Outside > 0 {
		return altered("%d records are outside the checksum", f.Checksum.Outside)
	}
	for _, y := range f.Years {
		if folder := (fiscalYear{y.Start, y.End}).folder(); y.No == 0 && folder != n.folder {
			return altered("it is of fiscal year %s, not %s", folder, n.folder)
		}
	}
	seen := map[string]bool{}
	for i, v := range f.Vouchers {
		switch {
		case v.ID == "":
			return altered("voucher %d has no ID", i+1)
		case seen[v.ID]:
			return altered("%s stands twice", place(i+1, v.ID))
		case v.Sum() != 0:
			return altered("%s does not sum to zero", place(i+1, v.ID))
		}
		seen[v.ID] = true
	}
	if got := digest(f.Vouchers, f.Currency); got != n.digest {
		return altered("the vouchers have digest %s, the name says %s", got, n.digest)
	}
	return nil
}
