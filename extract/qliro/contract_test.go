package qliro_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/extracttest"
	"github.com/kvitt/kvitt/extract/qliro"
	fakeqliro "github.com/kvitt/kvitt/fixtures/sandbox/qliro"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 10, 6, 0, 0, 0, time.UTC)

// patient returns the client of real runs, which does not really wait.
func patient() *http.Client {
	return transport.New(transport.Options{
		Now:      func() time.Time { return now },
		Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		MaxTries: 10,
	})
}

// open returns an extractor of the Qliro at base.
func open(t testing.TB, base, secret string) extract.Extractor {
	t.Helper()
	x, err := qliro.Open(extract.Config{
		Name: "qliro-se", BaseURL: base, Keys: map[string]string{"api_key": fakeqliro.Key, "api_secret": secret},
		Client: patient(), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestContract(t *testing.T) {
	w := fakeqliro.Month(1, 60)
	var batches []string
	for _, b := range w.Batches()[:12] {
		batches = append(batches, fmt.Sprintf("%d/%d/%d", b.ID, 100, 90))
	}
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			if !rightKey {
				return open(t, base, "not-the-secret")
			}
			return open(t, base, fakeqliro.Secret)
		},
		Handler: w.Handler(fakeqliro.Options{Now: func() time.Time { return now }}),
		Path:    "/qliro",
		Requests: []extract.Request{
			{Stream: "payouts", Window: extract.Window{Since: time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC), Until: now.AddDate(0, 0, 1)}},
			{Stream: "payout_lines", IDs: batches},
			{Stream: "orders", IDs: w.OrderIDs()[:20]},
		},
		Gone: extract.Request{Stream: "orders", IDs: []string{"99999999"}},
		// The header of a GET is as good as the secret, and so is what it is made of.
		Secrets: []string{fakeqliro.Secret, "not-the-secret", authorization(t, fakeqliro.Secret), authorization(t, "not-the-secret")},
	})
}
