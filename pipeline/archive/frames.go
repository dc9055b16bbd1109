package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// frames goes through a run's blobs.zst once, from its start to its end, and hashes it
// on the way.
type frames struct {
	a    *Archive
	path string
	f    *os.File
	br   *bufio.Reader
	sum  sum   // of pos bytes, when the end is reached
	pos  int64 // bytes
	rest int64 // bytes after the last frame, when the end is reached
	err  error // the file cannot be read
}

func openFrames(a *Archive, run string) *frames {
	w := &frames{a: a, path: a.path(run, blobsName), sum: newSum()}
	w.f, w.err = os.Open(w.path)
	if w.err == nil {
		w.br = bufio.NewReaderSize(io.TeeReader(w.f, w.sum), 1<<20)
	}
	return w
}

// Read implements io.Reader.
func (w *frames) Read(p []byte) (int, error) {
	n, err := w.br.Read(p)
	w.pos += int64(n)
	return n, err
}

// verify compares the next frames with the record that stored them.
//
// Errors: *Error; those of ctx.
func (w *frames) verify(ctx context.Context, b *Blob) error {
	if w.err != nil {
		return &Error{File: w.path, Offset: b.Place.Offset, Err: w.err, Do: doRestore}
	}
	if b.Place.Offset < w.pos || b.Place.Length <= 0 {
		return w.a.broken(b.Content, errors.New("it overlaps the one before"))
	}
	if _, err := io.CopyN(io.Discard, w, b.Place.Offset-w.pos); err != nil {
		return w.a.unreadable(b.Content, err)
	}
	crc := &crcReader{r: io.LimitReader(w, b.Place.Length)}
	derr := w.decode(ctx, b.Content, crc)
	_, err := io.Copy(io.Discard, crc) // what the decoder did not ask for
	switch want := b.Place.Offset + b.Place.Length; {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return w.a.unreadable(b.Content, err)
	case w.pos != want:
		return w.a.unreadable(b.Content, io.EOF)
	case derr != nil:
		return w.a.broken(b.Content, derr)
	case fmt.Sprintf("%08x", crc.sum) != b.FramesCRC:
		return w.a.broken(b.Content, errors.New("its frames do not match their checksum"))
	}
	return nil
}

func (w *frames) decode(ctx context.Context, c Content, r io.Reader) error {
	dec, err := w.a.codec.stream(r)
	if err != nil {
		return err
	}
	defer w.a.codec.release(dec)
	s := newSum()
	n, err := io.Copy(s, io.LimitReader(ctxReader{ctx, dec}, c.Size+1))
	if err != nil {
		return err
	}
	return c.compare(n, s.digest())
}

// finish reads to the end of the file.
func (w *frames) finish() error {
	if w.err != nil {
		return &Error{File: w.path, Offset: -1, Err: w.err, Do: doRestore}
	}
	w.rest, w.err = io.Copy(io.Discard, w)
	if w.err != nil {
		return &Error{File: w.path, Offset: w.pos, Err: w.err}
	}
	return nil
}

func (w *frames) close() {
	if w.f != nil {
		w.f.Close()
	}
}

// A crcReader computes the CRC-32C of what is read.
type crcReader struct {
	r   io.Reader
	sum uint32
}

func (c *crcReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum = crc32.Update(c.sum, castagnoli, p[:n])
	return n, err
}
