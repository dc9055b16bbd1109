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

// TestInNoHurry: what is started for a run of low priority is of low priority, and nothing else becomes so.
func TestInNoHurry(t *testing.T) {
	InNoHurry(func() {
		if got := nice(t, unix.Gettid()); got != readersFirst {
			t.Errorf("its own thread is at %d, want %d", got, readersFirst)
		}
		db, err := duck.Open(context.Background(), filepath.Join(t.TempDir(), "work.duckdb"), duck.Options{Threads: 3})
		if err != nil {
			t.Error(err)
			return
		}
		defer db.Close()
		done := make(chan int, 1)
		goAlike(func() { done <- nice(t, unix.Gettid()) })
		if got := <-done; got != readersFirst {
			t.Errorf("what it starts is at %d, want %d", got, readersFirst)
		}
		if all, low := threads(t); low < 3 || low == all {
			t.Errorf("%d of %d threads are of low priority: its own, and two of DuckDB's", low, all)
		}
	})
	done := make(chan int, 1)
	goAlike(func() { done <- nice(t, unix.Gettid()) })
	if got := <-done; got != 0 {
		t.Errorf("what is started afterwards is at %d", got)
	}
	for n := 0; ; n++ {
		if _, low := threads(t); low == 0 {
			break
		} else if n == 500 {
			t.Fatalf("%d threads of low priority are left", low)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// threads counts those of this process, and those of low priority.
func threads(t *testing.T) (all, low int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skip("no /proc")
	}
	for _, x := range tasks {
		id, err := strconv.Atoi(x.Name())
		if err != nil {
			t.Fatal(err)
		}
		if p, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil {
			all++
			if 20-p == readersFirst {
				low++
			}
		}
	}
	return all, low
}

func nice(t *testing.T, thread int) int {
	p, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
	if err != nil {
		t.Error(err)
	}
	return 20 - p
}
