package archive_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/kvitt/kvitt/pipeline/archive"
)

const benchSize = 256 << 20

func BenchmarkAddFile(b *testing.B) {
	file := report(b, benchSize)
	a := open(b, b.TempDir())
	n := 0
	b.SetBytes(benchSize)
	for b.Loop() {
		n++
		r := begin(b, a, n, nil)
		rec, _ := addFile(b, r, "settlement.csv", file)
		commit(b, r)
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(rec.Blob.Size)/float64(rec.Blob.Place.Length), "ratio")
	}
}

// A file that is known already, by its content only.
func BenchmarkAddKnownFile(b *testing.B) {
	file := report(b, benchSize)
	a := open(b, b.TempDir())
	r := begin(b, a, 1, nil)
	addFile(b, r, "settlement.csv", file)
	finish(b, r)
	r = begin(b, a, 2, lookup(b, a))
	b.SetBytes(benchSize)
	for b.Loop() {
		addFile(b, r, "settlement.csv", file)
	}
}

func BenchmarkExtract(b *testing.B) {
	a, rec := benchBlob(b)
	b.SetBytes(benchSize)
	dst := filepath.Join(b.TempDir(), "out")
	for b.Loop() {
		if err := a.Extract(ctx, rec.Blob.Content, dst); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	a, _ := benchBlob(b)
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := a.Verify(ctx, func(e *archive.Error) { b.Error(e) }); err != nil {
			b.Fatal(err)
		}
	}
}

func benchBlob(b *testing.B) (*archive.Archive, archive.Record) {
	file := report(b, benchSize)
	a := open(b, b.TempDir())
	r := begin(b, a, 1, nil)
	rec, _ := addFile(b, r, "settlement.csv", file)
	finish(b, r)
	return a, rec
}

// order returns an order as a shop sends it, a little over 1 kB.
func order(n int) []byte {
	return fmt.Appendf(nil, `{"order_id":"%08d-aaaa","status":"captured","amount":%d,"currency":"SEK","customer":{"email":"c%d@example.com","name":"Name Nameson %d"},"lines":[%s]}`,
		n, n*7919%100000, n, n, settlement(900)[220:])
}

// One operation is 1000 orders and one commit.
func BenchmarkAddBlob(b *testing.B) {
	r := begin(b, open(b, b.TempDir()), 1, nil)
	n := 0
	for b.Loop() {
		for range 1000 {
			n++
			if _, _, err := r.AddBlob(meta("order"), order(n)); err != nil {
				b.Fatal(err)
			}
		}
		commit(b, r)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/order")
}

// As above, but the orders were stored by an earlier run.
func BenchmarkAddKnownBlob(b *testing.B) {
	a := open(b, b.TempDir())
	const orders = 10000
	run := 0
	for b.Loop() {
		run++
		r := begin(b, a, run, lookup(b, a))
		for n := range orders {
			if _, _, err := r.AddBlob(meta("order"), order(n)); err != nil {
				b.Fatal(err)
			}
		}
		finish(b, r)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(run*orders), "µs/order")
}

// An intent must be durable before the ERP is called.
func BenchmarkIntent(b *testing.B) {
	r := begin(b, open(b, b.TempDir()), 1, nil)
	for b.Loop() {
		if _, err := r.AddNote("intent", json.RawMessage(`{"document":"x","reference":"y"}`)); err != nil {
			b.Fatal(err)
		}
		commit(b, r)
	}
}

// One operation is a rebuild's reading of 10,000 orders and their records.
func BenchmarkReplay(b *testing.B) {
	a := open(b, b.TempDir())
	r := begin(b, a, 1, nil)
	for n := range 10000 {
		if _, _, err := r.AddBlob(meta("order"), order(n)); err != nil {
			b.Fatal(err)
		}
	}
	finish(b, r)
	for _, bodies := range []bool{false, true} {
		b.Run(fmt.Sprintf("bodies=%v", bodies), func(b *testing.B) {
			for b.Loop() {
				for rec, err := range a.Records(ctx, archive.Position{}) {
					if err != nil {
						b.Fatal(err)
					}
					if !bodies {
						continue
					}
					if _, err := a.ReadBlob(rec.Blob.Content); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*10000), "µs/record")
		})
	}
}

// Opening costs the same whatever is stored: here, 2000 runs.
func BenchmarkOpen(b *testing.B) {
	for _, runs := range []int{10, 2000} {
		dir := b.TempDir()
		a := open(b, dir)
		for n := 1; n <= runs; n++ {
			r := begin(b, a, n, nil)
			add(b, r, "k", fmt.Sprint(n))
			finish(b, r)
		}
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) {
			for b.Loop() {
				open(b, dir)
			}
		})
	}
}
