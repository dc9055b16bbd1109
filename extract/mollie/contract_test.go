package mollie_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/extracttest"
	connector "github.com/kvitt/kvitt/extract/mollie"
	"github.com/kvitt/kvitt/fixtures/sandbox/mollie"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 25, 21, 0, 0, 0, time.UTC)

// march is the window of the month that the sandbox makes.
var march = extract.Window{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 4, 26, 0, 0, 0, 0, time.UTC)}

// patient returns the client of real runs, which does not really wait.
func patient() *http.Client {
	return transport.New(transport.Options{
		Now:      func() time.Time { return now },
		Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		MaxTries: 10,
	})
}

func open(t testing.TB, base string, keys map[string]string, vault extract.Vault) extract.Extractor {
	t.Helper()
	x, err := connector.Open(extract.Config{Name: "mollie-se", BaseURL: base, Keys: keys, Client: patient(), Now: func() time.Time { return now }, Vault: vault})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestContract(t *testing.T) {
	w := mollie.Month(mollie.MonthConfig{Seed: 7, Sales: 60})
	var settlements, payments []string
	for _, s := range w.Settlements()[2:6] {
		settlements = append(settlements, s.ID)
	}
	for _, p := range w.Payments()[:12] {
		payments = append(payments, p.ID)
	}
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			token := mollie.AccessToken
			if !rightKey {
				token = "access_not-the-token"
			}
			return open(t, base, map[string]string{"access_token": token}, nil)
		},
		Handler: mollie.Handler(w, mollie.Options{Prefix: "/mollie", PageSize: 5}),
		Path:    "/mollie",
		Requests: []extract.Request{
			{Stream: "settlements", Window: march},
			{Stream: "settlements", IDs: settlements},
			{Stream: "settlement_lines", IDs: settlements},
			{Stream: "payment_list", Window: march},
			{Stream: "payments", IDs: payments},
			{Stream: "balance_transactions", Window: march},
		},
		Gone:    extract.Request{Stream: "payments", IDs: []string{"tr_unknown"}},
		Secrets: []string{mollie.AccessToken, "access_not-the-token"},
	})
}
