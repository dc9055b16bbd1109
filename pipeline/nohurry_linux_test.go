package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kvitt/kvitt/sql/duck"
)

// TestInNoHurry: what is started for a run that gives way gives way too, and nothing else does.
func TestInNoHurry(t *testing.T) {
	if nice(t, unix.Getpid()) > 0 {
		t.Skip("all of this process is of low priority")
	}
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("no /proc")
	}
	InNoHurry(func() {
		if got := nice(t, unix.Gettid()); got != inNoHurry {
			t.Errorf("its own thread is at %d, want %d", got, inNoHurry)
		}
		db, err := duck.Open(context.Background(), filepath.Join(t.TempDir(), "work.duckdb"), duck.Options{Threads: 3})
		if err != nil {
			t.Error(err)
			return
		}
		defer db.Close()
		for _, want := range []int{inNoHurry, readersFirst} {
			if want == readersFirst {
				GiveWay()
			}
			done := make(chan int, 1)
			goAlike(func() { done <- nice(t, unix.Gettid()) })
			if got := <-done; got != want {
				t.Errorf("what it starts is at %d, want %d", got, want)
			}
			if all, low := threads(t, want); low < 3 || low == all {
				t.Errorf("%d of %d threads are at %d: its own, and two of DuckDB's", low, all, want)
			}
		}
	})
	GiveWay()
	done := make(chan int, 1)
	goAlike(func() { done <- nice(t, unix.Gettid()) })
	if got := <-done; got != 0 {
		t.Errorf("what is started afterwards is at %d", got)
	}
	for n := 0; ; n++ {
		if all, normal := threads(t, 0); all == normal {
			break
		} else if n == 500 {
			t.Fatalf("%d threads of low priority are left", all-normal)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// threads counts those of this process, and those that are so nice.
func threads(t *testing.T, nice int) (all, such int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Error(err)
	}
	for _, x := range tasks {
		id, err := strconv.Atoi(x.Name())
		if err != nil {
			t.Error(err)
		}
		if p, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil {
			all++
			if 20-p == nice {
				such++
			}
		}
	}
	return all, such
}

func nice(t *testing.T, thread int) int {
	p, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
	if err != nil {
		t.Error(err)
	}
	return 20 - p
}
