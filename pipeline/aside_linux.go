package pipeline

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A thread that is nice still keeps a processor for its slice of some milliseconds when somebody in a hurry wakes up, which a
// page does hundreds of times; a thread of SCHED_IDLE is put off at once. But where other programs keep every processor busy,
// such a thread hardly goes on at all. So a run does it only if it may stop doing it, which is for the system to allow (root,
// or RLIMIT_NICE; sched(7)), and stops when it is starved.
const (
	starvedShare = 10 // it waits that many times as long for a processor as it has one,
	starvedFor   = 5  // for so many seconds
)

// starved says that a run could hardly go on, and does not let everybody else go first any more.
var starved atomic.Bool

// mayReturn reports whether a thread may leave SCHED_IDLE: tried on one that is needed for nothing else. Who has set another
// policy for the whole process knows why.
var mayReturn = sync.OnceValue(func() bool {
	if all, err := policyOf(unix.Getpid()); err != nil || all != unix.SCHED_NORMAL {
		return false
	}
	ok := make(chan bool, 1)
	goPatient(readersFirst, func() {
		id := unix.Gettid()
		_, err := waited(id)
		ok <- err == nil && setPolicy(id, unix.SCHED_IDLE) == nil && setPolicy(id, unix.SCHED_NORMAL) == nil
	})
	return <-ok
})

// letGoFirst makes a thread one that everybody else goes before; not the one that asks for it, which sees to the others.
func letGoFirst(thread int) {
	if thread != unix.Gettid() && !starved.Load() && mayReturn() {
		_ = setPolicy(thread, unix.SCHED_IDLE)
	}
}

// goOn watches over the threads that let everybody go first, until ctx is done, and takes them back when they are starved.
func goOn(ctx context.Context) {
	if !mayReturn() {
		return
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var before map[int]onProcessor
	for long := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := map[int]onProcessor{}
		ids, _ := threadIDs()
		for _, id := range ids {
			if policy, err := policyOf(id); err != nil || policy != unix.SCHED_IDLE {
				continue
			}
			if starved.Load() {
				_ = setPolicy(id, unix.SCHED_NORMAL)
			} else if x, err := waited(id); err == nil {
				now[id] = x
			}
		}
		if long++; !starving(before, now) {
			long = 0
		}
		before = now
		if long == starvedFor {
			starved.Store(true)
		}
	}
}

// onProcessor is how long a thread had a processor, and how long it waited for one.
type onProcessor struct{ ran, waited time.Duration }

// starving reports whether threads waited for a processor most of the time between before and now.
func starving(before, now map[int]onProcessor) bool {
	var sum onProcessor
	for id, x := range now {
		if b, ok := before[id]; ok {
			sum.ran += x.ran - b.ran
			sum.waited += x.waited - b.waited
		}
	}
	return sum.waited > time.Second/2 && sum.waited > starvedShare*sum.ran
}

// waited reads what the kernel counts for a thread of this process: nanoseconds (proc(5), schedstat).
func waited(thread int) (x onProcessor, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", thread))
	if err == nil {
		_, err = fmt.Sscan(string(b), &x.ran, &x.waited)
	}
	return x, err
}

// setPolicy sets how a thread is scheduled; how nice it is stays. Of this call systemd's
// RestrictRealtime forbids the real-time policies only.
func setPolicy(thread, policy int) error {
	var param struct{ priority int32 } // of real time only
	if _, _, e := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(thread), uintptr(policy), uintptr(unsafe.Pointer(&param))); e != 0 {
		return e
	}
	return nil
}

func policyOf(thread int) (int, error) {
	policy, _, e := unix.Syscall(unix.SYS_SCHED_GETSCHEDULER, uintptr(thread), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(policy), nil
}
