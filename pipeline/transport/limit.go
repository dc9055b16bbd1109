package transport

import (
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// Limit lets requests through no faster than a provider allows.
type Limit struct {
	next    http.RoundTripper
	limiter *rate.Limiter
}

// NewLimit returns a Limit of one request per every, on average, and at most burst at once.
func NewLimit(next http.RoundTripper, every time.Duration, burst int) *Limit {
	return &Limit{next: next, limiter: rate.NewLimiter(rate.Every(every), burst)}
}

// RoundTrip waits for its turn, then makes the request.
//
// Errors: those of next; the context's, when it ends before the turn has come.
func (l *Limit) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := l.limiter.Wait(req.Context()); err != nil {
		closeBody(req)
		return nil, err
	}
	return l.next.RoundTrip(req)
}

// UserAgent says who asks, on every request that does not say so itself.
type UserAgent struct {
	Next  http.RoundTripper
	Agent string // e.g. "kvitt/1.0"
}

// RoundTrip sets the header on a copy: a round tripper must leave the request as it was.
func (u *UserAgent) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", u.Agent)
	}
	return u.Next.RoundTrip(req)
}

// closeBody closes a request's body where a round tripper returns without having passed it on.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
