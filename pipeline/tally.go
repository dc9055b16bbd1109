package pipeline

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

// A Tally is what a run leaves to be measured that its books do not show. It is kept in the data
// directory and added to by every run, whichever process made it.
type Tally struct {
	Phases      map[string]float64 `json:"phases"`       // of the last run: seconds each phase took
	ERPRequests map[string]int64   `json:"erp_requests"` // by status, or "error"
}

// A Counter counts requests until a run writes them down.
type Counter struct {
	mu sync.Mutex
	n  map[string]int64
}

// Add counts one request.
func (c *Counter) Add(code string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int64{}
	}
	c.n[code]++
}

func (c *Counter) drain() map[string]int64 {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n
	c.n = nil
	return n
}

const tallyFile = "metrics.json"

// Tally returns what runs have left. Without any it is empty.
func (p *Project) Tally() Tally {
	t := Tally{Phases: map[string]float64{}, ERPRequests: map[string]int64{}}
	if b, err := os.ReadFile(p.path(tallyFile)); err == nil {
		_ = json.Unmarshal(b, &t) // only measurements: what cannot be read begins at nothing
	}
	return t
}

// phase measures what it is deferred for: defer w.phase("book")().
func (w *work) phase(name string) func() {
	start := w.Wall()
	return func() {
		if w.took == nil {
			w.took = map[string]time.Duration{}
		}
		w.took[name] += w.Wall().Sub(start)
	}
}

// writeTally adds what this run measured to what is kept.
func (w *work) writeTally() {
	requests := w.ERPRequests.drain()
	if len(w.took) == 0 && len(requests) == 0 {
		return
	}
	t := w.Tally()
	if len(w.took) > 0 {
		t.Phases = map[string]float64{}
		for name, d := range w.took {
			t.Phases[name] = d.Seconds()
		}
	}
	for code, n := range requests {
		t.ERPRequests[code] += n
	}
	b, err := json.Marshal(t)
	if err != nil {
		return
	}
	tmp := w.path(tallyFile + ".tmp")
	if err := os.WriteFile(tmp, b, 0o600); err == nil {
		err = os.Rename(tmp, w.path(tallyFile))
		if err != nil {
			w.Log.Warn("what was measured is not kept", "err", err)
		}
	}
}
