package extract_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
)

func TestAhead(t *testing.T) {
	things := []int{5, 1, 4, 2, 3, 0}
	var under, most, asked atomic.Int64
	fetch := func(ctx context.Context, n int) (int, error) {
		asked.Add(1)
		for now := under.Add(1); ; {
			if old := most.Load(); now <= old || most.CompareAndSwap(old, now) {
				break
			}
		}
		defer under.Add(-1)
		select {
		case <-time.After(time.Duration(n) * time.Millisecond): // the first comes last
		case <-ctx.Done():
		}
		if n == 4 {
			return n, errors.New("four")
		}
		return n, nil
	}
	var got []int
	var failed error
	if !extract.Ahead(t.Context(), 3, slices.Values(things), fetch, func(n int, err error) bool {
		got, failed = append(got, n), errors.Join(failed, err)
		return true
	}) {
		t.Error("it says that it was stopped")
	}
	if !slices.Equal(got, things) || failed == nil || most.Load() != 3 {
		t.Errorf("took %v (error %v), %d at once; want the order of things, the error, 3", got, failed, most.Load())
	}

	asked.Store(0)
	got = nil
	if extract.Ahead(t.Context(), 2, slices.Values(things), fetch, func(n int, _ error) bool { got = append(got, n); return false }) {
		t.Error("it says that all were taken")
	}
	if !slices.Equal(got, []int{5}) || under.Load() != 0 || asked.Load() > 3 {
		t.Errorf("took %v, %d still under way, %d asked for; want the first, none, 3 at most", got, under.Load(), asked.Load())
	}
}

func TestOnce(t *testing.T) {
	if got := extract.Once([]string{"b", "a", "b", "", "a"}); !slices.Equal(got, []string{"b", "a", ""}) {
		t.Errorf("Once = %q", got)
	}
}
