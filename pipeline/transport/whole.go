package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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
	resp.Body = &memory{bytes.NewReader(body), resp.StatusCode == http.StatusOK && isCut(body, resp)}
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

// A memory is a body that was read whole.
type memory struct {
	*bytes.Reader
	cut bool // it ends too early
}

func (*memory) Close() error { return nil }

// isCut reports whether the end of body is missing, though nothing in its frame says so: a server or a proxy in between may
// announce no length, or that of what it has. JSON ends with its bracket; where no length is announced all of it is looked
// at, and a report of rows ends with one that is whole.
func isCut(body []byte, resp *http.Response) bool {
	typ := resp.Header.Get("Content-Type")
	unframed := resp.ProtoMajor == 1 && resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && !resp.Uncompressed
	text := bytes.TrimSpace(body)
	switch {
	case len(text) == 0:
		return strings.Contains(typ, "json")
	case text[0] != '{' && text[0] != '[':
		return unframed && strings.Contains(typ, "csv") && body[len(body)-1] != '\n'
	}
	if end := text[len(text)-1]; end != '}' && end != ']' {
		return true
	}
	var all json.RawMessage
	return unframed && errors.Is(json.NewDecoder(bytes.NewReader(text)).Decode(&all), io.ErrUnexpectedEOF)
}
