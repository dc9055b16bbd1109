package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"time"
	"unicode/utf8"
)

// A Digest is a SHA-256. As text it is lower-case hex, and "" when it is zero.
type Digest [sha256.Size]byte

func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	*d = Digest{}
	if len(text) == 0 {
		return nil
	}
	if len(text) != 2*len(d) {
		return fmt.Errorf("not a SHA-256: %q", text)
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("not a SHA-256: %q", text)
	}
	return nil
}

// A sum is a SHA-256 that is still being added to.
type sum struct{ hash.Hash }

func newSum() sum { return sum{sha256.New()} }

func (s sum) digest() (d Digest) {
	s.Sum(d[:0])
	return d
}

// A Place says where in a run's blobs.zst the frames of a blob lie, in bytes.
type Place struct {
	Run    string `json:"run"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// Content names bytes and where they are. It is all that is needed to read them.
type Content struct {
	SHA256 Digest `json:"sha256"`
	Size   int64  `json:"size"` // bytes, uncompressed
	Place  Place  `json:"place"`
}

// Meta says what bytes are. All strings are UTF-8.
type Meta struct {
	Source    string    `json:"source"`               // the configured name, "klarna-se"
	Stream    string    `json:"stream"`               // "payouts"
	Key       string    `json:"key"`                  // names it within the stream
	FetchedAt time.Time `json:"fetched_at"`           // UTC
	MediaType string    `json:"media_type,omitempty"` // "application/json"
	Gone      bool      `json:"gone,omitempty"`       // the bytes are the answer that there is no such document
}

// A Blob records that a source sent bytes.
type Blob struct {
	Seq int64 `json:"seq"` // from 1, without gaps over all runs: the order of arrival
	Meta
	Content
	// FramesCRC is the CRC-32C of the frames as they lie in blobs.zst, in hex. It is set
	// in the record that stored them, and "" in one that points to earlier ones.
	FramesCRC string `json:"frames_crc32c,omitempty"`
}

// A Mark records that a stream was read completely for Since <= t < Until, UTC. A zero
// Since means "from the beginning".
type Mark struct {
	Source string    `json:"source"`
	Stream string    `json:"stream"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

// A Note is any other document that must survive: a configuration version, an intent
// or receipt of the ERP, a person's decision.
type Note struct {
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"` // without insignificant white space, otherwise as given
}

// A Record is one line of an index. Exactly one of Blob, Mark and Note is set.
type Record struct {
	Blob *Blob
	Mark *Mark
	Note *Note
	Next Position // where the record after this one begins: Records(Next) goes on there
}

// A stamp is what every line says of itself. A line that is not where it says is
// foreign, or one before it is gone. Commit tells a line that a crash tore from one that
// was whole and is not any more.
type stamp struct {
	At     int64 `json:"at"`     // the byte at which the line begins
	Commit int64 `json:"commit"` // the byte at which the lines begin that became durable with it
}

// The lines as they are written.
type (
	blobLine struct {
		Type string `json:"type"`
		Blob
		stamp
	}
	markLine struct {
		Type string `json:"type"`
		Mark
		stamp
	}
	noteLine struct {
		Type string `json:"type"`
		Note
		stamp
	}
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksumLen is the length of what appendChecksum appends.
const checksumLen = len(`,"crc32c":"00000000"}` + "\n")

// appendChecksum ends a line that is complete but for its closing brace. The checksum
// is a CRC-32C of everything before it in the line.
func appendChecksum(line []byte) []byte { return append(line, ending(line)...) }

// ending is what appendChecksum appends.
func ending(line []byte) []byte {
	e := make([]byte, 0, checksumLen)
	e = append(e, `,"crc32c":"`...)
	e = hex.AppendEncode(e, binary.BigEndian.AppendUint32(nil, crc32.Checksum(line, castagnoli)))
	return append(e, "\"}\n"...)
}

// encodeLine returns rec as a line, newline included.
func encodeLine(rec Record, st stamp) ([]byte, error) {
	var v any
	switch {
	case rec.Blob != nil:
		v = blobLine{"blob", *rec.Blob, st}
	case rec.Mark != nil:
		v = markLine{"mark", *rec.Mark, st}
	default:
		v = noteLine{"note", *rec.Note, st}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // people read these lines
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return appendChecksum(bytes.TrimSuffix(b.Bytes(), []byte("}\n"))), nil
}

// decodeLine reads what encodeLine wrote.
//
// Errors: ErrFormat for a type of record it does not know, or what does not match its
// checksum.
func decodeLine(line []byte) (rec Record, st stamp, err error) {
	n := len(line) - checksumLen
	if n <= 0 {
		return Record{}, stamp{}, errors.New("line is too short")
	}
	if !bytes.Equal(line[n:], ending(line[:n])) {
		return Record{}, stamp{}, errors.New("checksum does not match")
	}
	if b, st, ok := quickBlob(line); ok {
		return Record{Blob: &b}, st, nil
	}
	switch {
	case bytes.HasPrefix(line, []byte(`{"type":"blob",`)):
		var l blobLine
		err = json.Unmarshal(line, &l)
		rec.Blob, st = &l.Blob, l.stamp
	case bytes.HasPrefix(line, []byte(`{"type":"mark",`)):
		var l markLine
		err = json.Unmarshal(line, &l)
		rec.Mark, st = &l.Mark, l.stamp
	case bytes.HasPrefix(line, []byte(`{"type":"note",`)):
		var l noteLine
		err = json.Unmarshal(line, &l)
		rec.Note, st = &l.Note, l.stamp
	default:
		err = fmt.Errorf("%w: unknown type of record", ErrFormat)
	}
	if err != nil {
		return Record{}, stamp{}, err
	}
	return rec, st, nil
}

// check reports what keeps m from being archived. encoding/json would silently replace
// bytes that are not UTF-8, and two keys could become one.
func (m Meta) check() error {
	if m.Source == "" || m.Stream == "" || m.Key == "" {
		return fmt.Errorf("source, stream and key must be set: %q, %q, %q", m.Source, m.Stream, m.Key)
	}
	if m.FetchedAt.IsZero() {
		return errors.New("fetched_at must be set")
	}
	if _, err := m.FetchedAt.UTC().MarshalJSON(); err != nil {
		return err // year 10000
	}
	return checkText(m.Source, m.Stream, m.Key, m.MediaType)
}

func checkText(texts ...string) error {
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return fmt.Errorf("not UTF-8: %q", s)
		}
	}
	return nil
}
