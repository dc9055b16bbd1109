package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	fakeadyen "github.com/kvitt/kvitt/fixtures/sandbox/adyen"
)

// adyenByHTTP writes a configuration whose only source downloads Adyen's reports.
func adyenByHTTP(t *testing.T, base, more string) env {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kvitt.toml")
	text := `[company]
name = "Exempel"
org_number = "556000-0167"
country = "SE"
currency = "SEK"

[[source]]
name = "adyen"
provider = "adyen"
merchant_account = "ExempelHandelSE"
report_user = "report@Company.ExempelHandel"
report_password = "${ADYEN_REPORT_PASSWORD}"
base_url = "` + base + `"
` + more + `

[[sales]]
country = "SE"
vat_rate = "25"
sales = 3001
vat = 2611
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return env{"KVITT_CONFIG": path, "ADYEN_REPORT_PASSWORD": fakeadyen.Password, "KVITT_NOW": "2026-04-02T06:00:00Z"}
}

func TestAdyenIsReadOverHTTP(t *testing.T) {
	srv := httptest.NewServer(fakeadyen.Month(1).Handler(fakeadyen.Options{Prefix: "/adyen"}))
	t.Cleanup(srv.Close)
	e := adyenByHTTP(t, srv.URL+"/adyen", "first_batch = 61")
	e.kvitt("check").want(t, 0, "green   adyen: it answers and knows the key")
	e.kvitt("run").want(t, 3, "new from the sources")
	o := e.kvitt("--format", "csv", "payouts").must(t, 0)
	if n := strings.Count(o.out, "booked"); n != 4 {
		t.Errorf("%d payouts are booked, want 4 of 5\n%s", n, clip(o.out))
	}
	e.kvitt("run").want(t, 3, "0 new from the sources, 0 entries booked")
	e.kvitt("backfill", "--source", "adyen", "--ids", "63,999").want(t, 3, "the source does not know ExempelHandelSE/999")
	e.kvitt("verify").want(t, 0)
	if o := e.kvitt("exceptions").must(t, 0); strings.Contains(o.out, "999") {
		t.Errorf("a batch that nobody waits for is an exception\n%s", clip(o.out))
	}

	e["ADYEN_REPORT_PASSWORD"] = "another"
	e.kvitt("check").want(t, 3, "red     adyen", "not authorized", "API credentials")
	e.kvitt("run").want(t, 1, "not authorized")
}

// Nothing to read is no error where a first batch is named, and check says so; without one it is.
func TestAdyenWithoutReports(t *testing.T) {
	srv := httptest.NewServer(fakeadyen.New(fakeadyen.Account, 61).Handler(fakeadyen.Options{}))
	t.Cleanup(srv.Close)
	e := adyenByHTTP(t, srv.URL, "first_batch = 61")
	e.kvitt("check").want(t, 0, "yellow  adyen: it answers, and has nothing to read yet")
	e.kvitt("run").want(t, 0)
	e = adyenByHTTP(t, srv.URL, "")
	e.kvitt("run").want(t, 1, "set first_batch")
}

func TestAdyenKeysAreNeededWithoutAnInbox(t *testing.T) {
	e := adyenByHTTP(t, "https://ca-test.adyen.com", "")
	b, err := os.ReadFile(e["KVITT_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), `merchant_account = "ExempelHandelSE"`+"\n", "", 1)
	if err := os.WriteFile(e["KVITT_CONFIG"], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e.kvitt("check", "--offline").want(t, 2, "has no merchant_account", "inbox")
}
