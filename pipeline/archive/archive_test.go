package archive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/kvitt/kvitt/pipeline/archive"
)

func TestRecordsComeBackAsAdded(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	r := begin(t, a, 1, nil)

	var want []archive.Record
	bodies := []string{`{"a": 1}`, "", strings.Repeat("x", 9<<20), "räksmörgås\x00\xff"}
	for i, body := range bodies {
		m := meta(`page <1> & "två"`)
		m.FetchedAt = time.Date(2026, 3, 11, 13, 0, i, 123456789, time.FixedZone("CET", 3600))
		m.Gone = i == 1
		rec, isNew, err := r.AddBlob(m, []byte(body))
		if err != nil || !isNew {
			t.Fatal(isNew, err)
		}
		want = append(want, rec)
	}
	rec, err := r.Mark(archive.Mark{Source: "klarna-se", Stream: "payouts", Until: noon})
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, rec)
	rec, err = r.AddNote("intent", json.RawMessage("{\n  \"amount\": 12345678901234567890.10,\n  \"text\": \"<&>\"}"))
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, rec)
	if got := string(rec.Note.Body); got != `{"amount":12345678901234567890.10,"text":"<&>"}` {
		t.Errorf("note is %s", got)
	}
	commit(t, r)

	check := func(a *archive.Archive) {
		t.Helper()
		got := records(t, a, archive.Position{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("Records() mismatch (-want +got):\n%s", diff)
		}
		for i, body := range bodies {
			b, err := a.ReadBlob(got[i].Blob.Content)
			if err != nil || string(b) != body {
				t.Errorf("ReadBlob() of blob %d: %d bytes, %v", i, len(b), err)
			}
			rd, err := a.OpenBlob(got[i].Blob.Content)
			if err != nil {
				t.Fatal(err)
			}
			b, err = io.ReadAll(rd)
			if err != nil || string(b) != body {
				t.Errorf("OpenBlob() of blob %d: %d bytes, %v", i, len(b), err)
			}
			if err := rd.Close(); err != nil {
				t.Error(err)
			}
			if _, err := rd.Read(make([]byte, 1)); err == nil {
				t.Error("a closed reader reads")
			}
		}
	}
	check(a) // while the run is open
	finish(t, r)
	check(a)
	check(open(t, dir))
	ro, err := archive.Open(dir, archive.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	check(ro)
	stats := noProblems(t, dir)
	if stats.Runs != 1 || stats.Blobs != 4 || stats.Stored != 4 || stats.Marks != 1 || stats.Notes != 1 || stats.Records != 6 {
		t.Errorf("Verify() counts %+v", stats)
	}
}

func TestSameBytesAreStoredOnce(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	r := begin(t, a, 1, nil)
	first, isNew := add(t, r, "a", "same")
	if !isNew {
		t.Error("first time is not new")
	}
	second, isNew := add(t, r, "b", "same")
	if isNew || second.Blob.Place != first.Blob.Place || second.Blob.Seq != 2 || second.Blob.FramesCRC != "" {
		t.Errorf("second time: new %v, %+v", isNew, second.Blob)
	}
	finish(t, r)

	r = begin(t, a, 2, lookup(t, a))
	third, isNew := add(t, r, "a", "same")
	if isNew || third.Blob.Place != first.Blob.Place || third.Blob.Seq != 3 {
		t.Errorf("in the next run: new %v, %+v", isNew, third.Blob)
	}
	if m := finish(t, r); m.BlobsSize != 0 || m.Records != 1 || m.LastSeq != 3 {
		t.Errorf("manifest %+v", m)
	}
	if stats := noProblems(t, dir); stats.Stored != 1 || stats.Blobs != 3 || stats.Content != 4 {
		t.Errorf("Verify() counts %+v", stats)
	}
}

// An index over the archive is disposable, so it may be wrong. Bytes must not get lost
// because of it.
func TestLookupIsNotBelieved(t *testing.T) {
	a := open(t, t.TempDir())
	r := begin(t, a, 1, nil)
	other, _ := add(t, r, "other", "other bytes")
	finish(t, r)
	for i, place := range []archive.Place{
		other.Blob.Place,
		{Run: runID(1), Offset: 1 << 40, Length: 9},
		{Run: "gone", Length: 9},
		{},
	} {
		r := begin(t, a, 2+i, func(archive.Digest) (archive.Place, bool, error) { return place, true, nil })
		body := strings.Repeat("b", i+1)
		rec, isNew := add(t, r, "a", body)
		if !isNew {
			t.Errorf("%+v: believed", place)
		}
		commit(t, r)
		if got, err := a.ReadBlob(rec.Blob.Content); err != nil || string(got) != body {
			t.Errorf("%+v: read %q, %v", place, got, err)
		}
		finish(t, r)
	}
	boom := errors.New("boom")
	r = begin(t, a, 9, func(archive.Digest) (archive.Place, bool, error) { return archive.Place{}, false, boom })
	_, _, err := r.AddBlob(meta("a"), []byte("x"))
	wantErr(t, err, boom)
}

func TestBlobsAreReadByTheZstdProgram(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, open(t, dir), 1, nil)
	var want bytes.Buffer
	for _, body := range []string{"one\n", "", "two\n", string(settlement(5 << 20))} {
		add(t, r, "k", body)
		want.WriteString(body)
	}
	commit(t, r)
	name := path(dir, 1, "blobs.zst")
	dec, err := zstd.NewReader(bytes.NewReader(readFile(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	if got, err := io.ReadAll(dec); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("frames read one after the other: %d bytes, %v", len(got), err)
	}
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip("no zstd program here")
	}
	if got, err := exec.Command("zstd", "-dc", name).Output(); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("zstd -dc: %d bytes, %v", len(got), err)
	}
}

func TestPositions(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	for n := 1; n <= 4; n++ {
		r := begin(t, a, n, nil)
		for i := range 3 {
			add(t, r, "k", strings.Repeat("x", 10*n+i))
		}
		commit(t, r)
		if n == 2 {
			add(t, r, "k", "never committed")
			if err := r.Close(); err != nil { // as a crash would
				t.Fatal(err)
			}
			continue
		}
		if _, err := r.AddNote("n", json.RawMessage(`1`)); err != nil {
			t.Fatal(err)
		}
		finish(t, r)
	}
	all := records(t, a, archive.Position{})
	if len(all) != 4*3+3 {
		t.Fatalf("%d records", len(all))
	}
	seq := int64(0)
	for i, rec := range all {
		if rec.Blob != nil {
			if seq++; rec.Blob.Seq != seq {
				t.Errorf("record %d has seq %d, want %d", i, rec.Blob.Seq, seq)
			}
		}
		if i > 0 && all[i-1].Next.Compare(rec.Next) != -1 {
			t.Errorf("%s is not before %s", all[i-1].Next, rec.Next)
		}
		p, err := archive.ParsePosition(rec.Next.String())
		if err != nil || p != rec.Next {
			t.Fatalf("%s as text and back is %s, %v", rec.Next, p, err)
		}
		if diff := cmp.Diff(all[i+1:], records(t, a, p), cmp.Transformer("nil", func(r []archive.Record) []archive.Record { return append([]archive.Record{}, r...) })); diff != "" {
			t.Errorf("after record %d (-want +got):\n%s", i, diff)
		}
	}
	text, err := json.Marshal(map[string]archive.Position{"p": all[3].Next, "zero": {}})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]archive.Position
	if err := json.Unmarshal(text, &back); err != nil || back["p"] != all[3].Next || back["zero"] != (archive.Position{}) {
		t.Errorf("%s comes back as %v, %v", text, back, err)
	}
	for _, s := range []string{":", "a", "a:", ":1", "a:-1", "a:x", "../a:1", "a:1:1"} {
		if _, err := archive.ParsePosition(s); err == nil {
			t.Errorf("%q is a position", s)
		}
	}
	if p, err := archive.ParsePosition(""); err != nil || p != (archive.Position{}) {
		t.Errorf("the zero position does not come back: %v, %v", p, err)
	}
	_, err = tryRecords(a, archive.Position{Run: runID(0), Offset: 5})
	wantErr(t, err, archive.ErrMissing)
	_, err = tryRecords(a, archive.Position{Run: runID(4), Offset: 1 << 30})
	wantErr(t, err, archive.ErrMissing)
	_, err = tryRecords(a, archive.Position{Run: runID(4), Offset: 7})
	wantErr(t, err, archive.ErrAltered)
	for range a.Records(ctx, archive.Position{}) {
		break // stopping early is fine
	}
}

// The line is named even when reading begins further on than the file does.
func TestRecordsNameTheLine(t *testing.T) {
	dir := history(t)
	file := path(dir, 1, "index.jsonl")
	index := readFile(t, file)
	recs := records(t, open(t, dir), archive.Position{})
	index[recs[2].Next.Offset+30] ^= 1
	writeFile(t, file, index)
	_, err := tryRecords(open(t, dir), recs[1].Next)
	wantErr(t, err, archive.ErrAltered)
	var e *archive.Error
	if !errors.As(err, &e) || e.File != file || e.Line != 4 || e.Offset != recs[2].Next.Offset || e.Do == "" {
		t.Errorf("error is %+v", e)
	}
}

func TestBegin(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	_, err := a.Begin(runID(1), 42, nil)
	wantErr(t, err, archive.ErrMissing) // the index knows records that this archive never had
	r := begin(t, a, 1, nil)
	add(t, r, "a", "1")
	commit(t, r)
	if got := a.NextSeq(); got != 2 {
		t.Errorf("NextSeq() = %d", got)
	}
	if _, err := a.Begin(runID(2), 2, nil); err == nil {
		t.Error("two runs at once")
	}
	finish(t, r)
	_, _, err = r.AddBlob(meta("a"), nil)
	wantErr(t, err, archive.ErrClosed)
	wantErr(t, r.Commit(), archive.ErrClosed)
	if err := r.Close(); err != nil {
		t.Error(err)
	}

	_, err = a.Begin(runID(1), 2, nil)
	wantErr(t, err, archive.ErrOrder)
	_, err = a.Begin(runID(0), 2, nil)
	wantErr(t, err, archive.ErrOrder)
	_, err = a.Begin(runID(2), 1, nil)
	wantErr(t, err, archive.ErrBehind)
	_, err = a.Begin(runID(2), 3, nil)
	wantErr(t, err, archive.ErrMissing)
	for _, id := range []string{"", ".", "..", "a/b", "a:b", ".hidden", "å", "a b"} {
		if _, err := a.Begin(id, 2, nil); err == nil {
			t.Errorf("%q is a run ID", id)
		}
	}

	ro, err := archive.Open(dir, archive.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ro.Begin(runID(2), 2, nil)
	wantErr(t, err, archive.ErrReadOnly)
	_, err = archive.Open(filepath.Join(dir, "nowhere"), archive.Options{ReadOnly: true})
	wantErr(t, err, fs.ErrNotExist)
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("reading only created a folder")
	}
}

func TestAddRefuses(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	r := begin(t, a, 1, nil)
	for name, change := range map[string]func(*archive.Meta){
		"no source":    func(m *archive.Meta) { m.Source = "" },
		"no stream":    func(m *archive.Meta) { m.Stream = "" },
		"no key":       func(m *archive.Meta) { m.Key = "" },
		"no time":      func(m *archive.Meta) { m.FetchedAt = time.Time{} },
		"year 10000":   func(m *archive.Meta) { m.FetchedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"Latin-1 name": func(m *archive.Meta) { m.Key = "m\xe5n.csv" },
	} {
		m := meta("k")
		change(&m)
		if _, _, err := r.AddBlob(m, []byte(name)); err == nil {
			t.Errorf("%s: added", name)
		}
		if _, _, err := r.AddFile(ctx, m, os.Args[0]); err == nil {
			t.Errorf("%s: file added", name)
		}
	}
	for _, body := range []string{"", "{", "{} {}", "\"\xff\""} {
		if _, err := r.AddNote("n", json.RawMessage(body)); err == nil {
			t.Errorf("note %q: added", body)
		}
	}
	if _, err := r.AddNote("", json.RawMessage(`1`)); err == nil {
		t.Error("a note of no kind: added")
	}
	if _, err := r.Mark(archive.Mark{Source: "s"}); err == nil {
		t.Error("a mark of no stream: added")
	}
	if m := finish(t, r); m.Records != 0 {
		t.Errorf("%d records", m.Records)
	}
	noProblems(t, dir)
}

func TestManifest(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	if m, err := a.Last(); err != nil || m.RunID != "" {
		t.Errorf("Last() of an empty archive: %+v, %v", m, err)
	}
	first := finish(t, begin(t, a, 1, nil))
	if err := begin(t, a, 2, nil).Close(); err != nil {
		t.Fatal(err)
	}
	r := begin(t, a, 3, nil)
	add(t, r, "a", "x")
	third, err := r.Finish(archive.Manifest{
		Command: "run --only <klarna>", StartedAt: noon, FinishedAt: noon.Add(time.Second), CodeVersion: "v1", ConfigDigest: "c",
		LedgerDigest: "l", JournalDigest: "j", Entries: 1, Postings: 4, Counts: map[string]int64{"documents": 1}, Status: "done",
		RunID: "overwritten", Previous: archive.Digest{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if third.RunID != runID(3) || third.PreviousRun != runID(1) || third.Previous != first.Digest || first.Previous != (archive.Digest{}) {
		t.Errorf("chain: %+v", third)
	}
	if len(third.Interrupted) != 1 || third.Interrupted[0].RunID != runID(2) {
		t.Errorf("interrupted: %+v", third.Interrupted)
	}
	got, err := a.Manifest(runID(3))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(third, got); diff != "" {
		t.Errorf("Manifest() mismatch (-want +got):\n%s", diff)
	}
	if last, err := a.Last(); err != nil || last.Digest != third.Digest {
		t.Errorf("Last() = %+v, %v", last, err)
	}
	_, err = a.Manifest(runID(2))
	wantErr(t, err, fs.ErrNotExist)
	runs, err := a.Runs()
	if diff := cmp.Diff([]archive.RunInfo{{ID: runID(1), Finished: true}, {ID: runID(2)}, {ID: runID(3), Finished: true}}, runs); err != nil || diff != "" {
		t.Errorf("Runs() mismatch (-want +got): %v\n%s", err, diff)
	}
	if !bytes.Contains(readFile(t, path(dir, 3, "manifest.json")), []byte(`"command": "run --only <klarna>"`)) {
		t.Error("a manifest is not pleasant to read")
	}
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	r := begin(t, a, 1, nil)
	want := settlement(5 << 20)
	rec, _ := add(t, r, "a", string(want))
	commit(t, r)
	dst := filepath.Join(t.TempDir(), "out.csv")
	writeFile(t, dst, []byte("older"))
	if err := a.Extract(ctx, rec.Blob.Content, dst); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readFile(t, dst), want) {
		t.Error("other bytes")
	}

	b := readFile(t, path(dir, 1, "blobs.zst"))
	b[len(b)-100] ^= 4
	writeFile(t, path(dir, 1, "blobs.zst"), b)
	broken := filepath.Join(filepath.Dir(dst), "broken.csv")
	wantErr(t, a.Extract(ctx, rec.Blob.Content, broken), archive.ErrAltered)
	_, err := a.ReadBlob(rec.Blob.Content)
	wantErr(t, err, archive.ErrAltered)
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(dst), "broken*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Whatever is asked for, the answer is the right bytes or an error, and no crash.
func TestReadAskedForNonsense(t *testing.T) {
	a := open(t, t.TempDir())
	r := begin(t, a, 1, nil)
	good, _ := add(t, r, "a", "some bytes")
	next, _ := add(t, r, "b", "some more bytes")
	commit(t, r)
	for name, change := range map[string]func(*archive.Content){
		"too small a size": func(c *archive.Content) { c.Size-- },
		"too large a size": func(c *archive.Content) { c.Size++ },
		"huge size":        func(c *archive.Content) { c.Size = 1 << 62 },
		"negative size":    func(c *archive.Content) { c.Size = -1 },
		"other digest":     func(c *archive.Content) { c.SHA256[0]++ },
		"other offset":     func(c *archive.Content) { c.Place.Offset++ },
		"negative offset":  func(c *archive.Content) { c.Place.Offset = -1 },
		"no length":        func(c *archive.Content) { c.Place.Length = 0 },
		"one frame more":   func(c *archive.Content) { c.Place.Length *= 2 },
		"huge length":      func(c *archive.Content) { c.Place.Length = 1 << 62 },
		"no such run":      func(c *archive.Content) { c.Place.Run = "x" },
		"outside":          func(c *archive.Content) { c.Place.Run = ".." },
	} {
		c := good.Blob.Content
		change(&c)
		if _, err := a.ReadBlob(c); err == nil {
			t.Errorf("%s: ReadBlob reads", name)
		}
		one := a.Reader()
		if _, err := one.ReadBlob(good.Blob.Content); err != nil {
			t.Fatal(err)
		}
		if _, err := one.ReadBlob(c); err == nil {
			t.Errorf("%s: a Reader reads", name)
		}
		if b, err := one.ReadBlob(next.Blob.Content); err != nil || string(b) != "some more bytes" {
			t.Errorf("%s: then %q, %v", name, b, err)
		}
		one.Close()
		rd, err := a.OpenBlob(c)
		if err == nil {
			_, err = io.Copy(io.Discard, rd)
			rd.Close()
		}
		if err == nil {
			t.Errorf("%s: OpenBlob reads", name)
		}
	}
}
