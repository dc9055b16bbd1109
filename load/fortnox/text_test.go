package fortnox

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		`Käk "lyx" <b> [x] {y} a|b ~`: "Käk ´lyx´ (b) (x) (y) a/b -",
		"emoji 🎉 borta":               "emoji borta",
		"tab\tand\x00nul":             "tab andnul",
		"Åäö é ß 25.5 % – €":          "Åäö é ß 25.5 % – €",
	} {
		if got := clean(in, 100); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean(strings.Repeat("å", 300), 255); len([]rune(got)) != 255 {
		t.Errorf("%d letters", len([]rune(got)))
	}
}

func TestAmounts(t *testing.T) {
	for in, want := range map[string]amount{
		`12.5`: 1250, `"12.50"`: 1250, `-0.01`: -1, `1e2`: 10000, `12.499999999999998`: 1250, `null`: 0, `"1 250,00"`: 125000, `0`: 0, `-12.499999999999998`: -1250,
	} {
		var got amount
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s read as %d, %v; want %d", in, got, err, want)
		}
	}
	for in, want := range map[amount]string{1250: "12.5", -1: "-0.01", 100: "1", 0: "0", 123456789: "1234567.89"} {
		if b, _ := json.Marshal(in); string(b) != want {
			t.Errorf("%d written as %s, want %s", in, b, want)
		}
	}
	var x amount
	if json.Unmarshal([]byte(`"abc"`), &x) == nil || json.Unmarshal([]byte(`{}`), &x) == nil {
		t.Error("nonsense is read as an amount")
	}
}

// Each refusal collected from Fortnox and the help desks of other connectors has its class, and a sentence that says
// what to do. Source: the competition's own error libraries.
func TestAdvice(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		err    error
		says   string
	}{
		{400, `{"ErrorInformation":{"Error":1,"Message":"Du har låst perioden t.o.m. 2026-02-28","Code":2000401}}`, load.ErrRefused, "period"},
		{400, `{"ErrorInformation":{"error":1,"message":"Kontot är inaktivt","code":2000550}}`, load.ErrRefused, "activate the account"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Kan inte hitta valutan","Code":2000427}}`, load.ErrRefused, "add the currency"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"x","Code":2001101}}`, load.ErrStop, "licence"},
		{403, `{"ErrorInformation":{"Error":1,"Message":"Har inte behörighet","Code":2000663}}`, load.ErrStop, "licence or scope"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Verifikationsserien är inte manuell","Code":0}}`, load.ErrStop, "manual"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Bokföringsår saknas","Code":0}}`, load.ErrRefused, "financial year"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Kostnadsställe kräver licens","Code":9}}`, load.ErrRefused, "ost cent"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Kunde inte hitta moms","Code":9}}`, load.ErrRefused, "VAT rate"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Kunde inte hitta leveranssätt","Code":9}}`, load.ErrRefused, "way of delivery"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Något helt nytt","Code":2999999}}`, load.ErrRefused, "does not know this refusal"},
		{400, `{"ErrorInformation":{"Error":1,"Message":"Ogiltigt filter","Code":2000587}}`, load.ErrRefused, "report it"},
		{401, `{"message":"unauthorized"}`, load.ErrStop, "sign in again"},
		{500, `<html>Bad gateway</html>`, load.ErrUnsure, "tried again"},
		{500, `{"ErrorInformation":{"Error":1,"Message":"Systemundantag","Code":1000003}}`, load.ErrUnsure, "tried again"},
	} {
		e := readError(tt.status, []byte(tt.body))
		if !errors.Is(e, tt.err) {
			t.Errorf("%s: wraps %v, want %v", tt.body, e.Unwrap(), tt.err)
		}
		if !strings.Contains(e.Error(), tt.says) {
			t.Errorf("%s: says %q, want %q in it", tt.body, e, tt.says)
		}
		if m := e.Message; m != "" && !strings.Contains(e.Error(), m) {
			t.Errorf("Fortnox's own words %q are not in %q", m, e)
		}
	}
}

func sale(lines ...load.SaleLine) *load.Sale {
	return &load.Sale{Source: "klarna", Country: "SE", OrderNumber: "1001", Lines: lines}
}

var bas = map[int64]int{2500: 2611, 1200: 2621, 600: 2631}

func TestRowsComeToTheOrdersTotal(t *testing.T) {
	total := func(rows []wireRow) (n ledger.Minor) {
		for _, r := range rows {
			if r.DeliveredQuantity == "-1" {
				n -= ledger.Minor(r.Price)
			} else {
				n += ledger.Minor(r.Price)
			}
		}
		return n
	}
	line := func(gross, vat ledger.Minor, rate int64, account, vatAccount int) load.SaleLine {
		return load.SaleLine{Text: "x", Gross: gross, VAT: vat, RateBP: rate, Account: account, VATAccount: vatAccount}
	}
	var many, crooked, rowwise []load.SaleLine
	for range 600 {
		many = append(many, line(125, 25, 2500, 3001, 2611))
	}
	for range 7 {
		crooked = append(crooked, line(98, 20, 2500, 3001, 2611)) // 19.6 each, 137.2 together
		rowwise = append(rowwise, line(98, 20, 2500, 3001, 2611))
	}
	crooked = append(crooked, line(3, -3, 2500, 3001, 2611)) // and 137 is what is stated
	fi := sale(line(12550, 2550, 2550, 3106, 2670))
	fi.Country = "FI"
	dk := sale(line(12500, 2500, 2500, 3106, 2670))
	dk.Country = "DK"
	for name, tt := range map[string]struct {
		s    *load.Sale
		rows int
	}{
		"one rate":                          {sale(line(12500, 2500, 2500, 3001, 2611)), 1},
		"three rates":                       {sale(line(12500, 2500, 2500, 3001, 2611), line(1120, 120, 1200, 3002, 2621), line(106, 6, 600, 3003, 2631)), 3},
		"a fractional rate":                 {fi, 2},
		"a rate we have, of another state":  {dk, 2},
		"a gift card in part":               {sale(line(12500, 2500, 2500, 3001, 2611), load.SaleLine{Text: "Presentkort", Gross: -5000, RateBP: -1, Account: 2421}), 2},
		"more rows than an invoice takes":   {sale(many...), 1},
		"rows whose VAT would not add up":   {sale(crooked...), 1},
		"VAT that adds up row by row only":  {sale(rowwise...), 14},
		"VAT stated otherwise":              {sale(line(12500, 2450, 2500, 3001, 2611), line(1120, 120, 1200, 3002, 2621)), 3},
		"VAT on another account in Fortnox": {sale(line(12500, 2500, 2500, 3001, 2610)), 2},
		"a refund":                          {sale(line(-12500, -2500, 2500, 3001, 2611)), 1},
		"nothing":                           {sale(line(0, 0, 2500, 3001, 2611)), 0},
	} {
		rows := invoiceRows(tt.s, bas)
		var want ledger.Minor
		for _, l := range tt.s.Lines {
			want += l.Gross
		}
		if got := total(rows); got != want {
			t.Errorf("%s: rows come to %d, want %d", name, got, want)
		}
		if len(rows) != tt.rows {
			t.Errorf("%s: %d rows, want %d: %+v", name, len(rows), tt.rows, rows)
		}
		for _, r := range rows {
			if r.Price < 0 || r.Description == "" {
				t.Errorf("%s: %+v", name, r)
			}
			if tt.s.Country != "SE" && r.VAT != 0 {
				t.Errorf("%s: Fortnox would compute VAT of %s", name, tt.s.Country)
			}
		}
	}
}

func TestReferencesAreWholeWords(t *testing.T) {
	if holds("klarna payout kvitt:123", "kvitt:12") || !holds("klarna payout kvitt:12 x", "kvitt:12") {
		t.Error("a reference is found within another")
	}
	if normal("#10-01") != normal("1001") || normal("1001") == normal("10010") {
		t.Error("references are not compared by letters and digits")
	}
}
