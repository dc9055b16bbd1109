package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/kvitt/kvitt/sql/duck"
)

// A segment is one Parquet file of a view: a part of it that is rewritten when something
// in it changed, so that publishing costs what is new and not what is stored.
type segment struct {
	view, name, where string
}

// wholeViews are small or change everywhere: they are one file.
var wholeViews = []string{"balances", "payouts", "open_items", "proof", "proof_differences", "bank_lines", "completeness", "scores", "oss", "erp_documents", "runs", "decisions", "aliases"}

// marker stands in the published folder while all of it is of one run. It is taken away
// before anything is booked: what a killed run booked or half wrote is published whole by
// the next one.
const marker = ".complete"

// unpublished takes the marker away, and remembers whether it was there.
func (w *work) unpublished() error {
	err := os.Remove(w.path("published", marker))
	w.wasComplete = err == nil
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return syncDir(w.path("published"))
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// publish puts a copy of the ledger where readers find it, as a database and as Parquet.
// Readers of the old copy keep it; they are never blocked. It closes the database.
func (w *work) publish(ctx context.Context, everything bool) error {
	defer w.phase("publish")()
	start := w.Wall()
	everything = everything || !w.wasComplete
	segments, err := w.segments(ctx, everything)
	if err != nil {
		return err
	}
	w.journal, err = w.journalDigest(ctx)
	if err != nil {
		return err
	}
	sums := w.readSums()
	if err := w.writeSegments(ctx, segments, sums); err != nil {
		return err
	}
	if err := w.db.Exec(ctx, "checkpoint"); err != nil {
		return err
	}
	if err := w.db.Close(); err != nil {
		return err
	}
	w.db = nil
	// DuckDB has let go of the file: only now may anything else in this process open it.
	if sums["ledger.duckdb"], err = replaceWithCopy(w.path("work.duckdb"), w.path("published", "ledger.duckdb")); err != nil {
		return err
	}
	if err := w.writeSums(sums); err != nil {
		return err
	}
	if err := os.WriteFile(w.path("published", marker), nil, 0o600); err != nil {
		return err
	}
	w.Log.Info("published", "took", w.Wall().Sub(start).Round(time.Millisecond))
	return nil
}

func (w *work) journalDigest(ctx context.Context) (string, error) {
	t, err := w.db.Texts(ctx, "select journal_hash from runs where run_no = (select run_no from this_run)")
	if err != nil || len(t) == 0 {
		return "", err
	}
	return t[0], nil
}

// segments lists the files to write: all of them, or those this run touched.
func (w *work) segments(ctx context.Context, everything bool) ([]segment, error) {
	var out []segment
	for _, v := range wholeViews {
		out = append(out, segment{view: v, name: "all"})
	}
	if !everything && !w.booked {
		return out, nil // nothing of the ledger itself changed
	}
	runs := "select distinct run_no from entries where run_no = (select run_no from this_run)"
	lines := `select distinct l.run_no from payout_lines as l
		where l.run_no >= (select coalesce(min(run_no), 2147483647) from touched) and (l.source, l.payout_id) in (select (source, payout_id) from touched)`
	months := `select distinct strftime(event_date, '%Y-%m') from recon.documents
		where event_date is not null and (document_id in (select document_id from looked_at)
			or document_id in (select document_id from postings where role = 'receivable' and run_no = (select run_no from this_run)))`
	if everything {
		// A replay has booked many runs, and nothing says what the last one touched.
		if err := w.lookAtEverything(ctx); err != nil {
			return nil, err
		}
		runs = "select distinct run_no from entries"
		lines = "select distinct run_no from payout_lines"
		months = "select distinct strftime(event_date, '%Y-%m') from recon.documents where event_date is not null"
	}
	ids, err := w.db.Texts(ctx, "select run_no::varchar from ("+runs+") order by run_no")
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		for _, v := range []string{"entries", "postings", "lineage"} {
			out = append(out, segment{v, "run-" + id, "run_no = " + id})
		}
	}
	if err := w.db.Exec(ctx, touchedPayouts); err != nil {
		return nil, err
	}
	ids, err = w.db.Texts(ctx, "select run_no::varchar from ("+lines+") order by run_no")
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		out = append(out,
			segment{"payout_lines", "run-" + id, "run_no = " + id},
			segment{"exceptions", "run-" + id, "line_id is not null and run_no = " + id})
	}
	out = append(out, segment{"exceptions", "documents", "line_id is null"})
	ids, err = w.db.Texts(ctx, months)
	if err != nil {
		return nil, err
	}
	for _, m := range ids {
		out = append(out, segment{"documents", "month-" + m, "strftime(event_date, '%Y-%m') = " + duck.Quote(m)})
	}
	if everything {
		out = append(out, segment{"documents", "undated", "event_date is null"})
	}
	return out, nil
}

// lookAtEverything makes every document and payout one that was touched.
func (w *work) lookAtEverything(ctx context.Context) error {
	return w.db.Exec(ctx, `create or replace temp table looked_at as select document_id from documents union select document_id from payouts;
		create temp table if not exists touched_payouts (source varchar, payout_id varchar)`)
}

// touchedPayouts are the payouts whose lines may read otherwise than before.
const touchedPayouts = `create or replace temp table touched as
	select p.source, p.payout_id, p.run_no, p.document_id from payouts as p
	where p.document_id in (select document_id from looked_at) or (p.source, p.payout_id) in (select (source, payout_id) from touched_payouts)`

// writeSegments writes segments, two at a time, and notes their sums. A file is written in
// phases that use one core and phases that use all: two keep the machine busy.
func (w *work) writeSegments(ctx context.Context, segments []segment, sums map[string]string) error {
	beside, err := w.db.Beside(ctx)
	if err != nil {
		return err
	}
	defer beside.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan segment)
	var mu sync.Mutex
	var writers sync.WaitGroup
	for _, db := range []*duck.DB{w.db, beside} {
		writers.Go(func() {
			for s := range next {
				began := w.Wall()
				path, err := w.writeSegment(ctx, db, s)
				var sum string
				if err == nil {
					sum, err = fileSum(path)
				}
				if err != nil {
					stop(err)
					return
				}
				mu.Lock()
				sums[s.view+"/"+s.name+".parquet"] = sum
				mu.Unlock()
				w.Log.Debug("wrote", "view", s.view, "part", s.name, "took", w.Wall().Sub(began))
			}
		})
	}
	for _, s := range segments {
		select {
		case next <- s:
		case <-ctx.Done():
		}
	}
	close(next)
	writers.Wait()
	return context.Cause(ctx)
}

func (w *work) writeSegment(ctx context.Context, db *duck.DB, s segment) (string, error) {
	dir := w.path("published", s.view)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	query := "select * from recon." + s.view
	if s.where != "" {
		query += " where " + s.where
	}
	path := filepath.Join(dir, s.name+".parquet")
	tmp := path + ".tmp"
	if err := db.Exec(ctx, fmt.Sprintf("copy (%s) to %s (format parquet, compression snappy, dictionary_size_limit 1000)", query, duck.Quote(tmp))); err != nil {
		return "", err
	}
	return path, os.Rename(tmp, path)
}

// replaceWithCopy copies src beside dst and renames it over dst. It returns the SHA-256 of
// src, which nobody else may be writing to.
func replaceWithCopy(src, dst string) (sum string, err error) {
	in, err := os.Open(src)
	if err != nil {
		return "", err
	}
	defer in.Close()
	tmp := dst + ".tmp"
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(tmp)
		}
	}()
	// The kernel copies while the other core sums. Nothing waits for the disk here: what
	// is published is derived, and a power cut costs no more than writing it again.
	type summed struct {
		sum string
		err error
	}
	done := make(chan summed, 1)
	go func() {
		sum, err := fileSum(src)
		done <- summed{sum, err}
	}()
	_, err = io.Copy(out, in)
	s := <-done
	if err = errors.Join(err, s.err); err != nil {
		return "", err
	}
	if err := out.Close(); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dst); err != nil {
		return "", err
	}
	return s.sum, syncDir(filepath.Dir(dst))
}
