package shopify

import (
	"context"
	"sync"
	"time"
)

// A bucket knows what the shop's leaky bucket holds, in points. It has no clock: each answer
// says what is left, and what a wait brings is known from the rate.
//
// Source: https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits: a query needs the
// points of its requested cost to start and is charged its actual cost; 100 a second come back on
// the standard plan, 1000 on Plus.
type bucket struct {
	turn      sync.Mutex // held while waiting: the first to ask is the first to be served
	mu        sync.Mutex
	known     bool
	available float64 // by the last answer, less what is under way
	maximum   float64
	restore   float64 // a second
	underWay  float64
	costs     map[string]float64 // requested cost by query, as last stated
	heard     chan struct{}      // closed by the next answer; nil when nobody waits
}

// take waits until query can be afforded and returns what it reserved.
func (b *bucket) take(ctx context.Context, query string) (float64, error) {
	b.turn.Lock()
	defer b.turn.Unlock()
	for {
		b.mu.Lock()
		cost := b.costs[query]
		if !b.known || cost == 0 || b.restore <= 0 || b.available >= min(cost, b.maximum) {
			b.available -= cost
			b.underWay += cost
			b.mu.Unlock()
			return cost, nil
		}
		short, restore := min(cost, b.maximum)-b.available, b.restore
		if b.heard == nil {
			b.heard = make(chan struct{})
		}
		heard := b.heard
		b.mu.Unlock()
		wait := min(short/restore, 0.25)
		t := time.NewTimer(time.Duration(wait * float64(time.Second)))
		select {
		case <-t.C:
		case <-heard: // the answer to another question: most cost less than was reserved for them
			t.Stop()
			continue
		case <-ctx.Done():
			t.Stop()
			return 0, ctx.Err()
		}
		b.mu.Lock()
		b.available = min(b.available+wait*restore, b.maximum)
		b.mu.Unlock()
	}
}

// give returns a reservation and learns from what the answer says.
func (b *bucket) give(query string, reserved float64, c *cost) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underWay -= reserved
	if b.heard != nil {
		close(b.heard)
		b.heard = nil
	}
	if c == nil {
		b.available += reserved
		return
	}
	if b.costs == nil {
		b.costs = map[string]float64{}
	}
	b.costs[query] = c.Requested
	if c.Throttle.Restore > 0 {
		b.known = true
		b.maximum, b.restore = c.Throttle.Maximum, c.Throttle.Restore
		b.available = c.Throttle.Available - b.underWay
	}
}

// lack says how many seconds until c's query can be afforded.
func (c *cost) lack() float64 {
	if c == nil || c.Throttle.Restore <= 0 {
		return 1
	}
	return max((c.Requested-c.Throttle.Available)/c.Throttle.Restore, 0.05)
}

func sleep(ctx context.Context, seconds float64) error {
	t := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
