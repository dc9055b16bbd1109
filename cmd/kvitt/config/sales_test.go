package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/transform"
)

func TestSales(t *testing.T) {
	testProblems(t, []problem{
		{"a rate as a float", []string{`"25.5"`, `25.5`}, `42:12: vat_rate is a number with a point, and those are not exact: write it in quotes: vat_rate = "25.5"`},
		{"a rate as infinity", []string{`"25.5"`, `inf`}, `42:12: vat_rate is a number with a point, and those are not exact: write e.g. vat_rate = "25.5"`},
		{"a rate with a comma and percent", []string{`"25.5"`, `"25,5 %"`}, `42:12: vat_rate = "25,5 %" is not a plain number: write it with a point and without %: vat_rate = "25.5"`},
		{"a rate in basis points", []string{`"25.5"`, `2550`}, `42:12: vat_rate = 2550 is not between 0 and 100 percent: write e.g. vat_rate = "25.5"`},
		{"a negative rate", []string{`"25.5"`, `-25`}, `42:12: vat_rate = -25 is not between 0 and 100 percent: write e.g. vat_rate = "25.5"`},
		{"three decimals", []string{`"25.5"`, `"25.555"`}, `42:12: vat_rate = "25.555" has more than two decimals: write e.g. vat_rate = "25.5"`},
		{"no rate", []string{`"25.5"`, `"moms"`}, `42:12: vat_rate = "moms" is no rate in percent: write e.g. vat_rate = "25.5"`},
		{"a rate that is true", []string{`"25.5"`, `true`}, `42:12: vat_rate is a rate in percent: write e.g. vat_rate = "25.5"`},
		{"nothing in a row", []string{"country  = \"FI\"\nvat_rate = \"25.5\"\nsales    = 3106\nvat      = 2670\noss      = true\n", ""},
			"40:1: [[sales]] has no country: write e.g. country = \"SE\"\n40:1: [[sales]] has no vat_rate: write e.g. vat_rate = \"25\"\n40:1: [[sales]] has no sales: write e.g. sales = 3001"},
		{"a rate without a VAT account", []string{"vat      = 2670\n", ""}, `40:1: [[sales]] has no vat: write e.g. vat = 2611`},
		{"the VAT code of Greece", []string{`"FI"`, `"EL"`}, `41:12: country = "EL" is no country code: two upper-case letters, as in ISO 3166: write e.g. country = "GR"`},
		{"the United Kingdom", []string{`"FI"`, `"UK"`}, `41:12: country = "UK" is no country code: two upper-case letters, as in ISO 3166: write e.g. country = "GB"`},
		{"a customer that is none", []string{"oss      = true", `customer = "Busines"`}, `45:12: customer = "Busines" is not known: did you mean "business"?`},
		{"oss in quotes", []string{"oss      = true", `oss = "true"`}, `45:7: oss is true or false, without quotes: write oss = true`},
		{"the same row twice", []string{"country  = \"FI\"\nvat_rate = \"25.5\"", "country  = \"SE\"\nvat_rate = \"25.00\""},
			`40:1: sales to SE at 25 % to a consumer are mapped already, at 35:1: keep one of the two`},
		{"consumer and business", []string{"country  = \"FI\"\nvat_rate = \"25.5\"", "country  = \"SE\"\nvat_rate = 25\ncustomer = \"business\"", "oss      = true", ""}, ""},
		{"outside the EU", []string{`"FI"`, `"*"`, `"25.5"`, `"0"`, "vat      = 2670\noss      = true", ""}, ""},
		{"no row for the own country", []string{"[[sales]]\ncountry  = \"SE\"\nvat_rate = \"25\"\nsales    = 3001\nvat      = 2611\n", ""},
			"35:1: missing mapping: no [[sales]] for SE, the company's own country, and [[source]] \"klarna\" books invoices and refunds: write, with your own rates and accounts\n\n[[sales]]\ncountry  = \"SE\"\nvat_rate = \"25\"\nsales    = 3001\nvat      = 2611\n"},
		{"payouts only need no row", []string{"[[sales]]\ncountry  = \"SE\"\nvat_rate = \"25\"\nsales    = 3001\nvat      = 2611\n", "", `["orders", "invoices", "refunds", "payouts"]`, `["payouts"]`}, ""},
		{"a misspelt own country is not missing", []string{"country  = \"SE\"", "country  = \"se\""}, `36:12: country = "se" is no country code: two upper-case letters, as in ISO 3166: write e.g. country = "SE"`},
	})
}

// A file in place of the blocks gives the same settings, whatever Excel made of it.
func TestSalesFile(t *testing.T) {
	start := strings.Index(good, "[[sales]]")
	end := strings.Index(good, "[order_number]")
	text := "sales_file = \"conf/sales.csv\"\n" + good[:start] + good[end:]
	want := []transform.Sale{
		{Country: "SE", Customer: "consumer", Rate: 2500, Sales: 3001, VAT: 2611},
		{Country: "FI", Customer: "consumer", Rate: 2550, Sales: 3106, VAT: 2670, OSS: true},
		{Country: "FI", Customer: "business", Rate: 0, Sales: 3108},
	}
	for name, file := range map[string]string{
		"commas":               "country,vat_rate,sales,vat,oss,customer\nSE,25,3001,2611,,\nFI,25.5,3106,2670,true,consumer\nFI,0,3108,,false,business\n",
		"semicolons, CRLF":     "\ufeffVAT_Rate;Country;Sales;VAT;OSS;Customer;\r\n25;SE;3001;2611;FALSE;;\r\n\r\n25.50;FI;3106;2670;TRUE;;\r\n0;FI;3108;0;FALSE;Business;\r\n",
		"blanks and a comment": "# ours\ncountry, vat_rate, sales, vat, oss, customer\nSE, 25, 3001, 2611\n# OSS\nFI, 25.5, 3106, 2670, yes\nFI, 0, 3108, , no, business\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, text, map[string]string{"conf/sales.csv": file})
			if diff := cmp.Diff(want, c.Settings.Sales); diff != "" {
				t.Errorf("Sales mismatch (-want +got):\n%s", diff)
			}
		})
	}
	for _, tt := range []struct{ name, file, err string }{
		{"wrong cells", "country,vat_rate,sales,vat,oss,customer\nse,\"25,5\",30010,,maybe,b2b\n", `conf/sales.csv:2:1: "se" is no country code: two upper-case letters, as in ISO 3166, or *: write e.g. SE
conf/sales.csv:2:4: vat_rate = "25,5" is not a plain number: write it with a point and without %: "25.5"
conf/sales.csv:2:11: "30010" in column sales is no account: accounts have four digits, 1000 to 9999: write e.g. 3001
conf/sales.csv:2:18: "maybe" is neither true nor false: write true or false
conf/sales.csv:2:24: "b2b" is no kind of customer: write consumer or business`},
		{"no VAT account", "country,vat_rate,sales,vat\nSE,25,3001,\n", `conf/sales.csv:2:12: a sale at 25 % needs an account in column vat: write e.g. 2611`},
		{"a row twice", "country,vat_rate,sales,vat\nSE,25,3001,2611\nSE,25.0,3001,2611\n", `conf/sales.csv:3:1: sales to SE at 25 % to a consumer are mapped already, at conf/sales.csv:2:1: keep one of the two`},
		{"columns", "country,vatrate,sales,x,sales\n", `conf/sales.csv:1:1: the header has no column "vat_rate": the first row names the columns: country,vat_rate,sales,vat,oss,customer
conf/sales.csv:1:9: unknown column "vatrate": did you mean "vat_rate"?
conf/sales.csv:1:23: unknown column "x": columns are country, vat_rate, sales, vat, oss and customer
conf/sales.csv:1:25: column "sales" stands here twice: remove one of the two`},
		{"a decimal comma makes a cell too many", "country,vat_rate,sales,vat\nSE,25,5,3001,2611\n", `conf/sales.csv:2:14: this row has 5 cells, the header has 4: decimals have a point; a comma within a cell needs quotes around the cell`},
		{"a stray quote", "country,vat_rate,sales,vat\nSE,2\"5,3001,2611\n", `conf/sales.csv:2:5: this is no CSV: bare " in non-quoted-field: a cell with a quote in it is written in quotes, the quote twice: "5"" pipe"`},
		{"empty", "\n", `conf/sales.csv:1:1: the file is empty: the first row names the columns`},
		{"not UTF-8", "country,\xc5\n", `conf/sales.csv:1:1: the file is not UTF-8: save it as UTF-8`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, text, map[string]string{"conf/sales.csv": tt.file})
			if err == nil || err.Error() != tt.err {
				t.Errorf("error mismatch (-want +got):\n%s", cmp.Diff(tt.err, strings.Split(errText(err), "\n")))
			}
		})
	}
	_, err := load(t, text, nil)
	if want := `kvitt.toml:1:14: sales_file = "conf/sales.csv" cannot be read: no such file or directory: the path begins at the folder of this file`; errText(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
