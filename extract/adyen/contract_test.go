package adyen_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/adyen"
	"github.com/kvitt/kvitt/extract/extracttest"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/adyen"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 1, 21, 0, 0, 0, time.UTC)

// patient returns the client of real runs, which does not really wait.
func patient() *http.Client {
	return transport.New(transport.Options{
		Now:      func() time.Time { return now },
		Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		MaxTries: 10,
	})
}

func config(base string, keys map[string]string) extract.Config {
	all := map[string]string{"merchant_account": fake.Account, "report_user": fake.User, "report_password": fake.Password, "first_batch": "61", "hmac_key": fake.HMACKey}
	for k, v := range keys {
		all[k] = v
	}
	return extract.Config{Name: "adyen-se", BaseURL: base, Keys: all, Client: patient(), Now: func() time.Time { return now }}
}

// opened returns an extractor of the report server at base; keys are set over the right ones.
func opened(t testing.TB, base string, keys map[string]string) extract.Extractor {
	t.Helper()
	x, err := adyen.Open(config(base, keys))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestContract(t *testing.T) {
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			if !rightKey {
				return opened(t, base, map[string]string{"report_password": "not-the-password"})
			}
			return opened(t, base, nil)
		},
		Handler: fake.Month(1).Handler(fake.Options{Prefix: "/adyen"}),
		Path:    "/adyen",
		Requests: []extract.Request{
			{Stream: adyen.Reports, Window: extract.Window{Since: now.AddDate(0, -1, 0), Until: now}},
			{Stream: adyen.Reports, IDs: []string{"61", fake.Account + "/63", "settlement_detail_report_batch_64.csv"}},
		},
		Gone:    extract.Request{Stream: adyen.Reports, IDs: []string{"999"}},
		Secrets: []string{fake.Password, "not-the-password", "bm90LXRoZS1wYXNzd29yZA"},
	})
}
