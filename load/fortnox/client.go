package fortnox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kvitt/kvitt/load"
)

// maxTries of one request, the first included.
const maxTries = 9

// backoff is the wait before try, counted from 1: up to half a second, doubling to 20 s.
func backoff(try int) time.Duration {
	d := min(500*time.Millisecond<<min(try-1, 6), 20*time.Second)
	return d/2 + rand.N(d/2)
}

// retryAfter is how long a 429 says to wait, a second when it says nothing.
func retryAfter(h http.Header) (after time.Duration, said bool) {
	if n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After"))); err == nil && n >= 0 && n <= 300 {
		return time.Duration(n) * time.Second, true
	}
	return time.Second, false
}

func (t *Target) count(status int) {
	if t.o.Requests != nil {
		t.o.Requests(status)
	}
}

// get reads path into out.
func (t *Target) get(ctx context.Context, path string, q url.Values, out any) error {
	body, err := t.do(ctx, http.MethodGet, path, q, "application/json", nil)
	if err != nil {
		return err
	}
	return decode(path, body, out)
}

// write sends a POST or PUT. An error that wraps load.ErrUnsure means that it may have been carried out.
func (t *Target) write(ctx context.Context, method, path string, q url.Values, in, out any) error {
	var b []byte
	if in != nil {
		var err error
		if b, err = encode(in); err != nil {
			return err
		}
	}
	body, err := t.do(ctx, method, path, q, "application/json", b)
	if err != nil || out == nil {
		return err
	}
	if err := decode(path, body, out); err != nil {
		return fmt.Errorf("%w: %w", load.ErrUnsure, err)
	}
	return nil
}

// encode writes JSON as Fortnox takes it: no HTML escapes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func decode(path string, body []byte, out any) error {
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("fortnox %s: its answer cannot be read: %w", path, err)
	}
	return nil
}

// do makes one request, again as long as that is safe: a GET after anything that may pass, the others
// only after an answer that says it was not carried out.
func (t *Target) do(ctx context.Context, method, path string, q url.Values, contentType string, body []byte) ([]byte, error) {
	refused, renewed := "", 0
	var last error
	for try := 1; try <= maxTries; try++ {
		if try > 1 {
			if err := t.o.Sleep(ctx, backoff(try-1)); err != nil {
				return nil, err
			}
		}
		token, err := t.auth.get(ctx, refused)
		if err != nil {
			return nil, err
		}
		status, header, answer, err := t.once(ctx, method, path, q, token, contentType, body)
		safe := method == http.MethodGet
		switch {
		case ctx.Err() != nil && err != nil:
			if safe {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("%w: %w", load.ErrUnsure, ctx.Err())
		case err != nil && safe:
			last = fmt.Errorf("fortnox %s: %w", path, err)
		case err != nil:
			return nil, fmt.Errorf("fortnox %s %s: %w: %w", method, path, load.ErrUnsure, err)
		case status/100 == 2:
			return answer, nil
		case status == http.StatusTooManyRequests:
			t.win.refused(retryAfter(header))
			last = fmt.Errorf("fortnox %s: it answers 429, too many requests", path)
		case status == http.StatusUnauthorized && renewed < 5 && !hasCode(answer):
			refused, renewed = token, renewed+1 // it ran out, or was taken back
			last = readError(status, answer)
			continue
		case status >= 500:
			last = readError(status, answer)
			if !safe {
				return nil, fmt.Errorf("fortnox %s %s: %w: %w", method, path, load.ErrUnsure, last)
			}
		default:
			e := readError(status, answer)
			if e.Class == retry && safe {
				last = e
				continue
			}
			if e.Class == retry {
				return nil, fmt.Errorf("fortnox %s %s: %w: %w", method, path, load.ErrUnsure, e)
			}
			return nil, e
		}
		t.o.Log.Debug("fortnox: asking again", "method", method, "path", path, "try", try, "why", last)
	}
	return nil, fmt.Errorf("%w: %w", load.ErrUnsure, last)
}

func (t *Target) once(ctx context.Context, method, path string, q url.Values, token, contentType string, body []byte) (int, http.Header, []byte, error) {
	done, err := t.win.take(ctx)
	if err != nil {
		return 0, nil, nil, err
	}
	answered := false
	defer func() { done(answered) }()
	// Go sends a GET again by itself when a kept connection turns out to be broken: that one counts as well.
	sent := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if sent++; sent > 1 {
			if next, err := t.win.take(ctx); err == nil {
				done(false)
				done = next
			}
		}
	}})
	address := t.o.BaseURL + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, r)
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	if method != http.MethodGet {
		req.Header.Set("Content-Type", contentType)
	}
	if strings.HasPrefix(path, "/sie/") {
		req.Header.Set("Accept", "*/*")
	}
	resp, err := t.o.Client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the address may hold what a log should not
		}
		answered = cutOff(err)
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		answered = cutOff(err)
		return 0, nil, nil, err
	}
	t.count(resp.StatusCode)
	answered = true
	return resp.StatusCode, resp.Header, answer, nil
}

// cutOff reports whether the other side ended a connection: it has counted the request by then, as if it had answered.
func cutOff(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// A page of a list.
type meta struct {
	Total text `json:"@TotalResources"`
	Pages text `json:"@TotalPages"`
	Page  text `json:"@CurrentPage"`
}

// list reads all pages of a list of T under name, and hands each row to take until that says stop. Some lists
// ignore page and repeat themselves: it stops when a page brings the keys of the one before.
func list[T any](ctx context.Context, t *Target, path, name string, q url.Values, key func(T) string, take func(T) (more bool)) error {
	_, err := listed(ctx, t, path, name, q, 0, key, take)
	return err
}

// listed is list, unless there are more than most pages: then it stops after the first. It returns how many there are.
func listed[T any](ctx context.Context, t *Target, path, name string, q url.Values, most int, key func(T) string, take func(T) (more bool)) (pages int, err error) {
	q2 := url.Values{"limit": {"500"}}
	for k, v := range q {
		q2[k] = v
	}
	seen := map[string]bool{}
	for page := 1; ; page++ {
		if page > 1 {
			q2.Set("page", strconv.Itoa(page))
		}
		var raw map[string]json.RawMessage
		if err := t.get(ctx, path, q2, &raw); err != nil {
			return 0, err
		}
		var m meta
		if b, ok := raw["MetaInformation"]; ok {
			if err := decode(path, b, &m); err != nil {
				return 0, err
			}
		}
		var rows []T
		b, ok := raw[name]
		for k := range raw {
			if !ok && strings.EqualFold(k, name) {
				b, ok = raw[k], true
			}
		}
		if !ok && m.Total != "0" {
			// An answer that says nothing is not one that says there is nothing: what is looked for would be made again.
			return 0, fmt.Errorf("fortnox %s: its answer has no list of %s: %w", path, name, load.ErrUnsure)
		}
		if ok {
			if err := decode(path, b, &rows); err != nil {
				return 0, err
			}
		}
		fresh := false
		for _, r := range rows {
			if k := key(r); !seen[k] {
				seen[k], fresh = true, true
				if !take(r) {
					return page, nil
				}
			}
		}
		pages, _ := strconv.Atoi(string(m.Pages))
		if !fresh || page >= pages || most > 0 && pages > most {
			return pages, nil
		}
	}
}
