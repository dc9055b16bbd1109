package fortnox

import (
	"context"
	"encoding/binary"
	"os"
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
	// travel is the longest that a request that was written is taken to be under way before it is counted.
	travel = 250 * time.Millisecond
	// margin is for clocks that tick apart.
	margin = 10 * time.Millisecond
)

// A window lets a request go when the one 25 before it is out of Fortnox's five seconds. A
// slot is free five seconds after its answer came, because then the request was counted at
// the latest; of one that is slow to be answered, five seconds after it must have arrived.
//
// The slots are kept in a file, so that a process that follows a killed one, or works
// beside it, keeps to the same limit.
type window struct {
	file  string
	wall  func() time.Time
	sleep func(context.Context, time.Duration) error

	mu    sync.Mutex
	slots [windowSize]int64 // Unix nanoseconds from which the slot is free
	hold  time.Time         // nothing goes before: a 429 came

	before time.Time // the last request of the processes before this one
}

func newWindow(file string, wall func() time.Time, sleep func(context.Context, time.Duration) error) *window {
	w := &window{file: file, wall: wall, sleep: sleep}
	if file != "" {
		_ = w.shared(func() {
			for _, at := range w.slots {
				if last := time.Unix(0, at-int64(windowLength+margin)); at != 0 && last.After(w.before) {
					w.before = last
				}
			}
		})
	}
	return w
}

// take waits for a slot. done is to be called when the answer came.
func (w *window) take(ctx context.Context) (done func(), err error) {
	for {
		i, wait, err := w.try()
		if err != nil {
			return nil, err
		}
		if wait <= 0 {
			return func() { w.free(i) }, nil
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
		// A clock that was set back must not stop us for longer than the window.
		if d := time.Duration(at - now.UnixNano()); d > 0 && d <= windowLength+travel+margin {
			wait = d
			return
		}
		w.slots[slot] = now.Add(windowLength + travel + margin).UnixNano()
	})
	return slot, wait, err
}

// free says that the request of slot was answered.
func (w *window) free(slot int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.wall().Add(windowLength + margin).UnixNano()
	_ = w.shared(func() {
		if at < w.slots[slot] {
			w.slots[slot] = at
		}
	})
}

// pause keeps everything back for d.
func (w *window) pause(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if until := w.wall().Add(d); until.After(w.hold) {
		w.hold = until
	}
}

// shared runs change on the slots as they are in the file, and writes them back. They are
// not synced: a process that is killed leaves them with the kernel.
func (w *window) shared(change func()) error {
	if w.file == "" {
		change()
		return nil
	}
	f, err := os.OpenFile(w.file, os.O_RDWR|os.O_CREATE, 0o600)
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
	b := make([]byte, 8*windowSize)
	if n, _ := f.ReadAt(b, 0); n == len(b) {
		for i := range w.slots {
			w.slots[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
	change()
	for i, at := range w.slots {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(at))
	}
	_, err = f.WriteAt(b, 0)
	return err
}
