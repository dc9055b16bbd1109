package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/transform"
)

// testSources are three providers: one with report files only, one with an API and report
// files, one with an API whose account is named by nothing but its token.
func testSources() []extract.Source {
	open := func(extract.Config) (extract.Extractor, error) { return nil, errors.New("not in this test") }
	return []extract.Source{
		{
			Name: "adyen", Title: "Adyen",
			Keys:     []extract.Key{{Name: "merchant_account"}, {Name: "report_password", Secret: true}, {Name: "first_batch"}},
			Inbox:    &extract.Inbox{Suffixes: []string{".csv"}},
			Flows:    []string{"payouts"},
			Defaults: extract.Defaults{Clearing: 1583, Fee: 6040, FeeVAT: "none"},
			Account:  func(c extract.Config) string { return c.Keys["merchant_account"] },
		},
		{
			Name: "klarna", Title: "Klarna",
			Keys:     []extract.Key{{Name: "username", Required: true}, {Name: "password", Secret: true, Required: true}},
			Inbox:    &extract.Inbox{Suffixes: []string{".csv"}},
			Flows:    []string{"payouts", "orders", "invoices", "refunds"},
			Defaults: extract.Defaults{Clearing: 1585, Fee: 6064, FeeVAT: "reported"},
			Account:  func(c extract.Config) string { return c.BaseURL + " " + c.Keys["username"] },
			Open:     open,
		},
		{
			Name: "mollie", Title: "Mollie",
			Keys:     []extract.Key{{Name: "access_token", Secret: true, Required: true}},
			Flows:    []string{"orders", "invoices", "refunds", "payouts"},
			Defaults: extract.Defaults{Clearing: 1582, Fee: 6040, FeeVAT: "reported"},
			Account:  func(c extract.Config) string { return c.BaseURL },
			Open:     open,
		},
	}
}

// testEnv is the environment of the tests.
func testEnv(name string) (string, bool) {
	v, ok := map[string]string{
		"KLARNA_USERNAME": "K123", "KLARNA_PASSWORD": "hush-klarna", "TOKEN": "hush-token", "EMPTY": "",
		"FORTNOX_CLIENT_ID": "client", "FORTNOX_CLIENT_SECRET": "hush-fortnox",
	}[name]
	return v, ok
}

const good = `data_dir = "data"

[company]
name        = "Exempel Handel AB"
org_number  = "556000-0167"
country     = "SE"
currency    = "SEK"
time_zone   = "Europe/Stockholm"
fiscal_year = "01-01"

[[source]]
name     = "klarna"
provider = "klarna"
flows    = ["orders", "invoices", "refunds", "payouts"]
username = "${KLARNA_USERNAME}"
password = "${KLARNA_PASSWORD}"
base_url = "http://127.0.0.1:8080/klarna/"
fee_vat  = "reported"
currency = "SEK"
unmatched = "suspense"
[source.accounts]
receivable = 1510
clearing   = 1585
[[source.method]]
match = "card"
fee   = 6040
[[source.line_type]]
match = "MiscCosts"
kind  = "fee"

[accounts]
rounding  = 3740
tolerance = "1.00"

[[sales]]
country  = "SE"
vat_rate = "25"
sales    = 3001
vat      = 2611
[[sales]]
country  = "FI"
vat_rate = "25.5"
sales    = 3106
vat      = 2670
oss      = true

[order_number]
pattern = "{order_number}"

[erp]
provider  = "sie"
mode      = "voucher"
aggregate = "day"
series    = "K"
auto_post = false
period    = "first_open"

[schedule]
payouts = "0 23 * * *"

[serve]
listen = "127.0.0.1:8740"
`

// inFolder makes an empty folder with files the working directory, so that messages name
// kvitt.toml as a user sees it.
func inFolder(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func load(t *testing.T, text string, files map[string]string, opts ...Option) (*Config, error) {
	t.Helper()
	all := map[string]string{"kvitt.toml": text}
	for name, text := range files {
		all[name] = text
	}
	inFolder(t, all)
	return Load("kvitt.toml", testEnv, testSources(), opts...)
}

func mustLoad(t *testing.T, text string, files map[string]string, opts ...Option) *Config {
	t.Helper()
	c, err := load(t, text, files, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// edit applies old, new pairs; an old text that is not there would test nothing.
func edit(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the text does not hold %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func warnings(c *Config) []string {
	var ws []string
	for _, w := range c.Warnings {
		ws = append(ws, w.String())
	}
	return ws
}

func TestLoadContractExample(t *testing.T) {
	c := mustLoad(t, good, nil)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := transform.Settings{
		Company: transform.Company{Name: "Exempel Handel AB", OrgNumber: "556000-0167", Country: "SE", Currency: "SEK", TimeZone: "Europe/Stockholm", FiscalYear: "01-01"},
		Sources: []transform.Source{{
			Name: "klarna", Provider: "klarna", Flows: []string{"orders", "invoices", "refunds", "payouts"},
			FeeVAT: "reported", Unmatched: "suspense", Currency: "SEK",
			Accounts:  transform.SourceAccounts{Receivable: 1510, Clearing: 1585, Bank: 1930, Fee: 6064, FeeVAT: 2641, Reserve: 1689, Dispute: 1516},
			Methods:   []transform.Method{{Match: "card", Fee: 6040}},
			LineTypes: []transform.LineType{{Match: "MiscCosts", Kind: "fee"}},
		}},
		Sales: []transform.Sale{
			{Country: "SE", Customer: "consumer", Rate: 2500, Sales: 3001, VAT: 2611},
			{Country: "FI", Customer: "consumer", Rate: 2550, Sales: 3106, VAT: 2670, OSS: true},
		},
		Accounts:  transform.Accounts{Rounding: 3740, FXGain: 3960, FXLoss: 7960, Suspense: 2999, GiftCards: 2421, ReverseOut: 2614, ReverseIn: 2645},
		Number:    "{order_number}",
		Period:    transform.Period{Policy: "first_open"},
		Tolerance: 100,
	}
	if diff := cmp.Diff(want, c.Settings); diff != "" {
		t.Errorf("Settings mismatch (-want +got):\n%s", diff)
	}
	s, ok := c.Source("klarna")
	if !ok {
		t.Fatal("no source klarna")
	}
	keys := map[string]string{"username": "K123", "password": "hush-klarna"}
	if diff := cmp.Diff(keys, s.Extract.Keys); diff != "" {
		t.Errorf("keys mismatch (-want +got):\n%s", diff)
	}
	got := []string{c.Path, c.Dir, c.DataDir, s.Extract.Name, s.Extract.BaseURL, s.Inbox, s.StartDate, fmt.Sprint(s.FollowDays), c.Serve.Listen, c.Schedule["payouts"]}
	if diff := cmp.Diff([]string{"kvitt.toml", dir, filepath.Join(dir, "data"), "klarna", "http://127.0.0.1:8080/klarna", "", "", "180", "127.0.0.1:8740", "0 23 * * *"}, got); diff != "" {
		t.Errorf("Config mismatch (-want +got):\n%s", diff)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", warnings(c))
	}
}

// The least that can be written has every default of the posting rules.
func TestLoadDefaults(t *testing.T) {
	c := mustLoad(t, `
[company]
name = "Exempel"
country = "SE"
currency = "SEK"
[[source]]
name = "adyen-se"
provider = "adyen"
inbox = "inbox/adyen"
start_date = 2026-01-01
follow_days = 30
`, nil)
	want := transform.Settings{
		Company: transform.Company{Name: "Exempel", Country: "SE", Currency: "SEK", TimeZone: "Europe/Stockholm", FiscalYear: "01-01"},
		Sources: []transform.Source{{
			Name: "adyen-se", Provider: "adyen", Flows: []string{"payouts"}, FeeVAT: "none", Unmatched: "suspense",
			Accounts: transform.SourceAccounts{Receivable: 1510, Clearing: 1583, Bank: 1930, Fee: 6040, FeeVAT: 2641, Reserve: 1689, Dispute: 1516},
		}},
		Accounts:  transform.Accounts{Rounding: 3740, FXGain: 3960, FXLoss: 7960, Suspense: 2999, GiftCards: 2421, ReverseOut: 2614, ReverseIn: 2645},
		Number:    "{order_number}",
		Period:    transform.Period{Policy: "first_open"},
		Tolerance: 100,
	}
	if diff := cmp.Diff(want, c.Settings); diff != "" {
		t.Errorf("Settings mismatch (-want +got):\n%s", diff)
	}
	erp := ERP{Provider: "sie", Mode: "voucher", Aggregate: "day", Series: "K", Period: "first_open"}
	if diff := cmp.Diff(erp, c.ERP, cmp.AllowUnexported(ERP{})); diff != "" {
		t.Errorf("ERP mismatch (-want +got):\n%s", diff)
	}
	s := c.Sources[0]
	if s.Inbox != filepath.Join(c.Dir, "inbox", "adyen") || s.StartDate != "2026-01-01" || s.FollowDays != 30 {
		t.Errorf("source: %+v", s)
	}
	if c.DataDir != filepath.Join(c.Dir, "data") || c.Serve.Listen != "127.0.0.1:8740" || c.Schedule != nil {
		t.Errorf("config: %+v", c)
	}
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	want := mustLoad(t, good, nil)
	got := mustLoad(t, "\ufeff"+strings.ReplaceAll(good, "\n", "\r\n"), nil)
	if want.Digest != got.Digest {
		t.Error("line ends change the settings")
	}
	_, err := load(t, "\ufeffdta_dir = 1\r\n", nil)
	if err == nil || !strings.Contains(err.Error(), `kvitt.toml:1:1: unknown key "dta_dir"`) {
		t.Errorf("error: %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Load("kvitt.toml", testEnv, testSources())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v is not fs.ErrNotExist", err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Line != 0 {
		t.Errorf("error %v is no *Error about the file", err)
	}
	if want := `kvitt.toml: there is no such file: "kvitt init" writes one to start from`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if _, err := Load(".", testEnv, testSources()); err == nil || err.Error() != ".: this is a folder, not a file" {
		t.Errorf("error %v", err)
	}
}
