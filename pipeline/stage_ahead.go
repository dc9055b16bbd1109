package pipeline

import (
	"context"
	"iter"

	"golang.org/x/sync/semaphore"

	"github.com/kvitt/kvitt/pipeline/archive"
)

// aheadBytes bounds the bodies that are read from the archive while those before them are staged.
const aheadBytes = 12 << 20

// handedOver is how many bytes of bodies are handed over at a time, handedRecords how many records: to hand over each by
// itself costs more than to read it where they are small.
const handedOver, handedRecords = 1 << 20, 256

// An archived is a record of the archive, with its body when it is an answer that is staged from memory.
type archived struct {
	archive.Record
	body jsonBody
	err  error
}

// ahead yields the records after a position, with their bodies, as the archive has them. They are read and checked
// while whoever takes them is at work on those before; the sequence ends with the first error.
func (s *staging) ahead(ctx context.Context, after archive.Position) iter.Seq[archived] {
	return func(yield func(archived) bool) {
		ctx, stop := context.WithCancel(ctx)
		read, room := make(chan []archived, aheadBytes/handedOver), semaphore.NewWeighted(aheadBytes)
		goAlike(func() {
			defer close(read)
			bodies := s.w.arch.Reader()
			defer bodies.Close()
			var some []archived
			bytes := 0
			handOver := func() bool {
				if len(some) == 0 || room.Acquire(ctx, size(some)) != nil {
					return false
				}
				select {
				case read <- some:
				case <-ctx.Done():
					return false
				}
				some, bytes = nil, 0
				return true
			}
			for rec, err := range s.w.arch.Records(ctx, after) {
				r := archived{Record: rec, err: err}
				if err == nil && s.inMemory(rec.Blob) {
					var body []byte
					if body, r.err = bodies.ReadBlob(rec.Blob.Content); r.err == nil {
						r.body = newBody(rec.Blob, body)
					}
				}
				some, bytes = append(some, r), bytes+len(r.body.Body)
				if r.err != nil {
					break
				}
				if (len(some) == handedRecords || bytes >= handedOver) && !handOver() {
					return
				}
			}
			handOver()
		})
		defer func() {
			stop()
			for range read { // until nobody reads the archive any more
			}
		}()
		for some := range read {
			room.Release(size(some))
			for _, r := range some {
				if !yield(r) {
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(archived{err: err})
		}
	}
}

// size is what of aheadBytes records take.
func size(some []archived) (n int64) {
	for _, r := range some {
		n += int64(len(r.body.Body))
	}
	return min(n, aheadBytes)
}

// inMemory reports whether a blob is an answer whose models read it from memory, not a file that is read by its path.
func (s *staging) inMemory(b *archive.Blob) bool {
	if b == nil || b.Gone || b.Source == bankSource {
		return false
	}
	src := s.w.source(b.Source)
	return src != nil && !src.isFile(b)
}

// isFile reports whether a blob is a report of the source's inbox, or one that was fetched and is read as those are.
func (src *Source) isFile(b *archive.Blob) bool {
	in := src.Connector.Inbox
	return in != nil && string(in.Stream) == b.Stream && b.MediaType == "text/csv"
}
