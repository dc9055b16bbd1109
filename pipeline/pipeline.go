// Package pipeline runs the phases in order: extract, stage, book, plan, post, publish.
//
// It is handed its sources and its target and names none of them. The path of a byte:
// extract.go archives it; stage.go reads the archive's new records into DuckDB by each
// source's own SQL; package transform books; plan.go says what the ERP would get and
// post.go sends it; publish.go puts a copy where readers find it. Each step commits before
// the next begins, and each looks at the state it finds, not at what this run did: a run
// that is killed is finished by the next one.
package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/pipeline/personal"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// A Source is one [[source]] block with its connector.
type Source struct {
	Name       string
	Connector  extract.Source
	Config     extract.Config
	Flows      []string
	Inbox      string // absolute path; "" when the source is spoken to
	StartDate  string // "YYYY-MM-DD"; nothing before it is read; "" from the beginning
	FollowDays int
}

// backfills reports whether the IDs that people give are IDs of stream.
func (s Source) backfills(stream extract.Stream) bool {
	return slices.ContainsFunc(s.Connector.Stages, func(st extract.Stage) bool { return st.Stream == stream && st.Backfill })
}

func (s Source) hasLate() bool {
	return s.Inbox == "" && slices.ContainsFunc(s.Connector.Stages, func(st extract.Stage) bool { return st.Late })
}

func (s Source) wants(st extract.Stage) bool {
	for _, f := range st.Flows {
		for _, g := range s.Flows {
			if f == g {
				return true
			}
		}
	}
	return false
}

// A Project is everything a run is handed.
type Project struct {
	DataDir        string
	Settings       transform.Settings
	Sources        []Source
	BankStatements string // the folder of the bank's camt.053 files, absolute; "" for none
	Target         load.Target
	Outbox         load.Outbox // instead of Target: an ERP that takes one document at a time
	Mode           string      // voucher | document | attach
	TargetName     string
	Aggregate      string // day | document
	AutoPost       bool
	AccountName    func(int) string
	ConfigDigest   string
	Config         []byte // effective settings without secrets, for the archive
	Version        string
	By             string           // who runs it, for the manifest
	Now            func() time.Time // the date of everything; KVITT_NOW may hold it still
	Wall           func() time.Time // only ever used to say how long something took
	Log            *slog.Logger
	Progress       func(text string) // shown while a long phase goes on; nil shows nothing
	Memory         string            // DuckDB's memory limit
	Chunk          int               // bytes of answers that are staged at a time; 0 is as many as memory is meant for
	StepBack       bool              // the process is there for the run alone, which gives way to whoever reads the ledger
	ERPRequests    *Counter          // what the target asked of the ERP since a run wrote it down

	posting *work // while it posts: Blob reads from its archive
}

// ErrSpace is returned when the disk has too little room left to begin.
var ErrSpace = errors.New("the disk is nearly full")

// minFree is the room a run wants before it begins: what a small run writes, so that it fails early and clean.
const minFree = 16 << 20

// work is an open data directory.
type work struct {
	*Project
	lock                           *lock
	arch                           *archive.Archive
	run                            *archive.Run
	db                             *duck.DB
	keys                           *personal.Keys // of what is sealed before it is archived
	runID                          string
	runNo                          int64
	began                          time.Time
	fresh                          map[string]freshFile // by SHA-256: inbox files archived in this run
	gone                           []string             // IDs that a source does not know
	took                           map[string]time.Duration
	booked, replaying, wasComplete bool
	blobs                          sync.Mutex // whoever reads or writes the database while documents are sent
	behind                         bool       // the ERP booked something otherwise, and the ledger is to follow
	journal, firstOff              string
	through                        string // a replay stops after this run; "" goes through all
	fixed                          bool   // a replay keeps the settings it was given
}

// A freshFile is an inbox file as it was when it was archived.
type freshFile struct {
	path           string
	size, modified int64
}

// SIEDir is where SIE files are kept.
func (p *Project) SIEDir() string { return p.path("sie") }

func (p *Project) path(elem ...string) string {
	return filepath.Join(append([]string{p.DataDir}, elem...)...)
}

// open takes the lock, opens archive and database, and begins a run.
func (p *Project) open(ctx context.Context, command string) (_ *work, err error) {
	if err := os.MkdirAll(p.DataDir, 0o700); err != nil {
		return nil, err
	}
	w := &work{Project: p, began: p.Now().UTC(), fresh: map[string]freshFile{}}
	if w.lock, err = takeLock(p.DataDir, command, w.began); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err := p.roomy(); err != nil {
		return nil, err
	}
	for _, d := range []string{"spool", "published", "sie", "tmp"} {
		if err := os.MkdirAll(p.path(d), 0o700); err != nil {
			return nil, err
		}
	}
	if err := emptyDir(p.path("spool")); err != nil {
		return nil, err
	}
	if w.arch, err = archive.Open(p.path("archive"), archive.Options{}); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := w.openDB(ctx); err != nil {
		return nil, err
	}
	if w.keys, err = personal.Open(p.path(personalDir), false); err != nil {
		return nil, err
	}
	return w, nil
}

// begin starts a run in the archive.
func (w *work) begin(ctx context.Context, command string) error {
	n, err := w.db.Count(ctx, "select coalesce(max(run_no), 0) + 1 from runs")
	if err != nil {
		return err
	}
	w.runNo = n
	// The clock may stand still or go back between runs; the IDs still sort by arrival.
	infos, err := w.arch.Runs()
	if err != nil {
		return err
	}
	w.runID = fmt.Sprintf("%s-%05d", w.began.Format("20060102T150405Z"), len(infos)+1)
	if len(infos) > 0 && w.runID <= infos[len(infos)-1].ID {
		w.runID = bump(infos[len(infos)-1].ID)
	}
	if w.run, err = w.arch.Begin(w.runID, w.arch.NextSeq(), w.lookup(ctx)); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	note, err := json.Marshal(map[string]any{"run_no": w.runNo, "command": command, "at": w.began, "config_digest": w.ConfigDigest})
	if err != nil {
		return err
	}
	if _, err := w.run.AddNote("run", note); err != nil {
		return err
	}
	if err := w.keepSettings(ctx, len(infos) > 0 && !infos[len(infos)-1].Finished); err != nil {
		return err
	}
	// From here on the archive shows that a run began, and the database may change.
	if err := w.applySettings(ctx, w.Settings); err != nil {
		return err
	}
	if err := w.settleErasures(ctx); err != nil {
		return err
	}
	return w.nameRun(ctx)
}

// keepSettings archives the settings when they are not those of the run before. After a
// run that was cut off they are archived in any case: its own are not known to have been read.
func (w *work) keepSettings(ctx context.Context, afterCut bool) error {
	settings, err := json.Marshal(w.Settings)
	if err != nil {
		return err
	}
	last, err := w.db.Texts(ctx, "select value from meta where name = 'settings'")
	if err != nil {
		return err
	}
	if !afterCut && len(last) == 1 && last[0] == digestOf(settings) {
		return nil
	}
	if _, err := w.run.AddNote("settings", settings); err != nil {
		return err
	}
	if len(w.Config) == 0 {
		return nil
	}
	_, err = w.run.AddNote("config", w.Config)
	return err
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (w *work) nameRun(ctx context.Context) error {
	return w.db.Exec(ctx, fmt.Sprintf("create or replace temp table this_run as select %d::integer as run_no, timestamp %s as began",
		w.runNo, duck.Quote(w.began.Format("2006-01-02 15:04:05.000000"))))
}

// bump returns the smallest run ID of the usual form that sorts after id.
func bump(id string) string {
	t, n := id[:len(id)-6], 0
	fmt.Sscanf(id[len(id)-5:], "%d", &n)
	return fmt.Sprintf("%s-%05d", t, n+1)
}

func (w *work) lookup(ctx context.Context) archive.Lookup {
	return func(d archive.Digest) (archive.Place, bool, error) {
		var p archive.Place
		found, err := w.db.One(ctx, "select place_run, place_offset, place_length from blobs where sha256 = $sha limit 1",
			[]any{duck.Named("sha", d.String())}, &p.Run, &p.Offset, &p.Length)
		return p, found, err
	}
}

func (w *work) close() {
	if w.run != nil {
		w.run.Close()
	}
	if w.db != nil {
		w.db.Close()
	}
	if w.lock != nil {
		w.writeTally()
		w.lock.release()
	}
}

func (p *Project) roomy() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(p.DataDir, &st); err != nil {
		return err
	}
	if free := st.Bavail * uint64(st.Bsize); free < minFree {
		return fmt.Errorf("%w: %d MB left in %s, a run wants at least %d MB; nothing was touched", ErrSpace, free>>20, p.DataDir, minFree>>20)
	}
	return nil
}

func emptyDir(dir string) error {
	items, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, it := range items {
		if err := os.RemoveAll(filepath.Join(dir, it.Name())); err != nil {
			return err
		}
	}
	return nil
}
