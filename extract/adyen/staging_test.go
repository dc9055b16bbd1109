package adyen_test

import (
	"context"
	"encoding/csv"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract/adyen"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

var update = flag.Bool("update", false, "write what the staging yields as what it must yield; read the diff")

func open(t *testing.T) *duck.DB {
	t.Helper()
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	macros, err := fs.ReadFile(adyen.Source().Files, adyen.Source().Macros)
	if err == nil {
		err = db.Exec(ctx, sql.Macros()+string(macros))
	}
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// stage runs the staging model over a report: its columns found by name, empty ones null,
// absent ones null.
func stage(t *testing.T, db *duck.DB, path string) duck.Table {
	t.Helper()
	ctx := context.Background()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(b), "\n")
	delim := ","
	if strings.Contains(header, ";") {
		delim = ";"
	}
	names := strings.Split(header, delim)
	var cols, pick []string
	for _, n := range names {
		cols = append(cols, duck.Quote(n)+": 'VARCHAR'")
	}
	in := adyen.Source().Inbox
	for _, n := range slices.Concat(in.Header, in.Optional) {
		switch {
		case slices.Contains(names, n):
			pick = append(pick, "nullif("+duck.Ident(n)+", '') as "+duck.Ident(n))
		case slices.Contains(in.Header, n):
			t.Fatalf("%s has no column %q", path, n)
		default:
			pick = append(pick, "null::varchar as "+duck.Ident(n))
		}
	}
	if err := db.Exec(ctx, "create or replace temp view raw as select "+strings.Join(pick, ", ")+
		" from read_csv("+duck.Quote(path)+", auto_detect = false, header = true, delim = "+duck.Quote(delim)+
		", quote = '\"', escape = '\"', new_line = '\\n', columns = {"+strings.Join(cols, ", ")+"})"); err != nil {
		t.Fatal(err)
	}
	model, err := fs.ReadFile(adyen.Source().Files, adyen.Source().Models[0].File)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := db.Table(ctx, strings.TrimRight(strings.TrimSpace(string(model)), ";"), 0)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// asCSV writes a table as a person reads it: null is (null), nothing is nothing.
func asCSV(t *testing.T, table duck.Table) string {
	t.Helper()
	var b strings.Builder
	w := csv.NewWriter(&b)
	rows := [][]string{table.Columns}
	for _, r := range table.Rows {
		var row []string
		for _, c := range r {
			if c.IsNull {
				c.Text = "(null)"
			}
			row = append(row, c.Text)
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPayoutLines(t *testing.T) {
	reports, err := filepath.Glob("testdata/*.csv")
	if err != nil {
		t.Fatal(err)
	}
	db := open(t)
	for _, path := range reports {
		if strings.HasSuffix(path, ".want.csv") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".csv"), func(t *testing.T) {
			got := asCSV(t, stage(t, db, path))
			golden := strings.TrimSuffix(path, ".csv") + ".want.csv"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("lines mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// column returns one column of a table, by the order reference of its row.
func column(t *testing.T, table duck.Table, name string) map[string]string {
	t.Helper()
	ref, col := slices.Index(table.Columns, "order_reference"), slices.Index(table.Columns, name)
	if ref < 0 || col < 0 {
		t.Fatalf("no column %s in %v", name, table.Columns)
	}
	out := map[string]string{}
	for _, r := range table.Rows {
		out[r[ref].Text] = r[col].Text
		if r[col].IsNull {
			out[r[ref].Text] = "unknown"
		}
	}
	return out
}

// What a row's own columns miss each other by is told to the minor unit, one of rounding
// after converting forgiven.
func TestRowsThatDisagreeWithThemselves(t *testing.T) {
	db := open(t)
	want := map[string]string{
		"rupees with fees above the sale":        "0",
		"many decimals of a rate":                "0",
		"Adyen rounds the other way":             "0",
		"two cents off":                          "2",
		"no rate given":                          "unknown",
		"same currency one cent off":             "1",
		"yen into euro":                          "0",
		"dinars into euro":                       "0",
		"a refund in kronor":                     "0",
		"fees finer than a cent are added first": "0",
		"yen":                                    "0",
		"yen with zeros behind":                  "0",
		"yen have no decimals":                   "unknown",
		"dinars":                                 "0",
	}
	got := column(t, stage(t, db, "testdata/currencies.csv"), "row_off_minor")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row_off_minor mismatch (-want +got):\n%s", diff)
	}
}

// What cannot be read exactly is unknown, never rounded and never zero.
func TestAmountsThatCannotBeRead(t *testing.T) {
	db := open(t)
	want := map[string]string{
		"three decimals": "unknown",
		"three decimals of which the last is nothing": "987",
		"a decimal comma":         "unknown",
		"thousands set apart":     "unknown",
		"a fee that is no number": "900",
		"no date":                 "1000", "a date that is none": "1000", "a zone nobody knows": "1000", "no zone": "1000",
		"no currency": "1000", "no account and no batch": "1000", "a gross that is no number": "1000", "a rate that is no number": "11000",
	}
	got := column(t, stage(t, db, "testdata/malformed.csv"), "net_minor")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("net_minor mismatch (-want +got):\n%s", diff)
	}
}

// gross − fee = net on every row that can be read.
func TestEveryRowAgreesWithItself(t *testing.T) {
	db := open(t)
	for _, path := range []string{"testdata/usual.csv", "testdata/currencies.csv", "testdata/malformed.csv"} {
		stage(t, db, path) // makes raw
		model, err := fs.ReadFile(adyen.Source().Files, adyen.Source().Models[0].File)
		if err != nil {
			t.Fatal(err)
		}
		n, err := db.Count(context.Background(), "select count(*) from (\n"+string(model)+"\n) where net_minor is not null and fee_minor is not null and gross_minor - fee_minor - fee_vat_minor is distinct from net_minor")
		if err != nil || n != 0 {
			t.Errorf("%s: %d rows disagree, %v", path, n, err)
		}
	}
}

func TestAmountsAsAdyenWritesThem(t *testing.T) {
	db := open(t)
	for _, tt := range []struct {
		name, text string
		exp        string
		want       string
	}{
		{"trailing zeros cut", "'26.2'", "2", "2620"},
		{"no zero before the point", "'.11'", "2", "11"},
		{"no decimals", "'75'", "2", "7500"},
		{"nothing, written out", "'0.00'", "2", "0"},
		{"nothing", "null", "2", "0"},
		{"below zero", "'-0.8'", "2", "-80"},
		{"zeros beyond the öre", "'1.500000'", "2", "150"},
		{"more than the öre", "'1.505'", "2", ""},
		{"yen", "'1000'", "0", "1000"},
		{"yen with zeros", "'1000.000'", "0", "1000"},
		{"half a yen", "'0.5'", "0", ""},
		{"dinars", "'1.234'", "3", "1234"},
		{"dinars finer than fils", "'1.2345'", "3", ""},
		{"a point alone", "'.'", "2", ""},
		{"a decimal comma", "'1,5'", "2", ""},
		{"a word", "'none'", "2", ""},
		{"a hundred billion", "'99999999999.99'", "2", "9999999999999"},
		{"too large for any report", "'999999999999999.99'", "2", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := db.Texts(context.Background(), "select adyen_minor("+tt.text+", "+tt.exp+")::varchar")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "")); diff != "" {
				t.Errorf("adyen_minor(%s, %s) mismatch (-want +got):\n%s", tt.text, tt.exp, diff)
			}
		})
	}
}

// The lists of words and columns fit together: no word twice, no column both needed and optional.
func TestSourceIsConsistent(t *testing.T) {
	src := adyen.Source()
	seen := map[string]bool{}
	for _, k := range src.Kinds {
		if seen[k.Word] {
			t.Errorf("%s is mapped twice", k.Word)
		}
		seen[k.Word] = true
	}
	for _, n := range src.Inbox.Optional {
		if slices.Contains(src.Inbox.Header, n) {
			t.Errorf("column %s is needed and optional", n)
		}
	}
}

// A figure that no report can hold is unknown: it holds its payout and never stops the
// reading of the others.
func TestADamagedFigureIsUnknown(t *testing.T) {
	db := open(t)
	for _, expression := range []string{
		"adyen_minor('7310865004123', 2)", // a product's bar code in the wrong column
		"adyen_minor('1e13', 2)",
		"adyen_minor('1e-3', 2)",
		"(adyen_fee('7310865004') * 100)::bigint",
		"adyen_converted(1000, '999999999999', 'SEK', 'EUR')",
	} {
		if got, err := db.Texts(context.Background(), "select ("+expression+")::varchar"); err != nil || len(got) != 1 || got[0] != "" {
			t.Errorf("%s = %v, %v; want unknown", expression, got, err)
		}
	}
}

// A rate of a weak currency has its digits far behind the point.
func TestRatesOfWeakCurrencies(t *testing.T) {
	db := open(t)
	got, err := db.Texts(context.Background(), "select adyen_converted(10000000000, '0.0000571234', 'IDR', 'EUR')::varchar")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"571234"}, got); diff != "" {
		t.Errorf("100 000 000 rupiah in cents (-want +got):\n%s", diff)
	}
}
