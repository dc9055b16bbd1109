package extracttest

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A fault answers a request in the provider's place, or returns false to leave it be.
type fault func(n int, answer []byte, w http.ResponseWriter, r *http.Request) bool

// once strikes the first request only.
func once(f http.HandlerFunc) fault {
	return func(n int, answer []byte, w http.ResponseWriter, r *http.Request) bool {
		if n != 1 {
			return false
		}
		f(answerer{w, answer}, r)
		return true
	}
}

// always strikes every request.
func always(f http.HandlerFunc) fault {
	return func(n int, answer []byte, w http.ResponseWriter, r *http.Request) bool {
		f(answerer{w, answer}, r)
		return true
	}
}

// An answerer knows what the provider would have answered.
type answerer struct {
	http.ResponseWriter
	answer []byte
}

func refuse(code int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
		io.WriteString(w, http.StatusText(code))
	}
}

func html(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, "<html><body>Please sign in</body></html>")
}

// half announces the right answer and sends half of it.
func half(w http.ResponseWriter, r *http.Request) {
	a := w.(answerer)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.answer)))
	w.Write(a.answer[:len(a.answer)/2])
	a.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// reset breaks the connection before any answer.
func reset(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(answerer).ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// A provider serves a handler and remembers what went over the wire.
type provider struct {
	*httptest.Server
	mu       sync.Mutex
	requests []http.Header
	bodies   [][]byte
	struck   int

	told   atomic.Bool  // the connector was told to stop
	readOn atomic.Int64 // requests that it waited for all the same
}

func newProvider(t *testing.T, h http.Handler, f fault) *provider {
	t.Helper()
	p := new(provider)
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		p.mu.Lock()
		p.requests = append(p.requests, r.Header)
		n := len(p.requests)
		p.bodies = append(p.bodies, bytes.Clone(answer.Body.Bytes()))
		p.struck++ // taken back below when the fault leaves the request be
		p.mu.Unlock()
		if p.told.Load() {
			// Nobody waits for an answer any more, unless the connector reads on.
			io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
				return
			case <-time.After(500 * time.Millisecond):
				p.readOn.Add(1)
			}
		}
		if f != nil && f(n, answer.Body.Bytes(), w, r) {
			return
		}
		p.mu.Lock()
		p.struck--
		p.mu.Unlock()
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	}))
	p.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // connections are broken on purpose
	p.Server.Start()
	t.Cleanup(p.Server.Close)
	return p
}

func (p *provider) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

func (p *provider) faults() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

func (p *provider) headers() []http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]http.Header(nil), p.requests...)
}

// sent reports whether some response had that body.
func (p *provider) sent(body []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.bodies {
		if bytes.Equal(b, body) {
			return true
		}
	}
	return false
}
