package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 11, 12, 0, 0, 0, time.UTC)

func aBlob() Record {
	return Record{Blob: &Blob{
		Seq:       7,
		Meta:      Meta{Source: "klarna-se", Stream: "payouts", Key: `<"å">`, FetchedAt: noon, MediaType: "text/csv", Gone: true},
		Content:   Content{SHA256: Digest{1, 2, 3}, Size: 9, Place: Place{Run: "r", Offset: 4, Length: 5}},
		FramesCRC: "0000000f",
	}}
}

func TestLineAsDocumented(t *testing.T) {
	line, err := encodeLine(aBlob(), stamp{At: 300, Commit: 200})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"blob","seq":7,"source":"klarna-se","stream":"payouts","key":"<\"å\">","fetched_at":"2026-03-11T12:00:00Z","media_type":"text/csv","gone":true,` +
		`"sha256":"0102030000000000000000000000000000000000000000000000000000000000","size":9,"place":{"run":"r","offset":4,"length":5},"frames_crc32c":"0000000f","at":300,"commit":200,"crc32c":"`
	if got := string(line); !strings.HasPrefix(got, want) {
		t.Errorf("line is %s\nwant      %s", got, want)
	}
	if !json.Valid(line) {
		t.Error("not JSON")
	}
}

// One altered bit anywhere in a line or a manifest is found, and so is any cut.
func TestEveryBitIsChecked(t *testing.T) {
	line, err := encodeLine(aBlob(), stamp{})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := encodeManifest(Manifest{Format: 1, RunID: "r", StartedAt: noon, Counts: map[string]int64{"a": 1}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		data   []byte
		decode func([]byte) error
	}{
		"line":     {line, func(b []byte) error { _, _, err := decodeLine(b); return err }},
		"manifest": {manifest, func(b []byte) error { _, err := decodeManifest(b); return err }},
	} {
		if err := tt.decode(tt.data); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for bit := range 8 * len(tt.data) {
			bad := bytes.Clone(tt.data)
			bad[bit/8] ^= 1 << (bit % 8)
			if tt.decode(bad) == nil {
				t.Errorf("%s: bit %d altered, nothing found", name, bit)
			}
		}
		for n := range tt.data {
			if tt.decode(tt.data[:n]) == nil {
				t.Errorf("%s: cut to %d bytes, nothing found", name, n)
			}
		}
	}
}

func TestNewerFormats(t *testing.T) {
	_, _, err := decodeLine(appendChecksum([]byte(`{"type":"seal","at":0,"commit":0`)))
	if !errors.Is(err, ErrFormat) {
		t.Errorf("record: %v", err)
	}
	data, err := encodeManifest(Manifest{Format: manifestFormat + 1, RunID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeManifest(data); !errors.Is(err, ErrFormat) {
		t.Errorf("manifest: %v", err)
	}
}

// Nothing makes decodeLine crash, and what it reads can be written and read again.
func FuzzDecodeLine(f *testing.F) {
	for _, rec := range []Record{
		aBlob(),
		{Mark: &Mark{Source: "s", Stream: "t", Until: noon}},
		{Note: &Note{Kind: "k", Body: json.RawMessage(`{"a":[1,2]}`)}},
	} {
		line, err := encodeLine(rec, stamp{At: 1, Commit: 1})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line[:len(line)-checksumLen])
	}
	f.Add([]byte(`{"type":"blob","seq":1e99`))
	f.Add([]byte(`{"type":"note","body":null`))
	f.Add([]byte(`{"type":"note"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := decodeLine(data); err == nil && !bytes.HasSuffix(data, []byte("}\n")) {
			t.Errorf("a line: %q", data)
		}
		rec, st, err := decodeLine(appendChecksum(bytes.Clone(data)))
		if err != nil {
			return
		}
		again, err := encodeLine(rec, st)
		if err != nil {
			return // years, and texts, that are never written
		}
		rec, st, err = decodeLine(again)
		if err != nil {
			t.Fatalf("%q\nis written again as\n%q: %v", data, again, err)
		}
		if third, err := encodeLine(rec, st); err != nil || !bytes.Equal(third, again) {
			t.Errorf("%q\nis written again as\n%q: %v", again, third, err)
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	data, err := encodeManifest(Manifest{Format: 1, RunID: "r"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:bytes.LastIndex(data, []byte(selfName))])
	f.Fuzz(func(t *testing.T, data []byte) {
		decodeManifest(data)
		m, err := decodeManifest(appendSelf(bytes.Clone(data)))
		if err == nil && m.Digest == (Digest{}) {
			t.Error("no digest")
		}
	})
}

// FuzzDecompress: whatever lies in blobs.zst, the answer is an error or no more than was asked for.
func FuzzDecompress(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.enc.EncodeAll([]byte("some bytes"), nil), int64(10))
	f.Add(c.enc.EncodeAll(make([]byte, 1<<20), nil), int64(1<<20))
	f.Fuzz(func(t *testing.T, frames []byte, size int64) {
		if body, err := c.decompress(frames, size%(1<<24)); err == nil && int64(len(body)) > size%(1<<24) {
			t.Errorf("%d bytes, asked for %d", len(body), size)
		}
	})
}

// A full disk is visible to the caller, stops the run for good, and costs only what was
// not committed.
func TestDiskFull(t *testing.T) {
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * i >> 3)
	}
	file := t.TempDir() + "/big"
	if err := os.WriteFile(file, big, 0o600); err != nil {
		t.Fatal(err)
	}
	m := Meta{Source: "s", Stream: "t", Key: "k", FetchedAt: noon}
	for name, tt := range map[string]struct {
		fill func(r *Run, full *os.File)
		do   func(r *Run) error
	}{
		"bytes in memory": {
			func(r *Run, full *os.File) { r.blobs.f = full; r.blobs.w.Reset(full) },
			func(r *Run) error {
				_, _, err := r.AddBlob(m, []byte("small"))
				return errors.Join(err, r.Commit())
			},
		},
		"a file": {
			func(r *Run, full *os.File) { r.blobs.f = full; r.blobs.w.Reset(full) },
			func(r *Run) error {
				for range 9 { // until the buffer is full
					if _, _, err := r.AddFile(t.Context(), m, file); err != nil {
						return err
					}
				}
				return r.Commit()
			},
		},
		"records": {
			func(r *Run, full *os.File) { r.index = full },
			func(r *Run) error {
				_, err := r.AddNote("intent", json.RawMessage(`1`))
				return errors.Join(err, r.Commit())
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := a.Begin("r1", 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.AddBlob(m, []byte("committed")); err != nil {
				t.Fatal(err)
			}
			if err := r.Commit(); err != nil {
				t.Fatal(err)
			}
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip(err)
			}
			tt.fill(r, full)
			if err := tt.do(r); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("error is %v", err)
			}
			for name, err := range map[string]error{
				"Commit":  r.Commit(),
				"AddBlob": second(r.AddBlob(m, nil)),
				"AddFile": second(r.AddFile(t.Context(), m, file)),
				"Finish":  first(r.Finish(Manifest{})),
			} {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("then %s: %v", name, err)
				}
			}
			r.Close()
			r, err = a.Begin("r2", a.NextSeq(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n := 0
			for rec, err := range a.Records(t.Context(), Position{}) {
				if err != nil {
					t.Fatal(err)
				}
				if b, err := a.ReadBlob(rec.Blob.Content); err != nil || string(b) != "committed" {
					t.Errorf("%q, %v", b, err)
				}
				n++
			}
			if n != 1 {
				t.Errorf("%d records", n)
			}
		})
	}
}

func first[A any](_ A, err error) error          { return err }
func second[A, B any](_ A, _ B, err error) error { return err }

// A stretch that was read ahead may hold what was taken back since, and stored anew.
func TestReaderOfAStretchThatIsOld(t *testing.T) {
	a, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Begin("r1", a.NextSeq(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []Content
	for i := range 6 {
		rec, _, err := r.AddBlob(Meta{Source: "s", Stream: "t", Key: strconv.Itoa(i), FetchedAt: time.Now()}, []byte(strings.Repeat(strconv.Itoa(i), 100)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec.Blob.Content)
	}
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
	one := a.Reader()
	defer one.Close()
	for i, c := range all {
		if b, err := one.ReadBlob(c); err != nil || string(b) != strings.Repeat(strconv.Itoa(i), 100) {
			t.Fatalf("%d: %q, %v", i, b, err)
		}
		switch i {
		case 2: // the rest of the stretch is as it was before
			if int64(len(one.stretch)) <= c.Place.Length {
				t.Fatal("nothing was read ahead")
			}
			clear(one.stretch[c.Place.Offset+c.Place.Length-one.at:])
		case 4: // or was not there yet
			one.stretch = one.stretch[:c.Place.Offset+c.Place.Length-one.at]
		}
	}
}

// What is read quickly is what encoding/json reads; only texts that are escaped are left to it.
func FuzzQuickBlob(f *testing.F) {
	blob := func(change func(*Blob)) []byte {
		rec := aBlob()
		rec.Blob.Key = "orders/åäö 1?x=<&>"
		change(rec.Blob)
		line, err := encodeLine(rec, stamp{At: 1 << 40, Commit: 12})
		if err != nil {
			f.Fatal(err)
		}
		return line
	}
	for _, line := range [][]byte{
		blob(func(*Blob) {}),
		blob(func(b *Blob) { b.MediaType, b.Gone, b.FramesCRC = "", false, "" }),
		blob(func(b *Blob) { b.FetchedAt, b.SHA256, b.Size = noon.Add(123456789), Digest{}, 0 }),
	} {
		if _, _, ok := quickBlob(line); !ok {
			f.Errorf("is not read quickly: %s", line)
		}
		f.Add(line)
	}
	for _, key := range []string{`a"b`, `a\b`, "a\nb", "a\u2028b"} {
		line := blob(func(b *Blob) { b.Key = key })
		if _, _, ok := quickBlob(line); ok {
			f.Errorf("is read quickly: %s", line)
		}
		if rec, _, err := decodeLine(line); err != nil || rec.Blob.Key != key {
			f.Errorf("%s: %v", line, err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		b, st, ok := quickBlob(line)
		if !ok {
			return
		}
		var l blobLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("encoding/json does not read %q: %v", line, err)
		}
		if !reflect.DeepEqual(b, l.Blob) || st != l.stamp {
			t.Errorf("%q\nis %+v %+v\nwant %+v %+v", line, b, st, l.Blob, l.stamp)
		}
	})
}
