package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

// errNothingPublished is returned while no run has published anything.
var errNothingPublished = errors.New("nothing is published yet")

// readerMemory bounds what pages may use; a run has its own.
const readerMemory = "300MB"

// books hands out the published ledger. A published copy never changes: it is replaced by
// another one. So whatever was asked of it is remembered for as long as it is the newest, and
// the slow questions are put to a new copy before pages are switched to it.
type books struct {
	c   *console
	mu  sync.Mutex
	cur *shelf
	// replacing is non-nil while a newer copy is being opened; it is closed when that is done.
	replacing chan struct{}
	failed    error // of the last try to open
	failedAt  stamp

	background sync.WaitGroup // what opens copies and plans by them
}

// A stamp tells one published copy from another.
type stamp struct {
	inode    uint64
	size     int64
	modified int64
}

// A shelf is one published copy, open.
type shelf struct {
	stamp stamp
	db    *duck.DB
	conns chan *duck.DB
	mu    sync.Mutex
	known map[string]*answer
	order []string // of known, the oldest first
	users int

	planMu     sync.Mutex
	planned    *pipeline.Plan
	plannedFor string // digest of the configuration
	old        bool
}

type answer struct {
	once sync.Once
	t    duck.Table
	more bool
	err  error
}

// maxKnown is how many answers a shelf remembers.
const maxKnown = 500

func newBooks(c *console) *books { return &books{c: c} }

func (b *books) path() string { return filepath.Join(b.c.DataDir, "published", "ledger.duckdb") }

func (b *books) stamp() (stamp, error) {
	st, err := os.Stat(b.path())
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, errNothingPublished
	}
	if err != nil {
		return stamp{}, err
	}
	s := stamp{size: st.Size(), modified: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s, nil
}

// open returns the published ledger. While a newer copy is being made ready it returns the one
// before, unless newest is set.
func (b *books) open(ctx context.Context, newest bool) (*shelf, error) {
	st, err := b.stamp()
	if err != nil {
		return nil, err
	}
	for {
		b.mu.Lock()
		if b.cur != nil && (b.cur.stamp == st || b.replacing != nil && !newest) {
			sh := b.cur
			sh.mu.Lock()
			sh.users++
			sh.mu.Unlock()
			b.mu.Unlock()
			return sh, nil
		}
		if b.failed != nil && b.failedAt == st {
			err := b.failed
			b.mu.Unlock()
			return nil, err
		}
		if b.replacing == nil {
			b.replacing = make(chan struct{})
			replace := func() { b.replace(st) }
			if b.cur != nil { // meanwhile pages are answered from the copy before
				replace = func() { pipeline.InNoHurry(func() { b.replace(st) }) }
			}
			b.background.Go(replace)
		}
		wait := b.replacing
		keep := b.cur != nil && !newest
		b.mu.Unlock()
		if keep {
			continue // the copy before is handed out
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if st, err = b.stamp(); err != nil {
			return nil, err
		}
	}
}

// replace opens the copy that st names, asks it what pages will ask, and puts it in place of the one before.
func (b *books) replace(st stamp) {
	ctx := context.WithoutCancel(b.c.Context)
	sh, err := b.shelve(ctx, st)
	if err == nil {
		for _, q := range slowQueries {
			if _, _, err := sh.table(ctx, q.query, q.limit, q.args...); err != nil {
				b.c.Log.Warn("a page's query fails", "error", err)
			}
		}
	}
	b.mu.Lock()
	if err != nil {
		b.failed, b.failedAt = err, st
	} else {
		if b.cur != nil {
			b.cur.retire()
		}
		b.cur, b.failed = sh, nil
		sh.mu.Lock()
		sh.users++
		sh.mu.Unlock()
	}
	close(b.replacing)
	b.replacing = nil
	b.mu.Unlock()
	if err != nil {
		return
	}
	defer sh.done()
	// The plan reads every posting that is not posted: pages need not wait for it, but for its own.
	if p, err := b.c.project(); err == nil {
		if _, err := sh.plan(ctx, p); err != nil {
			b.c.Log.Warn("the plan fails", "error", err)
		}
	}
}

// follow opens each newly published copy as soon as it is there.
func (b *books) follow(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if st, err := b.stamp(); err == nil {
			b.mu.Lock()
			has := b.cur != nil && b.cur.stamp == st || b.failed != nil && b.failedAt == st
			b.mu.Unlock()
			if !has {
				if sh, err := b.open(ctx, true); err == nil {
					sh.done()
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (b *books) shelve(ctx context.Context, st stamp) (*shelf, error) {
	db, err := duck.Open(ctx, b.path(), duck.Options{ReadOnly: true, MemoryLimit: readerMemory, Sealed: true, Apart: true, Threads: 1})
	if err != nil {
		return nil, fmt.Errorf("the published ledger cannot be opened: %w", err)
	}
	sh := &shelf{stamp: st, db: db, conns: make(chan *duck.DB, 4), known: map[string]*answer{}}
	sh.conns <- db
	for range 3 {
		x, err := db.Beside(ctx)
		if err != nil {
			db.Close()
			return nil, err
		}
		sh.conns <- x
	}
	return sh, nil
}

// done gives a shelf back.
func (s *shelf) done() {
	s.mu.Lock()
	s.users--
	shut := s.old && s.users == 0
	s.mu.Unlock()
	if shut {
		s.shut()
	}
}

// retire closes a shelf as soon as nobody reads in it.
func (s *shelf) retire() {
	s.mu.Lock()
	s.old = true
	shut := s.users == 0
	s.mu.Unlock()
	if shut {
		s.shut()
	}
}

func (s *shelf) shut() {
	for range cap(s.conns) {
		if x := <-s.conns; x != s.db {
			x.Close()
		}
	}
	s.db.Close()
}

// with lends one of the connections.
func (s *shelf) with(ctx context.Context, fn func(*duck.DB) error) error {
	select {
	case db := <-s.conns:
		defer func() { s.conns <- db }()
		return fn(db)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// another lends one more connection if one is free, else nil; back gives it back. Nobody waits for it: who has one may be
// waited for.
func (s *shelf) another() (db *duck.DB, back func()) {
	select {
	case db := <-s.conns:
		return db, func() { s.conns <- db }
	default:
		return nil, func() {}
	}
}

// table answers a query, at most limit rows of it, from memory if it was asked before. args are
// pairs of a parameter's name and its value.
func (s *shelf) table(ctx context.Context, query string, limit int, args ...string) (duck.Table, bool, error) {
	key := fmt.Sprintf("%d\x00%s\x00%s", limit, query, strings.Join(args, "\x00"))
	s.mu.Lock()
	a := s.known[key]
	if a == nil {
		a = &answer{}
		s.known[key] = a
		s.order = append(s.order, key)
		if len(s.order) > maxKnown {
			delete(s.known, s.order[0])
			s.order = s.order[1:]
		}
	}
	s.mu.Unlock()
	a.once.Do(func() {
		// Others may wait for the same answer: it is not given up when the first of them leaves.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), actionLimit)
		defer stop()
		a.err = s.with(ctx, func(db *duck.DB) (err error) {
			var named []any
			for i := 0; i+1 < len(args); i += 2 {
				named = append(named, duck.Named(args[i], args[i+1]))
			}
			a.t, a.more, err = db.Table(ctx, query, limit, named...)
			return err
		})
	})
	if a.err != nil {
		s.mu.Lock()
		if s.known[key] == a {
			delete(s.known, key) // asked again, it may succeed
		}
		s.mu.Unlock()
	}
	return a.t, a.more, a.err
}

// one returns the single row of a query, nil if there is none.
func (s *shelf) one(ctx context.Context, query string, args ...string) (row, error) {
	t, _, err := s.table(ctx, query, 1, args...)
	if err != nil || len(t.Rows) == 0 {
		return nil, err
	}
	return rowOf(t, 0), nil
}

// rows returns the rows of a query by column name.
func (s *shelf) rows(ctx context.Context, query string, limit int, args ...string) ([]row, bool, error) {
	t, more, err := s.table(ctx, query, limit, args...)
	if err != nil {
		return nil, false, err
	}
	out := make([]row, len(t.Rows))
	for i := range t.Rows {
		out[i] = rowOf(t, i)
	}
	return out, more, nil
}

// A row is a row of a result by column name, as text.
type row map[string]string

func rowOf(t duck.Table, i int) row {
	r := row{}
	for j, name := range t.Columns {
		r[name] = t.Rows[i][j].Text
	}
	return r
}

// fresh waits until pages read what was published last: after an action its result is seen.
func (b *books) fresh(ctx context.Context) {
	if sh, err := b.open(ctx, true); err == nil {
		sh.done()
	}
}

// read opens the books for fn, before which a run in this process steps back.
func (c *console) read(ctx context.Context, fn func(*shelf) error) error {
	pipeline.GiveWay()
	sh, err := c.books.open(ctx, false)
	if err != nil {
		return err
	}
	defer sh.done()
	return fn(sh)
}

// asReader is p with the memory that a page may use.
func asReader(p *pipeline.Project) *pipeline.Project {
	q := *p
	q.Memory = readerMemory
	return &q
}

// plan is what would be posted from this copy, worked out once.
func (s *shelf) plan(ctx context.Context, p *pipeline.Project) (*pipeline.Plan, error) {
	s.planMu.Lock()
	defer s.planMu.Unlock()
	if s.planned != nil && s.plannedFor == p.ConfigDigest {
		return s.planned, nil
	}
	pl, err := asReader(p).Plan(ctx)
	if err != nil {
		return nil, err
	}
	s.planned, s.plannedFor = pl, p.ConfigDigest
	return pl, nil
}
