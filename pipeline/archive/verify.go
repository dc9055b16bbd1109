package archive

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"slices"
)

// Stats counts what Verify went through.
type Stats struct {
	Runs       int
	Unfinished int // runs without a manifest: they crashed, or are going on
	Records    int64
	Blobs      int64 // records of bytes
	Stored     int64 // of those, the ones that stored new bytes
	Marks      int64
	Notes      int64
	Content    int64 // bytes stored, uncompressed
	Compressed int64 // bytes of all blobs.zst
	Orphans    int64 // bytes at the end of unfinished runs that were never committed
}

// Verify reads everything and calls report for each thing that is wrong, with the file
// and, where there is one, the line and byte: the checksum of each record, the digests
// of each blob, index and manifest, the chain of manifests and the order of records. A
// single altered bit is found, and so is a missing run, unless it is the newest: for
// that see Last.
//
// It returns an error only when it could not go on.
func (a *Archive) Verify(ctx context.Context, report func(*Error)) (Stats, error) {
	v := &verifier{a: a, report: report, seed: maphash.MakeSeed(), stored: make(map[uint64]struct{})}
	if err := v.all(ctx); err != nil {
		return v.stats, fmt.Errorf("archive: verify: %w", err)
	}
	return v.stats, nil
}

type verifier struct {
	a      *Archive
	report func(*Error)
	stats  Stats

	seq         int64         // of the blob record before
	last        Manifest      // of the finished run before
	interrupted []Interrupted // runs since

	// A hash of each stored content and its place: what later records may point to. The
	// contents themselves would not fit into memory.
	seed   maphash.Seed
	stored map[uint64]struct{}
}

func (v *verifier) all(ctx context.Context) error {
	ids, err := v.a.runIDs()
	if err != nil {
		return err
	}
	newest := ""
	for _, id := range ids {
		finished, err := v.a.finished(id)
		if err != nil {
			return err
		}
		if finished {
			newest = id
		}
	}
	for _, id := range ids {
		if err := v.run(ctx, id, id > newest); err != nil {
			return err
		}
	}
	return nil
}

// run verifies one run. It returns errors of ctx only.
func (v *verifier) run(ctx context.Context, id string, isNewest bool) error {
	v.stats.Runs++
	path := v.a.path(id, manifestName)
	m, merr := readManifest(path, id)
	state := runFinished
	switch {
	case merr == nil:
		v.chain(path, m)
	case errors.Is(merr, fs.ErrNotExist):
		v.stats.Unfinished++
		state = runInterrupted
		if isNewest {
			state = runNewest
		}
	default:
		v.problem(merr, path)
	}

	blobs := openFrames(v.a, id)
	defer blobs.close()
	got, err := v.index(ctx, id, state, blobs)
	if err != nil {
		return err
	}
	if err := blobs.finish(); err != nil && (state == runFinished || !errors.Is(err, fs.ErrNotExist)) {
		v.problem(err, blobs.path)
	}
	v.stats.Compressed += blobs.pos

	if state != runFinished {
		v.stats.Orphans += blobs.rest
		v.interrupted = append(v.interrupted, got)
		return nil
	}
	if merr == nil {
		v.digests(path, m, got, blobs)
	}
	v.last, v.interrupted = m, nil
	v.last.RunID = id
	return nil
}

// digests compares what a manifest says about its own run with what is there.
func (v *verifier) digests(path string, m Manifest, got Interrupted, blobs *frames) {
	const format = "%d bytes with SHA-256 %s, its manifest says %d with %s"
	if d := blobs.sum.digest(); blobs.err == nil && (d != m.BlobsSHA256 || blobs.pos != m.BlobsSize) {
		v.problem(altered(blobs.path, -1, format, blobs.pos, d, m.BlobsSize, m.BlobsSHA256), blobs.path)
	}
	index := v.a.path(m.RunID, indexName)
	switch {
	case got.IndexSHA256 != m.IndexSHA256 || got.IndexSize != m.IndexSize:
		v.problem(altered(index, -1, format, got.IndexSize, got.IndexSHA256, m.IndexSize, m.IndexSHA256), index)
	case v.seq != m.LastSeq:
		v.problem(altered(path, -1, "its last seq is %d, that of the records %d", m.LastSeq, v.seq), path)
	}
}

// chain compares what a manifest says about the runs before it with what is there.
func (v *verifier) chain(path string, m Manifest) {
	switch {
	case m.PreviousRun == v.last.RunID && m.Previous == v.last.Digest:
	case m.PreviousRun == v.last.RunID:
		prev := v.a.path(m.PreviousRun, manifestName)
		v.problem(altered(prev, -1, "its SHA-256 is %s, the manifest of run %s says %s", v.last.Digest, m.RunID, m.Previous), prev)
	case m.PreviousRun > v.last.RunID:
		prev := v.a.path(m.PreviousRun, manifestName)
		v.problem(&Error{File: prev, Offset: -1, Err: fmt.Errorf("finished run is %w: run %s followed it", ErrMissing, m.RunID), Do: doRestore}, prev)
	default:
		v.problem(altered(path, -1, "it follows run %q, but run %s is between them", m.PreviousRun, v.last.RunID), path)
	}
	for _, want := range m.Interrupted {
		dir := v.a.path(want.RunID)
		i := slices.IndexFunc(v.interrupted, func(got Interrupted) bool { return got.RunID == want.RunID })
		switch {
		case i < 0:
			v.problem(&Error{File: dir, Offset: -1, Err: fmt.Errorf("unfinished run is %w: run %s followed it", ErrMissing, m.RunID), Do: doRestore}, dir)
		case v.interrupted[i] != want:
			index, got := v.a.path(want.RunID, indexName), v.interrupted[i]
			v.problem(altered(index, -1, "%d bytes with SHA-256 %s, the manifest of run %s says %d with %s", got.IndexSize, got.IndexSHA256, m.RunID, want.IndexSize, want.IndexSHA256), index)
		}
	}
	for _, got := range v.interrupted {
		if !slices.ContainsFunc(m.Interrupted, func(want Interrupted) bool { return got.RunID == want.RunID }) {
			dir := v.a.path(got.RunID)
			v.problem(altered(dir, -1, "the manifest of run %s does not know this unfinished run", m.RunID), dir)
		}
	}
}

// index verifies the records of a run, and with each the bytes it stored. It returns
// errors of ctx only.
func (v *verifier) index(ctx context.Context, id string, state runState, blobs *frames) (Interrupted, error) {
	path := v.a.path(id, indexName)
	got := newSum()
	result := func(size int64) Interrupted {
		return Interrupted{RunID: id, IndexSHA256: got.digest(), IndexSize: size}
	}
	r, err := openIndex(path, id, 0)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) || state == runFinished {
			v.problem(err, path)
		}
		return result(0), nil
	}
	defer r.close()
	whole := true // no line before is damaged, so what follows can be compared with it
	var size int64
	for {
		if err := ctx.Err(); err != nil {
			return result(size), err
		}
		l, err := r.next()
		if err == io.EOF {
			return result(size), nil
		} else if err != nil {
			v.problem(err, path)
			return result(size), nil
		}
		if l.err != nil {
			if state == runNewest {
				if torn, err := r.torn(l); err != nil {
					v.problem(err, path)
				} else if torn {
					if fi, err := r.f.Stat(); err == nil {
						v.stats.Orphans += fi.Size() - l.offset
					}
					return result(size), nil
				}
			}
			v.problem(r.fail(l), path)
			whole = false
		}
		got.Write(l.raw)
		size = l.end()
		if l.err == nil {
			v.stats.Records++
			if err := v.record(ctx, path, l, blobs, whole); err != nil {
				return result(size), err
			}
			if l.rec.Blob != nil {
				whole = true
			}
		}
	}
}

// record verifies one record. It returns errors of ctx only.
func (v *verifier) record(ctx context.Context, path string, l *indexLine, blobs *frames, whole bool) error {
	b := l.rec.Blob
	switch {
	case l.rec.Mark != nil:
		v.stats.Marks++
		return nil
	case b == nil:
		v.stats.Notes++
		return nil
	}
	v.stats.Blobs++
	wrong := func(format string, args ...any) {
		e := altered(path, l.offset, format, args...)
		e.Line = l.number
		v.problem(e, path)
	}
	if b.Seq != v.seq+1 && (whole || b.Seq <= v.seq) {
		wrong("seq %d follows %d", b.Seq, v.seq)
	}
	v.seq = b.Seq

	key := maphash.Comparable(v.seed, b.Content)
	if b.FramesCRC == "" {
		if _, ok := v.stored[key]; !ok {
			wrong("no record before stored blob %s of %d bytes at byte %d of run %s", b.SHA256, b.Size, b.Place.Offset, b.Place.Run)
		}
		return nil
	}
	v.stored[key] = struct{}{}
	v.stats.Stored++
	v.stats.Content += b.Size
	if b.Place.Run != l.rec.Next.Run {
		wrong("it stores bytes in another run, %s", b.Place.Run)
		return nil
	}
	if whole && b.Place.Offset != blobs.pos {
		wrong("its bytes begin at byte %d, those before end at %d", b.Place.Offset, blobs.pos)
	}
	if err := blobs.verify(ctx, b); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		v.problem(err, blobs.path)
	}
	return nil
}

func (v *verifier) problem(err error, path string) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{File: path, Offset: -1, Err: err}
	}
	v.report(e)
}
