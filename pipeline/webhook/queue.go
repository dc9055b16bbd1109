package webhook

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/durable"
)

// A Hint is what a call named, and whose call it was.
type Hint struct {
	Source string         `json:"source"`
	Stream extract.Stream `json:"stream"`
	ID     string         `json:"id,omitempty"`
}

// A Call is one call that is kept.
type Call struct {
	Source string
	At     time.Time
	Type   string
	Body   []byte
	Hints  []extract.Hint
}

// A Queue keeps calls until what they named was fetched. It is one file, written at its end only and
// replaced whole when a batch is done, so that a kill at any moment leaves either what was or what is.
// Calls that come together share one fsync. Nothing in it outlives its use: a body may name people.
type Queue struct {
	path string
	log  *slog.Logger
	ask  chan request
	quit chan struct{}
	over chan struct{}

	// Of the writer alone.
	f    *os.File
	size int64
	seq  uint64

	mu      sync.Mutex
	pending map[Hint]*waiting
	broken  error
}

// A waiting hint is one that was not fetched yet.
type waiting struct {
	seq   uint64    // of the last call that named it
	since time.Time // when it was first named
	tries int
	next  time.Time // not before
}

// A Batch is what was taken of a queue.
type Batch struct {
	Hints []Hint
	seqs  []uint64
}

// A Left hint is one of a batch that is to be tried again.
type Left struct {
	Hint
	Gone bool // the source does not know it, or not yet
}

const (
	fileName   = "queue"
	magic      = "kvitt hooks 1\n"
	maxRecord  = 8 << 20
	maxGroup   = 4 << 20
	maxPending = 200_000
	maxFile    = 1 << 30

	firstPause = 10 * time.Second
	longPause  = time.Hour
	// A hint that could not be fetched for a week is given up: the schedule has looked since.
	giveUpAfter = 7 * 24 * time.Hour
	// A document that a source does not know may be one that it will know in a moment.
	goneTries = 6
)

// ErrFull is returned by Add when more is waiting than the queue holds.
var ErrFull = errors.New("too much is waiting to be fetched")

type request struct {
	call  *Call
	batch *Batch // with left and now
	left  []Left
	now   time.Time
	done  chan error
}

// record is what stands in the file before a body.
type record struct {
	At     time.Time      `json:"at,omitzero"`
	Source string         `json:"source,omitempty"`
	Type   string         `json:"type,omitempty"`
	Hints  []extract.Hint `json:"hints,omitempty"`
	Wait   []kept         `json:"waiting,omitempty"`
}

type kept struct {
	Hint
	Since time.Time `json:"since"`
	Tries int       `json:"tries,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// OpenQueue opens the queue in dir, made if it is not there. Nobody else may have it open.
func OpenQueue(dir string, log *slog.Logger) (*Queue, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	q := &Queue{path: filepath.Join(dir, fileName), log: log, ask: make(chan request), quit: make(chan struct{}), over: make(chan struct{}), pending: map[Hint]*waiting{}}
	_ = os.Remove(q.path + ".tmp")
	f, err := os.OpenFile(q.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	q.f = f
	if err := q.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("the queue of webhooks: %w", err)
	}
	go q.write()
	return q, nil
}

// load reads what is there. What follows a record that is not whole was never answered, or is
// damage: it is put aside.
func (q *Queue) load() error {
	st, err := q.f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, len(magic))
	n, err := io.ReadFull(q.f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if string(head[:n]) != magic {
		if n == len(magic) || string(head[:n]) != magic[:n] {
			return fmt.Errorf("%s is none; move it away", filepath.Base(q.path))
		}
		if err := q.f.Truncate(0); err != nil {
			return err
		}
		if _, err := q.f.WriteAt([]byte(magic), 0); err != nil {
			return err
		}
		q.size = int64(len(magic))
		return errors.Join(q.f.Sync(), durable.SyncDir(filepath.Dir(q.path)))
	}
	q.size = int64(len(magic))
	r := io.NewSectionReader(q.f, q.size, st.Size()-q.size)
	for {
		rec, length, err := readRecord(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tail := st.Size() - q.size
			q.log.Warn("the queue of webhooks ends in a record that is not whole", "bytes", tail)
			if err := q.setAside(tail); err != nil {
				return err
			}
			break
		}
		q.size += length
		q.take(rec)
	}
	if len(q.pending) > 0 {
		q.log.Info("webhooks wait to be followed", "named", len(q.pending))
	}
	return nil
}

// setAside keeps the damaged end of the file, and takes it off.
func (q *Queue) setAside(length int64) error {
	if length > 12 { // more than the beginning of a record
		tail := make([]byte, length)
		if _, err := q.f.ReadAt(tail, q.size); err != nil {
			return err
		}
		if err := os.WriteFile(q.path+".damaged", tail, 0o600); err != nil {
			return err
		}
	}
	if err := q.f.Truncate(q.size); err != nil {
		return err
	}
	return q.f.Sync()
}

func readRecord(r io.Reader) (record, int64, error) {
	var rec record
	var head [12]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return rec, 0, io.EOF
		}
		return rec, 0, errors.New("cut off")
	}
	meta, body := binary.LittleEndian.Uint32(head[0:]), binary.LittleEndian.Uint32(head[4:])
	if int64(meta)+int64(body) > maxFile {
		return rec, 0, errors.New("no record")
	}
	sum := crc32.New(crcTable)
	sum.Write(head[:8])
	b := make([]byte, meta)
	if _, err := io.ReadFull(r, b); err != nil {
		return rec, 0, errors.New("cut off")
	}
	sum.Write(b)
	if n, err := io.CopyN(sum, r, int64(body)); err != nil || n != int64(body) {
		return rec, 0, errors.New("cut off")
	}
	if sum.Sum32() != binary.LittleEndian.Uint32(head[8:]) {
		return rec, 0, errors.New("damaged")
	}
	if err := json.Unmarshal(b, &rec); err != nil {
		return rec, 0, err
	}
	return rec, 12 + int64(meta) + int64(body), nil
}

// frame is a record as it stands in the file: the lengths of its two parts, a checksum, the parts.
func frame(rec record, body []byte) ([]byte, error) {
	meta, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 12, 12+len(meta)+len(body))
	binary.LittleEndian.PutUint32(b[0:], uint32(len(meta)))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(body)))
	sum := crc32.Update(crc32.Update(crc32.Update(0, crcTable, b[:8]), crcTable, meta), crcTable, body)
	binary.LittleEndian.PutUint32(b[8:], sum)
	return append(append(b, meta...), body...), nil
}

// take applies a record that is on disk.
func (q *Queue) take(rec record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq++
	for _, w := range rec.Wait {
		q.pending[w.Hint] = &waiting{seq: q.seq, since: w.Since, tries: w.Tries, next: w.Next}
	}
	for _, h := range rec.Hints {
		key := Hint{rec.Source, h.Stream, h.ID}
		if w := q.pending[key]; w != nil {
			// Named again: what was not there a moment ago may be there now.
			w.seq, w.tries, w.next = q.seq, 0, time.Time{}
			continue
		}
		q.pending[key] = &waiting{seq: q.seq, since: rec.At}
	}
}

// Add keeps a call. It is on disk when Add returns nil.
func (q *Queue) Add(c Call) error {
	if q.Len() >= maxPending {
		return ErrFull
	}
	return q.request(request{call: &c})
}

// Done takes off what was fetched of b. What is left is tried again, later each time.
func (q *Queue) Done(b Batch, left []Left, now time.Time) error {
	return q.request(request{batch: &b, left: left, now: now})
}

func (q *Queue) request(r request) error {
	r.done = make(chan error, 1)
	select {
	case q.ask <- r:
		return <-r.done
	case <-q.over:
		return errors.New("the queue of webhooks is closed")
	}
}

// Close waits for what is being written.
func (q *Queue) Close() error {
	close(q.quit)
	<-q.over
	return q.f.Close()
}

// Len returns how many different things wait to be fetched.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pending)
}

// Err returns why nothing can be kept any more, or nil.
func (q *Queue) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.broken
}

// Oldest returns when the thing that has waited longest was named.
func (q *Queue) Oldest() (oldest time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range q.pending {
		if oldest.IsZero() || w.since.Before(oldest) {
			oldest = w.since
		}
	}
	return oldest
}

// Wait returns how long it is until something may be fetched; < 0 when nothing waits.
func (q *Queue) Wait(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait := time.Duration(-1)
	for _, w := range q.pending {
		d := max(w.next.Sub(now), 0)
		if wait < 0 || d < wait {
			wait = d
		}
	}
	return wait
}

// Take returns up to most of what may be fetched now, first named first. It stays in the queue until Done.
func (q *Queue) Take(now time.Time, most int) Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	var b Batch
	for h, w := range q.pending {
		if !w.next.After(now) {
			b.Hints = append(b.Hints, h)
		}
	}
	slices.SortFunc(b.Hints, func(x, y Hint) int {
		return cmp.Or(q.pending[x].since.Compare(q.pending[y].since), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Stream, y.Stream), cmp.Compare(x.ID, y.ID))
	})
	b.Hints = b.Hints[:min(most, len(b.Hints))]
	for _, h := range b.Hints {
		b.seqs = append(b.seqs, q.pending[h].seq)
	}
	return b
}

// write is the only one that writes to the file.
func (q *Queue) write() {
	defer close(q.over)
	for {
		var first request
		select {
		case first = <-q.ask:
		case <-q.quit:
			return
		}
		group := []request{first}
		size := first.size()
		for first.call != nil && size < maxGroup {
			select {
			case r := <-q.ask:
				group = append(group, r)
				size += r.size()
				if r.call == nil {
					size = maxGroup // it is done last, and alone
				}
				continue
			default:
			}
			break
		}
		var last *request
		if r := &group[len(group)-1]; r.call == nil {
			last, group = r, group[:len(group)-1]
		}
		if len(group) > 0 {
			err := q.append(group)
			for _, r := range group {
				r.done <- err
			}
		}
		if last != nil {
			last.done <- q.replace(*last)
		}
	}
}

func (r request) size() int {
	if r.call == nil {
		return 0
	}
	return len(r.call.Body) + 512
}

// append writes calls with one fsync. Either all of them are kept or none.
func (q *Queue) append(group []request) error {
	if err := q.Err(); err != nil {
		return err
	}
	var b bytes.Buffer
	recs := make([]record, 0, len(group))
	for _, r := range group {
		rec := record{At: r.call.At.UTC(), Source: r.call.Source, Type: r.call.Type, Hints: r.call.Hints}
		f, err := frame(rec, r.call.Body)
		if err != nil {
			return err
		}
		b.Write(f)
		recs = append(recs, rec)
	}
	if q.size+int64(b.Len()) > maxFile {
		return ErrFull
	}
	_, err := q.f.WriteAt(b.Bytes(), q.size)
	if err == nil {
		err = q.f.Sync()
	}
	if err != nil {
		// What is half written must not stand before what comes next.
		if e := errors.Join(q.f.Truncate(q.size), q.f.Sync()); e != nil {
			q.mu.Lock()
			q.broken = fmt.Errorf("the queue of webhooks cannot be written: %w", err)
			q.mu.Unlock()
		}
		return err
	}
	q.size += int64(b.Len())
	for _, rec := range recs {
		q.take(rec)
	}
	return nil
}

// replace writes the file anew with what is waiting after a batch.
func (q *Queue) replace(r request) error {
	left := map[Hint]Left{}
	for _, l := range r.left {
		left[l.Hint] = l
	}
	q.mu.Lock()
	next := map[Hint]*waiting{}
	for h, w := range q.pending {
		c := *w
		next[h] = &c
	}
	for i, h := range r.batch.Hints {
		w := next[h]
		if w == nil || w.seq != r.batch.seqs[i] {
			continue // named again since: to be fetched again
		}
		l, again := left[h]
		if again {
			w.tries++
			w.next = r.now.Add(min(firstPause<<min(w.tries-1, 10), longPause))
			if l.Gone && w.tries >= goneTries || r.now.Sub(w.since) > giveUpAfter {
				q.log.Warn("what a webhook named could not be read and is given up", "source", h.Source, "stream", h.Stream, "id", h.ID, "gone", l.Gone, "tries", w.tries)
				again = false
			}
		}
		if !again {
			delete(next, h)
		}
	}
	q.mu.Unlock()
	rec := record{}
	for h, w := range next {
		rec.Wait = append(rec.Wait, kept{h, w.since, w.tries, w.next})
	}
	if err := q.rewrite(rec); err != nil {
		return err
	}
	q.mu.Lock()
	q.pending, q.broken = next, nil
	q.mu.Unlock()
	return nil
}

func (q *Queue) rewrite(rec record) error {
	b := []byte(magic)
	if len(rec.Wait) > 0 {
		f, err := frame(rec, nil)
		if err != nil {
			return err
		}
		b = append(b, f...)
	}
	tmp := q.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, q.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(tmp))
	}
	q.f.Close()
	q.f, q.size = f, int64(len(b))
	return durable.SyncDir(filepath.Dir(q.path))
}
