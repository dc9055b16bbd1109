package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/transform"
)

func rate(date, currency, price string) transform.Rate {
	d, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	return transform.Rate{Date: d, Currency: currency, Price: price}
}

func withRates(more string) string {
	return good + "[fx]\nrates_file = \"rates.csv\"\n" + more
}

func TestRates(t *testing.T) {
	euro := func(text string) string {
		return strings.Replace(text, `currency    = "SEK"`, `currency = "EUR"`, 1)
	}
	const history = "Date,USD,SEK,TRL,NOK,\n2026-03-03,1.1000,11.0000,N/A,11.7,\n2026-03-02,1.0800,N/A,1600000,11.5,\n2026-03-01,1.09,10.999,99999999999,N/A,\n"
	for _, tt := range []struct {
		name, text, file string
		want             []transform.Rate
	}{
		{"prices, sorted", withRates(""), "date,currency,rate\n2026-03-03,EUR,11.2500\n2026-03-02,NOK,0.95\n2026-03-02,EUR,11\n2026-03-02,EUR,11.0\n2026-03-02,SEK,1.0\n",
			[]transform.Rate{rate("2026-03-02", "EUR", "11"), rate("2026-03-02", "NOK", "0.95"), rate("2026-03-03", "EUR", "11.25")}},
		{"under the name price, with semicolons", withRates(""), "currency;price;date\r\nEUR;11.12345678;2026-03-03\r\n",
			[]transform.Rate{rate("2026-03-03", "EUR", "11.12345678")}},
		{"of two currencies only", withRates(`currencies = ["EUR", "USD"]`), history, []transform.Rate{
			rate("2026-03-01", "EUR", "10.999"), rate("2026-03-01", "USD", "10.09082569"), rate("2026-03-03", "EUR", "11"), rate("2026-03-03", "USD", "10")}},
		// 11/11.7 = 0.940170940…; a currency worth under 0.00000001 has no price.
		{"the ECB's history, company in kronor", withRates(""), history, []transform.Rate{
			rate("2026-03-01", "EUR", "10.999"), rate("2026-03-01", "USD", "10.09082569"),
			rate("2026-03-03", "EUR", "11"), rate("2026-03-03", "NOK", "0.94017094"), rate("2026-03-03", "USD", "10")}},
		{"the ECB's history, company in euros", euro(withRates("")), "Date, USD, SEK, \n2026-03-03, 1.1000, 11.0000, \n", []transform.Rate{
			rate("2026-03-03", "SEK", "0.09090909"), rate("2026-03-03", "USD", "0.90909091")}},
		// 1/64 = 0.015625 and 1/512 = 0.001953125: nine decimals, the last a 5.
		{"half is rounded away from zero", euro(withRates("")), "Date,AAA,BBB\n2026-03-03,64,512\n", []transform.Rate{
			rate("2026-03-03", "AAA", "0.015625"), rate("2026-03-03", "BBB", "0.00195313")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(tt.text, "currency = \"SEK\"\nunmatched", "unmatched", 1)
			c := mustLoad(t, text, map[string]string{"rates.csv": tt.file})
			if diff := cmp.Diff(tt.want, c.Settings.Rates); diff != "" {
				t.Errorf("Rates mismatch (-want +got):\n%s", diff)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings: %v", warnings(c))
			}
		})
	}
}

func TestRatesThatAreNone(t *testing.T) {
	for _, tt := range []struct{ name, more, file, err string }{
		{"cells", "", "date,currency,rate\n1/2,EUR,11\n2026-03-02,eur,11\n2026-03-02,EUR,\"11,25\"\n2026-03-02,EUR,0\n2026-03-02,EUR,1e3\n2026-03-02,EUR,1.123456789\n2026-03-02,SEK,2\n2026-03-02,EUR,-1\n", `rates.csv:2:1: "1/2" is no date: write year, month and day: 2026-01-31
rates.csv:3:12: "eur" is no currency: three upper-case letters, as in ISO 4217: write e.g. EUR
rates.csv:4:16: "11,25" is no price: digits with a point, more than 0: write what one EUR costs in SEK, e.g. 11.2345
rates.csv:5:16: "0" is no price: digits with a point, more than 0: write what one EUR costs in SEK, e.g. 11.2345
rates.csv:6:16: "1e3" is no price: digits with a point, more than 0: write what one EUR costs in SEK, e.g. 11.2345
rates.csv:7:16: "1.123456789" has more than 8 decimals: round it to 1.12345679
rates.csv:8:16: SEK is the company's own currency: one costs 1: remove the row
rates.csv:9:16: "-1" is no price: digits with a point, more than 0: write what one EUR costs in SEK, e.g. 11.2345`},
		{"two prices", "", "date,currency,rate\n2026-03-02,EUR,11\n2026-03-02,EUR,12\n", `rates.csv:3:16: EUR on 2026-03-02 has the price 11 above and 12 here: keep one of the two`},
		{"columns", "", "date,valuta,kurs\n", `rates.csv:1:1: the header has no column "currency": the first row names the columns: date,currency,rate
rates.csv:1:1: the header has no column "rate": the first row names the columns: date,currency,rate
rates.csv:1:6: unknown column "valuta": columns are date, currency and rate
rates.csv:1:13: unknown column "kurs": columns are date, currency and rate`},
		{"the ECB without kronor", "", "Date,USD,NOK\n2026-03-02,1,1\n", `rates.csv:1:1: the file has no column for SEK, the company's currency: write a file of your own: date,currency,rate`},
		{"the ECB's daily file", "", "Date, SEK, USD, \n03 March 2026, 11, 1.1, \n", `rates.csv:2:1: "03 March 2026" is no date: this looks like the ECB's history of rates, where dates are written 2026-01-31`},
		{"a word at the ECB", "", "Date,SEK,USD\n2026-03-02,11,x\n", `rates.csv:2:15: "x" is no rate: digits with a point, more than 0, or N/A: take the file again from the ECB`},
		{"currencies", "currencies = [\"eur\", 7]", "date,currency,rate\n", `kvitt.toml:65:15: a currency is three upper-case letters, as in ISO 4217, in quotes: write e.g. currencies = ["EUR", "NOK"]
kvitt.toml:65:22: a currency is three upper-case letters, as in ISO 4217, in quotes: write e.g. currencies = ["EUR", "NOK"]`},
		{"currencies as text", "currencies = \"EUR\"", "date,currency,rate\n", `kvitt.toml:65:14: currencies is a list of currencies: write e.g. currencies = ["EUR", "NOK"], or remove the key for all of the file`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, withRates(tt.more), map[string]string{"rates.csv": tt.file})
			if errText(err) != tt.err {
				t.Errorf("error\n%s\nwant\n%s", errText(err), tt.err)
			}
		})
	}
	for _, tt := range []struct{ text, err string }{
		{withRates(""), `kvitt.toml:64:14: rates_file = "rates.csv" cannot be read: no such file or directory: the path begins at the folder of this file`},
		{good + "[fx]\n", `kvitt.toml:63:1: [fx] has no rates_file: write e.g. rates_file = "rates.csv", or remove [fx]`},
		{good + "[fx]\nrates_file = \"\"\n", `kvitt.toml:64:14: rates_file is empty: write the path of a CSV file, or remove the key`},
	} {
		if _, err := load(t, tt.text, nil); errText(err) != tt.err {
			t.Errorf("error\n%s\nwant\n%s", errText(err), tt.err)
		}
	}
}

// A file with one wrong row after another stops at the twentieth.
func TestRatesFileThatIsAllWrong(t *testing.T) {
	_, err := load(t, withRates(""), map[string]string{"rates.csv": "date,currency,rate\n" + strings.Repeat("x,y,z\n", 5000)})
	if n := len(strings.Split(errText(err), "\n")); n != 20 {
		t.Errorf("%d lines", n)
	}
}
