package archive

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/kvitt/kvitt/pipeline/durable"
)

// A Lookup finds bytes that earlier runs stored, by the SHA-256 of their content. What
// it answers is checked against the stored bytes before it is relied on: when they are
// not there, they are stored again. It is called while the run is locked, so it must not
// use the run.
type Lookup func(Digest) (Place, bool, error)

// A Run is one run being written. It may be used concurrently; calls wait for each
// other. What is added counts only when Commit has returned without error.
//
// After an error of the archive's own files (a full disk) every further call fails with
// the same error; Close it, and what was committed before counts.
type Run struct {
	a      *Archive
	id     string
	dir    string
	lookup Lookup

	mu        sync.Mutex
	err       error // the first error of our files, or ErrClosed
	blobs     *blobFile
	index     *os.File
	indexSum  sum    // of the committed lines
	indexSize int64  // bytes of the committed lines
	pending   []byte // lines to be committed
	scratch   frame
	added     int64 // records, pending ones included
	committed int64 // records
	seq       int64 // of the last blob record, pending ones included
	seqDone   int64 // of the last committed blob record
	places    map[Digest]Place
}

// Begin starts a run. Its ID must sort after that of every run before it. nextSeq is the
// seq that the caller's index expects the next blob record to have: a caller that has
// read all Records passes the last one it saw plus one (1 if it saw none), one that
// keeps no index passes NextSeq. Lookup may be nil.
//
// What runs that crashed left behind but never committed is cut off now that the index
// does not ask for it: the torn end of an index, and bytes that no record names.
//
// Errors: ErrReadOnly; ErrOrder; ErrBehind when nextSeq is too low; ErrMissing when it is
// too high, because then records the index knows are gone from the archive; *Error.
func (a *Archive) Begin(runID string, nextSeq int64, lookup Lookup) (*Run, error) {
	r, err := a.begin(runID, nextSeq, lookup)
	if err != nil {
		return nil, fmt.Errorf("archive: begin run %q: %w", runID, err)
	}
	return r, nil
}

func (a *Archive) begin(runID string, nextSeq int64, lookup Lookup) (*Run, error) {
	if a.readOnly {
		return nil, ErrReadOnly
	}
	if !validRunID(runID) {
		return nil, errRunID
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.active != nil {
		return nil, errBusy
	}
	if err := a.load(); err != nil { // a run may have failed since
		return nil, err
	}
	switch want := a.state.lastSeq + 1; {
	case runID <= a.state.newest:
		return nil, fmt.Errorf("%w: it is %s", ErrOrder, a.state.newest)
	case nextSeq < want:
		return nil, fmt.Errorf("%w: it expects seq %d next, the archive %d", ErrBehind, nextSeq, want)
	case nextSeq > want:
		return nil, fmt.Errorf("records are %w: the index expects seq %d next, the archive %d; restore the archive from a backup, or rebuild the index", ErrMissing, nextSeq, want)
	}
	for _, t := range a.state.tails {
		if err := t.cut(); err != nil {
			return nil, err
		}
	}
	r := &Run{
		a: a, id: runID, dir: a.path(runID), lookup: lookup,
		indexSum: newSum(), seq: nextSeq - 1, seqDone: nextSeq - 1,
		places: make(map[Digest]Place),
	}
	if err := r.create(); err != nil {
		return nil, err
	}
	a.active = r
	return r, nil
}

// create makes the run's folder and its files, durably.
func (r *Run) create() error {
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return err
	}
	blobs, err := os.OpenFile(r.a.path(r.id, blobsName), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	index, err := os.OpenFile(r.a.path(r.id, indexName), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(durable.SyncDir(r.dir), durable.SyncDir(r.a.path()))
	}
	if err != nil {
		blobs.Close()
		if index != nil {
			index.Close()
		}
		return err
	}
	r.blobs, r.index = newBlobFile(blobs), index
	return nil
}

// ID returns the run's ID.
func (r *Run) ID() string { return r.id }

// Commit makes everything added so far durable: first the bytes, then the records that
// name them. With nothing added it does nothing.
func (r *Run) Commit() (err error) {
	defer r.wrap(&err, "commit")
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commit()
}

func (r *Run) commit() error {
	if r.err != nil {
		return r.err
	}
	if err := r.blobs.sync(); err != nil {
		return r.fail(err)
	}
	if len(r.pending) == 0 {
		return nil
	}
	_, err := r.index.Write(r.pending)
	if err == nil {
		err = r.index.Sync()
	}
	if err != nil {
		return r.fail(&Error{File: r.index.Name(), Offset: r.indexSize, Err: err})
	}
	r.indexSum.Write(r.pending)
	r.indexSize += int64(len(r.pending))
	r.pending = r.pending[:0]
	r.committed, r.seqDone = r.added, r.seq
	r.a.mu.Lock()
	r.a.state.lastSeq = r.seq
	r.a.mu.Unlock()
	return nil
}

// Finish commits, and closes the run with a manifest. It fills in the members after
// Status, whatever the caller put there, and returns the manifest as written.
func (r *Run) Finish(m Manifest) (done Manifest, err error) {
	defer r.wrap(&err, "finish")
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.commit(); err != nil {
		return Manifest{}, err
	}
	s := r.a.state // does not change while the run is open
	m.Format, m.RunID = manifestFormat, r.id
	m.Records, m.LastSeq = r.committed, r.seqDone
	m.IndexSHA256, m.IndexSize = r.indexSum.digest(), r.indexSize
	m.BlobsSHA256, m.BlobsSize = r.blobs.sum.digest(), r.blobs.size
	m.PreviousRun, m.Previous, m.Interrupted = s.last.RunID, s.last.Digest, s.interrupted
	m.StartedAt, m.FinishedAt = m.StartedAt.Round(0).UTC(), m.FinishedAt.Round(0).UTC()
	data, err := encodeManifest(m)
	if err != nil {
		return Manifest{}, err
	}
	path := r.a.path(r.id, manifestName)
	if err := durable.Write(path, data); err != nil {
		return Manifest{}, r.fail(&Error{File: path, Offset: -1, Err: err})
	}
	m, err = decodeManifest(data)
	return m, errors.Join(err, r.close())
}

// Close ends a run that was not finished, as a crash would: what was committed counts,
// the rest is dropped. After Finish it does nothing.
func (r *Run) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.err, ErrClosed) {
		return nil
	}
	return r.close()
}

func (r *Run) close() error {
	err := errors.Join(r.blobs.f.Close(), r.index.Close())
	r.err, r.places, r.pending = ErrClosed, nil, nil
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	r.a.active = nil
	return err
}

func (r *Run) fail(err error) error {
	r.err = err
	return err
}

func (r *Run) wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("archive: run %s: %s: %w", r.id, fmt.Sprintf(format, args...), *err)
	}
}
