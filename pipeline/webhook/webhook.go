// Package webhook takes the calls that providers and shops make when something has changed.
//
// A call is a hint: it names an ID, which is then fetched as any other, and nothing else in it is
// believed. Its signature is checked over the raw bytes by the connector, in constant time; where the
// provider does not sign, a secret in the URL stands in. The call is on disk before it is answered
// (Queue), so that an answer is a promise: what was named will be fetched, whatever happens to the
// process. A call that is forged, too large, too slow or too old is refused and leaves nothing behind
// but a count. Losing every call loses nothing but time, for the schedule looks anyway.
//
// Bodies name people. They are never logged, and leave the disk when what they named was fetched.
package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kvitt/kvitt/extract"
)

// A Source is one that may call.
type Source struct {
	Name      string
	Connector extract.Source
	Config    extract.Config
	// Secrets are those that may stand in the URL of an unsigned call: several while one replaces another.
	Secrets []string
}

// Options are the settings of New.
type Options struct {
	Sources []Source
	Queue   *Queue
	Now     func() time.Time
	Log     *slog.Logger
	Kept    func()                      // called when something is new in the queue
	Count   func(source, result string) // for metrics; nil counts nothing
	// BehindProxy says that the caller's address is the last in X-Forwarded-For.
	BehindProxy bool
}

const (
	maxBody    = 2 << 20
	readTime   = 10 * time.Second
	inFlight   = 256
	perSource  = 2000 // calls a second, with a burst of ten times as many
	forgeries  = 1    // refused calls a second that an address may go on making
	forgeBurst = 60
	addresses  = 10_000
)

type handler struct {
	Options
	sources map[string]*source
	slots   chan struct{}

	mu     sync.Mutex
	forged map[netip.Addr]*rate.Limiter
}

type source struct {
	Source
	limit *rate.Limiter
}

// New returns a handler of POST /hooks/{source} and /hooks/{source}/{secret}. The secret may also be the
// query parameter secret or token.
func New(o Options) http.Handler {
	h := &handler{Options: o, sources: map[string]*source{}, slots: make(chan struct{}, inFlight), forged: map[netip.Addr]*rate.Limiter{}}
	for _, s := range o.Sources {
		if s.Connector.Hook != nil {
			h.sources[s.Name] = &source{s, rate.NewLimiter(perSource, 10*perSource)}
		}
	}
	if h.Count == nil {
		h.Count = func(string, string) {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks/{source}", h.serve)
	mux.HandleFunc("POST /hooks/{source}/{secret}", h.serve)
	return mux
}

// What becomes of a call, as it is counted.
const (
	Kept      = "kept"
	Nothing   = "nothing" // it is genuine, or proves nothing, and names nothing that is read
	Forged    = "forged"
	Malformed = "malformed"
	TooLarge  = "too_large"
	TooSlow   = "too_slow"
	Limited   = "limited"
	Unknown   = "unknown"
	Failed    = "failed"
)

// Results are all of them.
var Results = []string{Kept, Nothing, Forged, Malformed, TooLarge, TooSlow, Limited, Unknown, Failed}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	from := h.address(r)
	if h.isForger(from) {
		h.refuse(w, r, "", Limited, http.StatusTooManyRequests, "too many refused calls from this address")
		return
	}
	src := h.sources[r.PathValue("source")]
	if src == nil {
		h.suspect(from)
		h.refuse(w, r, "", Unknown, http.StatusNotFound, "no such hook")
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return
	case <-time.After(readTime):
		h.refuse(w, r, src.Name, Limited, http.StatusServiceUnavailable, "too many calls at once")
		return
	}
	if !src.limit.Allow() {
		h.refuse(w, r, src.Name, Limited, http.StatusTooManyRequests, "too many calls")
		return
	}
	body, result, status := readBody(w, r)
	if result != "" {
		h.suspect(from)
		h.refuse(w, r, src.Name, result, status, "")
		return
	}
	at := h.Now()
	call := extract.Call{Method: r.Method, URL: withoutSecret(r.URL), Header: r.Header, Body: body, At: at}
	hints, err := src.read(call, given(r))
	switch {
	case errors.Is(err, extract.ErrAuth):
		h.suspect(from)
		h.refuse(w, r, src.Name, Forged, http.StatusUnauthorized, err.Error())
		return
	case err != nil:
		h.suspect(from)
		h.refuse(w, r, src.Name, Malformed, http.StatusBadRequest, err.Error())
		return
	}
	result = Nothing
	if len(hints) > 0 {
		result = Kept
		if err := h.Queue.Add(Call{Source: src.Name, At: at, Type: r.Header.Get("Content-Type"), Body: body, Hints: hints}); err != nil {
			h.Log.Error("a webhook could not be kept; its sender will call again", "source", src.Name, "err", err)
			h.refuse(w, r, src.Name, Failed, http.StatusServiceUnavailable, "")
			return
		}
		if h.Kept != nil {
			h.Kept()
		}
	}
	h.Count(src.Name, result)
	h.Log.Debug("webhook", "source", src.Name, "result", result, "bytes", len(body), "named", len(hints))
	media, answer := "text/plain; charset=utf-8", []byte(nil)
	if src.Connector.Hook.Reply != nil {
		media, answer = src.Connector.Hook.Reply(call)
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(answer)
}

// refuse answers with a status and nothing that helps a forger; the log says why.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, source, result string, status int, why string) {
	h.Count(source, result)
	if why != "" {
		h.Log.Warn("webhook refused", "source", source, "result", result, "why", why)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	if r.Body != nil && result != Unknown {
		w.Header().Set("Connection", "close") // what may still come is not read
	}
	http.Error(w, http.StatusText(status), status)
}

// readBody reads the whole body within its bounds of size and time.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, result string, status int) {
	if r.ContentLength > maxBody {
		return nil, TooLarge, http.StatusRequestEntityTooLarge
	}
	control := http.NewResponseController(w)
	stop := time.AfterFunc(readTime, func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
	defer stop.Stop()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, TooLarge, http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, TooSlow, http.StatusRequestTimeout
	case err != nil:
		return nil, Malformed, http.StatusBadRequest
	}
	return body, "", 0
}

// read checks a call and returns what it names.
//
// A call that is accepted without any secret proves nothing: it is believed only with a secret in
// its URL. (A ping that names nothing is let through: it is answered and forgotten.)
func (s *source) read(call extract.Call, secret string) ([]extract.Hint, error) {
	hook := s.Connector.Hook
	bare := s.Config
	bare.Keys = maps.Clone(s.Config.Keys)
	for _, k := range s.Connector.Keys {
		if k.Secret {
			delete(bare.Keys, k.Name)
		}
	}
	delete(bare.Keys, "webhook_secret")
	hints, err := hook.Read(bare, call)
	if !errors.Is(err, extract.ErrAuth) {
		switch {
		case err == nil && len(hints) == 0:
			return nil, nil
		case len(s.Secrets) == 0:
			return nil, authError("the call is not signed, and no webhook_secret is set for its URL")
		case !s.knows(secret):
			return nil, authError("the call is not signed, and the secret in its URL is missing or wrong")
		}
		return hints, err
	}
	hints, err = hook.Read(s.Config, call)
	// While one secret replaces another both are set, with a comma between.
	if keys := split(s.Config.Keys["webhook_secret"]); errors.Is(err, extract.ErrAuth) && len(keys) > 1 {
		for _, key := range keys {
			one := s.Config
			one.Keys = maps.Clone(s.Config.Keys)
			one.Keys["webhook_secret"] = key
			if hints, err = hook.Read(one, call); !errors.Is(err, extract.ErrAuth) {
				break
			}
		}
	}
	return hints, err
}

type authError string

func (e authError) Error() string { return string(e) }
func (e authError) Unwrap() error { return extract.ErrAuth }

// knows compares with every secret, in the same time whichever fits.
func (s *source) knows(secret string) bool {
	got := sha256.Sum256([]byte(secret))
	found := 0
	for _, k := range s.Secrets {
		want := sha256.Sum256([]byte(k))
		found |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return found == 1 && secret != ""
}

// SplitSecrets takes apart what is written as webhook_secret.
func SplitSecrets(text string) []string { return split(text) }

func split(text string) []string {
	out := strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// secretParams are where a secret may stand in a query.
var secretParams = []string{"secret", "token"}

func given(r *http.Request) string {
	if s := r.PathValue("secret"); s != "" {
		return s
	}
	q := r.URL.Query()
	for _, name := range secretParams {
		if s := q.Get(name); s != "" {
			return s
		}
	}
	return ""
}

// withoutSecret is the address as a connector sees it.
func withoutSecret(u *url.URL) *url.URL {
	out := *u
	q := u.Query()
	for _, name := range secretParams {
		q.Del(name)
	}
	out.RawQuery = q.Encode()
	parts := strings.SplitN(strings.TrimPrefix(u.Path, "/"), "/", 3)
	out.Path, out.RawPath = "/"+strings.Join(parts[:min(2, len(parts))], "/"), ""
	return &out
}

// address is who calls.
func (h *handler) address(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if h.BehindProxy {
		if list := r.Header.Values("X-Forwarded-For"); len(list) > 0 {
			parts := strings.Split(list[len(list)-1], ",")
			host = strings.TrimSpace(parts[len(parts)-1])
		}
	}
	a, _ := netip.ParseAddr(host)
	return a.Unmap()
}

// isForger reports whether an address has made more refused calls than a mistake explains.
func (h *handler) isForger(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.forged[a]
	return l != nil && l.TokensAt(h.Now()) < 1
}

// suspect counts a refused call.
func (h *handler) suspect(a netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.forged[a]
	if l == nil {
		if len(h.forged) >= addresses {
			clear(h.forged) // rather forget than grow
		}
		l = rate.NewLimiter(forgeries, forgeBurst)
		h.forged[a] = l
	}
	l.AllowN(h.Now(), 1)
}
