package klarna_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/extracttest"
	"github.com/kvitt/kvitt/extract/klarna"
	"github.com/kvitt/kvitt/fixtures/sandbox"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 1, 21, 0, 0, 0, time.UTC)

// march is the window of the month that the sandbox makes.
var march = extract.Window{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}

// patient returns the client of real runs, which does not really wait.
func patient() *http.Client {
	return transport.New(transport.Options{
		Now:      func() time.Time { return now },
		Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		MaxTries: 10,
	})
}

// open returns an extractor of the Klarna at base.
func open(t testing.TB, base, password string) extract.Extractor {
	t.Helper()
	x, err := klarna.Open(extract.Config{
		Name: "klarna-se", BaseURL: base, Keys: map[string]string{"username": sandbox.Username, "password": password},
		Client: patient(), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestContract(t *testing.T) {
	m := sandbox.Month(sandbox.MonthConfig{Orders: 600, AdyenPayments: -1})
	var refs []string
	for _, p := range m.Payouts()[4:8] {
		refs = append(refs, p.Reference)
	}
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			if !rightKey {
				return open(t, base, "not-the-password")
			}
			return open(t, base, sandbox.Password)
		},
		Handler: crowd(sandbox.New(m, sandbox.Options{})),
		Path:    "/klarna",
		Requests: []extract.Request{
			{Stream: "payouts", Window: march},
			{Stream: "payouts", IDs: refs},
			{Stream: "payout_lines", IDs: refs},
			{Stream: "orders", IDs: m.OrderIDs()[:20]},
		},
		Gone:    extract.Request{Stream: "orders", IDs: []string{"00000000-0000-4000-8000-000000000000"}},
		Secrets: []string{sandbox.Password, "not-the-password", "bm90LXRoZS1wYXNzd29yZA"},
	})
}

// crowd makes the server hold back: whatever size is asked for, a page has five payouts
// at most, so that a month has several pages.
func crowd(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("size") != "" && q.Get("payment_reference") == "" {
			q.Set("size", "5")
			r = r.Clone(r.Context())
			r.URL.RawQuery = q.Encode()
		}
		h.ServeHTTP(w, r)
	})
}
