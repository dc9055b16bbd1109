// Package transport is how kvitt speaks HTTP to a provider or an ERP: patiently,
// politely, and without handing a key to the wrong host.
//
// It is a stack of http.RoundTrippers, outermost first:
//
//	Retry      waits out 429, 5xx and broken connections, for GET and HEAD only
//	Limit      keeps to the provider's rate limit, documented or learnt, retries included
//	UserAgent  says who asks
//	Whole      bounds one try in time and reads its whole body, so that half a body is an error
//
// New puts them together. Nothing here reads the clock: the caller hands in Now,
// and Sleep when it wants to wait by other means than a timer.
package transport

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options are the settings of New. Only Now has no default.
type Options struct {
	Now   func() time.Time                                 // the clock that MaxElapsed and a Retry-After date are measured by
	Sleep func(ctx context.Context, d time.Duration) error // waits, or returns the context's error; nil is Sleep
	Base  http.RoundTripper                                // makes the request; nil is a transport of its own
	Log   *slog.Logger                                     // one line per wait; nil is silent
	Agent string                                           // the User-Agent header; "" leaves Go's

	Every time.Duration // least time between two requests, tries included; 0 is what the provider turns out to allow

	Count func(code string) // called for each answer with its status, and with "error" where there was none; nil counts nothing

	MaxTries   int           // tries of one request, the first included; 0 is 6
	MaxElapsed time.Duration // no wait reaches beyond this after the first try began; 0 is 5 minutes
	FirstWait  time.Duration // upper bound of the first wait that no Retry-After names; doubles each time; 0 is 500 ms
	MaxWait    time.Duration // upper bound of every such wait; 0 is 30 seconds
	TryTimeout time.Duration // for one try, its body included; 0 is 1 minute
	MaxBody    int64         // bytes of one body; 0 is 64 MiB
}

// New returns a client made of the package's round trippers. It panics when o.Now is nil.
//
// A redirect is followed only within the same scheme, host and port. Any other is
// returned as it is, a 3xx answer for the caller to refuse: the request that
// followed it would carry the credentials along.
func New(o Options) *http.Client {
	if o.Now == nil {
		panic("transport: Options.Now is nil")
	}
	var rt http.RoundTripper = &Whole{
		Next:    or(o.Base, newBase()),
		Timeout: or(o.TryTimeout, time.Minute),
		MaxBody: or(o.MaxBody, 64<<20),
	}
	if o.Count != nil {
		rt = &counted{rt, o.Count}
	}
	if o.Agent != "" {
		rt = &UserAgent{Next: rt, Agent: o.Agent}
	}
	sleep := o.Sleep
	if sleep == nil {
		sleep = Sleep
	}
	rt = NewLimit(rt, o.Every, o.Now, sleep)
	return &http.Client{
		Transport: &Retry{
			Next:       rt,
			Now:        o.Now,
			Sleep:      sleep,
			Log:        o.Log,
			MaxTries:   or(o.MaxTries, 6),
			MaxElapsed: or(o.MaxElapsed, 5*time.Minute),
			FirstWait:  or(o.FirstWait, 500*time.Millisecond),
			MaxWait:    or(o.MaxWait, 30*time.Second),
		},
		CheckRedirect: sameOrigin,
	}
}

// or returns v, or def when v is the zero value.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// newBase returns Go's transport with bounds on the phases before a body, so that a
// dead address is noticed long before TryTimeout.
func newBase() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 10 * time.Second
	t.MaxIdleConnsPerHost = 8 // connectors ask up to eight things at once
	return t
}

// Sleep waits for d by a timer. It returns ctx's error when ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// maxRedirects is how many hops within one origin are followed before the last is returned.
const maxRedirects = 5

// sameOrigin is an http.Client's CheckRedirect. Go itself keeps the Authorization
// header towards subdomains, other ports and plain http, and headers of the
// caller's own everywhere; a key must not travel that far.
func sameOrigin(req *http.Request, via []*http.Request) error {
	from := via[0].URL
	if len(via) > maxRedirects || req.URL.Scheme != from.Scheme || req.URL.Host != from.Host {
		return http.ErrUseLastResponse
	}
	return nil
}
