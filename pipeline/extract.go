package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// overlap is how far a source's window reaches back over what was read before, so that
// what a provider adds late is found.
const overlap = 14 * 24 * time.Hour

// commitEvery bounds how much of what was fetched a crash can lose.
const commitEvery = 8 << 20

// A Selection narrows what a run fetches. The zero value is "what is new".
type Selection struct {
	Sources  []string // names; none means all
	From, To string   // company-local dates, both inclusive; "" is open
	Source   string   // with IDs: whose they are
	IDs      []string // single documents by the provider's checkout ID
	// Flows names, by source, the flows that are read; a source that is not in it is not read. Nil means
	// every flow that is on.
	Flows map[string][]string
	Hints []Hint // only what they name, and what hangs on it
}

func (s Selection) hasWindow() bool { return s.From != "" || s.To != "" }

// isWhole reports whether s leaves out nothing of src that is new.
func (s Selection) isWhole(src Source) bool {
	if s.hasWindow() || len(s.IDs) > 0 || len(s.Hints) > 0 {
		return false
	}
	return s.Flows == nil || !slices.ContainsFunc(src.Flows, func(f string) bool { return !slices.Contains(s.Flows[src.Name], f) })
}

// wants reports whether s leaves the stage in, of those that are on.
func (s Selection) wants(src Source, st extract.Stage) bool {
	return src.wants(st) && (s.Flows == nil || slices.ContainsFunc(st.Flows, func(f string) bool {
		return slices.Contains(src.Flows, f) && slices.Contains(s.Flows[src.Name], f)
	}))
}

// extractAll fetches what sel asks for from every source. A source that fails does not
// stop the others; the errors are joined.
func (w *work) extractAll(ctx context.Context, sel Selection) (int64, error) {
	var fetched int64
	var errs []error
	failed := map[string]bool{}
	if w.BankStatements != "" && len(sel.Sources) == 0 && len(sel.IDs) == 0 {
		n, err := w.readInbox(ctx, bankInbox(w.BankStatements))
		fetched += n
		if err != nil {
			errs = append(errs, err)
			w.Log.Error("not all bank statements were read", "err", err)
			if ctx.Err() != nil || isFatal(err) {
				return fetched, errors.Join(errs...)
			}
		}
	}
	for _, late := range []bool{false, true} {
		for _, src := range w.Sources {
			if len(sel.Sources) > 0 && !slices.Contains(sel.Sources, src.Name) {
				continue
			}
			if len(sel.IDs) > 0 && src.Name != sel.Source {
				continue
			}
			if sel.Flows != nil && len(sel.Flows[src.Name]) == 0 {
				continue
			}
			if late && (failed[src.Name] || !src.hasLate()) {
				continue
			}
			start := w.Wall()
			n, err := w.extractSource(ctx, src, sel, late)
			fetched += n
			if err != nil {
				failed[src.Name] = true
				errs = append(errs, err)
				w.Log.Error("not all of the source was read", "source", src.Name, "err", err)
				if ctx.Err() != nil || isFatal(err) {
					return fetched, errors.Join(errs...)
				}
				continue
			}
			w.Log.Info("extracted", "source", src.Name, "new", n, "took", w.Wall().Sub(start).Round(time.Millisecond))
		}
	}
	for _, src := range w.Sources {
		if !failed[src.Name] && (len(sel.Sources) == 0 || slices.Contains(sel.Sources, src.Name)) && sel.isWhole(src) {
			if err := w.noteRead(src); err != nil {
				return fetched, errors.Join(append(errs, err)...)
			}
		}
	}
	return fetched, errors.Join(errs...)
}

// A readNote says that all there was of a source was read.
type readNote struct {
	Source string    `json:"source"`
	At     time.Time `json:"at"`
}

// noteRead keeps when a source was read whole: what a silence is measured from.
func (w *work) noteRead(src Source) error {
	b, err := json.Marshal(readNote{src.Name, w.Now().UTC()})
	if err != nil {
		return err
	}
	_, err = w.run.AddNote("read", b)
	return err
}

// takeReadNote puts it where the published ledger shows it, as read/SOURCE in meta.
func (w *work) takeReadNote(ctx context.Context, body []byte) error {
	var n readNote
	if err := json.Unmarshal(body, &n); err != nil {
		return fmt.Errorf("a note of what was read, in the archive: %w", err)
	}
	if err := w.db.Exec(ctx, "delete from meta where name = $name", duck.Named("name", readMeta+n.Source)); err != nil {
		return err
	}
	return w.db.Exec(ctx, "insert into meta values ($name, $at)", duck.Named("name", readMeta+n.Source), duck.Named("at", n.At.UTC().Format(time.RFC3339)))
}

const readMeta = "read/"

// isFatal tells the errors of our own disk from those of a source.
func isFatal(err error) bool {
	var ae *archive.Error
	return errors.As(err, &ae) || errors.Is(err, duck.ErrFull) || isFull(err)
}

func (w *work) extractSource(ctx context.Context, src Source, sel Selection, late bool) (int64, error) {
	if src.Inbox != "" {
		if len(sel.IDs) > 0 {
			return 0, fmt.Errorf("%w: %s reads report files; it cannot fetch single documents", ErrUsage, src.Name)
		}
		if !slices.Contains(src.Flows, "payouts") || (sel.Flows != nil && !slices.Contains(sel.Flows[src.Name], "payouts")) {
			return 0, nil
		}
		return w.readInbox(ctx, src)
	}
	if src.Connector.Open == nil {
		return 0, fmt.Errorf("%w: %s can only read report files: set inbox", ErrUsage, src.Name)
	}
	x, err := src.Connector.Open(src.Config)
	if err != nil {
		return 0, err
	}
	var n int64
	var errs []error
	for _, st := range src.Connector.Stages {
		if st.Late != late || !sel.wants(src, st) || (len(sel.IDs) > 0 && !st.Backfill && !st.Along) {
			continue
		}
		req, err := w.request(ctx, src, st, sel)
		if err != nil {
			return n, err
		}
		if st.Follow != "" && len(req.IDs) == 0 {
			continue
		}
		got, err := w.fetch(ctx, src, x, req, len(sel.IDs) == 0 && st.Follow == "")
		n += got
		if err != nil && st.Optional && ctx.Err() == nil && !isFatal(err) {
			w.Log.Warn("the books are made without it", "source", src.Name, "stream", string(st.Stream), "err", err)
			continue
		}
		if err != nil {
			errs = append(errs, err)
			if ctx.Err() != nil || isFatal(err) || errors.Is(err, extract.ErrAuth) {
				break
			}
		}
	}
	return n, errors.Join(errs...)
}

// request says what to ask of a stream: IDs that are given or found in what is staged, or
// a window from a little before the last one to now.
func (w *work) request(ctx context.Context, src Source, st extract.Stage, sel Selection) (extract.Request, error) {
	req := extract.Request{Stream: st.Stream}
	if len(sel.IDs) > 0 && st.Backfill {
		req.IDs = sel.IDs
		return req, nil
	}
	win, err := w.window(ctx, src, st, sel)
	if err != nil {
		return req, err
	}
	req.Window = win
	if st.Follow == "" {
		return req, nil
	}
	// The stream hangs on what the streams before it brought.
	if err := w.commit(); err != nil {
		return req, err
	}
	if _, err := w.stage(ctx); err != nil {
		return req, err
	}
	text, err := fs.ReadFile(src.Connector.Files, st.Follow)
	if err != nil {
		return req, err
	}
	args := []any{duck.Named("source", src.Name)}
	for name, value := range map[string]any{
		"reread": sel.hasWindow(), "since": win.Since.UTC(), "until": win.Until.UTC(), "now": w.began,
	} {
		if strings.Contains(string(text), "$"+name) {
			args = append(args, duck.Named(name, value))
		}
	}
	req.IDs, err = w.db.Texts(ctx, string(text), args...)
	if err != nil {
		return req, fmt.Errorf("%s: %w", st.Follow, err)
	}
	return req, nil
}

func (w *work) window(ctx context.Context, src Source, st extract.Stage, sel Selection) (extract.Window, error) {
	zone, err := time.LoadLocation(w.Settings.Company.TimeZone)
	if err != nil {
		return extract.Window{}, err
	}
	day := func(s string, plus int) time.Time {
		t, _ := time.ParseInLocation("2006-01-02", s, zone) // the command checked it
		return t.AddDate(0, 0, plus).UTC()
	}
	win := extract.Window{Until: w.began.AddDate(0, 0, 1).Truncate(24 * time.Hour)}
	if sel.To != "" {
		win.Until = day(sel.To, 1)
	}
	switch {
	case sel.From != "":
		win.Since = day(sel.From, 0)
	case sel.To == "":
		var until duck.NullTime
		if _, err := w.db.One(ctx, "select max(until) from cursors where source = $source and stream = $stream",
			[]any{duck.Named("source", src.Name), duck.Named("stream", string(st.Stream))}, &until); err != nil {
			return win, err
		}
		if until.Valid {
			back := overlap
			if st.Overlap > 0 {
				back = st.Overlap
			}
			win.Since = until.Time.Add(-back)
		}
	}
	if src.StartDate != "" {
		if start := day(src.StartDate, 0); win.Since.Before(start) {
			win.Since = start
		}
	}
	return win, nil
}

// fetch archives what one request yields. What is fetched counts even if the request
// fails half way; only a whole one moves the cursor.
func (w *work) fetch(ctx context.Context, src Source, x extract.Extractor, req extract.Request, mark bool) (int64, error) {
	var n, bytes int64
	var errs []error
	whole := true
	seen := 0
	for blob, err := range x.Extract(ctx, req) {
		if seen++; w.Progress != nil && seen%25 == 0 {
			of := ""
			if len(req.IDs) > 0 {
				of = fmt.Sprintf(" of %d", len(req.IDs))
			}
			w.Progress(fmt.Sprintf("%s %s: %d%s read", src.Name, req.Stream, seen, of))
		}
		if err != nil {
			errs = append(errs, err)
			var xe *extract.Error
			whole = whole && errors.As(err, &xe) && xe.Key != ""
			continue
		}
		isNew, err := w.keep(ctx, src, string(req.Stream), blob)
		if err != nil {
			return n, err
		}
		if isNew {
			n++
			bytes += int64(len(blob.Body))
		}
		if blob.Gone && len(req.IDs) > 0 && src.backfills(req.Stream) {
			w.gone = append(w.gone, strings.TrimPrefix(blob.Key, "order/"))
		}
		if bytes > commitEvery {
			if err := w.commit(); err != nil {
				return n, err
			}
			bytes = 0
		}
	}
	if mark && whole && len(errs) == 0 {
		if _, err := w.run.Mark(archive.Mark{Source: src.Name, Stream: string(req.Stream), Since: req.Window.Since, Until: req.Window.Until}); err != nil {
			return n, err
		}
	}
	if err := w.commit(); err != nil {
		return n, err
	}
	return n, errors.Join(errs...)
}

// keep archives a blob unless it says the same as the last one under its key.
func (w *work) keep(ctx context.Context, src Source, stream string, b extract.Blob) (bool, error) {
	var last duck.NullString
	var wasGone bool
	var lastAt duck.NullTime
	if _, err := w.db.One(ctx, "select sha256, gone, fetched_at from blobs where key = $key and source = $source and stream = $stream order by blob_id desc limit 1",
		[]any{duck.Named("key", b.Key), duck.Named("source", src.Name), duck.Named("stream", stream)}, &last, &wasGone, &lastAt); err != nil {
		return false, err
	}
	body, err := w.sealed(src, b, b.At.UTC().Year())
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(body)
	// What was sealed in another year was sealed with its keys: the same bytes are told by them.
	if lastAt.Valid && lastAt.Time.Year() != b.At.UTC().Year() && archive.Digest(sum).String() != last.String {
		then, err := w.sealed(src, b, lastAt.Time.Year())
		if err != nil {
			return false, err
		}
		if s := sha256.Sum256(then); archive.Digest(s).String() == last.String {
			body, sum = then, s
		}
	}
	// That a thing is still not there is nothing new, in whatever words it is said.
	if last.Valid && b.Gone == wasGone && (b.Gone || last.String == archive.Digest(sum).String()) {
		return false, nil
	}
	_, _, err = w.run.AddBlob(archive.Meta{Source: src.Name, Stream: stream, Key: b.Key, FetchedAt: b.At, MediaType: b.Type, Gone: b.Gone}, body)
	return true, err
}

// readInbox archives the report files that were not there before. A file that cannot be
// read is named and the rest go on; files stay where they are.
func (w *work) readInbox(ctx context.Context, src Source) (int64, error) {
	in := src.Connector.Inbox
	mediaType := "text/csv"
	if src.Name == bankSource {
		mediaType = "application/xml"
	}
	type found struct {
		key, path      string
		size, modified int64
	}
	var files []found
	var errs []error
	err := filepath.WalkDir(src.Inbox, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == src.Inbox {
				return err
			}
			errs = append(errs, unread(src, in.Stream, path, err))
			return nil
		}
		isReport := slices.Contains(in.Suffixes, strings.ToLower(filepath.Ext(d.Name())))
		if d.IsDir() && isReport && path != src.Inbox {
			errs = append(errs, unread(src, in.Stream, path, errors.New("a folder with the name of a report")))
			return filepath.SkipDir
		}
		if d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return nil
		}
		if !isReport {
			w.Log.Info("not a report that is read; left alone", "source", src.Name, "file", d.Name())
			return nil
		}
		st, err := os.Stat(path)
		if err == nil && !st.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		if err != nil {
			errs = append(errs, unread(src, in.Stream, path, err))
			return nil
		}
		rel, err := filepath.Rel(src.Inbox, path)
		if err != nil {
			return err
		}
		files = append(files, found{filepath.ToSlash(rel), path, st.Size(), st.ModTime().UnixNano()})
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, &extract.Error{Source: src.Name, Stream: in.Stream, Err: fmt.Errorf("%w: the inbox does not exist", extract.ErrUnread),
			Do: "make the folder, or correct inbox in the configuration"}
	}
	if err != nil {
		return 0, err
	}
	seen := map[found]bool{}
	if err := w.db.Each(ctx, "select path, size, modified from inbox_files where source = $source", func(scan func(...any) error) error {
		var f found
		if err := scan(&f.key, &f.size, &f.modified); err != nil {
			return err
		}
		f.path = filepath.Join(src.Inbox, filepath.FromSlash(f.key))
		seen[f] = true
		return nil
	}, duck.Named("source", src.Name)); err != nil {
		return 0, err
	}
	type fileRow struct {
		Source   string `json:"source"`
		Path     string `json:"path"`
		Size     int64  `json:"size"`
		Modified int64  `json:"modified"`
		SHA256   string `json:"sha256"`
	}
	var rows []fileRow
	var n int64
	for _, f := range files {
		if seen[f] {
			continue
		}
		path, isSealed, err := w.sealedFile(src, f.path, f.size, f.modified)
		if err != nil {
			if isFull(err) || ctx.Err() != nil {
				return n, err
			}
			errs = append(errs, unread(src, in.Stream, f.path, err))
			continue
		}
		if isSealed {
			defer os.Remove(path)
		}
		if same, sum := w.sameAsLast(ctx, src, string(in.Stream), f.key, path); same {
			rows = append(rows, fileRow{src.Name, f.key, f.size, f.modified, sum}) // copied anew or touched: nothing new
			continue
		}
		rec, isNew, err := w.run.AddFile(ctx, archive.Meta{Source: src.Name, Stream: string(in.Stream), Key: f.key, FetchedAt: w.began, MediaType: mediaType}, path)
		if err != nil {
			var ae *archive.Error
			if ctx.Err() != nil || errors.As(err, &ae) || isFull(err) {
				return n, err
			}
			errs = append(errs, unread(src, in.Stream, f.path, err))
			continue
		}
		sum := rec.Blob.SHA256.String()
		if !isSealed {
			w.fresh[sum] = freshFile{f.path, f.size, f.modified}
		}
		rows = append(rows, fileRow{src.Name, f.key, f.size, f.modified, sum})
		if isNew {
			n++
		}
	}
	if err := w.commit(); err != nil {
		return n, err
	}
	// Only a memory of what was looked at: losing it costs a second look.
	if err := w.db.Insert(ctx, "inbox_files", rows); err != nil {
		return n, err
	}
	return n, errors.Join(errs...)
}

// sameAsLast reports whether a file says what the last one of its name said. One that cannot be read does not.
func (w *work) sameAsLast(ctx context.Context, src Source, stream, key, path string) (bool, string) {
	last, err := w.lastSum(ctx, src, stream, key)
	if err != nil || last == "" {
		return false, ""
	}
	sum, err := fileSum(path)
	return err == nil && sum == last, sum
}

// lastSum is the SHA-256 of what was read last under a key; "" if nothing was.
func (w *work) lastSum(ctx context.Context, src Source, stream, key string) (string, error) {
	var last duck.NullString
	_, err := w.db.One(ctx, "select sha256 from blobs where key = $key and source = $source and stream = $stream order by blob_id desc limit 1",
		[]any{duck.Named("key", key), duck.Named("source", src.Name), duck.Named("stream", stream)}, &last)
	return last.String, err
}

func unread(src Source, stream extract.Stream, path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &extract.Error{Source: src.Name, Stream: stream, Where: filepath.Base(path), Key: filepath.Base(path),
		Err: fmt.Errorf("%w: %w", extract.ErrUnread, err), Do: "look at the file's permissions; the other files were read"}
}
