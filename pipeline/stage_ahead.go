package pipeline

import (
	"context"
	"iter"

	"golang.org/x/sync/semaphore"

	"github.com/kvitt/kvitt/pipeline/archive"
)

// aheadBytes bounds the bodies that are read from the archive while those before them are staged.
const aheadBytes = 12 << 20

// aheadRecords bounds how many they are: a chunk of small answers has many thousands.
const aheadRecords = 16 << 10

// An archived is a record of the archive, with its body when it is an answer that is staged from memory.
type archived struct {
	archive.Record
	body []byte
	err  error
}

// ahead yields the records after a position, with their bodies, as the archive has them. They are read and checked
// while whoever takes them is at work on those before; the sequence ends with the first error.
func (s *staging) ahead(ctx context.Context, after archive.Position) iter.Seq[archived] {
	return func(yield func(archived) bool) {
		ctx, stop := context.WithCancel(ctx)
		read, room := make(chan archived, aheadRecords), semaphore.NewWeighted(aheadBytes)
		goAlike(func() {
			defer close(read)
			for rec, err := range s.w.arch.Records(ctx, after) {
				r := archived{Record: rec, err: err}
				if err == nil && s.inMemory(rec.Blob) {
					r.body, r.err = s.w.arch.ReadBlob(rec.Blob.Content)
				}
				if room.Acquire(ctx, r.size()) != nil {
					return
				}
				select {
				case read <- r:
				case <-ctx.Done():
					return
				}
				if r.err != nil {
					return
				}
			}
		})
		defer func() {
			stop()
			for range read { // until nobody reads the archive any more
			}
		}()
		for r := range read {
			room.Release(r.size())
			if !yield(r) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(archived{err: err})
		}
	}
}

// size is what of aheadBytes r takes.
func (r archived) size() int64 { return min(int64(len(r.body)), aheadBytes) }

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
