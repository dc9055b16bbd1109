package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/archive"
)

// A backlog is staged by two processors: while the documents and lines of one chunk of answers are merged into the tables of
// facts, the next chunk is taken apart beside it, on a connection of its own. What its models yield goes from there by
// tables of a database in memory, since temporary tables are seen by their own connection only.

// A side is where chunks are taken apart beside the transaction.
type side struct {
	w       *work
	hand    hand            // its connection; none until there is a chunk
	books   *regexp.Regexp  // finds a table of facts that a model reads
	apart   map[string]bool // by source and stream: whether its models read answers only
	pending *unfolding
	last    int      // chunks so far
	spent   []string // schemas of chunks that are merged
}

// An unfolding is a chunk that is being taken apart.
type unfolding struct {
	src    Source
	models []extract.Model // those that yield rows, in their order; in schema they are tables m0, m1, …
	blobs  []blobRow
	schema string           // in the database in memory
	end    archive.Position // after its last record
	done   chan error
}

// aside begins to take the answers gathered so far apart, and merges the chunk before them meanwhile. It reports false
// where models of the stream read what is booked or staged already, which must then all be there.
func (s *staging) aside() (bool, error) {
	src := s.w.source(s.source)
	models := src.Connector.ModelsOf(s.stream)
	if ok, err := s.side.takes(s.ctx, src.Connector, s.stream, models); !ok || err != nil {
		return false, err
	}
	if err := s.side.open(s.ctx); err != nil {
		return false, err
	}
	before := s.side.pending
	if before != nil {
		if err := <-before.done; err != nil {
			return true, err
		}
	}
	s.side.last++
	u := &unfolding{src: *src, blobs: s.blobs, schema: fmt.Sprintf("aside.chunk_%d", s.side.last), end: s.nextPos, done: make(chan error, 1)}
	for _, m := range models {
		if m.Temp == "" {
			u.models = append(u.models, m)
		}
	}
	bodies := s.bodies
	goAlike(func() { u.done <- s.side.hand.takeApart(s.ctx, u, models, bodies) })
	s.side.pending = u
	s.gatherAnew()
	if before != nil {
		return true, s.merge(before)
	}
	return true, nil
}

// settle merges the chunk that is being taken apart, if there is one.
func (s *staging) settle() error {
	u := s.side.pending
	if u == nil {
		return nil
	}
	s.side.pending = nil
	if err := <-u.done; err != nil {
		return err
	}
	return s.merge(u)
}

// merge puts a chunk that was taken apart into the tables of facts. The transaction sees the database in memory as it was
// when it first looked there: it merges one chunk, and is committed.
func (s *staging) merge(u *unfolding) error {
	s.sinceCommit += commitBytes
	s.w.Log.Debug("merging what was taken apart beside", "source", u.src.Name, "schema", u.schema)
	if err := s.w.insertBlobs(s.ctx, u.blobs); err != nil {
		return err
	}
	if err := s.w.db.Exec(s.ctx, noNewDocuments); err != nil {
		return err
	}
	for i, m := range u.models {
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
	s.side.spent = append(s.side.spent, u.schema)
	s.merged = u.end
	return nil
}

// takeApart runs the models of a chunk.
func (h hand) takeApart(ctx context.Context, u *unfolding, models []extract.Model, bodies []jsonBody) error {
	src := u.src.Connector
	if err := h.unfold(ctx, src, bodies); err != nil {
		return err
	}
	if err := h.prepare(ctx, src); err != nil {
		return err
	}
	if err := h.db.Exec(ctx, fmt.Sprintf("create schema %[1]s; create table %[1]s.broken as select key, head from answers where body is null", u.schema)); err != nil {
		return err
	}
	n := 0
	for _, m := range models {
		text, err := modelText(src, m)
		if err != nil {
			return err
		}
		create := fmt.Sprintf("create or replace temp table %s as\n%s", m.Temp, text)
		if m.Temp == "" {
			create = fmt.Sprintf("create table %s.m%d as %s", u.schema, n, incoming(m, text))
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
	if d.hand.db != nil {
		return nil
	}
	db, err := d.w.db.Beside(ctx)
	if err != nil {
		return err
	}
	d.hand = hand{db, map[string]bool{}}
	return db.Exec(ctx, "attach if not exists ':memory:' as aside")
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
func (d *side) close() error {
	if d.hand.db == nil {
		return nil
	}
	if d.pending != nil {
		<-d.pending.done
		d.pending = nil
	}
	return errors.Join(d.hand.db.Exec(context.Background(), "detach aside"), d.hand.db.Close())
}
