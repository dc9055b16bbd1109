// Package archive keeps everything that cannot be derived: the bytes sources sent,
// intents and receipts of the ERP, people's decisions and configuration versions. It
// is append-only, checksummed and fsynced; a database over it can be thrown away and
// rebuilt by reading the records in the order they arrived.
//
// On disk there is one folder per run, and run IDs sort by time:
//
//	runs/<run ID>/blobs.zst      zstd frames, one after the other: `zstd -dc` reads them
//	runs/<run ID>/index.jsonl    one record per line, each with a checksum of its own
//	runs/<run ID>/manifest.json  digests of both and of the manifest before: a chain
//
// Bytes are addressed by SHA-256; the same bytes twice are stored once. A blob is one
// frame per 2 MiB of content, and its record says where in blobs.zst they lie. A record
// is written after the bytes it names are on disk, and a manifest after everything it
// covers, so what a crash leaves is a run without a manifest, whose records count.
package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

const (
	runsName     = "runs"
	blobsName    = "blobs.zst"
	indexName    = "index.jsonl"
	manifestName = "manifest.json"
)

// Options says how an archive is opened.
type Options struct {
	ReadOnly bool // change nothing on disk; another process may be writing
}

// An Archive is one folder of runs. Its reading methods may be used concurrently, also
// while a run is being written.
type Archive struct {
	dir      string
	readOnly bool
	codec    *codec

	mu     sync.Mutex
	active *Run
	state  state
}

// Open opens the archive in dir, and creates it unless opts.ReadOnly. It lists the run
// folders, reads the newest manifest and the indexes of runs that crashed after it, and
// nothing else: its cost does not grow with what is stored. The caller must hold a lock
// that keeps other writers away; with opts.ReadOnly it need not.
//
// Errors: *Error, wrapping ErrAltered or ErrFormat where one fits.
func Open(dir string, opts Options) (*Archive, error) {
	c, err := newCodec()
	if err != nil {
		return nil, fmt.Errorf("archive: open: %w", err)
	}
	a := &Archive{dir: dir, readOnly: opts.ReadOnly, codec: c}
	if opts.ReadOnly {
		if _, err := a.runIDs(); err != nil {
			return nil, fmt.Errorf("archive: open: %w", err)
		}
		return a, nil
	}
	if err := makeDirs(a.path()); err != nil {
		return nil, fmt.Errorf("archive: open: %w", err)
	}
	if err := a.load(); err != nil {
		return nil, fmt.Errorf("archive: open: %w", err)
	}
	return a, nil
}

// path returns the path of something below runs/.
func (a *Archive) path(elem ...string) string {
	return filepath.Join(append([]string{a.dir, runsName}, elem...)...)
}

// RunInfo names a run. A run that is not finished crashed, or is still going on.
type RunInfo struct {
	ID       string
	Finished bool // it has a manifest
}

// Runs returns every run, oldest first.
func (a *Archive) Runs() ([]RunInfo, error) {
	ids, err := a.runIDs()
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	runs := make([]RunInfo, len(ids))
	for i, id := range ids {
		finished, err := a.finished(id)
		if err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
		runs[i] = RunInfo{ID: id, Finished: finished}
	}
	return runs, nil
}

// Manifest returns the manifest of a finished run.
//
// Errors: *Error, wrapping fs.ErrNotExist when the run has none, ErrAltered, ErrFormat.
func (a *Archive) Manifest(runID string) (Manifest, error) {
	return readManifest(a.path(runID, manifestName), runID)
}

// Last returns the manifest of the newest finished run, and a zero Manifest when there
// is none. An index that remembers its Digest can tell that the newest runs are gone,
// which the archive itself cannot.
//
// Errors: *Error, wrapping ErrAltered or ErrFormat where one fits.
func (a *Archive) Last() (Manifest, error) {
	m, _, err := a.split()
	return m, err
}

// NextSeq returns the seq that the next blob record gets, as far as this archive knows:
// the last committed one plus one, and 1 in an empty archive. It is 0 when the archive
// is open for reading only.
func (a *Archive) NextSeq() int64 {
	if a.readOnly {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state.lastSeq + 1
}

// runIDs returns the names of the run folders, oldest first. Anything else that lies
// there, such as a file browser's droppings, is not ours.
func (a *Archive) runIDs() ([]string, error) {
	entries, err := os.ReadDir(a.path())
	if err != nil {
		return nil, &Error{File: a.path(), Offset: -1, Err: err}
	}
	var ids []string
	for _, e := range entries { // ReadDir sorts by name
		if e.IsDir() && validRunID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

func (a *Archive) finished(id string) (bool, error) {
	path := a.path(id, manifestName)
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, &Error{File: path, Offset: -1, Err: err}
	}
	return true, nil
}

// split returns the newest manifest and the runs after it.
func (a *Archive) split() (last Manifest, after []string, err error) {
	ids, err := a.runIDs()
	if err != nil {
		return Manifest{}, nil, err
	}
	for i := len(ids) - 1; i >= 0; i-- {
		finished, err := a.finished(ids[i])
		if err != nil {
			return Manifest{}, nil, err
		}
		if finished {
			m, err := a.Manifest(ids[i])
			return m, ids[i+1:], err
		}
	}
	return Manifest{}, ids, nil
}
