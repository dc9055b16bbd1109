package archive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/pipeline/archive"
)

// crashed is a finished run, and a second one that committed twice and then crashed.
type crashed struct {
	dir    string
	recs   []archive.Record // of both runs
	blobs  []byte           // of the second run
	index  []byte
	first  []byte // of index: what the first commit wrote
	before int    // records before the second commit
}

func crash(t testing.TB) crashed {
	t.Helper()
	c := crashed{dir: filepath.Join(t.TempDir(), "archive")}
	a := open(t, c.dir)
	r := begin(t, a, 1, nil)
	add(t, r, "a", "in the first run")
	finish(t, r)

	r = begin(t, a, 2, lookup(t, a))
	add(t, r, "b", "first commit")
	add(t, r, "a", "in the first run")
	commit(t, r)
	c.first = readFile(t, path(c.dir, 2, "index.jsonl"))
	c.before = len(records(t, a, archive.Position{}))
	add(t, r, "c", "second commit")
	if _, err := r.AddNote("intent", json.RawMessage(`{"a": "b  @ c"}`)); err != nil {
		t.Fatal(err)
	}
	add(t, r, "d", strings.Repeat("second commit, its last record. ", 9))
	commit(t, r)
	c.recs = records(t, a, archive.Position{})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	c.blobs = readFile(t, path(c.dir, 2, "blobs.zst"))
	c.index = readFile(t, path(c.dir, 2, "index.jsonl"))
	return c
}

// recovers opens the archive as a crash left it, and checks that the first n records or
// more are there, that nothing else is, and, if goOn, that work goes on.
func (c crashed) recovers(t *testing.T, dir string, n int, goOn bool) {
	t.Helper()
	want := func(got []archive.Record) {
		t.Helper()
		if len(got) < n || len(got) > len(c.recs) {
			t.Fatalf("%d records, want %d to %d", len(got), n, len(c.recs))
		}
		if diff := cmp.Diff(c.recs[:len(got)], got); diff != "" {
			t.Fatalf("records mismatch (-want +got):\n%s", diff)
		}
	}
	before := sizes(t, dir)
	ro, err := archive.Open(dir, archive.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	asLeft := records(t, ro, archive.Position{})
	want(asLeft)
	noProblems(t, dir)

	a := open(t, dir)
	if diff := cmp.Diff(asLeft, records(t, a, archive.Position{})); diff != "" {
		t.Fatalf("opening for writing changed the records (-read only +writing):\n%s", diff)
	}
	if !goOn {
		return
	}
	if _, err := a.Begin(runID(3), a.NextSeq()+1, nil); !errors.Is(err, archive.ErrMissing) {
		t.Fatalf("an index that knows more: %v", err)
	}
	if diff := cmp.Diff(before, sizes(t, dir)); diff != "" {
		t.Fatalf("files changed before it was known that nobody misses what they hold (-before +after):\n%s", diff)
	}
	r := begin(t, a, 3, lookup(t, a))
	if stats := noProblems(t, dir); stats.Orphans != 0 {
		t.Fatalf("%d bytes left that no record names", stats.Orphans)
	}
	add(t, r, "b", "first commit")
	add(t, r, "e", "after the crash")
	finish(t, r)
	noProblems(t, dir)
	got := records(t, a, archive.Position{})
	want(got[:len(got)-2])
	for _, rec := range got {
		if rec.Blob != nil {
			if _, err := a.ReadBlob(rec.Blob.Content); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func sizes(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	m := map[string]int64{}
	for _, name := range files(t, dir) {
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		m[name] = fi.Size()
	}
	return m
}

// Every state a crash can leave, in the order the second run wrote.
func TestCrashAtEveryWrite(t *testing.T) {
	c := crash(t)
	state := func(blobs, index []byte) string {
		dir := copyDir(t, c.dir)
		writeFile(t, path(dir, 2, "blobs.zst"), blobs)
		writeFile(t, path(dir, 2, "index.jsonl"), index)
		return dir
	}

	t.Run("folder", func(t *testing.T) {
		dir := copyDir(t, c.dir)
		if err := os.RemoveAll(filepath.Dir(path(dir, 2, "x"))); err != nil {
			t.Fatal(err)
		}
		c.recovers(t, copyDir(t, dir), 1, true)
		if err := os.Mkdir(filepath.Dir(path(dir, 2, "x")), 0o700); err != nil {
			t.Fatal(err)
		}
		c.recovers(t, copyDir(t, dir), 1, true)
		writeFile(t, path(dir, 2, "blobs.zst"), nil)
		c.recovers(t, copyDir(t, dir), 1, true)
	})
	t.Run("bytes before their records", func(t *testing.T) {
		for n := 0; n <= len(c.blobs); n += 3 {
			c.recovers(t, state(c.blobs[:n], nil), 1, n%60 == 0)
		}
		firstBlobs := c.recs[1].Blob.Place.Length
		for n := firstBlobs; n <= int64(len(c.blobs)); n += 3 {
			c.recovers(t, state(c.blobs[:n], c.first), c.before, n%60 == 0)
		}
	})
	t.Run("records", func(t *testing.T) {
		last := bytes.LastIndexByte(c.index[:len(c.index)-1], '\n')
		for n := len(c.first); n <= len(c.index); n++ {
			if n < last && n%16 != 0 {
				continue
			}
			c.recovers(t, state(c.blobs, c.index[:n]), c.before, n%60 == 0)
		}
		c.recovers(t, state(c.blobs, c.index), len(c.recs), true)
	})
	t.Run("blocks that were not written", func(t *testing.T) {
		zeros := func(from, to int) []byte {
			index := bytes.Clone(c.index)
			clear(index[from:to])
			return index
		}
		for n := len(c.first); n < len(c.index); n += 37 {
			c.recovers(t, state(c.blobs, zeros(n, len(c.index))), c.before, false)
		}
		for n := len(c.first); n < len(c.index)-64; n += 64 {
			c.recovers(t, state(c.blobs, zeros(n, n+64)), c.before, false)
		}
	})
	t.Run("manifest", func(t *testing.T) {
		dir := copyDir(t, c.dir)
		r := begin(t, open(t, dir), 3, nil)
		finish(t, r)
		manifest := readFile(t, path(dir, 3, "manifest.json"))
		for n := 0; n <= len(manifest); n += 50 {
			dir := copyDir(t, c.dir)
			writeFile(t, path(dir, 2, "manifest.json.tmp"), manifest[:n])
			c.recovers(t, dir, len(c.recs), n%200 == 0)
		}
	})
}

// Crash upon crash: none hides what the one before committed.
func TestManyCrashesInARow(t *testing.T) {
	dir := t.TempDir()
	for n := 1; n <= 5; n++ {
		a := open(t, dir)
		r := begin(t, a, n, lookup(t, a))
		add(t, r, "k", fmt.Sprint("run ", n))
		commit(t, r)
		add(t, r, "k", fmt.Sprint("lost in run ", n))
		index := readFile(t, path(dir, n, "index.jsonl"))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path(dir, n, "index.jsonl"), append(index, `{"type":"blob","se`...))
	}
	a := open(t, dir)
	if got := records(t, a, archive.Position{}); len(got) != 5 {
		t.Errorf("%d records", len(got))
	}
	m := finish(t, begin(t, a, 6, nil))
	if len(m.Interrupted) != 5 || m.LastSeq != 5 {
		t.Errorf("manifest %+v", m)
	}
	noProblems(t, dir)
}

// What was committed once is never cut off as torn: an altered line of a crashed run is
// an error that says which.
func TestAlteredLineIsNotTorn(t *testing.T) {
	c := crash(t)
	lines := bytes.SplitAfter(c.index, []byte("\n"))
	lines = lines[:len(lines)-1]
	check := func(name string, line int, index []byte) {
		t.Helper()
		dir := copyDir(t, c.dir)
		file := path(dir, 2, "index.jsonl")
		writeFile(t, file, index)
		_, err := archive.Open(dir, archive.Options{})
		wantErr(t, err, archive.ErrAltered)
		if want := fmt.Sprintf("%s line %d (byte ", file, line); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %q does not say %q", name, err, want)
		}
		if !bytes.Equal(readFile(t, file), index) {
			t.Errorf("%s: the file was changed", name)
		}
		ro, err := archive.Open(dir, archive.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		recs, err := tryRecords(ro, archive.Position{})
		wantErr(t, err, archive.ErrAltered)
		if diff := cmp.Diff(c.recs[:line], recs); diff != "" {
			t.Errorf("%s: records before it (-want +got):\n%s", name, diff)
		}
		if got, _ := problems(t, dir); len(got) == 0 {
			t.Errorf("%s: Verify finds nothing", name)
		}
	}
	for bit := range 8 * len(c.index) {
		if bit%47 != 0 && bit < 8*(len(c.index)-1) {
			continue
		}
		index := bytes.Clone(c.index)
		index[bit/8] ^= 1 << (bit % 8)
		check(fmt.Sprintf("bit %d", bit), 1+bytes.Count(c.index[:bit/8], []byte("\n")), index)
	}
	// Blocks of zeros in what a later commit proves to have been on disk.
	index := bytes.Clone(c.index)
	clear(index[20:84])
	check("zeros", 1, index)
	for i := range lines[:len(lines)-1] {
		without := bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
		dir := copyDir(t, c.dir)
		writeFile(t, path(dir, 2, "index.jsonl"), without)
		if got, _ := problems(t, dir); len(got) == 0 {
			t.Errorf("without line %d: Verify finds nothing", i+1)
		}
	}

	dir := copyDir(t, c.dir)
	writeFile(t, path(dir, 2, "blobs.zst"), c.blobs[:len(c.blobs)-1])
	_, err := archive.Open(dir, archive.Options{})
	wantErr(t, err, archive.ErrAltered)
}
