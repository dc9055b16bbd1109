package fortnox

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Fortnox allows 300 requests a minute per client and tenant, counted over a sliding
// window of five seconds. Source: Fortnox's page on rate limits.
const (
	windowSize   = 25
	windowLength = 5 * time.Second
	// underWay is how long a slot is taken for a request that was not answered yet.
	underWay = 70 * time.Second
	// lost is how much later than we gave it up a request may still be counted.
	lost = 3 * time.Second
	// margin is for clocks that tick apart.
	margin = 10 * time.Millisecond
)

// A window lets a request go when the one 25 before it is out of Fortnox's five seconds. A
// slot is free five seconds after its answer came, because the request was counted by then,
// however long it took to get there.
//
// The slots are kept in a file, so that a process that follows a killed one, or works
// beside it, keeps to the same limit. What a killed one had under way was counted before the next one began.
type window struct {
	file  string
	early string // in its place while the folder of file is not there yet; "" for none
	wall  func() time.Time
	sleep func(context.Context, time.Duration) error

	mu    sync.Mutex
	slots [windowSize]int64 // Unix nanoseconds from which the slot is free
	hold  time.Time         // nothing goes before: 429s came
	too   []time.Time       // when, within the last window

	before time.Time // the last request of the processes before this one
}

func newWindow(file, early string, wall func() time.Time, sleep func(context.Context, time.Duration) error) *window {
	w := &window{file: file, early: early, wall: wall, sleep: sleep}
	if file != "" {
		now := wall()
		_ = w.shared(func() {
			for i, at := range w.slots {
				last := time.Unix(0, at-int64(windowLength+margin))
				if time.Unix(0, at).Sub(now) > windowLength+margin+lost {
					w.slots[i] = now.Add(windowLength + margin + lost).UnixNano()
				}
				if last.After(now) {
					last = now
				}
				if at != 0 && last.After(w.before) {
					w.before = last
				}
			}
		})
	}
	return w
}

// take waits for a slot. done is to be called when the request is over; answered says that an answer came.
func (w *window) take(ctx context.Context) (done func(answered bool), err error) {
	for {
		i, wait, err := w.try()
		if err != nil {
			return nil, err
		}
		if wait <= 0 {
			return func(answered bool) { w.free(i, answered) }, nil
		}
		if err := w.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// try reserves the slot that is free first, or says how long to wait for it.
func (w *window) try() (slot int, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.wall()
	if d := w.hold.Sub(now); d > 0 {
		return 0, d, nil
	}
	err = w.shared(func() {
		for i, at := range w.slots {
			if at < w.slots[slot] {
				slot = i
			}
		}
		at := w.slots[slot]
		// A clock that was set back must not stop us for long.
		if d := time.Duration(at - now.UnixNano()); d > 0 && d <= underWay+windowLength {
			wait = min(d, windowLength/5) // one under way may be answered sooner
			return
		}
		w.slots[slot] = now.Add(underWay).UnixNano()
	})
	return slot, wait, err
}

// free says that the request of slot is over. One that was given up may still be on its way.
func (w *window) free(slot int, answered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.wall().Add(windowLength + margin).UnixNano()
	if !answered {
		at += int64(lost)
	}
	_ = w.shared(func() {
		w.slots[slot] = at
	})
}

// refused says that a 429 came, with how long to wait if it said so. One now and then is the request's own affair, which waits by itself;
// several within a window say that someone else uses the same client, and everything is kept back for a while.
func (w *window) refused(after time.Duration, said bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.wall()
	w.too = append(slices.DeleteFunc(w.too, func(at time.Time) bool { return now.Sub(at) >= windowLength }), now)
	if !said && len(w.too) < tooMany {
		return
	}
	if until := now.Add(after); until.After(w.hold) {
		w.hold = until
	}
}

// tooMany is how many 429s in a window are no accident.
const tooMany = 3

// shared runs change on the slots as they are in the file, and writes them back. They are
// not synced: a process that is killed leaves them with the kernel.
func (w *window) shared(change func()) error {
	if w.file == "" {
		change()
		return nil
	}
	f, err := os.OpenFile(w.file, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		// A check before the first run: there is no data folder yet, and it makes none.
		if w.early == "" {
			change()
			return nil
		}
		f, err = os.OpenFile(w.early, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		return err
	}
	if !w.read(f) && w.early != "" && f.Name() == w.file {
		// The first run: what checks before it asked counts.
		if e, err := os.OpenFile(w.early, os.O_RDONLY|syscall.O_NOFOLLOW, 0); err == nil {
			w.read(e)
			e.Close()
			_ = os.Remove(w.early)
		}
	}
	change()
	b := make([]byte, 8*windowSize)
	for i, at := range w.slots {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(at))
	}
	_, err = f.WriteAt(b, 0)
	return err
}

// read takes the slots over from a file, if it holds them.
func (w *window) read(f *os.File) bool {
	b := make([]byte, 8*windowSize)
	n, _ := f.ReadAt(b, 0)
	if n != len(b) {
		return false
	}
	for i := range w.slots {
		w.slots[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return true
}
