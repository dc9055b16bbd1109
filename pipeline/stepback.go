package pipeline

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A run is in nobody's hurry, and people who ask the books are: as soon as somebody reads the published ledger, the run
// gives its processors up to them. It stays so until it ends, for a priority can be lowered by anyone and raised by few.
const (
	// readersFirst is how nice a run becomes. With 10 half of all explanations take 1.1 to 1.4 times as long while a run is
	// writing as else, and with 19 no less; but where other programs keep every processor busy, a run at 19 would hardly go on at all.
	readersFirst = 10
	lookEvery    = 50 * time.Millisecond
)

// stepBack lowers the priority of this process when another one reads the published ledger, until ctx is done.
func (w *work) stepBack(ctx context.Context) {
	runtime.LockOSThread() // one thread stays as it is: it sees to the others
	defer runtime.UnlockOSThread()
	path := w.Published()
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if isRead(path) {
				w.Log.Debug("somebody reads the ledger: the run steps back")
				if beNice(readersFirst, func(int) bool { return true }) != nil {
					_ = unix.Setpriority(unix.PRIO_PROCESS, 0, readersFirst) // where threads have no priority of their own
				}
				goOn(ctx)
				return
			}
		}
	}
}

// isRead reports whether another process has the database open: DuckDB locks what it reads.
func isRead(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0}
	return unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lk) == nil && lk.Type != unix.F_UNLCK
}

// beNice lowers the priority of every thread there is whose own is one that is meant, and lets others go before it where that is
// safe; those to come have that of who starts them.
func beNice(n int, meant func(now int) bool) error {
	ids, err := threadIDs()
	for _, id := range ids {
		if now, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil && meant(20-now) { // the system call counts downwards
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, n)
			letGoFirst(id)
		}
	}
	return err
}

// threadIDs are the threads of this process, where the system lists them.
func threadIDs() (ids []int, err error) {
	tasks, err := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, err
}
