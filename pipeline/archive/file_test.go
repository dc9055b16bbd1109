package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/pipeline/archive"
)

func addFile(t testing.TB, r *archive.Run, key, file string) (archive.Record, bool) {
	t.Helper()
	rec, isNew, err := r.AddFile(ctx, meta(key), file)
	if err != nil {
		t.Fatal(err)
	}
	return rec, isNew
}

func TestAddFile(t *testing.T) {
	dir, in := t.TempDir(), t.TempDir()
	a := open(t, dir)
	r := begin(t, a, 1, nil)
	want := map[archive.Position][]byte{}
	for _, size := range []int{0, 1, 2<<20 - 1, 2 << 20, 2<<20 + 1, 9 << 20} {
		body := settlement(size)[:size]
		file := filepath.Join(in, fmt.Sprint(size))
		writeFile(t, file, body)
		rec, isNew := addFile(t, r, file, file)
		if !isNew || rec.Blob.Size != int64(size) {
			t.Errorf("%d bytes: new %v, %+v", size, isNew, rec.Blob)
		}
		want[rec.Next] = body
		// The same bytes, as a file and in memory, between others.
		again, isNew := addFile(t, r, "again", file)
		if isNew || again.Blob.Place != rec.Blob.Place || again.Blob.SHA256 != rec.Blob.SHA256 {
			t.Errorf("%d bytes again: new %v, %+v", size, isNew, again.Blob)
		}
		want[again.Next] = body
		inMemory, isNew := add(t, r, "in memory", string(body))
		if isNew || inMemory.Blob.Place != rec.Blob.Place {
			t.Errorf("%d bytes in memory: new %v, %+v", size, isNew, inMemory.Blob)
		}
		want[inMemory.Next] = body
		other, _ := add(t, r, "other", fmt.Sprint("other ", size))
		want[other.Next] = fmt.Append(nil, "other ", size)
		if size%2 == 0 {
			commit(t, r)
		}
	}
	m := finish(t, r)
	if fi, err := os.Stat(path(dir, 1, "blobs.zst")); err != nil || fi.Size() != m.BlobsSize {
		t.Errorf("blobs.zst: %v, %v, want %d bytes", fi.Size(), err, m.BlobsSize)
	}
	for _, rec := range records(t, a, archive.Position{}) {
		if got, err := a.ReadBlob(rec.Blob.Content); err != nil || !bytes.Equal(got, want[rec.Next]) {
			t.Errorf("%s: %d bytes, %v", rec.Blob.Key, len(got), err)
		}
	}
	if stats := noProblems(t, dir); stats.Stored != 12 || stats.Blobs != 24 {
		t.Errorf("Verify() counts %+v", stats)
	}

	r = begin(t, a, 2, lookup(t, a))
	if rec, isNew := addFile(t, r, "k", filepath.Join(in, fmt.Sprint(9<<20))); isNew || rec.Blob.Place.Run != runID(1) {
		t.Errorf("in the next run: new %v, %+v", isNew, rec.Blob)
	}
	if m := finish(t, r); m.BlobsSize != 0 {
		t.Errorf("%d bytes stored for nothing", m.BlobsSize)
	}
	noProblems(t, dir)
}

// onErr is a context that does something each time it is asked whether it has ended:
// before each piece of a file is read.
type onErr struct {
	context.Context
	do func() error
}

func (c onErr) Err() error { return c.do() }

// What goes wrong with a file leaves nothing behind, and the run goes on.
func TestAddFileFails(t *testing.T) {
	dir, in := t.TempDir(), t.TempDir()
	a := open(t, dir)
	r := begin(t, a, 1, nil)
	add(t, r, "a", "before")
	size := int64(9 << 20)
	file := filepath.Join(in, "report.csv")
	asked := 0
	third := func(do func() error) func() error {
		return func() error {
			if asked++; asked == 3 {
				return do()
			}
			return nil
		}
	}
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		do   func() error
		want error
	}{
		{"grows", third(func() error {
			f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("one more line\n")
			return errors.Join(err, f.Close())
		}), archive.ErrChanged},
		{"shrinks", third(func() error { return os.Truncate(file, size-1) }), archive.ErrChanged},
		{"is written to in place", third(func() error { return os.Chtimes(file, noon, noon) }), archive.ErrChanged},
		{"canceled", third(func() error { return context.Canceled }), context.Canceled},
		{"at the start", func() error { return boom }, boom},
	} {
		writeFile(t, file, settlement(int(size))[:size])
		asked = 0
		_, _, err := r.AddFile(onErr{ctx, tt.do}, meta("k"), file)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	_, _, err := r.AddFile(ctx, meta("k"), filepath.Join(in, "nowhere"))
	wantErr(t, err, fs.ErrNotExist)
	if _, _, err := r.AddFile(ctx, meta("k"), in); err == nil {
		t.Error("a folder was added")
	}
	add(t, r, "b", "after")
	commit(t, r)
	if _, isNew := addFile(t, r, "c", file); !isNew {
		t.Error("a file that failed before is not new")
	}
	finish(t, r)
	if stats := noProblems(t, dir); stats.Blobs != 3 || stats.Stored != 3 {
		t.Errorf("Verify() counts %+v", stats)
	}
}

// A file may be larger than memory.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 1 GB")
	}
	dir := t.TempDir()
	file := report(t, 512<<20)
	a := open(t, dir)
	r := begin(t, a, 1, nil)
	peak := uint64(0)
	watched := onErr{ctx, func() error {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		return nil
	}}
	runtime.GC()
	rec, _, err := r.AddFile(watched, meta("big"), file)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, r)
	if err := a.Extract(watched, rec.Blob.Content, filepath.Join(t.TempDir(), "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(watched, func(e *archive.Error) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
	limit := uint64(40+12*min(runtime.GOMAXPROCS(0), 8)) << 20
	t.Logf("%d MB peak for a file of %d MB", peak>>20, rec.Blob.Size>>20)
	if peak > limit {
		t.Errorf("%d MB peak, want at most %d", peak>>20, limit>>20)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	r := begin(t, open(t, t.TempDir()), 1, nil)
	_, _, err := r.AddFile(ctx, meta("report.csv"), "/nowhere/report.csv")
	want := `archive: run 20260311T230000Z-0001: add klarna-se payouts "report.csv": open /nowhere/report.csv:`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error is %q, want it to begin with %q", err, want)
	}
}
