package archive_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/pipeline/archive"
)

var (
	ctx  = context.Background()
	noon = time.Date(2026, 3, 11, 12, 0, 0, 0, time.UTC)
)

func open(t testing.TB, dir string) *archive.Archive {
	t.Helper()
	a, err := archive.Open(dir, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func runID(n int) string { return fmt.Sprintf("20260311T230000Z-%04d", n) }

func begin(t testing.TB, a *archive.Archive, n int, lookup archive.Lookup) *archive.Run {
	t.Helper()
	r, err := a.Begin(runID(n), a.NextSeq(), lookup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func meta(key string) archive.Meta {
	return archive.Meta{Source: "klarna-se", Stream: "payouts", Key: key, FetchedAt: noon, MediaType: "application/json"}
}

// add adds and returns a blob, and reports whether it is new.
func add(t testing.TB, r *archive.Run, key, body string) (archive.Record, bool) {
	t.Helper()
	rec, isNew, err := r.AddBlob(meta(key), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return rec, isNew
}

func commit(t testing.TB, r *archive.Run) {
	t.Helper()
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
}

func finish(t testing.TB, r *archive.Run) archive.Manifest {
	t.Helper()
	m, err := r.Finish(archive.Manifest{Command: "run", StartedAt: noon, FinishedAt: noon.Add(time.Minute), Status: "done"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func records(t testing.TB, a *archive.Archive, after archive.Position) []archive.Record {
	t.Helper()
	recs, err := tryRecords(a, after)
	if err != nil {
		t.Fatal(err)
	}
	return recs
}

func tryRecords(a *archive.Archive, after archive.Position) (recs []archive.Record, err error) {
	for rec, err := range a.Records(ctx, after) {
		if err != nil {
			return recs, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// lookup returns a Lookup that knows everything in a, as an index over it would.
func lookup(t testing.TB, a *archive.Archive) archive.Lookup {
	t.Helper()
	places := make(map[archive.Digest]archive.Place)
	for _, rec := range records(t, a, archive.Position{}) {
		if rec.Blob != nil {
			places[rec.Blob.SHA256] = rec.Blob.Place
		}
	}
	return func(d archive.Digest) (archive.Place, bool, error) {
		p, ok := places[d]
		return p, ok, nil
	}
}

func problems(t testing.TB, dir string) ([]string, archive.Stats) {
	t.Helper()
	a, err := archive.Open(dir, archive.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	stats, err := a.Verify(ctx, func(e *archive.Error) { got = append(got, e.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	return got, stats
}

func noProblems(t testing.TB, dir string) archive.Stats {
	t.Helper()
	got, stats := problems(t, dir)
	if len(got) > 0 {
		t.Fatalf("Verify reports:\n%s", strings.Join(got, "\n"))
	}
	return stats
}

func path(dir string, n int, name string) string {
	return filepath.Join(dir, "runs", runID(n), name)
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyDir(t testing.TB, src string) string {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "archive")
	if err := os.CopyFS(dst, os.DirFS(src)); err != nil {
		t.Fatal(err)
	}
	return dst
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want one that is %v", err, want)
	}
}

// report writes a settlement report of some size to a file, and returns its path. Nothing
// of it is left to be written back to the disk, which would disturb measurements.
func report(t testing.TB, size int) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "settlement.csv"))
	if err != nil {
		t.Fatal(err)
	}
	piece := settlement(16 << 20)
	for written := 0; written < size; written += len(piece) {
		if _, err := f.Write(piece[:min(len(piece), size-written)]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// settlement returns n bytes and a bit of a settlement report as providers write them.
func settlement(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := []byte("Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,Creation Date,TimeZone,Type,Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Commission (NC),Batch Number\n")
	for row := 0; len(b) < n; row++ {
		gross := r.IntN(500000)
		fee := gross * 29 / 1000
		b = fmt.Appendf(b, "YourCompany,YourShop_SE,%016d,order-%07d,visa,2026-03-%02d %02d:%02d:%02d,CET,Settled,%016d,SEK,,%d.%02d,%d.%02d,%d\n",
			r.Uint64N(1e16), row+r.IntN(100), 1+row/10000%28, r.IntN(24), r.IntN(60), r.IntN(60), r.Uint64N(1e16), gross/100, gross%100, fee/100, fee%100, 100+row/50000)
	}
	return b
}
