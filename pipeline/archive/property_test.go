package archive_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/pipeline/archive"
)

// Whatever is added, committed and crashed in whatever order: what was committed is
// there, in order, with the right bytes, and the same bytes are stored once.
func TestRandomHistories(t *testing.T) {
	n := 40
	if testing.Short() {
		n = 5
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			randomHistory(t, rand.New(rand.NewPCG(uint64(seed), 7)))
		})
	}
}

func randomHistory(t *testing.T, r *rand.Rand) {
	dir, in := t.TempDir(), t.TempDir()
	bodies := map[archive.Digest]string{}
	var committed []archive.Record
	check := func(a *archive.Archive) {
		t.Helper()
		after := 0
		var from archive.Position
		if len(committed) > 0 && r.IntN(2) == 0 {
			after = r.IntN(len(committed)) + 1
			from = committed[after-1].Next
		}
		got := append([]archive.Record{}, records(t, a, from)...)
		if diff := cmp.Diff(append([]archive.Record{}, committed[after:]...), got); diff != "" {
			t.Fatalf("records mismatch (-want +got):\n%s", diff)
		}
		one := a.Reader()
		defer one.Close()
		read := []func(archive.Content) ([]byte, error){a.ReadBlob, one.ReadBlob}
		for _, rec := range got {
			if rec.Blob == nil {
				continue
			}
			if b, err := read[min(r.IntN(10), 1)](rec.Blob.Content); err != nil || string(b) != bodies[rec.Blob.SHA256] {
				t.Fatalf("%s: %q, %v", rec.Blob.Key, b, err)
			}
		}
	}
	body := func() string {
		s := fmt.Sprint("body ", r.IntN(30))
		if r.IntN(20) == 0 {
			s = string(settlement(r.IntN(3 << 20)))
		}
		return s
	}
	for run := 1; run <= 2+r.IntN(5); run++ {
		a := open(t, dir)
		check(a)
		w := begin(t, a, run, lookup(t, a))
		var pending []archive.Record
		did := func(rec archive.Record, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			pending = append(pending, rec)
		}
		for range r.IntN(30) {
			switch r.IntN(6) {
			case 0, 1:
				b := body()
				rec, _, err := w.AddBlob(meta(fmt.Sprint("key ", r.IntN(9))), []byte(b))
				did(rec, err)
				bodies[rec.Blob.SHA256] = b
			case 2:
				b, file := body(), filepath.Join(in, "file")
				writeFile(t, file, []byte(b))
				rec, _, err := w.AddFile(ctx, meta("file"), file)
				did(rec, err)
				bodies[rec.Blob.SHA256] = b
			case 3:
				did(w.AddNote("n", json.RawMessage(fmt.Sprint(r.Int()))))
			case 4:
				did(w.Mark(archive.Mark{Source: "s", Stream: "t", Since: noon, Until: noon}))
			case 5:
				commit(t, w)
				committed, pending = append(committed, pending...), nil
				check(a)
			}
		}
		if r.IntN(2) == 0 {
			finish(t, w)
			committed = append(committed, pending...)
			check(a)
			continue
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"blobs.zst", "index.jsonl"} { // what was under way
			f, err := os.OpenFile(path(dir, run, name), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(settlement(r.IntN(500))[:r.IntN(200)]); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	a := open(t, dir)
	check(a)
	if stats := noProblems(t, dir); stats.Stored != int64(distinct(committed)) {
		t.Errorf("%d stored, want %d", stats.Stored, distinct(committed))
	}
}

func distinct(recs []archive.Record) int {
	seen := map[archive.Digest]bool{}
	for _, rec := range recs {
		if rec.Blob != nil {
			seen[rec.Blob.SHA256] = true
		}
	}
	return len(seen)
}
