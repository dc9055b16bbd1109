package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kvitt/kvitt/pipeline/durable"
	"github.com/kvitt/kvitt/sql/duck"
)

// A segment is one Parquet file of a view: a part of it that is rewritten when something
// in it changed, so that publishing costs what is new and not what is stored.
type segment struct {
	view, name, where string
	by                string // an expression of its month, where it is partitioned by source and month; "" is one flat file
}

// months of the views that are partitioned: how a row's month is told.
var months = map[string]string{
	"entries": "strftime(book_date, '%Y-%m')", "postings": "strftime(book_date, '%Y-%m')", "lineage": "strftime(book_date, '%Y-%m')",
	"payout_lines": "strftime(event_date, '%Y-%m')", "documents": "strftime(event_date, '%Y-%m')",
}

// nullPartition is what Hive calls the folder of rows without a value.
const nullPartition = "__HIVE_DEFAULT_PARTITION__"

// wholeViews are small or change everywhere: they are one file.
var wholeViews = []string{"balances", "payouts", "open_items", "proof", "proof_differences", "bank_lines", "completeness", "scores", "oss", "erp_documents", "runs", "decisions", "aliases", "erasures", "holds"}

// kept are the whole views that are worked out once per run, into a table: its name and the order of its rows.
var kept = map[string]struct{ table, order string }{
	"proof":             {"kept_proof", "source, currency, date"},
	"proof_differences": {"kept_proof_differences", "source, currency, since, document_id, reason, until"},
	"open_items":        {"kept_open_items", "event_date, document_id"},
	"oss":               {"kept_oss", "quarter, country, vat_rate"},
}

// keepViews works them out.
func (w *work) keepViews(ctx context.Context) error {
	for _, view := range slices.Sorted(maps.Keys(kept)) {
		table := kept[view].table
		if err := w.db.Tx(ctx, func() error {
			return w.db.Exec(ctx, fmt.Sprintf("delete from %s; insert into %s by name select * from recon.%s", table, table, view))
		}); err != nil {
			return fmt.Errorf("%s: %w", view, err)
		}
	}
	return nil
}

// marker stands in the published folder while all of it is of one run. It is taken away
// before anything is booked: what a killed run booked or half wrote is published whole by
// the next one.
const marker = ".complete"

// unpublished takes the marker away, and remembers whether it was there.
func (w *work) unpublished() error {
	err := os.Remove(w.path("published", marker))
	w.wasComplete = err == nil
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return durable.SyncDir(w.path("published"))
	}
	return err
}

// publish puts a copy of the ledger where readers find it, as a database and as Parquet.
// Readers of the old copy keep it; they are never blocked. It closes the database.
func (w *work) publish(ctx context.Context, everything bool) error {
	defer w.phase("publish")()
	start := w.Wall()
	everything = everything || !w.wasComplete
	if err := w.keepViews(ctx); err != nil {
		return err
	}
	segments, err := w.segments(ctx, everything)
	if err != nil {
		return err
	}
	w.journal, err = w.journalDigest(ctx)
	if err != nil {
		return err
	}
	sums := map[string]string{}
	if !everything {
		sums = w.readSums()
	}
	if err := w.writeSegments(ctx, segments, sums); err != nil {
		return err
	}
	if everything {
		if err := w.removeOthers(segments, sums); err != nil {
			return err
		}
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
	touched := `select distinct source || '/' || coalesce(strftime(event_date, '%Y-%m'), '') from recon.documents
		where document_id in (select document_id from looked_at)
			or document_id in (select document_id from postings where role = 'receivable' and run_no = (select run_no from this_run))`
	if everything {
		// A replay has booked many runs, and nothing says what the last one touched.
		if err := w.lookAtEverything(ctx); err != nil {
			return nil, err
		}
		runs = "select distinct run_no from entries"
		lines = "select distinct run_no from payout_lines"
		touched = "select distinct source || '/' || coalesce(strftime(event_date, '%Y-%m'), '') from recon.documents"
	}
	ids, err := w.db.Texts(ctx, "select run_no::varchar from ("+runs+") order by run_no")
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		for _, v := range []string{"entries", "postings", "lineage"} {
			out = append(out, segment{v, "run-" + id, "run_no = " + id, months[v]})
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
			segment{"payout_lines", "run-" + id, "run_no = " + id, months["payout_lines"]},
			segment{"exceptions", "run-" + id, "line_id is not null and run_no = " + id, ""})
	}
	out = append(out, segment{"exceptions", "documents", "line_id is null", ""})
	ids, err = w.db.Texts(ctx, touched)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		source, month, _ := strings.Cut(id, "/")
		where := "source = " + duck.Quote(source) + " and " + months["documents"] + " = " + duck.Quote(month)
		if month == "" {
			where = "source = " + duck.Quote(source) + " and event_date is null"
		}
		out = append(out, segment{"documents", "all", where, months["documents"]})
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
		writers.Add(1)
		goAlike(func() {
			defer writers.Done()
			for s := range next {
				began := w.Wall()
				files, err := w.writeSegment(ctx, db, s)
				got := map[string]string{}
				for _, f := range files {
					if err == nil {
						got[f], err = fileSum(w.path("published", filepath.FromSlash(f)))
					}
				}
				if err != nil {
					stop(err)
					return
				}
				mu.Lock()
				err = w.replaceFiles(s, got, sums)
				mu.Unlock()
				if err != nil {
					stop(err)
					return
				}
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

// fewPartitions is how many partitions are written one by one. Each reads the view again, and costs less than
// DuckDB's own partitioning as long as they are few.
const fewPartitions = 3

// writeSegment writes a segment and returns its files, relative to the published folder.
func (w *work) writeSegment(ctx context.Context, db *duck.DB, s segment) ([]string, error) {
	where := ""
	if s.where != "" {
		where = " where " + s.where
	}
	if s.by == "" {
		file := s.view + "/" + s.name + ".parquet"
		query := "select * from recon." + s.view + where
		if k, ok := kept[s.view]; ok {
			query = "select * from " + k.table + " order by " + k.order
		}
		return []string{file}, w.copyTo(ctx, db, query, file)
	}
	parts, err := db.Texts(ctx, "select distinct coalesce(source, '') || '/' || coalesce("+s.by+", '') as part from recon."+s.view+where+" order by part")
	if err != nil {
		return nil, err
	}
	query := "select *, " + s.by + " as month from recon." + s.view + where
	if len(parts) > fewPartitions {
		return w.copyParts(ctx, db, query, s)
	}
	var files []string
	for _, part := range parts {
		source, month, _ := strings.Cut(part, "/")
		file := s.view + "/source=" + orNullPartition(source) + "/month=" + orNullPartition(month) + "/" + s.name + ".parquet"
		one := query
		if len(parts) > 1 {
			one = fmt.Sprintf("select * from (%s) where coalesce(source, '') = %s and coalesce(month, '') = %s", query, duck.Quote(source), duck.Quote(month))
		}
		if err := w.copyTo(ctx, db, one, file); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func orNullPartition(value string) string {
	if value == "" {
		return nullPartition
	}
	return value
}

const parquet = "format parquet, compression snappy, dictionary_size_limit 1000"

func (w *work) copyTo(ctx context.Context, db *duck.DB, query, file string) error {
	path := w.path("published", filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := db.Exec(ctx, fmt.Sprintf("copy (%s) to %s (%s)", query, duck.Quote(tmp), parquet)); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// copyParts writes a query into its partitions at once, beside the published folder, and moves
// the files to their places when all of them are whole.
func (w *work) copyParts(ctx context.Context, db *duck.DB, query string, s segment) ([]string, error) {
	dir := w.path("tmp", "parts-"+s.view+"-"+s.name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := db.Exec(ctx, fmt.Sprintf("copy (%s) to %s (%s, partition_by (source, month), write_partition_columns true, filename_pattern %s)",
		query, duck.Quote(dir), parquet, duck.Quote(s.name+"_{i}"))); err != nil {
		return nil, err
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		to := w.path("published", s.view, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		files = append(files, s.view+"/"+filepath.ToSlash(rel))
		return os.Rename(path, to)
	})
	return files, errors.Join(err, os.RemoveAll(dir))
}

// replaceFiles notes the sums of a segment's files, and removes those that an earlier writing of it
// left under other names. A segment that is one partition of several of its name has none.
func (w *work) replaceFiles(s segment, got, sums map[string]string) error {
	if s.by != "" && s.name != "all" {
		for file := range sums {
			base := strings.TrimSuffix(path.Base(file), ".parquet")
			if n, _, ok := strings.Cut(base, "_"); ok {
				base = n
			}
			if _, kept := got[file]; kept || base != s.name || !strings.HasPrefix(file, s.view+"/") {
				continue
			}
			if err := os.Remove(w.path("published", filepath.FromSlash(file))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			delete(sums, file)
		}
	}
	maps.Copy(sums, got)
	return nil
}

// removeOthers removes the Parquet files of the views that a complete writing did not write: those of
// an older layout, or of a ledger that was rebuilt otherwise. It reads no sums but those of this writing.
func (w *work) removeOthers(segments []segment, sums map[string]string) error {
	views := map[string]bool{}
	for _, s := range segments {
		views[s.view] = true
	}
	for file := range sums {
		if _, err := os.Stat(w.path("published", filepath.FromSlash(file))); errors.Is(err, os.ErrNotExist) {
			delete(sums, file)
		}
	}
	for view := range views {
		err := filepath.WalkDir(w.path("published", view), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(w.path("published"), path)
			if err != nil {
				return err
			}
			if _, ok := sums[filepath.ToSlash(rel)]; !ok {
				return os.Remove(path)
			}
			return nil
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
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
	goAlike(func() {
		sum, err := fileSum(src)
		done <- summed{sum, err}
	})
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
	return s.sum, durable.SyncDir(filepath.Dir(dst))
}
