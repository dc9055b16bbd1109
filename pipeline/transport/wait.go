package transport

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// wait returns how long to wait before the try after try. A Retry-After is obeyed,
// plus a little so that requests refused together do not come back together (less for a 429, which
// is for this client alone, and in whose time a bucket may fill);
// without one the wait is anything below FirstWait·2^(try−1), at most MaxWait
// ("full jitter").
func (r *Retry) wait(resp *http.Response, try int) time.Duration {
	if resp != nil {
		if d, ok := retryAfter(resp.Header.Get("Retry-After"), r.Now()); ok {
			if resp.StatusCode == http.StatusTooManyRequests && d >= r.FirstWait {
				return d + r.jitter(min(r.FirstWait, d/8))
			}
			return d + r.jitter(r.FirstWait)
		}
	}
	below := r.FirstWait
	for range try - 1 {
		if below >= r.MaxWait {
			break
		}
		below *= 2
	}
	return r.jitter(min(below, r.MaxWait))
}

// jitter returns a wait in [0, below).
func (r *Retry) jitter(below time.Duration) time.Duration {
	switch {
	case r.Jitter != nil:
		return r.Jitter(below)
	case below <= 0:
		return 0
	}
	return rand.N(below)
}

// maxRetryAfter keeps a Retry-After of nonsense size from overflowing; no MaxElapsed waits that long.
const maxRetryAfter = 365 * 24 * time.Hour

// firstMoment is where a Retry-After stops being a number of seconds to wait (thirty years of
// them) and is a Unix time.
const firstMoment = 1_000_000_000

// retryAfter reads a Retry-After header: whole seconds, or an HTTP date measured
// from now. Some providers (Centra) write the moment as a Unix time or as RFC 3339. A moment in
// the past is no wait. It reports false for a header that is missing or unreadable.
//
// Source: RFC 9110 §10.2.3.
func retryAfter(h string, now time.Time) (time.Duration, bool) {
	h = strings.TrimSpace(h)
	if h == "" {
		return 0, false
	}
	until := func(t time.Time) (time.Duration, bool) { return min(max(t.Sub(now), 0), maxRetryAfter), true }
	if n, err := strconv.ParseUint(h, 10, 32); err == nil {
		if n >= firstMoment {
			return until(time.Unix(int64(n), 0))
		}
		return min(time.Duration(n)*time.Second, maxRetryAfter), true
	}
	if t, err := http.ParseTime(h); err == nil {
		return until(t)
	}
	if t, err := time.Parse(time.RFC3339, h); err == nil {
		return until(t)
	}
	return 0, false
}
