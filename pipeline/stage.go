package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// chunkBytes bounds how many bytes of JSON answers are staged at a time.
const chunkBytes = 32 << 20

// pageBytes is chunkBytes for answers that are long on average: DuckDB has two thousand of them taken apart at once,
// which for pages is all there are, and each parse of one takes five to ten times its size until all are done.
const pageBytes, longAnswer = 8 << 20, 32 << 10

// smallBytes is how much is staged at a time, and in one transaction, where memory was not enough for more.
const smallBytes = 2 << 20

// commitBytes is how much is staged in one transaction.
const commitBytes = 48 << 20

// logBytes is how much is committed to the log before it is worked into the file. That packs the last rows of each table anew
// every time, and nothing else goes on meanwhile: of a hundred thousand orders it would take a quarter of the time if it
// were done for every chunk. What a killed run leaves in the log, the next one reads first, a hundred megabytes a second.
const logBytes = 512 << 20

// A staging reads archived records into the tables of facts.
type staging struct {
	w      *work
	ctx    context.Context
	until  func(archive.Record) bool // replay: stop before this record; nil reads everything
	blobs  []blobRow
	bodies []jsonBody
	keys   map[string]bool // of bodies
	marks  []*archive.Mark // that came after the first of them
	size   int
	// What was taken since the last commit, in bytes.
	sinceCommit int64
	source      string
	stream      string
	nextPos     archive.Position // after what was taken
	merged      archive.Position // after what is in the tables of facts
	records     int64
	due         bool      // the first chunk that is taken apart beside is to be merged
	held        *archived // the record that is next, until what comes before it is staged
	own         hand
	only        string // a payout that is staged anew: nothing else of the bytes is taken in
	side        side
	// uneven: of a file, some is in the tables of facts and some is gathered. It is not to be committed so: where staging
	// stands is before or after a record.
	uneven bool
	small  bool // a little at a time, each chunk in turn
}

// A hand is a connection, with the connectors whose macros it has.
type hand struct {
	db     *duck.DB
	macros map[string]bool
}

type blobRow struct {
	BlobID      int64
	RunNo       int64
	Source      string
	Stream      string
	Key         string
	FetchedAt   time.Time
	SHA256      string
	Size        int64
	MediaType   string
	Gone        bool
	PlaceRun    string
	PlaceOffset int64
	PlaceLength int64
	FirstRowID  *int64 // of the rows of payout_lines that a file filled in one go, else nil
	RowsRead    *int64
}

type jsonBody struct {
	BlobID int64
	Key    string
	Body   []byte
	Whole  bool // an object or an array, by how it begins
	At     time.Time
	// IsSequence is whether it is several answers that were made one: {"answers": [...]}.
	IsSequence bool
}

const timestamp = "2006-01-02 15:04:05.000000"

// stage reads every record of the archive that DuckDB has not seen, in the order it
// arrived. Where it stands is part of the transaction that stages them, so a record is read once.
func (w *work) stage(ctx context.Context) (int64, error) {
	return w.stageUntil(ctx, nil)
}

// stageUntil stages up to a record. How much memory a chunk takes is known when it is taken apart: where it is not
// enough, everything after what is committed is staged again in small pieces, nothing beside another.
func (w *work) stageUntil(ctx context.Context, until func(archive.Record) bool) (int64, error) {
	n, err := w.stagePieces(ctx, until, false)
	if !errors.Is(err, duck.ErrMemory) {
		return n, err
	}
	w.Log.Warn("not memory enough to stage so much at a time; the rest goes in smaller pieces, which takes longer", "error", err)
	return w.stagePieces(ctx, until, true)
}

func (w *work) stagePieces(ctx context.Context, until func(archive.Record) bool, small bool) (int64, error) {
	start := w.Wall()
	w.Log.Debug("staging")
	pos, err := w.position(ctx)
	if err != nil {
		return 0, err
	}
	if err := w.db.Ordered(ctx, true); err != nil {
		return 0, err
	}
	s := w.newStaging(ctx)
	s.until, s.nextPos, s.merged, s.small = until, pos, pos, small
	next, stop := iter.Pull(s.ahead(ctx, pos))
	defer stop()
	defer s.side.close()
	if err := errors.Join(w.db.Threads(ctx, 1), w.db.Log(ctx, logBytes)); err != nil {
		return 0, err
	}
	for done := false; !done && err == nil; {
		if s.due {
			if err = s.side.first(); err != nil {
				break
			}
		}
		before := s.merged
		err = w.db.Tx(ctx, func() (err error) {
			if done, err = s.takeSome(next); err == nil && s.merged != before {
				err = w.db.Exec(ctx, "update meta set value = $p where name = 'position'", duck.Named("p", s.merged.String()))
			}
			return err
		})
		if err == nil && s.merged != before {
			err = s.side.forget(ctx)
			w.Log.Debug("staged so far", "until", s.merged)
		}
	}
	ctx = context.WithoutCancel(ctx)
	if err := errors.Join(err, w.db.Threads(ctx, 0), w.db.Log(ctx, 0)); err != nil {
		return 0, fmt.Errorf("stage: %w", err)
	}
	if s.records > 0 {
		w.Log.Info("staged", "records", s.records, "took", w.Wall().Sub(start).Round(time.Millisecond))
	}
	return s.records, nil
}

func (w *work) newStaging(ctx context.Context) *staging {
	return &staging{w: w, ctx: ctx, own: hand{w.db, map[string]bool{}}, side: side{w: w}}
}

// takeSome stages records until there are no more or it is time to commit: what is replaced in a transaction, as temporary
// tables are by every chunk, keeps its memory until then. A run that is cut off goes on after what was committed.
func (s *staging) takeSome(next func() (archived, bool)) (done bool, err error) {
	if s.due {
		s.due = false
		return false, s.mergeFirst()
	}
	for s.sinceCommit = 0; !s.due && s.sinceCommit < s.bound(commitBytes); {
		if s.held == nil {
			if rec, ok := next(); ok {
				s.held = &rec
			}
		}
		rec := s.held
		if rec != nil && rec.err != nil {
			return true, rec.err
		}
		if rec != nil && s.until != nil && s.until(rec.Record) {
			rec = nil
		}
		if did, err := s.before(rec); err != nil {
			return true, err
		} else if did {
			continue
		}
		if rec == nil {
			done = true
			break
		}
		s.held = nil
		if err := s.take(*rec); err != nil {
			return true, err
		}
		s.nextPos = rec.Next
		if s.uneven && s.sinceCommit >= s.bound(commitBytes) {
			if err := s.flush(); err != nil {
				return true, err
			}
		}
		if len(s.side.queue) == 0 && !s.gathered() {
			s.merged = rec.Next
		}
	}
	return done, nil
}

// gathered reports whether there are answers, or other blobs, that are not staged yet.
func (s *staging) gathered() bool { return len(s.blobs)+len(s.bodies) > 0 }

// before does one step of what must be done before rec is taken, which is nil at the end, and reports whether there was one.
// Where a chunk is to be merged it only says so: that is a transaction of its own.
func (s *staging) before(rec *archived) (bool, error) {
	chunk := s.gathered() && !s.joins(rec)
	if chunk {
		if ok, err := s.aside(rec == nil); ok || err != nil {
			return ok, err
		}
	}
	switch {
	case len(s.side.queue) > 0 && (chunk || s.alone(rec)):
		s.due = true
		return true, nil
	case chunk:
		return true, s.flush()
	}
	return false, nil
}

// joins reports whether rec leaves what is gathered as it is, or adds to it. Two versions of one document, as a broken-off run
// and the next one leave them, are read one after the other.
func (s *staging) joins(rec *archived) bool {
	switch {
	case rec == nil:
		return false
	case rec.Blob != nil:
		b := rec.Blob
		return b.Source == s.source && b.Stream == s.stream && !s.keys[b.Key] && !s.full()
	}
	return rec.Mark != nil || saysNothingOfAnswers(rec.Note)
}

// alone reports whether everything before rec must be in the tables of facts when it is taken.
func (s *staging) alone(rec *archived) bool {
	switch {
	case rec == nil:
		return true
	case rec.Note != nil:
		return !saysNothingOfAnswers(rec.Note)
	case rec.Blob != nil:
		src := s.w.source(rec.Blob.Source)
		return rec.Blob.Source == bankSource || src != nil && src.isFile(rec.Blob)
	}
	return false
}

// saysNothingOfAnswers reports whether a note may be taken before what came before it.
func saysNothingOfAnswers(n *archive.Note) bool { return n.Kind == "run" || n.Kind == "personal_keys" }

func (w *work) position(ctx context.Context) (archive.Position, error) {
	texts, err := w.db.Texts(ctx, "select value from meta where name = 'position'")
	if err != nil || len(texts) == 0 || texts[0] == "" {
		return archive.Position{}, err
	}
	return archive.ParsePosition(texts[0])
}

func (s *staging) take(rec archived) error {
	switch {
	case rec.Mark != nil && s.gathered():
		s.marks = append(s.marks, rec.Mark)
		return nil
	case rec.Mark != nil:
		return s.w.insertMarks(s.ctx, []*archive.Mark{rec.Mark})
	case rec.Note != nil && rec.Note.Kind == "decision":
		return s.takeDecision(rec.Note)
	case rec.Note != nil:
		return s.w.takeNote(s.ctx, rec.Note)
	}
	b := rec.Blob
	s.source, s.stream = b.Source, b.Stream
	s.records++
	s.sinceCommit += b.Size
	row := blobRow{BlobID: b.Seq, RunNo: s.w.runNo, Source: b.Source, Stream: b.Stream, Key: b.Key,
		FetchedAt: b.FetchedAt.UTC(), SHA256: b.SHA256.String(), Size: b.Size, MediaType: b.MediaType, Gone: b.Gone,
		PlaceRun: b.Place.Run, PlaceOffset: b.Place.Offset, PlaceLength: b.Place.Length}
	if b.Source == bankSource {
		return s.bankStatement(row, b)
	}
	src := s.w.source(b.Source)
	if src == nil {
		s.w.Log.Warn("archived by a source that is no longer configured; not read", "source", b.Source, "key", b.Key)
		s.blobs = append(s.blobs, row)
		return nil
	}
	if src.isFile(b) {
		if b.Gone {
			return s.gone(*src, row)
		}
		if len(src.Connector.Inbox.Sections) > 0 {
			return s.sections(*src, row, b)
		}
		return s.report(*src, row, b)
	}
	s.blobs = append(s.blobs, row)
	if b.Gone {
		return nil
	}
	s.bodies = append(s.bodies, rec.body)
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.keys[b.Key] = true
	s.size += len(rec.body.Body)
	return nil
}

// insertBlobs notes what is in the archive and where.
func (w *work) insertBlobs(ctx context.Context, blobs []blobRow) error {
	return w.db.Append(ctx, "insert into blobs by name select * from rows()", []string{
		"blob_id bigint", "run_no bigint", "source varchar", "stream varchar", "key varchar", "fetched_at timestamp", "sha256 varchar", "size bigint",
		"media_type varchar", "gone boolean", "place_run varchar", "place_offset bigint", "place_length bigint", "first_rowid bigint", "rows_read bigint",
	}, len(blobs), func(i int, r *duck.Row) {
		b := &blobs[i]
		r.Whole(b.BlobID)
		r.Whole(b.RunNo)
		r.Text(b.Source)
		r.Text(b.Stream)
		r.Text(b.Key)
		r.Time(b.FetchedAt)
		r.Text(b.SHA256)
		r.Whole(b.Size)
		r.Text(b.MediaType)
		r.Truth(b.Gone)
		r.Text(b.PlaceRun)
		r.Whole(b.PlaceOffset)
		r.Whole(b.PlaceLength)
		for _, n := range []*int64{b.FirstRowID, b.RowsRead} {
			if n == nil {
				r.Null()
			} else {
				r.Whole(*n)
			}
		}
	})
}

// insertMarks notes until when streams are read.
func (w *work) insertMarks(ctx context.Context, marks []*archive.Mark) error {
	for _, m := range marks {
		if err := w.db.Exec(ctx, "insert into cursors select $source, $stream, $until::timestamp",
			duck.Named("source", m.Source), duck.Named("stream", m.Stream), duck.Named("until", m.Until.UTC().Format(timestamp))); err != nil {
			return err
		}
	}
	return nil
}

// bound is so many bytes, or what the project sets instead.
func (s *staging) bound(bytes int64) int64 {
	if s.small {
		bytes = min(bytes, smallBytes)
	}
	if s.w.Chunk > 0 {
		return min(bytes, int64(s.w.Chunk))
	}
	return bytes
}

// full reports whether what is gathered is enough to be staged.
func (s *staging) full() bool {
	return int64(s.size) > s.bound(chunkBytes) || int64(s.size) > s.bound(pageBytes) && s.size > longAnswer*len(s.bodies)
}

// newBody is an answer as its models read it: a sequence of answers is one.
func newBody(b *archive.Blob, body []byte) jsonBody {
	isSequence := b.MediaType == extract.Sequence
	if isSequence {
		body = asObject(body)
	}
	body = validUTF8(body)
	begin := bytes.TrimLeft(body, " \t\r\n")
	return jsonBody{b.Seq, b.Key, body, len(begin) > 0 && (begin[0] == '{' || begin[0] == '['), b.FetchedAt.UTC(), isSequence}
}

// asObject makes one object of a sequence of answers, so that a model sees all of a document
// at once: {"answers": [...]}.
func asObject(seq []byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"answers":[`)
	for i, text := range extract.Texts(seq) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(text)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// flush stages what is gathered. All that came before it is in the tables of facts.
func (s *staging) flush() error {
	if !s.gathered() {
		return nil
	}
	defer s.gatherAnew()
	if err := s.w.insertBlobs(s.ctx, s.blobs); err != nil {
		return err
	}
	if len(s.bodies) > 0 {
		src := s.w.source(s.source)
		if err := s.read(*src, s.stream, s.bodies); err != nil {
			return err
		}
		if err := s.malformed(*src, "(select key, head from answers where body is null)"); err != nil {
			return err
		}
		if err := s.claimed(*src); err != nil {
			return err
		}
	}
	if err := s.w.insertMarks(s.ctx, s.marks); err != nil {
		return err
	}
	s.merged = s.nextPos
	return nil
}

func (s *staging) gatherAnew() {
	s.blobs, s.bodies, s.keys, s.marks, s.size, s.uneven = nil, nil, nil, nil, 0, false
}

// malformed holds the answers that are no JSON.
func (s *staging) malformed(src Source, broken string) error {
	return s.w.db.Exec(s.ctx, fmt.Sprintf(`
		insert into exceptions by name
			select name_of('malformed_record ' || %[1]s || '/' || b.key || ' ' || %[2]d) as exception_id, 'malformed_record' as kind, %[1]s as source,
				%[1]s || '/' || b.key as document_id, 'the answer is not the JSON that its documentation promises' as reason, null as currency, null as amount_minor,
				b.head as evidence, 'ask the provider; the bytes are in the archive' as suggestion, r.began as opened_at, null as closed_at, 'open' as status, r.run_no
			from %[3]s as b, this_run as r`, duck.Quote(src.Name), s.w.runNo, broken))
}

// read lets the models of a stream read answers of it.
func (s *staging) read(src Source, stream string, bodies []jsonBody) error {
	if err := s.own.unfold(s.ctx, src.Connector, bodies); err != nil {
		return err
	}
	s.w.Log.Debug("answers read", "source", src.Name, "stream", stream, "answers", len(bodies))
	if err := s.own.prepare(s.ctx, src.Connector); err != nil {
		return err
	}
	if err := s.w.db.Exec(s.ctx, noNewDocuments); err != nil {
		return err
	}
	for _, m := range src.Connector.ModelsOf(stream) {
		if err := s.model(src, m); err != nil {
			return err
		}
	}
	return nil
}

const noNewDocuments = "create or replace temp table new_documents (document_id varchar, kind varchar, doc_ref varchar)"

// unfold makes table answers of answers, and of those that are JSON raw. Each is parsed once here, by the cast: of what is
// JSON, its first sign tells whether it is an object or an array.
func (h hand) unfold(ctx context.Context, src extract.Source, bodies []jsonBody) error {
	if err := h.db.Exec(ctx, `
		create or replace temp table answers (blob_id bigint, key varchar, fetched_at timestamp, is_sequence boolean, body json, head varchar);
		create or replace temp view raw as select blob_id, key, fetched_at, is_sequence, body from answers where body is not null`); err != nil {
		return err
	}
	if err := h.db.Append(ctx, "insert into answers select blob_id, key, fetched_at, is_sequence, try_cast(case when whole then body end as json), left(body, 200) from rows()",
		[]string{"blob_id bigint", "key varchar", "fetched_at timestamp", "is_sequence boolean", "body varchar", "whole boolean"}, len(bodies), func(i int, r *duck.Row) {
			b := &bodies[i]
			r.Whole(b.BlobID)
			r.Text(b.Key)
			r.Time(b.At)
			r.Truth(b.IsSequence)
			r.Bytes(b.Body)
			r.Truth(b.Whole)
		}); err != nil {
		return err
	}
	return h.useMacros(ctx, src)
}

// prepare runs what a connector's models share.
func (h hand) prepare(ctx context.Context, src extract.Source) error {
	if src.Prepare == "" {
		return nil
	}
	text, err := fs.ReadFile(src.Files, src.Prepare)
	if err != nil {
		return err
	}
	if err := h.db.Exec(ctx, string(text)); err != nil {
		return fmt.Errorf("%s: %w", src.Prepare, err)
	}
	return nil
}

// validUTF8 is s with what is no UTF-8 in it replaced: DuckDB takes no other text.
func validUTF8(s []byte) []byte {
	if utf8.Valid(s) {
		return s
	}
	return bytes.ToValidUTF8(s, []byte("\uFFFD"))
}

func (h hand) useMacros(ctx context.Context, src extract.Source) error {
	if src.Macros == "" || h.macros[src.Name] {
		return nil
	}
	h.macros[src.Name] = true
	text, err := fs.ReadFile(src.Files, src.Macros)
	if err != nil {
		return err
	}
	return h.db.Exec(ctx, string(text))
}

func modelText(src extract.Source, m extract.Model) (string, error) {
	b, err := fs.ReadFile(src.Files, m.File)
	return strings.TrimRight(strings.TrimSpace(string(b)), ";"), err
}

// spoolFile returns a path where DuckDB can read the bytes of b: the inbox file itself
// when it is still what was archived, else a copy from the archive.
func (s *staging) spoolFile(b *archive.Blob) (path string, done func() error, err error) {
	if f, ok := s.w.fresh[b.SHA256.String()]; ok {
		if st, err := os.Stat(f.path); err == nil && st.Size() == f.size && st.ModTime().UnixNano() == f.modified {
			return f.path, func() error {
				if st, err := os.Stat(f.path); err != nil || st.Size() != f.size || st.ModTime().UnixNano() != f.modified {
					return fmt.Errorf("%w: %s changed while it was read; run again", extract.ErrTransient, filepath.Base(f.path))
				}
				return nil
			}, nil
		}
	}
	path = s.w.path("spool", b.SHA256.String()+".csv")
	if err := s.w.arch.Extract(s.ctx, b.Content, path); err != nil {
		return "", nil, err
	}
	return path, func() error { return os.Remove(path) }, nil
}
