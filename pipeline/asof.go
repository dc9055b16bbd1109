package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// A Past is the books as they were, or as they would be: a database that is thrown away
// when it is closed.
type Past struct {
	DB     *duck.DB
	RunID  string // the last run that is in it
	Digest string
	dir    string
}

// Close throws the database away.
func (b *Past) Close() error {
	err := b.DB.Close()
	if e := os.RemoveAll(b.dir); err == nil {
		err = e
	}
	return err
}

// AsOf replays the archive up to the last run that had finished at t: what every report said
// then, late mappings, corrections and decisions of later runs not counted. It needs no lock
// and touches nothing.
//
// Errors: ErrUsage when no run had finished by then.
func (p *Project) AsOf(ctx context.Context, t time.Time) (*Past, error) {
	arch, err := p.openArchive()
	if err != nil {
		return nil, err
	}
	infos, err := arch.Runs()
	if err != nil {
		return nil, err
	}
	last, digest := "", ""
	for _, info := range infos {
		if !info.Finished {
			continue
		}
		m, err := arch.Manifest(info.ID)
		if err != nil {
			return nil, err
		}
		if m.FinishedAt.After(t) {
			break
		}
		last, digest = info.ID, m.LedgerDigest
	}
	if last == "" {
		return nil, fmt.Errorf("%w: no run had finished by %s", ErrUsage, t.UTC().Format(time.RFC3339))
	}
	past, err := p.replayed(ctx, arch, last, false)
	if err != nil {
		return nil, err
	}
	if past.Digest != digest {
		past.Close()
		return nil, fmt.Errorf("%w: run %s left %s, its replay reached %s", ErrDiffers, last, digest, past.Digest)
	}
	return past, nil
}

// Under replays the whole archive of p with the settings of other all along: what the books
// would say. It needs no lock and touches nothing.
func (p *Project) Under(ctx context.Context, other *Project) (*Past, error) {
	arch, err := p.openArchive()
	if err != nil {
		return nil, err
	}
	return other.replayed(ctx, arch, "", true)
}

func (p *Project) openArchive() (*archive.Archive, error) {
	if _, err := os.Stat(p.path("archive")); err != nil {
		return nil, fmt.Errorf("%w: there is no archive in %s yet; kvitt run makes one", ErrUsage, p.DataDir)
	}
	arch, err := archive.Open(p.path("archive"), archive.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return arch, nil
}

// replayed makes a ledger of the archive's runs through last ("" for all) in a folder of its own.
func (p *Project) replayed(ctx context.Context, arch *archive.Archive, last string, fixed bool) (_ *Past, err error) {
	dir, err := os.MkdirTemp("", "kvitt-past-")
	if err != nil {
		return nil, err
	}
	target := *p
	target.DataDir = dir
	target.Log = slog.New(slog.DiscardHandler)
	w := &work{Project: &target, arch: arch, began: p.Now().UTC(), fresh: map[string]freshFile{}, through: last, fixed: fixed}
	defer func() {
		if err != nil {
			w.close()
			os.RemoveAll(dir)
		}
	}()
	for _, d := range []string{"spool", "published", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	if err := w.openFile(ctx, target.path("work.duckdb")); err != nil {
		return nil, err
	}
	if err := w.createSchema(ctx); err != nil {
		return nil, err
	}
	st, err := w.replay(ctx)
	if err != nil {
		return nil, err
	}
	// A reader gets it as readers get the published ledger: nothing to write to and no way out of it.
	if err := w.db.Close(); err != nil {
		return nil, err
	}
	w.db = nil
	db, err := duck.Open(ctx, target.path("work.duckdb"), duck.Options{ReadOnly: true, MemoryLimit: p.Memory, Sealed: true})
	if err != nil {
		return nil, err
	}
	return &Past{DB: db, RunID: w.runID, Digest: st.Digest, dir: dir}, nil
}
