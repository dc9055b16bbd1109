package archive

import (
	"bufio"
	"fmt"
	"hash"
	"hash/crc32"
	"os"
)

// blobFile is a run's blobs.zst while it is written. After an error of the file it
// must not be written to any more.
type blobFile struct {
	f     *os.File
	w     *bufio.Writer
	size  int64 // bytes, buffered ones included
	dirty bool  // something is not durable yet
	sum   sum   // of all size bytes
	crc   uint32
	err   error // the first error of the file
}

func newBlobFile(f *os.File) *blobFile {
	return &blobFile{f: f, w: bufio.NewWriterSize(f, 256<<10), sum: newSum()}
}

// Write implements io.Writer.
func (b *blobFile) Write(p []byte) (int, error) {
	n, err := b.w.Write(p)
	if err != nil {
		return n, b.fail(err)
	}
	b.sum.Write(p)
	b.crc = crc32.Update(b.crc, castagnoli, p)
	b.size += int64(n)
	b.dirty = true
	return n, nil
}

func (b *blobFile) fail(err error) error {
	if b.err == nil {
		b.err = &Error{File: b.f.Name(), Offset: b.size, Err: err}
	}
	return b.err
}

// framesCRC returns the checksum of what was written since the last call.
func (b *blobFile) framesCRC() string {
	s := fmt.Sprintf("%08x", b.crc)
	b.crc = 0
	return s
}

// sync makes everything written durable.
func (b *blobFile) sync() error {
	if !b.dirty {
		return nil
	}
	if err := b.w.Flush(); err != nil {
		return b.fail(err)
	}
	if err := b.f.Sync(); err != nil {
		return b.fail(err)
	}
	b.dirty = false
	return nil
}

// A savepoint is a state of a blobFile that can be returned to.
type savepoint struct {
	size int64
	sum  hash.Cloner
}

func (b *blobFile) savepoint() (savepoint, error) {
	if err := b.w.Flush(); err != nil { // so that the buffer holds later bytes only
		return savepoint{}, b.fail(err)
	}
	c, err := b.sum.Hash.(hash.Cloner).Clone()
	if err != nil {
		return savepoint{}, b.fail(err)
	}
	return savepoint{b.size, c}, nil
}

// rollback forgets what was written after s.
func (b *blobFile) rollback(s savepoint) error {
	if b.err != nil {
		return b.err
	}
	b.w.Reset(b.f)
	b.dirty = true
	if err := b.f.Truncate(s.size); err != nil {
		return b.fail(err)
	}
	b.size, b.sum, b.crc = s.size, sum{s.sum}, 0 // the file is in append mode: no need to seek
	return nil
}
