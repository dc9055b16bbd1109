package sql_test

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// open returns a database in memory that has run the statements given.
func open(t *testing.T, statements ...string) *duck.DB {
	t.Helper()
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, s := range statements {
		if err := db.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// The SQL and the Go list of currencies are one list: every code of three letters has the
// same number of decimals in both.
func TestCurrenciesHaveTheSameDecimalsInSQLAndGo(t *testing.T) {
	db := open(t, sql.Macros())
	n := 0
	err := db.Each(context.Background(), `
		with letters as (select chr(65 + range::integer) as l from range(26))
		select a.l || b.l || c.l as cur, exponent(a.l || b.l || c.l) from letters as a, letters as b, letters as c`,
		func(scan func(...any) error) error {
			var cur string
			var exp int
			if err := scan(&cur, &exp); err != nil {
				return err
			}
			n++
			if want := ledger.Exponent(cur); exp != want {
				t.Errorf("%s has %d decimals in SQL, %d in Go", cur, exp, want)
			}
			return nil
		})
	if err != nil || n != 26*26*26 {
		t.Fatalf("%d currencies, %v", n, err)
	}
}

// halfAwayFromZero is a/b to the nearest integer.
func halfAwayFromZero(a, b *big.Int) *big.Int {
	q := new(big.Int).Abs(a)
	q.Lsh(q, 1).Add(q, b).Div(q, new(big.Int).Lsh(b, 1))
	if a.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

type figures struct {
	Gross int64 `json:"gross"`
	Rate  int   `json:"rate"`
	A     int64 `json:"a"`
	B     int64 `json:"b"`
	M     int64 `json:"m"`
	Price int64 `json:"price"`
	From  int   `json:"from_exp"`
	To    int   `json:"to_exp"`
}

// Rounding in SQL is the rounding of the rules, for amounts of any size and either sign.
func TestDivisionIsExact(t *testing.T) {
	ctx := context.Background()
	db := open(t, sql.Macros(), "create table figures (gross bigint, rate integer, a bigint, b bigint, m bigint, price bigint, from_exp integer, to_exp integer)")
	r := rand.New(rand.NewPCG(1, 2))
	amount := func() int64 { return r.Int64N(1<<(1+r.IntN(50))) * int64(1-2*r.IntN(2)) }
	rows := make([]figures, 100_000)
	for i := range rows {
		rows[i] = figures{amount(), []int{0, 600, 1200, 1900, 2500, 2550, r.IntN(10001), 10000}[r.IntN(8)],
			amount(), 1 + r.Int64N(1<<(1+r.IntN(40))), amount() % 1_000_000_000_000, 1 + r.Int64N(1<<(1+r.IntN(34))), []int{0, 2, 3}[r.IntN(3)], []int{0, 2, 3}[r.IntN(3)]}
	}
	// Exact halves, both ways.
	for i := range rows[:1000] {
		rows[i].B = 2 * (1 + r.Int64N(1_000_000))
		rows[i].A = rows[i].B/2 + rows[i].B*r.Int64N(1000)
		if i%2 == 0 {
			rows[i].A = -rows[i].A
		}
	}
	rows[0].Gross, rows[1].Gross = math.MaxInt64/2, -math.MaxInt64/2
	if err := db.Insert(ctx, "figures", rows); err != nil {
		t.Fatal(err)
	}
	i, wrong := 0, 0
	err := db.Each(ctx, "select vat_inside(gross, rate), div_half_away(a, b), converted(m, price, from_exp, to_exp) from figures", func(scan func(...any) error) error {
		var vat, div, conv int64
		if err := scan(&vat, &div, &conv); err != nil {
			return err
		}
		f := rows[i]
		i++
		pow := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
		num := new(big.Int).Mul(big.NewInt(f.M), big.NewInt(f.Price))
		want := []int64{
			halfAwayFromZero(new(big.Int).Mul(big.NewInt(f.Gross), big.NewInt(int64(f.Rate))), big.NewInt(int64(10000+f.Rate))).Int64(),
			halfAwayFromZero(big.NewInt(f.A), big.NewInt(f.B)).Int64(),
			halfAwayFromZero(num.Mul(num, pow(f.To)), new(big.Int).Mul(pow(8), pow(f.From))).Int64(),
		}
		if diff := cmp.Diff(want, []int64{vat, div, conv}); diff != "" {
			t.Errorf("%+v: vat_inside, div_half_away, converted (-want +got):\n%s", f, diff)
			if wrong++; wrong > 5 {
				t.FailNow()
			}
		}
		if inGo := transform.VATInside(f.Gross, f.Rate); inGo != vat {
			t.Errorf("VAT in %d at %d is %d in SQL, %d in Go", f.Gross, f.Rate, vat, inGo)
		}
		return nil
	})
	if err != nil || i != len(rows) {
		t.Fatalf("%d rows, %v", i, err)
	}
}

// An amount for people is the amount: with two decimals for kronor and yen alike.
func TestAmountsForPeopleAreExact(t *testing.T) {
	ctx := context.Background()
	db := open(t, sql.Macros(), "create table amounts (m bigint)")
	type amount struct {
		M int64 `json:"m"`
	}
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([]amount, 100_000)
	for i := range rows {
		rows[i].M = r.Int64N(1<<(1+r.IntN(50))) * int64(1-2*r.IntN(2))
	}
	rows[0].M, rows[1].M, rows[2].M = 0, 999_999_999_999_999_999, -999_999_999_999_999_999
	if err := db.Insert(ctx, "amounts", rows); err != nil {
		t.Fatal(err)
	}
	i := 0
	err := db.Each(ctx, `select major(m, 'SEK')::varchar, money(m, 'SEK'), major(m // 100, 'JPY')::varchar, money(m // 10 * 10, 'KWD') from amounts`, func(scan func(...any) error) error {
		var sek, money, jpy, kwd string
		if err := scan(&sek, &money, &jpy, &kwd); err != nil {
			return err
		}
		m := rows[i].M
		i++
		want := ledger.Minor(m).Decimal(2)
		dinars := ledger.Minor(m / 10 * 10).Decimal(3)
		if m/10 == 0 {
			dinars = "0.000" // SQL and Go write no sign before nothing
		}
		got := []string{sek, money, jpy, kwd}
		if diff := cmp.Diff([]string{want, want + " SEK", ledger.Minor(m / 100 * 100).Decimal(2), dinars[:len(dinars)-1] + " KWD"}, got); diff != "" {
			t.Fatalf("%d: major, money (-want +got):\n%s", m, diff)
		}
		return nil
	})
	if err != nil || i != len(rows) {
		t.Fatalf("%d rows, %v", i, err)
	}
}

func TestMacros(t *testing.T) {
	db := open(t, sql.Macros())
	for _, tt := range []struct {
		name, expression, want string
	}{
		{"an order number is compared without # and zeros before it", "normal_reference('  #001023 ')", "1023"},
		{"letters are compared in upper case", "normal_reference('b2b-77a')", "B2B-77A"},
		{"zeros inside and behind stay", "normal_reference('#0100200')", "100200"},
		{"blanks inside stay", "normal_reference('A 12')", "A 12"},
		{"nothing is no reference", "normal_reference('')", ""},
		{"a tag is what stored rows are found by: another number needs another schema version", "tag_of('1023')", "3306813341"},
		{"nothing has no tag", "coalesce(tag_of(null)::varchar, 'none')", "none"},
		{"blanks are no reference", "normal_reference('   ')", ""},
		{"zeros alone are no reference", "normal_reference('#000')", ""},
		{"unknown is no reference", "normal_reference(null)", ""},

		{"25 %", "rate_text(2500)", "25"},
		{"25.5 %", "rate_text(2550)", "25.5"},
		{"5.05 %", "rate_text(505)", "5.05"},
		{"half a percent", "rate_text(50)", "0.5"},
		{"no VAT", "rate_text(0)", "0"},
		{"10 % keeps its zero", "rate_text(1000)", "10"},

		{"kronor", "money(125000, 'SEK')", "1250.00 SEK"},
		{"a debt of an öre", "money(-1, 'SEK')", "-0.01 SEK"},
		{"yen", "money(1000, 'JPY')", "1000.00 JPY"},
		{"dinars to two decimals", "money(1230, 'KWD')", "1.23 KWD"},
		{"an unknown amount is unknown", "money(null, 'SEK')", ""},

		{"VAT at 25.5 % in 125.50", "vat_inside(12550, 2550)", "2550"},
		{"half away from zero", "vat_inside(1, 10000)", "1"},
		{"half away from zero, below zero", "vat_inside(-1, 10000)", "-1"},
		{"VAT of an unknown rate is unknown", "vat_inside(100, null)", ""},

		{"euro into kronor", "converted(1000, 1123450000, 2, 2)", "11235"},
		{"yen into kronor", "converted(1000, 6789000, 0, 2)", "6789"},
		{"kronor into yen", "converted(10000, 1473000000, 2, 0)", "1473"},
		{"dinars into kronor", "converted(1234, 3100000000, 3, 2)", "3825"},

		{"Northern Ireland is the EU for goods", "is_eu('XI')", "true"},
		{"the United Kingdom is not", "is_eu('GB')", "false"},
		{"Greece by its ISO code", "is_eu('GR')", "true"},
		{"two letters of two countries are no country", "is_eu('E F')", "false"},
		{"half a country is no country", "is_eu('E')", "false"},

		{"a summer evening in UTC is the next day in Stockholm", "local_date(timestamp '2026-06-30 22:30:00', 'Europe/Stockholm')", "2026-07-01"},
		{"a winter evening just before midnight", "local_date(timestamp '2026-12-31 22:59:59', 'Europe/Stockholm')", "2026-12-31"},
		{"the day the clocks change", "local_date(timestamp '2026-03-29 21:59:59', 'Europe/Stockholm')", "2026-03-29"},

		{"the same text has the same name", "name_of('a') = name_of('a')", "true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := db.Texts(context.Background(), "select ("+tt.expression+")::varchar")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ",")); diff != "" {
				t.Errorf("%s mismatch (-want +got):\n%s", tt.expression, diff)
			}
		})
	}
}

// Every public view can be read while the books are empty, and says what it and each of
// its columns is.
func TestViewsExplainThemselves(t *testing.T) {
	ctx := context.Background()
	db := open(t, sql.Schema(), sql.Views())
	views, err := db.Texts(ctx, "select view_name from duckdb_views() where schema_name = 'recon' order by view_name")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ageing", "aliases", "balances", "bank_lines", "completeness", "days_to_payout", "decisions", "documents", "entries", "erasures", "erp_documents", "exceptions", "fee_lines", "fees", "holds", "lineage", "open_items", "oss", "oss_by_country", "payout_lines", "payouts", "postings", "proof", "proof_differences", "provider_balances", "provider_movements", "refund_rate", "runs", "scores", "top_unexplained"}
	if diff := cmp.Diff(want, views); diff != "" {
		t.Errorf("views mismatch (-want +got):\n%s", diff)
	}
	for _, v := range views {
		n, err := db.Count(ctx, "select count(*) from (select * from recon."+duck.Ident(v)+")")
		if err != nil || n != 0 {
			t.Errorf("recon.%s of empty books has %d rows, %v", v, n, err)
		}
	}
	silent, err := db.Texts(ctx, `
		select view_name from duckdb_views() where schema_name = 'recon' and coalesce(comment, '') = ''
		union all
		select table_name || '.' || column_name from duckdb_columns() where schema_name = 'recon' and coalesce(comment, '') = ''`)
	if err != nil || len(silent) > 0 {
		t.Errorf("without a comment: %v, %v", silent, err)
	}
	// Money is never shown as a float.
	floats, err := db.Texts(ctx, "select table_name || '.' || column_name from duckdb_columns() where schema_name in ('recon', 'main') and not internal and data_type in ('DOUBLE', 'FLOAT')")
	if err != nil || len(floats) > 0 {
		t.Errorf("floats: %v, %v", floats, err)
	}
}

func ExampleChecks() {
	for _, c := range sql.Checks() {
		fmt.Println(c.Name)
	}
	// Output:
	// class_sums_are_true
	// console_sums_are_true
	// digests_are_true
	// documents_are_unique
	// entries_balance
	// entries_have_postings
	// lines_are_unique
	// payouts_are_booked_whole
	// postings_have_accounts
	// receivable_is_open_items
	// rows_are_unchanged
}

// A payment method of several words is what [[source.method]] names, whole or by a word.
func TestMethodsOfSeveralWords(t *testing.T) {
	db := open(t, sql.Macros())
	for _, tt := range []struct {
		method, match string
		want          bool
	}{
		{"card", "card", true}, {"Card", "cArd", true}, {"card", "car", false}, {"card", "c*", true}, {"", "card", false}, {"", "*", true},
		{"nets/creditcards", "creditcards", true}, {"nets/creditcards", "Nets", true}, {"nets/creditcards", "nets/*", true}, {"nets/creditcards", "credit", false},
		{"nets/creditcards", "nets/credit*", true}, {"nets/creditcards", "et", false}, {"nets/creditcards", "*", true},
	} {
		got, err := db.Texts(context.Background(), fmt.Sprintf("select method_is(nullif('%s', ''), '%s')::varchar", tt.method, tt.match))
		if err != nil {
			t.Fatal(err)
		}
		if got[0] != fmt.Sprint(tt.want) {
			t.Errorf("method_is(%q, %q) is %s, want %v", tt.method, tt.match, got[0], tt.want)
		}
	}
}

// What scaled and its kin make of a decimal is what exact arithmetic makes of it, however it is written.
func TestDecimalsInTextsAreReadExactly(t *testing.T) {
	db := open(t, sql.Macros())
	texts := []string{"0", "-0", "12", "+12", ".5", "-.5", "5.", "0.005", "-0.005", "2.345", "-2.345", "2.3449999999", "1e3", "1.5e-3", "-1.25E2", "99999999999.99",
		"123456789012345.67", "0.0049999", "007.10"}
	none := []string{"", ".", "-", "+", "e", "0x10", "12,50", "1 000", "abc", "NaN", "Infinity", "1e", "--1", "1.2.3", "99999999999999999999", "-99999999999999999999"}
	r := rand.New(rand.NewPCG(5, 8))
	for range 200 {
		s := fmt.Sprintf("%d.%0*d", r.IntN(2_000_000)-1_000_000, 1+r.IntN(9), r.IntN(1_000_000_000))
		texts = append(texts, s)
	}
	rounded := func(text string, places int) int64 {
		x, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q", text)
		}
		x.Mul(x, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)))
		return halfAwayFromZero(x.Num(), x.Denom()).Int64()
	}
	read := func(text string) (places [4]duck.NullInt64, minor, exact [3]duck.NullInt64) {
		found, err := db.One(context.Background(), `
			select scaled(v, 0), scaled(v, 2), scaled(v, 3), scaled(v, 6), minor_rounded(v, 'SEK'), minor_rounded(v, 'JPY'), minor_rounded(v, 'KWD'),
				minor_exact(v, 'SEK'), minor_exact(v, 'JPY'), minor_exact(v, 'KWD')
			from (select $v::varchar as v)`, []any{duck.Named("v", text)},
			&places[0], &places[1], &places[2], &places[3], &minor[0], &minor[1], &minor[2], &exact[0], &exact[1], &exact[2])
		if err != nil || !found {
			t.Fatalf("%q: %v", text, err)
		}
		return places, minor, exact
	}
	for _, text := range texts {
		places, minor, exact := read(text)
		for i, p := range []int{0, 2, 3, 6} {
			want := rounded(text, p)
			fits := p < 6 || len(strings.SplitN(text, ".", 2)[0]) < 13
			if fits && (!places[i].Valid || places[i].Int64 != want) {
				t.Errorf("%q at %d places is %v, want %d", text, p, places[i], want)
			}
		}
		for i, p := range []int{2, 0, 3} {
			if !minor[i].Valid || minor[i].Int64 != rounded(text, p) {
				t.Errorf("%q rounded at %d decimals is %v, want %d", text, p, minor[i], rounded(text, p))
			}
			micro := rounded(text, 6)
			unit := []int64{10_000, 1_000_000, 1_000}[i]
			if want := micro%unit == 0 && places[3].Valid; exact[i].Valid != want || want && exact[i].Int64 != micro/unit {
				t.Errorf("%q in a currency of %d decimals is %v, want %v: %d", text, p, exact[i], want, micro/unit)
			}
		}
	}
	for _, text := range none {
		places, minor, exact := read(text)
		for i, v := range append(append(places[:], minor[:]...), exact[:]...) {
			if v.Valid {
				t.Errorf("%q is no number, and read as %d (%d)", text, v.Int64, i)
			}
		}
	}
}
