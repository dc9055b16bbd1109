package pipeline

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// InNoHurry runs fn and gives way to everything else in the process, as a run that kvitt serve begins does to those who look
// at its pages. A thread's priority can be lowered by anyone and raised by few: fn has a thread of its own, which ends with
// it. The threads that DuckDB starts for it, one set for each database, are as patient as the one that starts them.
func InNoHurry(fn func()) {
	done := make(chan struct{})
	goPatient(readersFirst, func() {
		defer close(done)
		fn()
	})
	<-done
}

// goAlike is go, with the priority of whoever calls it.
func goAlike(fn func()) {
	mine, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	if err != nil {
		go fn()
		return
	}
	all, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Getpid())
	if err != nil || mine == all {
		go fn()
		return
	}
	goPatient(20-mine, fn) // the system call counts downwards
}

// goPatient starts fn on a thread of its own that is so nice. Nobody else gets the thread: it is never unlocked. The process's
// first one would not end with fn, and says what the priority of all others is: while it is held here, fn gets another.
func goPatient(nice int, fn func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice)
			fn()
			return
		}
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		goPatient(nice, func() {
			defer close(done)
			fn()
		})
		<-done
	}()
}
