package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// AddBlob adds bytes that a source sent. It reports whether they are new to the
// archive; if not, the record points to where they already are.
func (r *Run) AddBlob(meta Meta, body []byte) (rec Record, isNew bool, err error) {
	defer r.wrap(&err, "add %s %s %q", meta.Source, meta.Stream, meta.Key)
	if err := meta.check(); err != nil {
		return Record{}, false, err
	}
	s := newSum()
	s.Write(body)
	c := Content{SHA256: s.digest(), Size: int64(len(body))}

	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return Record{}, false, r.err
	}
	known, err := r.find(context.Background(), &c)
	if err != nil {
		return Record{}, false, err
	}
	if known {
		rec, err := r.addBlob(meta, c, "")
		return rec, false, err
	}
	c.Place = Place{Run: r.id, Offset: r.blobs.size}
	if err := r.store(body); err != nil {
		return Record{}, false, r.fail(err)
	}
	c.Place.Length = r.blobs.size - c.Place.Offset
	rec, err = r.addBlob(meta, c, r.blobs.framesCRC())
	return rec, true, err
}

// store writes the frames of body, one for no bytes at all.
func (r *Run) store(body []byte) error {
	f := &r.scratch
	defer func() { f.in = nil }()
	for first := true; first || len(body) > 0; first = false {
		n := min(len(body), frameSize)
		f.in, body = body[:n], body[n:]
		if err := f.encode(r.a.codec); err != nil {
			return err
		}
		if _, err := r.blobs.Write(f.out); err != nil {
			return err
		}
	}
	return nil
}

// find fills in the place of c if its bytes are stored already.
func (r *Run) find(ctx context.Context, c *Content) (known bool, err error) {
	if p, ok := r.places[c.SHA256]; ok {
		c.Place = p
		return true, nil
	}
	if r.lookup == nil {
		return false, nil
	}
	p, ok, err := r.lookup(c.SHA256)
	if err != nil || !ok {
		return false, err
	}
	stored := Content{SHA256: c.SHA256, Size: c.Size, Place: p}
	if r.a.verify(ctx, stored) != nil {
		return false, ctx.Err() // an index can be wrong; Verify reports damage
	}
	c.Place = p
	return true, nil
}

// addBlob adds the record of content that has its place.
func (r *Run) addBlob(meta Meta, c Content, framesCRC string) (Record, error) {
	meta.FetchedAt = meta.FetchedAt.Round(0).UTC()
	rec, err := r.add(Record{Blob: &Blob{Seq: r.seq + 1, Meta: meta, Content: c, FramesCRC: framesCRC}})
	if err != nil {
		return Record{}, r.fail(err) // bytes that no record names must not be followed by others
	}
	r.seq++
	r.places[c.SHA256] = c.Place
	return rec, nil
}

// Mark records that a stream was read completely for a window.
func (r *Run) Mark(m Mark) (rec Record, err error) {
	defer r.wrap(&err, "mark %s %s", m.Source, m.Stream)
	if m.Source == "" || m.Stream == "" {
		return Record{}, fmt.Errorf("source and stream must be set: %q, %q", m.Source, m.Stream)
	}
	if err := checkText(m.Source, m.Stream); err != nil {
		return Record{}, err
	}
	m.Since, m.Until = m.Since.Round(0).UTC(), m.Until.Round(0).UTC()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(Record{Mark: &m})
}

// AddNote adds a JSON document of a kind that the caller names.
func (r *Run) AddNote(kind string, body json.RawMessage) (rec Record, err error) {
	defer r.wrap(&err, "note %s", kind)
	if kind == "" {
		return Record{}, errors.New("kind must be set")
	}
	if err := checkText(kind, string(body)); err != nil {
		return Record{}, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return Record{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(Record{Note: &Note{Kind: kind, Body: b.Bytes()}})
}

// add appends rec to the pending lines.
func (r *Run) add(rec Record) (Record, error) {
	if r.err != nil {
		return Record{}, r.err
	}
	line, err := encodeLine(rec, stamp{At: r.indexSize + int64(len(r.pending)), Commit: r.indexSize})
	if err != nil {
		return Record{}, err
	}
	r.pending = append(r.pending, line...)
	r.added++
	rec.Next = Position{Run: r.id, Offset: r.indexSize + int64(len(r.pending))}
	return rec, nil
}
