package extract

import (
	"context"
	"iter"
)

// Ahead calls fetch for up to n things at once, and take with what came, in the order of things, until
// take says no. It reports whether take had all of them. When it returns, nothing is being fetched any more.
func Ahead[T, R any](ctx context.Context, n int, things iter.Seq[T], fetch func(ctx context.Context, thing T) (R, error), take func(R, error) bool) bool {
	type result struct {
		got R
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	next, stop := iter.Pull(things)
	defer stop()
	var waiting []chan result // in the order of things
	defer func() {
		cancel()
		for _, ch := range waiting {
			<-ch
		}
	}()
	ask := func() {
		thing, ok := next()
		if !ok {
			return
		}
		ch := make(chan result, 1)
		waiting = append(waiting, ch)
		go func() {
			got, err := fetch(ctx, thing)
			ch <- result{got, err}
		}()
	}
	for range n {
		ask()
	}
	for len(waiting) > 0 {
		r := <-waiting[0]
		waiting = waiting[1:]
		if ctx.Err() == nil {
			ask()
		}
		if !take(r.got, r.err) {
			return false
		}
	}
	return true
}

// Once returns ids without repetition, in the order they came.
func Once(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	var once []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			once = append(once, id)
		}
	}
	return once
}
