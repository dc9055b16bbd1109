package transport_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/pipeline/transport"
)

// TestAPostThatMayBeRepeatedIs sends a query by POST: it is asked again with the same body when its
// maker says that it may be, and only then.
func TestAPostThatMayBeRepeatedIs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"marked", http.Header{"X-Idempotency-Key": nil}, 3},
		{"with a key", http.Header{"Idempotency-Key": {"a"}}, 3},
		{"not marked", nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bodies []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				bodies = append(bodies, string(b))
				if _, sent := r.Header["X-Idempotency-Key"]; sent {
					t.Error("the mark was sent")
				}
				if len(bodies) < 3 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			defer s.Close()
			h, _ := client(transport.Options{})
			req, err := http.NewRequest(http.MethodPost, s.URL, strings.NewReader("query"))
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tt.header {
				req.Header[k] = v
			}
			resp, err := h.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if len(bodies) != tt.want {
				t.Errorf("asked %d times, want %d", len(bodies), tt.want)
			}
			for _, b := range bodies {
				if b != "query" {
					t.Errorf("body %q", b)
				}
			}
		})
	}
}

// TestARetryAfterMayBeAMoment reads the moment as a Unix time and as RFC 3339.
func TestARetryAfterMayBeAMoment(t *testing.T) {
	at := start.Add(7 * time.Second)
	for _, h := range []string{strconv.FormatInt(at.Unix(), 10), at.Format(time.RFC3339), at.Format(http.TimeFormat), "7"} {
		url, _ := script(t, status(http.StatusTooManyRequests, h), ok)
		c, ck := client(transport.Options{FirstWait: time.Nanosecond})
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if len(ck.waits) != 1 || ck.waits[0].Round(time.Second) != 7*time.Second {
			t.Errorf("Retry-After %q: waited %v, want 7s", h, ck.waits)
		}
	}
}
