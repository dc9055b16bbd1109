package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Retry asks again while a provider is busy or out of reach: 429, 500, 502, 503,
// 504, a broken connection, a timeout, half a body. Only what may be asked twice is asked
// again: GET and HEAD, and a request whose maker says so the way net/http documents it, by an
// Idempotency-Key or X-Idempotency-Key header (an empty one is not sent) and a body that can be
// had again. A query that travels as a POST is one. Any other may have had its effect already.
//
// Its Next must return whole bodies (Whole does): an error while the caller reads is too late.
type Retry struct {
	Next       http.RoundTripper
	Now        func() time.Time
	Sleep      func(ctx context.Context, d time.Duration) error
	Log        *slog.Logger                            // nil is silent
	Jitter     func(below time.Duration) time.Duration // a wait in [0, below); nil is random
	MaxTries   int                                     // the first included
	MaxElapsed time.Duration                           // no wait reaches beyond this after the first try began
	FirstWait  time.Duration                           // upper bound of the first backoff; it doubles each time
	MaxWait    time.Duration                           // upper bound of every backoff
}

// RoundTrip returns the first answer that is not one to wait out. After the last
// try it returns what that one gave, a response or an error, for the caller to
// say what it means.
//
// Errors: the context's when it ended; otherwise the last error of Next, with the number of tries.
func (r *Retry) RoundTrip(req *http.Request) (*http.Response, error) {
	if !repeatable(req) {
		return r.Next.RoundTrip(req)
	}
	ctx := req.Context()
	deadline := r.Now().Add(r.MaxElapsed)
	for try := 1; ; try++ {
		if try > 1 && req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			req = req.Clone(ctx) // a round tripper must leave the request as it was
			req.Body = body
		}
		resp, err := r.Next.RoundTrip(req)
		if ctx.Err() != nil && err != nil {
			return nil, ctx.Err()
		}
		if !worthAnother(resp, err) && !(try < cutTries && wasCut(resp)) {
			return resp, err
		}
		wait := r.wait(resp, try)
		if try >= r.MaxTries || r.Now().Add(wait).After(deadline) {
			if err != nil && try > 1 {
				err = fmt.Errorf("after %d tries: %w", try, err)
			}
			return resp, err
		}
		r.log(req, resp, err, try, wait)
		if resp != nil {
			resp.Body.Close()
		}
		if err := r.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// cutTries is how often an answer is asked for that seems to end too early: what is so every time is the provider's own.
const cutTries = 3

func wasCut(resp *http.Response) bool {
	if resp == nil {
		return false
	}
	m, ok := resp.Body.(*memory)
	return ok && m.cut
}

// repeatable reports whether asking twice is the same as asking once.
func repeatable(req *http.Request) bool {
	bare := req.Body == nil || req.Body == http.NoBody
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return bare
	}
	_, key := req.Header["Idempotency-Key"]
	_, xkey := req.Header["X-Idempotency-Key"]
	return (key || xkey) && (bare || req.GetBody != nil)
}

// log says what is waited for. Of the address it keeps scheme, host and path: a
// query may hold a key, and so may a header.
func (r *Retry) log(req *http.Request, resp *http.Response, err error, try int, wait time.Duration) {
	if r.Log == nil {
		return
	}
	level := slog.LevelDebug
	if try > 2 { // one or two waits are everyday
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("method", req.Method), slog.String("host", req.URL.Host), slog.String("path", req.URL.Path),
		slog.Int("try", try), slog.Duration("wait", wait),
	}
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
	}
	r.Log.LogAttrs(req.Context(), level, "waiting to ask again", attrs...)
}

// worthAnother reports whether asking again may give another answer.
func worthAnother(resp *http.Response, err error) bool {
	if err != nil {
		return !permanent(err)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// permanent reports whether err will be the same next time. Everything else that
// keeps an answer from arriving whole is taken to pass.
func permanent(err error) bool {
	var (
		cert   *tls.CertificateVerificationError
		name   x509.HostnameError
		issuer x509.UnknownAuthorityError
		record tls.RecordHeaderError // plain http where TLS was expected
		dns    *net.DNSError
	)
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, context.Canceled):
		return true
	case errors.As(err, &cert), errors.As(err, &name), errors.As(err, &issuer), errors.As(err, &record):
		return true
	case errors.As(err, &dns):
		return dns.IsNotFound
	}
	return false
}
