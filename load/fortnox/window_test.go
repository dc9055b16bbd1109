package fortnox

import (
	"context"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"testing"
	"time"
)

// Workers of two processes send as fast as they may, with answers that take their time: never more than 25 in any five
// seconds, and hardly fewer.
func TestWindowIsKeptAndUsed(t *testing.T) {
	const faster = 20
	began := time.Now()
	wall := func() time.Time { return began.Add(faster * time.Since(began)) }
	sleep := func(ctx context.Context, d time.Duration) error { time.Sleep(d / faster); return ctx.Err() }
	file := filepath.Join(t.TempDir(), "window")
	var mu sync.Mutex
	var counted []time.Time
	var wg sync.WaitGroup
	for range 2 {
		w := newWindow(file, "", wall, sleep)
		for range 8 {
			wg.Go(func() {
				for wall().Sub(began) < 41*time.Second {
					done, err := w.take(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					sleep(t.Context(), 20*time.Millisecond)
					mu.Lock()
					counted = append(counted, wall())
					mu.Unlock()
					sleep(t.Context(), 40*time.Millisecond)
					done(true)
				}
			})
		}
	}
	wg.Wait()
	sort.Slice(counted, func(i, j int) bool { return counted[i].Before(counted[j]) })
	for i := range counted {
		if i >= windowSize && counted[i].Sub(counted[i-windowSize]) < windowLength {
			t.Fatalf("requests %d to %d are within %v", i-windowSize, i, counted[i].Sub(counted[i-windowSize]))
		}
	}
	// 8 windows of 25 and the first; a loaded machine may lose some of its twentyfold time.
	if len(counted) < 170 {
		t.Errorf("%d requests in 41 seconds, want close to 225", len(counted))
	}
}

// A process that begins after another was killed keeps to what that one used up.
func TestWindowOutlivesItsProcess(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	wall := func() time.Time { return now }
	file := filepath.Join(t.TempDir(), "window")
	first := newWindow(file, "", wall, nil)
	for range windowSize {
		if _, wait, err := first.try(); wait > 0 || err != nil {
			t.Fatal(wait, err)
		}
	}
	now = now.Add(time.Second)
	next := newWindow(file, "", wall, nil)
	if _, wait, _ := next.try(); wait <= 0 {
		t.Error("the window of a killed process was forgotten")
	}
	if !next.before.Equal(now) {
		t.Errorf("the last request is taken to be of %v", next.before)
	}
	now = now.Add(windowLength + margin + lost)
	if _, wait, _ := next.try(); wait > 0 {
		t.Errorf("after five seconds it still waits %v", wait)
	}
}

// A check before the first run has no data folder to keep its count in, and the run that follows at once keeps to the limit all the same.
func TestWindowBeforeTheFirstRun(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	wall := func() time.Time { return now }
	dir := t.TempDir()
	data, early := filepath.Join(dir, "data"), filepath.Join(dir, "early")
	use := func(n int) (wait time.Duration) {
		t.Helper()
		w := newWindow(filepath.Join(data, "window"), early, wall, nil)
		for range n {
			var err error
			var slot int
			if slot, wait, err = w.try(); err != nil {
				t.Fatal(err)
			} else if wait == 0 {
				w.free(slot, true)
			}
		}
		return wait
	}
	if use(10) > 0 || use(5) > 0 {
		t.Fatal("the first requests wait")
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if use(10) > 0 || use(1) == 0 {
		t.Error("what was asked for before the data folder was there does not count")
	}
	now = now.Add(windowLength + 2*margin)
	if use(1) > 0 {
		t.Error("it waits for longer than the window")
	}
}

// A 429 now and then is waited out by its own request; several at once, or one that says how long, hold everything back.
func TestWindowAfterRefusals(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	w := newWindow("", "", func() time.Time { return now }, nil)
	held := func() bool { _, wait, _ := w.try(); return wait > 0 }
	for range 4 {
		w.refused(time.Second, false)
		if now = now.Add(windowLength / 2); held() {
			t.Fatal("two in a window hold everything back")
		}
	}
	for range tooMany {
		w.refused(time.Second, false)
	}
	if !held() {
		t.Error("three at once hold nothing back")
	}
	if now = now.Add(time.Second); held() {
		t.Error("it is held back for longer than a second")
	}
	now = now.Add(2 * windowLength)
	w.refused(7*time.Second, true)
	if now = now.Add(6 * time.Second); !held() {
		t.Error("what a 429 said is not waited for")
	}
}

// A token of half a minute is used for half a minute, and one of an hour not to its last second.
func TestTokensAreUsedWhileTheyLive(t *testing.T) {
	if got := lasts(30 * time.Second); got != 27*time.Second {
		t.Errorf("30 s: %v", got)
	}
	if got := lasts(time.Hour); got != 59*time.Minute {
		t.Errorf("an hour: %v", got)
	}
}
