package pipeline_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract/adyen"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/transform"
)

func adyenProject(t *testing.T, currency string, files ...string) *pipeline.Project {
	t.Helper()
	dir := t.TempDir()
	inbox := filepath.Join(dir, "inbox")
	if err := os.Mkdir(inbox, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Skip("skipped: the real report is not here: ", err)
		}
		if err := os.WriteFile(filepath.Join(inbox, filepath.Base(f)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &pipeline.Project{
		DataDir: filepath.Join(dir, "data"),
		Settings: transform.Settings{
			Company:  transform.Company{Name: "Test", Country: "SE", Currency: currency, TimeZone: "Europe/Stockholm", FiscalYear: "01-01"},
			Accounts: transform.Accounts{Rounding: 3740, FXGain: 3960, FXLoss: 7960, Suspense: 2999, GiftCards: 2421, ReverseOut: 2614, ReverseIn: 2645},
			Period:   transform.Period{Policy: "first_open"}, Tolerance: 100, Number: "{order_number}",
			Sources: []transform.Source{{Name: "adyen", Provider: "adyen", Flows: []string{"payouts"}, FeeVAT: "none", Unmatched: "suspense",
				Accounts: transform.SourceAccounts{Receivable: 1510, Clearing: 1583, Bank: 1930, Fee: 6040, FeeVAT: 2641, Reserve: 1689, Dispute: 1516}}},
		},
		Sources: []pipeline.Source{{Name: "adyen", Connector: adyen.Source(), Flows: []string{"payouts"}, Inbox: inbox}},
		Now:     func() time.Time { return time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC) },
		Log:     slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Wall:    time.Now,
		Memory:  "600MB",
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) { w.t.Logf("%s", b); return len(b), nil }

var _ io.Writer = testWriter{}

func TestRealReport(t *testing.T) {
	p := adyenProject(t, "USD", "../../shared/data/adyen/oca_settlement_detail_report_batch_380.csv")
	res, err := p.Run(context.Background(), "run", pipeline.Selection{}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", res)
	db, err := p.Reader(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{"select account||' '||balance from recon.balances", "select columns(*)::varchar from recon.payouts"} {
		rows, err := db.Texts(context.Background(), q)
		t.Log(rows, err)
	}
}
