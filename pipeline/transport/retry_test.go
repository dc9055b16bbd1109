package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/pipeline/transport"
)

// start is an arbitrary moment; the clock of these tests moves only when they sleep.
var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// A clock remembers every wait and moves by it.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waits = append(c.waits, d)
	return ctx.Err()
}

// An answer is one thing a server does when asked.
type answer func(w http.ResponseWriter, r *http.Request)

func status(code int, retryAfter string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
		io.WriteString(w, http.StatusText(code))
	}
}

func ok(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "whole") }

func halfBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "5")
	io.WriteString(w, "wh")
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func halfChunked(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "wh")
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// cutJSON answers JSON without its end, with a length that fits it or none at all.
func cutJSON(length string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		if length != "" {
			w.Header().Set("Content-Length", length)
			io.WriteString(w, `{"a": [`)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"+`{"a": [{"b": {}}`)
		conn.Close()
	}
}

func reset(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func slow(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// script answers the n-th request with the n-th answer, and every later one with the last.
func script(t *testing.T, answers ...answer) (url string, asked func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		a := answers[min(n, len(answers)-1)]
		n++
		mu.Unlock()
		a(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// client returns New's stack with a clock of its own and no jitter.
func client(o transport.Options) (*http.Client, *clock) {
	c := &clock{now: start}
	o.Now, o.Sleep = c.Now, c.Sleep
	h := transport.New(o)
	h.Transport.(*transport.Retry).Jitter = func(below time.Duration) time.Duration { return below }
	return h, c
}

func TestRetry(t *testing.T) {
	const first = 500 * time.Millisecond
	for _, tt := range []struct {
		name    string
		answers []answer
		opts    transport.Options
		method  string
		asks    string // the body of a request that may be repeated
		waits   []time.Duration
		status  int    // of the last answer, or 0
		body    string // of the last answer
		err     error
		tries   int
	}{
		{name: "an answer is an answer", answers: []answer{ok}, status: 200, body: "whole", tries: 1},
		{
			name: "a 429 that says how long is waited out as long, and a little", answers: []answer{status(429, "7"), ok},
			waits: []time.Duration{7*time.Second + first}, status: 200, body: "whole", tries: 2,
		},
		{
			name: "a 429 that says until when", answers: []answer{status(429, start.Add(90*time.Second).Format(http.TimeFormat)), ok},
			waits: []time.Duration{90*time.Second + first}, status: 200, body: "whole", tries: 2,
		},
		{
			name: "a date that has passed is no wait", answers: []answer{status(429, start.Add(-time.Hour).Format(http.TimeFormat)), ok},
			waits: []time.Duration{first}, status: 200, body: "whole", tries: 2,
		},
		{
			name: "a 429 that does not say is waited out twice as long each time", answers: []answer{status(429, ""), status(429, "soon"), status(429, ""), ok},
			waits: []time.Duration{first, 2 * first, 4 * first}, status: 200, body: "whole", tries: 4,
		},
		{
			name: "the backoff stops growing", answers: []answer{status(503, ""), status(503, ""), status(503, ""), ok}, opts: transport.Options{MaxWait: 800 * time.Millisecond},
			waits: []time.Duration{first, 800 * time.Millisecond, 800 * time.Millisecond}, status: 200, body: "whole", tries: 4,
		},
		{
			name: "500, 502, 503 and 504 pass", answers: []answer{status(500, ""), status(502, ""), status(503, "1"), status(504, ""), ok},
			waits: []time.Duration{first, 2 * first, time.Second + first, 8 * first}, status: 200, body: "whole", tries: 5,
		},
		{name: "501 does not", answers: []answer{status(501, "")}, status: 501, body: "Not Implemented", tries: 1},
		{name: "404 is an answer", answers: []answer{status(404, "")}, status: 404, body: "Not Found", tries: 1},
		{name: "401 is an answer", answers: []answer{status(401, "1")}, status: 401, body: "Unauthorized", tries: 1},
		{name: "half a body is asked for again", answers: []answer{halfBody, halfChunked, ok}, waits: []time.Duration{first, 2 * first}, status: 200, body: "whole", tries: 3},
		{name: "JSON that ends too early is too", answers: []answer{cutJSON("7"), cutJSON(""), status(200, "")}, waits: []time.Duration{first, 2 * first}, status: 200, body: "OK", tries: 3},
		{name: "JSON that always does is an answer", answers: []answer{cutJSON("7")}, waits: []time.Duration{first, 2 * first}, status: 200, body: `{"a": [`, tries: 3},
		{name: "half a body to the end is an error", answers: []answer{halfBody}, opts: transport.Options{MaxTries: 2}, waits: []time.Duration{first}, err: io.ErrUnexpectedEOF, tries: 2},
		{name: "a slow answer is given up and asked for again", answers: []answer{slow, ok}, opts: transport.Options{TryTimeout: 50 * time.Millisecond}, waits: []time.Duration{first}, status: 200, body: "whole", tries: 2},
		{name: "an answer that never comes", answers: []answer{slow}, opts: transport.Options{TryTimeout: 20 * time.Millisecond, MaxTries: 2}, waits: []time.Duration{first}, err: context.DeadlineExceeded, tries: 2},
		{name: "the last refusal is returned as it is", answers: []answer{status(503, "")}, opts: transport.Options{MaxTries: 3}, waits: []time.Duration{first, 2 * first}, status: 503, body: "Service Unavailable", tries: 3},
		{name: "a wait beyond the limit is not begun", answers: []answer{status(429, "3600")}, status: 429, body: "Too Many Requests", tries: 1},
		{name: "a body without end is refused once", answers: []answer{ok}, opts: transport.Options{MaxBody: 4}, err: transport.ErrTooLarge, tries: 1},
		{name: "a body of the limit passes", answers: []answer{ok}, opts: transport.Options{MaxBody: 5}, status: 200, body: "whole", tries: 1},
		{name: "a POST is never repeated", method: "POST", answers: []answer{status(503, "1")}, status: 503, body: "Service Unavailable", tries: 1},
		{name: "a POST that only asks is", method: "POST", asks: "question", answers: []answer{status(503, ""), halfBody, ok}, waits: []time.Duration{first, 2 * first}, status: 200, body: "whole", tries: 3},
		{name: "a HEAD is", method: "HEAD", answers: []answer{status(503, ""), ok}, waits: []time.Duration{first}, status: 200, tries: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, asked := script(t, tt.answers...)
			c, clk := client(tt.opts)
			method := tt.method
			if method == "" {
				method = "GET"
			}
			req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
			if err == nil && tt.asks != "" {
				req, err = http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(tt.asks))
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.asks != "" {
				req.Header["Idempotency-Key"] = nil
			}
			resp, err := c.Do(req)
			if !errors.Is(err, tt.err) {
				t.Fatalf("err = %v, want %v", err, tt.err)
			}
			if err == nil {
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != tt.status || string(body) != tt.body {
					t.Errorf("answer = %d %q, want %d %q", resp.StatusCode, body, tt.status, tt.body)
				}
			}
			if diff := cmp.Diff(tt.waits, clk.waits); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
			if asked() != tt.tries {
				t.Errorf("asked %d times, want %d", asked(), tt.tries)
			}
		})
	}
}

// A reset is answered by a new connection each time: Go's own transport repeats
// only what it sent on a connection it had used before.
func TestResetIsWaitedOut(t *testing.T) {
	url, asked := script(t, reset, reset, ok)
	c, _ := client(transport.Options{})
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if string(body) != "whole" || asked() != 3 {
		t.Errorf("got %q after %d requests, want whole after 3", body, asked())
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c, clk := client(transport.Options{MaxTries: 3})
	_, err = c.Get("http://" + addr + "/")
	if err == nil || !strings.Contains(err.Error(), "after 3 tries") {
		t.Errorf("err = %v, want one after 3 tries", err)
	}
	if len(clk.waits) != 2 {
		t.Errorf("%d waits, want 2", len(clk.waits))
	}
}

func TestBadCertificateIsNotRetried(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(ok))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	c, clk := client(transport.Options{})
	if _, err := c.Get(s.URL); err == nil {
		t.Error("a certificate nobody vouches for was accepted")
	}
	if len(clk.waits) != 0 {
		t.Errorf("waited %v for a certificate to become good", clk.waits)
	}
}

func TestCanceled(t *testing.T) {
	t.Run("while waiting", func(t *testing.T) {
		url, asked := script(t, status(503, ""))
		ctx, cancel := context.WithCancel(t.Context())
		c := transport.New(transport.Options{Now: func() time.Time { return start }, Sleep: func(ctx context.Context, d time.Duration) error {
			cancel()
			return transport.Sleep(ctx, d)
		}})
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v, want context.Canceled", err)
		}
		if asked() != 1 {
			t.Errorf("asked %d times after the caller had left", asked())
		}
	})
	t.Run("while asking", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		url, _ := script(t, func(w http.ResponseWriter, r *http.Request) { cancel(); slow(w, r) })
		c, clk := client(transport.Options{})
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v, want context.Canceled", err)
		}
		if len(clk.waits) != 0 {
			t.Errorf("waited %v for a caller who had left", clk.waits)
		}
	})
}

// The log names the path and nothing that could be a key.
func TestLogHoldsNoSecret(t *testing.T) {
	url, _ := script(t, status(503, ""), reset, halfBody, status(429, "1"), ok)
	var log bytes.Buffer
	c, _ := client(transport.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	req, _ := http.NewRequest("GET", url+"/orders?key=topsecret", nil)
	req.SetBasicAuth("merchant", "topsecret")
	req.Header.Set("X-Api-Key", "topsecret")
	if _, err := c.Do(req); err != nil {
		t.Fatal(err)
	}
	got := log.String()
	for _, secret := range []string{"topsecret", req.Header.Get("Authorization")} {
		if strings.Contains(got, secret) {
			t.Errorf("the log holds %q:\n%s", secret, got)
		}
	}
	for _, want := range []string{"path=/orders", "status=503", "status=429", "level=WARN", "level=DEBUG"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q:\n%s", want, got)
		}
	}
}

// Full jitter: every wait is below its bound, and they differ.
func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		url, _ := script(t, status(503, ""), ok)
		clk := &clock{now: start}
		c := transport.New(transport.Options{Now: clk.Now, Sleep: clk.Sleep})
		if _, err := c.Get(url); err != nil {
			t.Fatal(err)
		}
		if w := clk.waits[0]; w < 0 || w >= 500*time.Millisecond {
			t.Errorf("wait %v is outside [0, 500ms)", w)
		}
		seen[clk.waits[0]] = true
	}
	if len(seen) < 2 {
		t.Error("twenty waits were equal")
	}
}
