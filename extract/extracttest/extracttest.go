// Package extracttest tests a connector against the contract in package extract, a
// subtest per sentence.
package extracttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
)

// A Subject is a connector over HTTP and what is needed to put it to the test.
type Subject struct {
	// Open returns an extractor that reads the provider at baseURL, with the right key or
	// a wrong one. Its client waits out 429, 5xx and broken connections as the real one
	// does, in next to no time.
	Open func(t testing.TB, baseURL string, rightKey bool) extract.Extractor
	// Handler answers as the provider does, always the same to the same question.
	Handler http.Handler
	// Path is what baseURL has after the host, "" or "/klarna".
	Path string
	// Requests cover the connector's streams. Each asks for two blobs or more.
	Requests []extract.Request
	// Gone asks by ID, for one document the provider does not have.
	Gone extract.Request
	// Secrets must be in no error.
	Secrets []string
}

// Run runs the contract test.
func Run(t *testing.T, s Subject) {
	for _, r := range s.Requests {
		t.Run(string(r.Stream)+ids(r), func(t *testing.T) { s.run(t, r) })
	}
	t.Run("a document that is gone is a blob", s.gone)
	t.Run("an unknown stream is an error", func(t *testing.T) {
		x, _ := s.open(t, nil)
		s.fails(t, x, extract.Request{Stream: "no such stream", Window: s.Requests[0].Window}, nil)
	})
}

func ids(r extract.Request) string {
	if r.IDs == nil {
		return " by window"
	}
	return " by ID"
}

// run tests one request.
func (s Subject) run(t *testing.T, r extract.Request) {
	x, p := s.open(t, nil)
	want := s.all(t, x, r)
	if len(want) < 2 {
		t.Fatalf("%d blobs: a request for two or more is needed", len(want))
	}

	t.Run("extracting twice yields the same keys", func(t *testing.T) {
		if diff := cmp.Diff(keys(want), keys(s.all(t, x, r))); diff != "" {
			t.Errorf("keys (-first +second):\n%s", diff)
		}
	})
	t.Run("keys are unique", func(t *testing.T) {
		if sorted := slices.Sorted(slices.Values(keys(want))); len(slices.Compact(sorted)) != len(want) {
			t.Errorf("keys repeat: %q", keys(want))
		}
	})
	t.Run("a blob is what the source sent, byte for byte", func(t *testing.T) {
		for _, b := range want {
			bodies := [][]byte{b.Body}
			if b.Type == extract.Sequence {
				bodies = extract.Texts(b.Body)
			}
			for _, body := range bodies {
				if !p.sent(body) {
					t.Errorf("%s: no response had that body: %.200q", b.Key, body)
				}
			}
			if b.Key == "" || b.Type == "" || b.At.IsZero() || b.At.Location() != time.UTC {
				t.Errorf("blob %q of type %q at %v: key, type and a time in UTC are due", b.Key, b.Type, b.At)
			}
		}
	})
	t.Run("stops when told, and starts again", func(t *testing.T) { s.stops(t, r, keys(want)) })
	t.Run("a canceled context ends it", func(t *testing.T) { s.canceled(t, r) })
	if r.IDs != nil {
		t.Run("an ID yields the same alone, whatever the window", func(t *testing.T) { s.byID(t, r, keys(want)) })
	}

	for _, f := range []struct {
		name  string
		fault fault
	}{
		{"a 429 is waited out", once(refuse(http.StatusTooManyRequests, "0"))},
		{"a 429 that does not say how long is waited out", once(refuse(http.StatusTooManyRequests, ""))},
		{"a 503 is waited out", once(refuse(http.StatusServiceUnavailable, ""))},
		{"a reset connection is waited out", once(reset)},
		{"half a body is asked for again", once(half)},
	} {
		t.Run(f.name, func(t *testing.T) {
			x, p := s.open(t, f.fault)
			if diff := cmp.Diff(keys(want), keys(s.all(t, x, r))); diff != "" {
				t.Errorf("keys (-without +with the fault):\n%s", diff)
			}
			if p.faults() == 0 {
				t.Error("the fault was not met")
			}
		})
	}
	for _, f := range []struct {
		name  string
		fault fault
		err   error
	}{
		{"a 500 that stays is ErrTransient", always(refuse(http.StatusInternalServerError, "")), extract.ErrTransient},
		{"a 429 that stays is ErrTransient", always(refuse(http.StatusTooManyRequests, "0")), extract.ErrTransient},
		{"connections that break are ErrTransient", always(reset), extract.ErrTransient},
		{"half bodies throughout are ErrTransient", always(half), extract.ErrTransient},
		{"a page for people is ErrMalformed", always(html), extract.ErrMalformed},
		{"a key that lacks a permission is ErrAuth", always(refuse(http.StatusForbidden, "")), extract.ErrAuth},
	} {
		t.Run(f.name, func(t *testing.T) {
			x, _ := s.open(t, f.fault)
			s.fails(t, x, r, f.err)
		})
	}
	t.Run("a wrong key is ErrAuth", func(t *testing.T) {
		p := newProvider(t, s.Handler, nil)
		e := s.fails(t, s.Open(t, p.URL+s.Path, false), r, extract.ErrAuth)
		if e.Do == "" || e.Key != "" {
			t.Errorf("error with Key %q says to do %q: advice is due, and it concerns everything", e.Key, e.Do)
		}
	})
	t.Run("credentials stay with the host", func(t *testing.T) { s.staysHome(t, r) })
}

// open returns an extractor of the provider, which answers through fault.
func (s Subject) open(t *testing.T, fault fault) (extract.Extractor, *provider) {
	t.Helper()
	p := newProvider(t, s.Handler, fault)
	return s.Open(t, p.URL+s.Path, true), p
}

// all returns every blob of r; an error fails the test.
func (s Subject) all(t *testing.T, x extract.Extractor, r extract.Request) []extract.Blob {
	t.Helper()
	var blobs []extract.Blob
	for b, err := range x.Extract(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, b)
	}
	return blobs
}

// fails checks that r fails as it must, with nothing but what the contract allows, and returns the first error.
func (s Subject) fails(t *testing.T, x extract.Extractor, r extract.Request, want error) *extract.Error {
	t.Helper()
	var first *extract.Error
	over := false
	for b, err := range x.Extract(t.Context(), r) {
		if over {
			t.Errorf("the sequence went on after an error that concerns everything")
			break
		}
		if err == nil {
			t.Errorf("%s came where nothing can", b.Key)
			continue
		}
		e := s.proper(t, err)
		if want != nil && !errors.Is(err, want) {
			t.Errorf("err = %v, want %v", err, want)
		}
		if first == nil {
			first = e
		}
		over = e.Key == ""
	}
	if first == nil {
		t.Fatal("no error")
	}
	return first
}

// proper checks what every error must be.
func (s Subject) proper(t *testing.T, err error) *extract.Error {
	t.Helper()
	e, ok := errors.AsType[*extract.Error](err)
	if !ok {
		t.Fatalf("%T is no *extract.Error: %v", err, err)
	}
	if e.Source == "" || e.Stream == "" {
		t.Errorf("the error does not say which source and stream: %v", e)
	}
	for _, secret := range s.Secrets {
		if strings.Contains(fmt.Sprintf("%v %+v", e, *e), secret) {
			t.Errorf("the error holds a secret: %v", e)
		}
	}
	return e
}

func (s Subject) stops(t *testing.T, r extract.Request, want []string) {
	x, p := s.open(t, nil)
	for b, err := range x.Extract(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Key != want[0] {
			t.Errorf("first key %q, want %q", b.Key, want[0])
		}
		p.told.Store(true)
		break
	}
	// What was under way may still arrive, late on a busy machine; nobody waits for it any more.
	asked, quiet := p.asked(), 0
	for n := 0; n < 250 && quiet < 40; n++ {
		quiet++
		if time.Sleep(20 * time.Millisecond); p.asked() != asked {
			asked, quiet = p.asked(), 0
		}
	}
	if n := p.readOn.Load(); n > 0 {
		t.Errorf("%d requests were waited for after it was told to stop", n)
	}
	p.told.Store(false)
	if diff := cmp.Diff(want, keys(s.all(t, x, r))); diff != "" {
		t.Errorf("keys after starting again (-want +got):\n%s", diff)
	}
}

func (s Subject) canceled(t *testing.T, r extract.Request) {
	ends := func(ctx context.Context, cancelAfter int, cancel func()) {
		t.Helper()
		x, _ := s.open(t, nil)
		var blobs int
		var last error
		for _, err := range x.Extract(ctx, r) {
			if last != nil {
				t.Error("the sequence went on after its context ended")
			}
			if err != nil {
				last = err
				continue
			}
			if blobs++; blobs == cancelAfter {
				cancel()
			}
		}
		if last == nil && blobs > cancelAfter {
			return // what was fetched ahead may still come
		}
		if cancelAfter == 0 && blobs > 0 {
			t.Errorf("%d blobs came although nobody waits", blobs)
		}
		if last != nil {
			s.proper(t, last)
			if !errors.Is(last, context.Canceled) {
				t.Errorf("err = %v, want context.Canceled", last)
			}
		} else if cancelAfter == 0 {
			t.Error("no error")
		}
	}
	before, cancel := context.WithCancel(t.Context())
	cancel()
	ends(before, 0, func() {})
	during, cancel := context.WithCancel(t.Context())
	defer cancel()
	ends(during, 1, cancel)
}

func (s Subject) byID(t *testing.T, r extract.Request, want []string) {
	x, _ := s.open(t, nil)
	var got []string
	for _, id := range r.IDs {
		one := extract.Request{Stream: r.Stream, IDs: []string{id}, Window: extract.Window{Since: time.Unix(0, 0), Until: time.Unix(1, 0)}}
		blobs := s.all(t, x, one)
		if len(blobs) == 0 {
			t.Errorf("nothing came for %s", id)
		}
		got = append(got, keys(blobs)...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-together +one by one):\n%s", diff)
	}
	if blobs := s.all(t, x, extract.Request{Stream: r.Stream, IDs: []string{}}); len(blobs) != 0 {
		t.Errorf("%q came for no ID", keys(blobs))
	}
}

func (s Subject) gone(t *testing.T) {
	x, p := s.open(t, nil)
	blobs := s.all(t, x, s.Gone)
	if len(blobs) != 1 || !blobs[0].Gone || !p.sent(blobs[0].Body) || blobs[0].Key == "" {
		t.Errorf("got %+v, want one blob with Gone and the answer", blobs)
	}
}

// staysHome redirects every request to another server, which must not see a key.
func (s Subject) staysHome(t *testing.T, r extract.Request) {
	elsewhere := newProvider(t, s.Handler, nil)
	x, _ := s.open(t, always(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.URL+req.URL.RequestURI(), http.StatusFound)
	}))
	s.fails(t, x, r, nil)
	for _, h := range elsewhere.headers() {
		for name, values := range h {
			for _, secret := range append(s.Secrets, "Basic ", "Bearer ") {
				if strings.Contains(strings.Join(values, "\n"), secret) {
					t.Errorf("the other host was sent %s", name)
				}
			}
		}
	}
}

func keys(blobs []extract.Blob) []string {
	var out []string
	for _, b := range blobs {
		out = append(out, b.Key)
	}
	return out
}
