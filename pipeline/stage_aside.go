package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/archive"
)

// A backlog is staged by all processors: while the documents and lines of one chunk of answers are merged into the tables of
// facts, the next ones are taken apart beside it, on connections of their own. What their models yield goes from there by
// tables of a database in memory, since temporary tables are seen by their own connection only.

// handsBeside is how many chunks are taken apart at a time: for most sources that is twice the work of merging them.
const handsBeside = 2

// apartAhead is how many chunks may wait for the one that is merged: those that are taken apart.
const apartAhead = handsBeside

// asideBytes is from how many bytes on a chunk is worth the way by the database in memory.
const asideBytes = 1 << 20

// A side is where chunks are taken apart beside the transaction.
type side struct {
	w     *work
	hands []hand          // its connections; none until there is a chunk
	todo  chan *unfolding // for whoever takes them apart
	stop  func()          // ends that before its time
	ended sync.WaitGroup
	books *regexp.Regexp  // finds a table of facts that a model reads
	apart map[string]bool // by source and stream: whether its models read answers only
	queue []*unfolding    // in the order of the archive, which they are merged in
	last  int             // chunks so far
	spent []string        // schemas of chunks that are merged
}

// An unfolding is a chunk that is being taken apart.
type unfolding struct {
	src    Source
	stream string
	models []extract.Model
	bodies []jsonBody // until they are in DuckDB
	blobs  []blobRow
	marks  []*archive.Mark
	schema string           // in the database in memory
	end    archive.Position // after its last record
	done   chan error
}

// rows are the models that yield rows, in their order; in schema they are tables m0, m1, …
func (u *unfolding) rows() (models []extract.Model) {
	for _, m := range u.models {
		if m.Temp == "" {
			models = append(models, m)
		}
	}
	return models
}

// aside has the answers gathered so far taken apart; a chunk before them is merged meanwhile when enough wait. It reports
// false where models of the stream read what is booked or staged already, which must then all be there, and where there
// would be nothing to do meanwhile.
func (s *staging) aside(last bool) (bool, error) {
	alone := len(s.side.queue) == 0 && (last || int64(s.size) <= s.bound(asideBytes))
	if len(s.bodies) == 0 || s.uneven || s.small || alone {
		return false, nil
	}
	src := s.w.source(s.source)
	models := src.Connector.ModelsOf(s.stream)
	if ok, err := s.side.takes(s.ctx, src.Connector, s.stream, models); !ok || err != nil {
		return false, err
	}
	if err := s.side.open(s.ctx); err != nil {
		return false, err
	}
	s.side.last++
	u := &unfolding{src: *src, stream: s.stream, models: models, bodies: s.bodies, blobs: s.blobs, marks: s.marks,
		schema: fmt.Sprintf("aside.chunk_%d", s.side.last), end: s.nextPos, done: make(chan error, 1)}
	s.side.queue = append(s.side.queue, u)
	s.side.todo <- u
	s.gatherAnew()
	s.due = len(s.side.queue) > apartAhead
	return true, nil
}

// first waits until the first chunk of the queue is taken apart.
func (d *side) first() error { return <-d.queue[0].done }

// mergeFirst puts the first chunk of the queue into the tables of facts. A transaction sees the database in memory as it was
// when it first looked there, be it only for the names of all columns: this one begins when the chunk is there, and merges
// no other.
func (s *staging) mergeFirst() error {
	u := s.side.queue[0]
	s.side.queue = s.side.queue[1:]
	s.w.Log.Debug("merging what was taken apart beside", "source", u.src.Name, "stream", u.stream, "schema", u.schema)
	if err := s.w.insertBlobs(s.ctx, u.blobs); err != nil {
		return err
	}
	if err := s.w.db.Exec(s.ctx, noNewDocuments); err != nil {
		return err
	}
	for i, m := range u.rows() {
		if err := s.mergeRows(u.src, m, fmt.Sprintf("%s.m%d", u.schema, i)); err != nil {
			return err
		}
	}
	if err := s.malformed(u.src, u.schema+".broken"); err != nil {
		return err
	}
	if err := s.claimed(u.src); err != nil {
		return err
	}
	if err := s.w.insertMarks(s.ctx, u.marks); err != nil {
		return err
	}
	s.side.spent = append(s.side.spent, u.schema)
	s.merged = u.end
	return nil
}

// takeApart runs the models of a chunk.
func (h hand) takeApart(ctx context.Context, u *unfolding) error {
	src := u.src.Connector
	if err := h.unfold(ctx, src, u.bodies); err != nil {
		return err
	}
	u.bodies = nil
	if err := h.prepare(ctx, src); err != nil {
		return err
	}
	if err := h.db.Exec(ctx, fmt.Sprintf("create schema %[1]s; create table %[1]s.broken as select key, head from answers where body is null", u.schema)); err != nil {
		return err
	}
	n := 0
	for _, m := range u.models {
		text, err := modelText(src, m)
		if err != nil {
			return err
		}
		create := fmt.Sprintf("create or replace temp table %s as\n%s", m.Temp, text)
		if m.Temp == "" {
			rows := incoming(m, text)
			if m.Entity == "payout_lines" {
				rows = namedLines(u.src.Name, "("+rows+")")
			}
			create = fmt.Sprintf("create table %s.m%d as %s", u.schema, n, rows)
			n++
		}
		if err := h.db.Exec(ctx, create); err != nil {
			return fmt.Errorf("%s: %w", m.File, err)
		}
	}
	return nil
}

// takes reports whether chunks of a stream can be taken apart before what came before them is merged: by their SQL, which names
// no table or view of the books. A step of a query that is called like one only costs time.
func (d *side) takes(ctx context.Context, src extract.Source, stream string, models []extract.Model) (bool, error) {
	name := src.Name + "/" + stream
	if ok, known := d.apart[name]; known {
		return ok, nil
	}
	if d.books == nil {
		tables, err := d.w.db.Texts(ctx, `
			select table_name from duckdb_tables() where database_name = current_database() and not starts_with(table_name, 'set_')
			union select view_name from duckdb_views() where database_name = current_database() and not internal`)
		if err != nil {
			return false, err
		}
		for i := range tables {
			tables[i] = regexp.QuoteMeta(tables[i])
		}
		d.books = regexp.MustCompile(`(?i)\b(from|join)\s+\(?(\w+\.)?(this_run|` + strings.Join(tables, "|") + `)\b`)
		d.apart = map[string]bool{}
	}
	files := []string{src.Prepare}
	for _, m := range models {
		files = append(files, m.File)
	}
	ok := true
	for _, file := range files {
		if file == "" {
			continue
		}
		text, err := fs.ReadFile(src.Files, file)
		if err != nil {
			return false, err
		}
		ok = ok && !d.books.Match(text)
	}
	d.apart[name] = ok
	return ok, nil
}

func (d *side) open(ctx context.Context) error {
	if d.todo != nil {
		return nil
	}
	for range handsBeside {
		db, err := d.w.db.Beside(ctx)
		if err != nil {
			return err
		}
		d.hands = append(d.hands, hand{db, map[string]bool{}})
	}
	if err := d.hands[0].db.Exec(ctx, "attach if not exists ':memory:' as aside"); err != nil {
		return err
	}
	ctx, d.stop = context.WithCancel(ctx)
	todo := make(chan *unfolding, apartAhead+1)
	d.todo = todo
	for _, h := range d.hands {
		d.ended.Add(1)
		goAlike(func() {
			defer d.ended.Done()
			for u := range todo {
				u.done <- h.takeApart(ctx, u)
			}
		})
	}
	return nil
}

// forget drops what is merged and committed.
func (d *side) forget(ctx context.Context) error {
	for _, schema := range d.spent {
		if err := d.w.db.Exec(ctx, "drop schema "+schema+" cascade"); err != nil {
			return err
		}
	}
	d.spent = nil
	return nil
}

// close ends what is being taken apart.
func (d *side) close() (err error) {
	if d.todo != nil {
		d.stop()
		close(d.todo)
		d.ended.Wait()
		err = d.hands[0].db.Exec(context.Background(), "detach aside")
	}
	for _, h := range d.hands {
		err = errors.Join(err, h.db.Close())
	}
	return err
}
