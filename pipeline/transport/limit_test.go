package transport_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitt/kvitt/pipeline/transport"
)

// A counter lets so many requests through, and refuses the others in the way of one kind of provider.
type counter interface {
	admit(now time.Time) (ok bool, retryAfter string)
}

// A bucket holds so many requests, and fills at a rate.
type bucket struct {
	size, perSecond float64
	silent          bool // about when to come back
	tokens          float64
	at              time.Time
}

func (b *bucket) admit(now time.Time) (bool, string) {
	if b.at.IsZero() {
		b.tokens = b.size
	} else {
		b.tokens = min(b.size, b.tokens+b.perSecond*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.tokens < 1 {
		if b.silent {
			return false, ""
		}
		return false, "1"
	}
	b.tokens--
	return true, ""
}

// A window lets so many requests through in any time as long as it.
type window struct {
	most   int
	long   time.Duration
	moment bool // says when to come back as a moment
	sent   []time.Time
}

func (w *window) admit(now time.Time) (bool, string) {
	for len(w.sent) > 0 && now.Sub(w.sent[0]) >= w.long {
		w.sent = w.sent[1:]
	}
	if len(w.sent) < w.most {
		w.sent = append(w.sent, now)
		return true, ""
	}
	back := w.sent[0].Add(w.long)
	if w.moment {
		return false, back.Format(time.RFC3339Nano)
	}
	return false, strconv.Itoa(int((back.Sub(now) + time.Second - 1) / time.Second))
}

// A desk answers for a counter, after a while, and notes what came of it.
type desk struct {
	mu      sync.Mutex
	chance  *rand.Rand
	counter counter
	strange float64 // share of requests that are refused for no reason
	let     []time.Time
	refused []time.Time
}

func (d *desk) RoundTrip(*http.Request) (*http.Response, error) {
	d.mu.Lock()
	now := time.Now()
	ok, retryAfter := d.counter.admit(now)
	if ok && d.strange > 0 && d.chance.Float64() < d.strange {
		ok, retryAfter = false, "0"
	}
	if ok {
		d.let = append(d.let, now)
	} else {
		d.refused = append(d.refused, now)
	}
	takes := 5*time.Millisecond + time.Duration(d.chance.IntN(int(time.Millisecond)))
	d.mu.Unlock()
	time.Sleep(takes)
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}
	if !ok {
		resp.StatusCode = 429
		if retryAfter != "" {
			resp.Header.Set("Retry-After", retryAfter)
		}
	}
	return resp, nil
}

func TestTheRateIsLearnt(t *testing.T) {
	for _, tc := range []struct {
		name    string
		counter counter
		allowed float64 // a second
		strange float64
		lasts   time.Duration
	}{
		{"a bucket of a second", &bucket{size: 50, perSecond: 50}, 50, 0, 2 * time.Minute},
		{"a bucket of a second that does not say when", &bucket{size: 20, perSecond: 20, silent: true}, 20, 0, 2 * time.Minute},
		{"a small bucket", &bucket{size: 15, perSecond: 30}, 30, 0, 6 * time.Minute},
		{"a large bucket", &bucket{size: 200, perSecond: 10}, 10, 0, 5 * time.Minute},
		{"a window of a second", &window{most: 40, long: time.Second}, 40, 0, 2 * time.Minute},
		{"a window of five seconds", &window{most: 25, long: 5 * time.Second}, 5, 0, 3 * time.Minute},
		{"a window of ten seconds that says the moment", &window{most: 20, long: 10 * time.Second, moment: true}, 2, 0, 4 * time.Minute},
		{"a bucket with answers of no reason", &bucket{size: 50, perSecond: 50}, 50, 0.025, 2 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{chance: rand.New(rand.NewPCG(1, 2)), counter: tc.counter, strange: tc.strange}
				c := transport.New(transport.Options{Now: time.Now, Base: d})
				began := time.Now()
				ask(t, c, 8, tc.lasts)

				// Steady is the second half.
				half := began.Add(tc.lasts / 2)
				let, refused := after(d.let, half), after(d.refused, half)
				rate := float64(let) / (tc.lasts / 2).Seconds()
				t.Logf("%d refused before, %d after; %.1f a second of %.1f", len(d.refused)-refused, refused, rate, tc.allowed)
				if least := tc.allowed * (0.95 - 3*tc.strange); rate < least {
					t.Errorf("%.2f requests a second got through, want %.2f at least", rate, least)
				}
				// Now and then a little more is tried.
				if most := int(2*tc.strange*float64(let)) + 5; refused > most {
					t.Errorf("%d of %d refused when it was steady, want %d at most", refused, let+refused, most)
				}
			})
		})
	}
}

// One who asks one thing after the other is refused a few times in the first ten seconds, and never again in the
// next fifty, in which all but a twentieth of what is allowed is used. A rate that is taken from thirty requests may be
// 2 % too high, which a bucket of more than a second shows late.
func TestTheRateIsFoundSoon(t *testing.T) {
	for _, tc := range []struct {
		name    string
		counter func() counter
		allowed float64 // a second
		late    int     // refused after ten seconds, at most
	}{
		{"a bucket of a second", func() counter { return &bucket{size: 50, perSecond: 50} }, 50, 0},
		{"a slow bucket of a second", func() counter { return &bucket{size: 10, perSecond: 10} }, 10, 0},
		{"a bucket of two seconds", func() counter { return &bucket{size: 40, perSecond: 20} }, 20, 1},
		{"a large bucket", func() counter { return &bucket{size: 200, perSecond: 10} }, 10, 1},
		{"a window of a second", func() counter { return &window{most: 40, long: time.Second} }, 40, 0},
		{"a slow window of a second", func() counter { return &window{most: 10, long: time.Second} }, 10, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(10) {
				synctest.Test(t, func(t *testing.T) {
					d := &desk{chance: rand.New(rand.NewPCG(seed, 2)), counter: tc.counter()}
					began := time.Now()
					ask(t, transport.New(transport.Options{Now: time.Now, Base: d}), 1, time.Minute)
					let, refused := after(d.let, began.Add(10*time.Second)), after(d.refused, began.Add(10*time.Second))
					t.Logf("seed %d: %d refused before, %d after; %.1f a second of %.1f", seed, len(d.refused)-refused, refused, float64(let)/50, tc.allowed)
					if least := 50 * tc.allowed * 0.95; float64(let) < least {
						t.Errorf("seed %d: %d requests got through in 50 s, want %.0f at least", seed, let, least)
					}
					if first := len(d.refused) - refused; first > 5 || refused > tc.late {
						t.Errorf("seed %d: %d requests were refused, then %d more, want 5 at most, and %d more", seed, first, refused, tc.late)
					}
				})
			}
		})
	}
}

// A provider that refuses for no reason and has no limit is not slowed down to.
func TestARefusalOfNoReasonTeachesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{chance: rand.New(rand.NewPCG(1, 2)), counter: &bucket{size: 1e6, perSecond: 1e6}, strange: 0.05}
		ask(t, transport.New(transport.Options{Now: time.Now, Base: d}), 1, time.Minute)
		if rate := float64(len(d.let)) / 60; rate < 25 { // 180 without a wait, 55 with 0.25 s at one in twenty
			t.Errorf("%.1f requests a second got through, want more than 40", rate)
		}
	})
}

// ask lets n workers ask one thing after the other for so long.
func ask(t *testing.T, c *http.Client, n int, lasts time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				req, _ := http.NewRequestWithContext(ctx, "GET", "http://provider.test/x", nil)
				resp, err := c.Do(req)
				if err != nil {
					if !strings.Contains(err.Error(), "context deadline") {
						t.Error(err)
					}
					return
				}
				if resp.Body.Close(); resp.StatusCode != 200 {
					t.Errorf("an answer %d after all tries", resp.StatusCode)
				}
			}
		})
	}
	wg.Wait()
}

func after(times []time.Time, t time.Time) (n int) {
	for _, at := range times {
		if at.After(t) {
			n++
		}
	}
	return n
}
