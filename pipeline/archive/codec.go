package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// frameSize is how much content goes into one frame. It bounds memory, and lets several
// processors work on one file.
const frameSize = 2 << 20

// maxRatio is more than zstd can shrink anything by (a block of 128 KiB becomes 4 bytes
// at best). A size beyond it is not one we wrote, and must not make us allocate it.
const maxRatio = 1 << 16

// A codec turns content into zstd frames and back. It may be used concurrently.
type codec struct {
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	streams sync.Pool // of *zstd.Decoder
	workers int
}

func newCodec() (*codec, error) {
	workers := min(runtime.GOMAXPROCS(0), 8) // some 10 MiB of memory each
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(workers),
		zstd.WithWindowSize(frameSize),
		zstd.WithZeroFrames(true)) // nothing is a frame too
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &codec{enc: enc, dec: dec, workers: workers}, nil
}

// A frame is a piece of content on its way into the archive.
type frame struct {
	in   []byte // content
	out  []byte // compressed
	back []byte // decompressed again
	done chan error
}

// encode fills f.out from f.in, and decompresses it again: the archive is often the only
// copy there is, so an encoder's mistake must show while the content is still at hand.
func (f *frame) encode(c *codec) error {
	f.out = c.enc.EncodeAll(f.in, f.out[:0])
	if cap(f.back) < len(f.in) {
		f.back = make([]byte, 0, len(f.in))
	}
	var err error
	f.back, err = c.dec.DecodeAll(f.out, f.back[:0])
	if err != nil || !bytes.Equal(f.back, f.in) {
		return errors.Join(errors.New("compressed bytes do not decompress to what they were made from: suspect this machine's memory"), err)
	}
	return nil
}

// compress writes the frames of src to dst and all it read to sum, and returns how many
// bytes it read. It reads src once, in order, and has a bounded number of frames in
// memory.
//
// Errors: of src, of dst and of ctx, as they are.
func (c *codec) compress(ctx context.Context, dst io.Writer, src io.Reader, sum io.Writer) (read int64, err error) {
	var busy, idle []*frame // busy: being encoded, oldest first
	defer func() {
		for _, f := range busy { // after an error: leave nobody behind
			<-f.done
		}
	}()
	write := func() error {
		f := busy[0]
		busy = busy[1:]
		idle = append(idle, f)
		if err := <-f.done; err != nil {
			return err
		}
		_, err := dst.Write(f.out)
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return read, err
		}
		var f *frame
		switch {
		case len(idle) > 0:
			f, idle = idle[len(idle)-1], idle[:len(idle)-1]
		case len(busy) <= c.workers:
			f = &frame{in: make([]byte, frameSize), done: make(chan error, 1)}
		default:
			if err := write(); err != nil {
				return read, err
			}
			continue
		}
		n, rerr := io.ReadFull(src, f.in[:frameSize])
		if rerr != nil && rerr != io.EOF && rerr != io.ErrUnexpectedEOF {
			return read, rerr
		}
		f.in = f.in[:n]
		if n > 0 || read == 0 {
			read += int64(n)
			busy = append(busy, f)
			go func() { f.done <- f.encode(c) }()
			if _, err := sum.Write(f.in); err != nil {
				return read, err
			}
		}
		if rerr != nil {
			break
		}
	}
	for len(busy) > 0 {
		if err := write(); err != nil {
			return read, err
		}
	}
	return read, nil
}

// decompress returns the content of frames, which is said to have size bytes and may
// have no more.
func (c *codec) decompress(frames []byte, size int64) ([]byte, error) {
	if size < 0 || size/maxRatio > int64(len(frames)) {
		return nil, errors.New("its size cannot be right")
	}
	return c.dec.DecodeAll(frames, make([]byte, 0, size))
}

// stream returns a decoder that reads r; give it back with release.
func (c *codec) stream(r io.Reader) (*zstd.Decoder, error) {
	if d, ok := c.streams.Get().(*zstd.Decoder); ok {
		return d, d.Reset(r)
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
}

func (c *codec) release(d *zstd.Decoder) {
	if d.Reset(nil) == nil {
		c.streams.Put(d)
	}
}
