package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"
)

// ReadBlob returns the bytes of c. They are the ones that were added, or there is an
// error.
//
// Errors: *Error, wrapping ErrAltered or ErrMissing where one fits.
func (a *Archive) ReadBlob(c Content) ([]byte, error) {
	f, err := a.openPlace(c)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if c.Place.Length > frameSize { // do not allocate what cannot be there
		if fi, err := f.Stat(); err != nil {
			return nil, a.unreadable(c, err)
		} else if c.Place.Length > fi.Size() {
			return nil, a.unreadable(c, io.EOF)
		}
	}
	frames := make([]byte, c.Place.Length)
	if _, err := f.ReadAt(frames, c.Place.Offset); err != nil {
		return nil, a.unreadable(c, err)
	}
	body, err := a.codec.decompress(frames, c.Size)
	if err != nil {
		return nil, a.broken(c, err)
	}
	s := newSum()
	s.Write(body)
	if err := c.compare(int64(len(body)), s); err != nil {
		return nil, a.broken(c, err)
	}
	return body, nil
}

// OpenBlob returns a reader of the bytes of c, for those too large for memory. The
// reader returns io.EOF only if all bytes it returned are the ones that were added, and
// an error otherwise: a caller must not rely on what it read before that.
//
// Errors: *Error, wrapping ErrAltered or ErrMissing where one fits.
func (a *Archive) OpenBlob(c Content) (io.ReadCloser, error) {
	f, err := a.openPlace(c)
	if err != nil {
		return nil, err
	}
	dec, err := a.codec.stream(io.NewSectionReader(f, c.Place.Offset, c.Place.Length))
	if err != nil {
		f.Close()
		return nil, a.broken(c, err)
	}
	return &blobReader{a: a, c: c, f: f, dec: dec, sum: newSum()}, nil
}

// Extract writes the bytes of c to a file at path, for programs that read files. The
// file appears, or replaces an older one, only when it is whole and verified. It is not
// fsynced: it can be extracted again.
//
// Errors: those of ctx and of the file system; *Error, wrapping ErrAltered or ErrMissing
// where one fits.
func (a *Archive) Extract(ctx context.Context, c Content, path string) (err error) {
	tmp := path + ".tmp"
	defer func() {
		if err != nil {
			err = fmt.Errorf("archive: extract to %s: %w", path, err)
		}
	}()
	r, err := a.OpenBlob(c)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, ctxReader{ctx, r}, make([]byte, 256<<10))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

// verify reports whether the bytes of c are where it says.
func (a *Archive) verify(ctx context.Context, c Content) error {
	if c.Size <= frameSize {
		_, err := a.ReadBlob(c)
		return err
	}
	r, err := a.OpenBlob(c)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, ctxReader{ctx, r})
	return err
}

func (a *Archive) openPlace(c Content) (*os.File, error) {
	if !validRunID(c.Place.Run) || c.Place.Offset < 0 || c.Place.Length <= 0 {
		return nil, fmt.Errorf("archive: not a place: %+v", c.Place)
	}
	path := a.path(c.Place.Run, blobsName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{File: path, Offset: c.Place.Offset, Err: fmt.Errorf("blob %s is %w: %w", c.SHA256, ErrMissing, err), Do: doRestore}
	}
	if err != nil {
		return nil, &Error{File: path, Offset: -1, Err: err}
	}
	return f, nil
}

// broken returns the error for stored bytes that are not those of c.
func (a *Archive) broken(c Content, err error) *Error {
	return altered(a.path(c.Place.Run, blobsName), c.Place.Offset, "blob %s of %d bytes: %w", c.SHA256, c.Size, err)
}

// unreadable returns the error for a read of stored bytes that failed.
func (a *Archive) unreadable(c Content, err error) *Error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return a.broken(c, errors.New("the file ends before it"))
	}
	return &Error{File: a.path(c.Place.Run, blobsName), Offset: c.Place.Offset, Err: err}
}

// compare reports how size bytes with a digest differ from c.
func (c Content) compare(size int64, s sum) error {
	if size != c.Size {
		return fmt.Errorf("it has %d bytes", size)
	}
	if got := s.digest(); got != c.SHA256 {
		return fmt.Errorf("its SHA-256 is %s", got)
	}
	return nil
}

// A blobReader reads a blob and compares it at its end.
type blobReader struct {
	a    *Archive
	c    Content
	f    *os.File
	dec  *zstd.Decoder
	sum  sum
	read int64
	err  error
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.dec.Read(p)
	r.read += int64(n)
	r.sum.Write(p[:n])
	switch {
	case r.read > r.c.Size:
		r.err = r.a.broken(r.c, errors.New("it has more bytes"))
	case err == io.EOF:
		r.err = io.EOF
		if cerr := r.c.compare(r.read, r.sum); cerr != nil {
			r.err = r.a.broken(r.c, cerr)
		}
	case err != nil:
		var pe *fs.PathError
		if errors.As(err, &pe) {
			r.err = r.a.unreadable(r.c, err)
		} else {
			r.err = r.a.broken(r.c, err)
		}
	}
	return n, r.err
}

func (r *blobReader) Close() error {
	if r.dec == nil {
		return nil
	}
	r.a.codec.release(r.dec)
	r.dec, r.err = nil, fs.ErrClosed
	return r.f.Close()
}

// A ctxReader stops when its context does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
