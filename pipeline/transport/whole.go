package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrTooLarge is wrapped by the error for a body beyond the limit. Asking again will not make it smaller.
var ErrTooLarge = errors.New("body too large")

// errTryTimeout is the cause of a try that took longer than it may.
var errTryTimeout = errors.New("no whole answer in time")

// Whole makes one try and reads its whole body before it returns, so that a
// connection that breaks half way is an error of the try and not of the reader,
// who could not ask again.
type Whole struct {
	Next    http.RoundTripper
	Timeout time.Duration // for the try, its body included
	MaxBody int64         // bytes
}

// RoundTrip returns a response whose Body is in memory.
//
// Errors: those of Next, io.ErrUnexpectedEOF for a body shorter than announced,
// context.DeadlineExceeded when Timeout passed, ErrTooLarge.
func (w *Whole) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), w.Timeout, errTryTimeout)
	defer cancel()
	resp, err := w.Next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, w.say(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, w.MaxBody+1))
	if err != nil {
		return nil, w.say(ctx, fmt.Errorf("read body: %w", err))
	}
	if int64(len(body)) > w.MaxBody {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, w.MaxBody)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.Request = req // not the copy, whose context has ended
	return resp, nil
}

// say puts the timeout of the try into words; the caller's own deadline keeps its error.
func (w *Whole) say(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTryTimeout) {
		return fmt.Errorf("%w (%v): %w", errTryTimeout, w.Timeout, context.DeadlineExceeded)
	}
	return err
}
