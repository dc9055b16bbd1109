package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/transform"
)

// ErrDiffers is returned by Rebuild when the books it reached are not the ones that were.
var ErrDiffers = errors.New("the rebuilt ledger differs")

// replay books the archive again, run by run, with the settings each run had. Bytes of a
// run that was interrupted count with the next one that finished, as they did then; those
// after the last finished run are left to the next run, unless that run had begun to post: then it had
// booked, and is a step of its own. It returns the last digest.
func (w *work) replay(ctx context.Context) (transform.Stats, error) {
	var st transform.Stats
	infos, err := w.arch.Runs()
	if err != nil {
		return st, err
	}
	own, version := w.Settings, w.ConfigDigest
	defer func() { w.Settings, w.ConfigDigest, w.replaying = own, version, false }()
	w.replaying = true
	if err := w.applySettings(ctx, own); err != nil {
		return st, err
	}
	for _, info := range infos {
		if w.through != "" && info.ID > w.through {
			break
		}
		step, err := w.replayStep(ctx, info)
		if err != nil {
			return st, err
		}
		if !info.Finished && !step.posted {
			continue // its bytes count with the next run
		}
		w.runNo++
		w.runID, w.began, w.ConfigDigest = info.ID, step.began, step.config
		if err := w.nameRun(ctx); err != nil {
			return st, err
		}
		later := func(rec archive.Record) bool { return rec.Next.Run > info.ID }
		// What was posted is applied after what it posts is booked, as it was then.
		if _, err := w.stageUntil(ctx, func(rec archive.Record) bool { return later(rec) || isERPNote(rec) && rec.Next.Run == info.ID }); err != nil {
			return st, err
		}
		if st, err = w.book(ctx, step.command); err != nil {
			return st, err
		}
		if _, err := w.stageUntil(ctx, later); err != nil {
			return st, err
		}
		if !info.Finished {
			continue
		}
		m, err := w.arch.Manifest(info.ID)
		if err != nil {
			return st, err
		}
		if err := w.db.Exec(ctx, fmt.Sprintf(`update runs set finished_at = timestamp '%s', status = '%s', records = %d, posted = %d, exceptions = %d where run_no = %d`,
			m.FinishedAt.UTC().Format(timestamp), m.Status, m.Counts["records"], m.Counts["posted"], m.Counts["exceptions"], w.runNo)); err != nil {
			return st, err
		}
		if err := w.restoreScores(ctx, m.Counts); err != nil {
			return st, err
		}
		if st.Digest != m.LedgerDigest && w.firstOff == "" {
			w.firstOff = info.ID
		}
	}
	if w.runNo == 0 {
		return st, nil
	}
	// What a run counts when it ends is counted once, of everything.
	if err := w.lookAtEverything(ctx); err != nil {
		return st, err
	}
	if err := w.countLines(ctx, touchedPayouts); err != nil {
		return st, err
	}
	return st, w.matchBank(ctx)
}

// A replayStep is what a run says about itself.
type replayStep struct {
	began           time.Time
	command, config string
	posted          bool // it holds notes of the ERP: it had booked before it was cut off
}

func isERPNote(rec archive.Record) bool {
	return rec.Note != nil && strings.HasPrefix(rec.Note.Kind, "erp_")
}

func (w *work) replayStep(ctx context.Context, info archive.RunInfo) (replayStep, error) {
	var step replayStep
	if info.Finished {
		m, err := w.arch.Manifest(info.ID)
		return replayStep{began: m.StartedAt.UTC(), command: m.Command, config: m.ConfigDigest}, err
	}
	for rec, err := range w.arch.Records(ctx, archive.Position{Run: info.ID}) {
		if err != nil {
			return step, err
		}
		if rec.Next.Run != info.ID {
			break
		}
		step.posted = step.posted || isERPNote(rec)
		if rec.Note != nil && rec.Note.Kind == "run" {
			var said struct {
				Command string    `json:"command"`
				Began   time.Time `json:"at"`
				Config  string    `json:"config_digest"`
			}
			if err := json.Unmarshal(rec.Note.Body, &said); err != nil {
				return step, fmt.Errorf("run %s: %w", info.ID, err)
			}
			step.began, step.command, step.config = said.Began.UTC(), said.Command, said.Config
		}
	}
	return step, nil
}

// A Rebuilt says what a rebuild reached.
type Rebuilt struct {
	Reached  string `json:"reached"`
	Expected string `json:"expected"`
	Runs     int64  `json:"runs"`
	FirstOff string `json:"first_differing_run,omitempty"`
}

// Rebuild makes the ledger anew from the archive and compares its digest with the one the
// last run left. Into another folder it leaves the data directory alone; in place it
// replaces the working database only when the digests agree.
//
// Errors: ErrDiffers.
func (p *Project) Rebuild(ctx context.Context, into string) (Rebuilt, error) {
	w := &work{Project: p, began: p.Now().UTC(), fresh: map[string]freshFile{}}
	var err error
	if _, err := os.Stat(p.path("archive")); err != nil {
		return Rebuilt{}, fmt.Errorf("%w: there is no archive in %s yet; kvitt run makes one", ErrUsage, p.DataDir)
	}
	if w.lock, err = takeLock(p.DataDir, "rebuild", w.began); err != nil {
		return Rebuilt{}, err
	}
	defer w.close()
	if w.arch, err = archive.Open(p.path("archive"), archive.Options{ReadOnly: true}); err != nil {
		return Rebuilt{}, fmt.Errorf("archive: %w", err)
	}
	last, err := w.arch.Last()
	if err != nil {
		return Rebuilt{}, err
	}
	target := *p
	target.DataDir = p.path("rebuild")
	if into != "" {
		target.DataDir = into
	}
	if into == "" {
		if err := os.RemoveAll(target.DataDir); err != nil {
			return Rebuilt{}, err
		}
	} else if items, err := os.ReadDir(into); err == nil && len(items) > 0 {
		return Rebuilt{}, fmt.Errorf("%w: %s is not empty", ErrUsage, into)
	}
	for _, d := range []string{"spool", "published", "tmp"} {
		if err := os.MkdirAll(target.path(d), 0o700); err != nil {
			return Rebuilt{}, err
		}
	}
	w.Project = &target
	if err := w.openFile(ctx, target.path("work.duckdb")); err != nil {
		return Rebuilt{}, err
	}
	if err := w.createSchema(ctx); err != nil {
		return Rebuilt{}, err
	}
	st, err := w.replay(ctx)
	if err != nil {
		return Rebuilt{}, err
	}
	out := Rebuilt{Reached: st.Digest, Expected: last.LedgerDigest, Runs: w.runNo, FirstOff: w.firstOff}
	if err := w.applySettings(ctx, p.Settings); err != nil {
		return out, err
	}
	if out.Reached != out.Expected {
		if into == "" {
			w.db.Close()
			w.db = nil
			os.RemoveAll(target.DataDir)
		}
		return out, fmt.Errorf("%w: it reached %s, the last run left %s (first difference in run %s); nothing was replaced", ErrDiffers, out.Reached, out.Expected, out.FirstOff)
	}
	if err := w.publish(ctx, true); err != nil {
		return out, err
	}
	if into != "" {
		return out, os.RemoveAll(target.path("spool"))
	}
	for _, name := range []string{"work.duckdb.wal"} {
		if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return out, err
		}
	}
	if err := os.Rename(target.path("work.duckdb"), p.path("work.duckdb")); err != nil {
		return out, err
	}
	// Readers find the one or the other at any moment, where the system can exchange folders.
	if err := exchange(target.path("published"), p.path("published")); err != nil {
		if err := os.RemoveAll(p.path("published")); err != nil {
			return out, err
		}
		if err := os.Rename(target.path("published"), p.path("published")); err != nil {
			return out, err
		}
	}
	return out, os.RemoveAll(target.DataDir)
}
