package archive

import (
	"context"
	"crypto/sha256"
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
	r := a.Reader()
	defer r.Close()
	return r.ReadBlob(c)
}

// A Reader reads one blob after the other: what follows the one before is read from its
// file a stretch at a time. It is not safe for concurrent use.
type Reader struct {
	a       *Archive
	run     string   // of f
	f       *os.File // nil before the first blob
	stretch []byte   // of f, from byte at on
	at, end int64    // end of the blob before
}

// Reader returns a Reader that has read nothing.
func (a *Archive) Reader() *Reader { return &Reader{a: a} }

// Close closes the file of the blob that was read last.
func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f, r.stretch = nil, nil
	return f.Close()
}

// ReadBlob is Archive.ReadBlob.
func (r *Reader) ReadBlob(c Content) ([]byte, error) {
	if err := c.Place.check(); err != nil {
		return nil, err
	}
	if r.f == nil || r.run != c.Place.Run {
		if err := r.Close(); err != nil {
			return nil, r.a.unreadable(c, err)
		}
		f, err := r.a.openPlace(c)
		if err != nil {
			return nil, err
		}
		r.f, r.run, r.end = f, c.Place.Run, -1
	}
	ahead := c.Place.Offset == r.end
	body, err := r.read(c, ahead)
	if err != nil && ahead {
		// What lay there may not have been promised yet when the stretch was read.
		r.stretch = nil
		body, err = r.read(c, false)
	}
	return body, err
}

// stretchSize is how much of a file is read ahead.
const stretchSize = 256 << 10

func (r *Reader) read(c Content, ahead bool) ([]byte, error) {
	frames, err := r.frames(c, ahead)
	if err != nil {
		return nil, r.a.unreadable(c, err)
	}
	body, err := r.a.codec.decompress(frames, c.Size)
	if err != nil {
		return nil, r.a.broken(c, err)
	}
	if err := c.compare(int64(len(body)), sha256.Sum256(body)); err != nil {
		return nil, r.a.broken(c, err)
	}
	r.end = c.Place.Offset + c.Place.Length
	return body, nil
}

// frames returns the stored bytes of c, which are valid until the next call.
func (r *Reader) frames(c Content, ahead bool) ([]byte, error) {
	from, size := c.Place.Offset-r.at, c.Place.Length
	if have := int64(len(r.stretch)); ahead && 0 <= from && size <= have && from <= have-size {
		return r.stretch[from : from+size], nil
	}
	if size > frameSize { // do not allocate what cannot be there
		if fi, err := r.f.Stat(); err != nil {
			return nil, err
		} else if size > fi.Size()-c.Place.Offset {
			return nil, io.EOF
		}
	}
	want := size
	if ahead {
		want = max(want, stretchSize)
	}
	if int64(cap(r.stretch)) < want {
		r.stretch = make([]byte, want)
	}
	n, err := r.f.ReadAt(r.stretch[:want], c.Place.Offset)
	r.stretch, r.at = r.stretch[:n], c.Place.Offset
	if int64(n) < size {
		return nil, err
	}
	return r.stretch[:size], nil
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

func (p Place) check() error {
	if !validRunID(p.Run) || p.Offset < 0 || p.Length <= 0 {
		return fmt.Errorf("archive: not a place: %+v", p)
	}
	return nil
}

func (a *Archive) openPlace(c Content) (*os.File, error) {
	if err := c.Place.check(); err != nil {
		return nil, err
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
func (c Content) compare(size int64, got Digest) error {
	if size != c.Size {
		return fmt.Errorf("it has %d bytes", size)
	}
	if got != c.SHA256 {
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
		if cerr := r.c.compare(r.read, r.sum.digest()); cerr != nil {
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
