package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	fakemollie "github.com/kvitt/kvitt/fixtures/sandbox/mollie"
)

// check asks every list of a source, since a token may be let into one and not into the next: what lacks is named. Nothing is booked
// from a balance, so that one that may not be read is no reason to stop.
func TestCheckNamesThePermissionThatLacks(t *testing.T) {
	api := fakemollie.Handler(fakemollie.Month(fakemollie.MonthConfig{Seed: 1, Sales: 10}), fakemollie.Options{Prefix: "/mollie"})
	lacks := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lacks != "" && strings.HasPrefix(r.URL.Path, "/mollie/v2/"+lacks) {
			w.WriteHeader(403)
			w.Write([]byte(`{"status": 403, "title": "Forbidden", "detail": "The token lacks a permission"}`))
			return
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	e := env{"KVITT_CONFIG": filepath.Join(t.TempDir(), "kvitt.toml"), "TOKEN": fakemollie.AccessToken, "KVITT_NOW": "2026-03-25T06:00:00Z"}
	text := `[company]
name = "Exempel"
org_number = "556000-0167"
country = "SE"
currency = "SEK"
[[source]]
name = "mollie"
provider = "mollie"
access_token = "${TOKEN}"
base_url = "` + srv.URL + `/mollie"
[[sales]]
country = "SE"
vat_rate = "25"
sales = 3001
vat = 2611
`
	if err := os.WriteFile(e["KVITT_CONFIG"], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e.kvitt("check").want(t, 0, "green   mollie: it answers and knows the key")
	lacks = "payments"
	e.kvitt("check").want(t, 3, "red     mollie", "/v2/payments", "The token lacks a permission", "payments.read")
	lacks = "balances"
	e.kvitt("check").want(t, 0, "yellow  mollie: it answers; the books are made without this", "balances.read")
	if o := e.kvitt("run"); o.code != 0 && o.code != 3 || !strings.Contains(o.err, "the books are made without it") {
		t.Errorf("exit %d\n%s", o.code, clip(o.err))
	}
}
