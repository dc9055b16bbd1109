package pipeline

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStarving(t *testing.T) {
	at := func(ran, waited time.Duration) onProcessor { return onProcessor{ran, waited} }
	for name, x := range map[string]struct {
		before, now map[int]onProcessor
		want        bool
	}{
		"half of the time":         {map[int]onProcessor{7: at(0, 0)}, map[int]onProcessor{7: at(time.Second/2, time.Second/2)}, false},
		"hardly ever":              {map[int]onProcessor{7: at(time.Hour, 0)}, map[int]onProcessor{7: at(time.Hour+time.Millisecond, time.Second)}, true},
		"one does, another waits":  {map[int]onProcessor{7: at(0, 0), 8: at(0, 0)}, map[int]onProcessor{7: at(time.Second, 0), 8: at(0, time.Second)}, false},
		"nothing to do":            {map[int]onProcessor{7: at(0, 0)}, map[int]onProcessor{7: at(0, time.Millisecond)}, false},
		"a thread that has begun":  {map[int]onProcessor{}, map[int]onProcessor{7: at(0, time.Hour)}, false},
		"nothing was known before": {nil, map[int]onProcessor{7: at(0, time.Hour)}, false},
	} {
		if got := starving(x.before, x.now); got != x.want {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
}

// TestEverybodyGoesFirst: before what gives way, unless that is starved; what sees to it stays as it is.
func TestEverybodyGoesFirst(t *testing.T) {
	if nice(t, unix.Getpid()) > 0 {
		t.Skip("all of this process is of low priority")
	}
	if !mayReturn() {
		t.Skip("this system does not let a thread come back from SCHED_IDLE")
	}
	policy := func() int {
		p, err := policyOf(unix.Gettid())
		if err != nil {
			t.Error(err)
		}
		return p
	}
	InNoHurry(func() {
		if got := policy(); got != unix.SCHED_NORMAL {
			t.Errorf("before anybody is in a hurry: %d", got)
		}
		asked := make(chan bool)
		go func() { defer close(asked); GiveWay() }()
		<-asked
		if got := policy(); got != unix.SCHED_IDLE {
			t.Errorf("while somebody is in a hurry: %d", got)
		}
		inherited := make(chan int)
		goAlike(func() { inherited <- policy() })
		if got := <-inherited; got != unix.SCHED_IDLE {
			t.Errorf("what it starts: %d", got)
		}
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		starved.Store(true)
		go goOn(ctx)
		for policy() != unix.SCHED_NORMAL {
			if ctx.Err() != nil {
				t.Fatal("it is starved, and still lets everybody go first")
			}
			time.Sleep(10 * time.Millisecond)
		}
		GiveWay()
		if got := policy(); got != unix.SCHED_NORMAL {
			t.Errorf("it was starved, and lets everybody go first again: %d", got)
		}
	})
}
