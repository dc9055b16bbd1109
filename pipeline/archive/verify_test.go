package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/pipeline/archive"
)

// history makes five runs; the second and third crashed.
func history(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "archive")
	a := open(t, dir)
	for n := 1; n <= 5; n++ {
		r := begin(t, a, n, lookup(t, a))
		add(t, r, "same", "the same bytes in every run")
		add(t, r, "k", strings.Repeat(fmt.Sprintf("bytes of run %d, ", n), 50))
		commit(t, r)
		add(t, r, "l", string(settlement(2000*n)))
		if _, err := r.AddNote("decision", json.RawMessage(`{"by": "anna", "accept": true}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Mark(archive.Mark{Source: "klarna-se", Stream: "payouts", Until: noon}); err != nil {
			t.Fatal(err)
		}
		commit(t, r)
		if n == 2 || n == 3 {
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		finish(t, r)
	}
	return dir
}

func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// One altered bit anywhere is found, and the file is named.
func TestVerifyFindsOneBit(t *testing.T) {
	dir := history(t)
	stats := noProblems(t, dir)
	if stats.Runs != 5 || stats.Unfinished != 2 || stats.Blobs != 15 || stats.Stored != 11 || stats.Orphans != 0 {
		t.Errorf("Verify() counts %+v", stats)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, name := range files(t, dir) {
		good := readFile(t, name)
		step := 8 * len(good) / 50
		for bit := r.IntN(step); bit < 8*len(good); bit += 1 + r.IntN(2*step) {
			bad := bytes.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			if err := os.WriteFile(name, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			got, _ := problems(t, dir)
			if len(got) == 0 {
				t.Fatalf("%s bit %d: nothing found", name, bit)
			}
			if !strings.Contains(strings.Join(got, "\n"), name) {
				t.Fatalf("%s bit %d: not named in\n%s", name, bit, strings.Join(got, "\n"))
			}
		}
		if err := os.WriteFile(name, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	noProblems(t, dir)
}

// A file cut short by any amount is found.
func TestVerifyFindsTruncation(t *testing.T) {
	dir := history(t)
	for _, name := range files(t, dir) {
		if strings.Contains(name, runID(5)) && strings.HasSuffix(name, "manifest.json") {
			continue // Last tells that it is gone
		}
		good := readFile(t, name)
		for n := 0; n < len(good); n += 1 + len(good)/40 {
			if err := os.WriteFile(name, good[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			if got, _ := problems(t, dir); len(got) == 0 {
				t.Errorf("%s cut to %d bytes of %d: nothing found", name, n, len(good))
			}
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if got, _ := problems(t, dir); len(got) == 0 {
			t.Errorf("%s removed: nothing found", name)
		}
		if err := os.WriteFile(name, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVerifyFindsMissingRuns(t *testing.T) {
	dir := history(t)
	for n := 1; n <= 4; n++ {
		dir := copyDir(t, dir)
		if err := os.RemoveAll(filepath.Dir(path(dir, n, "x"))); err != nil {
			t.Fatal(err)
		}
		got, _ := problems(t, dir)
		if !strings.Contains(strings.Join(got, "\n"), filepath.Dir(path(dir, n, "x"))) {
			t.Errorf("run %d removed, it is not named: %q", n, got)
		}
		ro, err := archive.Open(dir, archive.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tryRecords(ro, archive.Position{})
		wantErr(t, err, archive.ErrMissing)
	}

	// The newest cannot be missed, so the caller compares.
	before, err := open(t, dir).Last()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(path(dir, 5, "x"))); err != nil {
		t.Fatal(err)
	}
	noProblems(t, dir)
	if after, err := open(t, dir).Last(); err != nil || after.Digest == before.Digest {
		t.Errorf("Last() is the same without it: %v", err)
	}
}

func TestVerifyFindsStrangeRuns(t *testing.T) {
	dir := history(t)
	for name, change := range map[string]func(dir string) error{
		"an older manifest put in place of a newer": func(dir string) error {
			return os.Rename(path(dir, 1, "manifest.json"), path(dir, 4, "manifest.json"))
		},
		"a folder renamed": func(dir string) error {
			return os.Rename(filepath.Dir(path(dir, 4, "x")), filepath.Dir(path(dir, 2, "x"))+"b")
		},
		"a folder copied": func(dir string) error {
			return os.CopyFS(filepath.Dir(path(dir, 3, "x"))+"b", os.DirFS(filepath.Dir(path(dir, 3, "x"))))
		},
		"an unfinished run that nobody knows": func(dir string) error {
			return os.Mkdir(filepath.Dir(path(dir, 3, "x"))+"b", 0o700)
		},
		"bytes appended to a finished run": func(dir string) error {
			f, err := os.OpenFile(path(dir, 1, "blobs.zst"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("x")
			return err
		},
		"two crashed runs exchanged": func(dir string) error {
			two, three, tmp := filepath.Dir(path(dir, 2, "x")), filepath.Dir(path(dir, 3, "x")), filepath.Join(dir, "tmp")
			for _, mv := range [][2]string{{two, tmp}, {three, two}, {tmp, three}} {
				if err := os.Rename(mv[0], mv[1]); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, dir)
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			if got, _ := problems(t, dir); len(got) == 0 {
				t.Error("nothing found")
			}
		})
	}
	for _, name := range []string{".DS_Store", "lost+found", "a file"} {
		if err := os.WriteFile(filepath.Join(dir, "runs", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	noProblems(t, dir)
}

func TestVerifyStopsWhenTold(t *testing.T) {
	a := open(t, history(t))
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err := a.Verify(canceled, func(e *archive.Error) { t.Error(e) })
	wantErr(t, err, context.Canceled)
	for _, err := range a.Records(canceled, archive.Position{}) {
		wantErr(t, err, context.Canceled)
	}
}

// Verify may run, and records be read, while another process writes.
func TestReadingWhileWriting(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, open(t, dir), 1, nil)
	done := make(chan error)
	go func() {
		for i := range 200 {
			if _, _, err := r.AddBlob(meta("k"), fmt.Append(nil, "bytes ", i)); err != nil {
				done <- err
				return
			}
			if err := r.Commit(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for last := 0; ; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
		ro, err := archive.Open(dir, archive.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		recs := records(t, ro, archive.Position{})
		if len(recs) < last {
			t.Fatalf("%d records after %d", len(recs), last)
		}
		last = len(recs)
		for _, rec := range recs {
			if _, err := ro.ReadBlob(rec.Blob.Content); err != nil {
				t.Fatal(err)
			}
		}
		noProblems(t, dir)
	}
}
