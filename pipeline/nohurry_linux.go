package pipeline

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// inNoHurry is how nice a run of kvitt serve is as long as nobody asks for a page: hardly, but its threads are known by it.
const inNoHurry = 1

// patient counts what InNoHurry is running.
var patient atomic.Int32

// InNoHurry runs fn, which gives way to the rest of the process when GiveWay says so, as a run that kvitt serve begins does to
// those who look at its pages. A thread's priority can be lowered by anyone and raised by few: fn has a thread of its own,
// which ends with it. The threads that DuckDB starts for it, one set for each database, have the priority of the one that
// starts them.
func InNoHurry(fn func()) {
	if now, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Getpid()); err != nil || now < 20 {
		fn() // the whole process gives way to others: there is nobody in a hurry here
		return
	}
	if patient.Add(1) == 1 {
		starved.Store(false)
	}
	defer patient.Add(-1)
	watch, stop := context.WithCancel(context.Background())
	defer stop()
	go goOn(watch)
	done := make(chan struct{})
	goPatient(inNoHurry, func() {
		defer close(done)
		fn()
	})
	<-done
}

// GiveWay lowers the priority of what InNoHurry is running, until it ends. It is to be called whenever somebody is in a hurry:
// what is running may have started threads since.
func GiveWay() {
	if patient.Load() > 0 {
		_ = beNice(readersFirst, func(now int) bool { return now == inNoHurry })
	}
}

// goAlike is go, with the priority of whoever calls it, and with everybody else before it if that is so.
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
	policy, _ := policyOf(unix.Gettid())
	goPatient(20-mine, func() { // the system call counts downwards
		if policy == unix.SCHED_IDLE {
			_ = setPolicy(unix.Gettid(), policy)
		}
		fn()
	})
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
