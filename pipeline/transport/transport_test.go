package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/pipeline/transport"
)

func TestRedirects(t *testing.T) {
	var foreign []http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		foreign = append(foreign, r.Header)
	}))
	t.Cleanup(other.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/x", http.StatusFound) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/here", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)

	c, _ := client(transport.Options{})
	get := func(path string) (int, string) {
		t.Helper()
		req, _ := http.NewRequest("GET", s.URL+path, nil)
		req.SetBasicAuth("merchant", "topsecret")
		req.Header.Set("X-Api-Key", "topsecret")
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	// The other server differs in its port only: that is another host to a key.
	if code, _ := get("/away"); code != http.StatusFound {
		t.Errorf("a redirect to another host gave %d, want the 302 itself", code)
	}
	if len(foreign) != 0 {
		t.Errorf("another host was asked, with %v", foreign)
	}
	if code, body := get("/moved"); code != http.StatusOK || !strings.HasPrefix(body, "Basic ") {
		t.Errorf("a redirect within the host gave %d %q, want it followed", code, body)
	}
	if code, _ := get("/loop"); code != http.StatusFound {
		t.Errorf("an endless redirect gave %d, want its last 302", code)
	}
}

func TestUserAgent(t *testing.T) {
	url, _ := script(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.UserAgent()) })
	c, _ := client(transport.Options{Agent: "kvitt/1.0"})
	req, _ := http.NewRequest("GET", url, nil)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "kvitt/1.0" {
		t.Errorf("User-Agent = %q", body)
	}
	if req.Header.Get("User-Agent") != "" {
		t.Error("the caller's request was changed")
	}
}

// Three requests at one per 30 ms take at least 60 ms, retries counted as requests.
func TestLimit(t *testing.T) {
	url, asked := script(t, status(503, "0"), ok)
	c := transport.New(transport.Options{
		Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil }, Every: 30 * time.Millisecond,
	})
	began := time.Now()
	for range 2 {
		if _, err := c.Get(url); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 60*time.Millisecond || asked() != 3 {
		t.Errorf("%d requests took %v, want 3 in at least 60ms", asked(), took)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestSleep(t *testing.T) {
	if err := transport.Sleep(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := transport.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want context.DeadlineExceeded", err)
	}
}
