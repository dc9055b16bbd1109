package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// AddFile adds a file of any size, like AddBlob, and leaves it where it is. The file is
// read once and never held in memory: its digest is known only when it has been
// compressed into the archive, and if it turns out that its content is there already,
// what was written is cut off again.
//
// A file that is still being written is noticed by its size and modification time;
// nothing is added then. The run goes on after an error of the file or of ctx.
//
// Errors: ErrChanged; those of ctx and of the file system.
func (r *Run) AddFile(ctx context.Context, meta Meta, path string) (rec Record, isNew bool, err error) {
	defer r.wrap(&err, "add %s %s %q", meta.Source, meta.Stream, meta.Key)
	if err := meta.check(); err != nil {
		return Record{}, false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Record{}, false, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return Record{}, false, err
	}
	if !before.Mode().IsRegular() {
		return Record{}, false, fmt.Errorf("%s is not a file", path)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return Record{}, false, r.err
	}
	save, err := r.blobs.savepoint()
	if err != nil {
		return Record{}, false, r.fail(err)
	}
	s := newSum()
	c := Content{Place: Place{Run: r.id, Offset: r.blobs.size}}
	c.Size, err = r.a.codec.compress(ctx, r.blobs, f, s)
	if r.blobs.err != nil {
		return Record{}, false, r.fail(r.blobs.err)
	}
	if err == nil {
		err = unchanged(f, before, c.Size)
	}
	known := false
	if err == nil {
		c.SHA256 = s.digest()
		c.Place.Length = r.blobs.size - c.Place.Offset
		known, err = r.find(ctx, &c)
	}
	if known || err != nil {
		if rerr := r.blobs.rollback(save); rerr != nil {
			return Record{}, false, r.fail(errors.Join(err, rerr))
		}
	}
	if err != nil {
		return Record{}, false, err
	}
	crc := ""
	if !known {
		crc = r.blobs.framesCRC()
	}
	rec, err = r.addBlob(meta, c, crc)
	return rec, !known, err
}

// unchanged compares f with what was known of it before read bytes were read.
func unchanged(f *os.File, before os.FileInfo, read int64) error {
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if read != before.Size() || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return fmt.Errorf("%s %w: %d bytes before, %d after, %d read", f.Name(), ErrChanged, before.Size(), after.Size(), read)
	}
	return nil
}
