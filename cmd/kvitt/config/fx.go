package config

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/transform"
)

// priceDecimals is how exactly the price of a unit of currency is kept.
const priceDecimals = 8

// rates reads [fx]: what a unit of each currency costs in the company's, by date. The
// result is in order of date and currency, one rate each.
func (r *reader) rates(file section, co transform.Company, blocks []block) []transform.Rate {
	s := file.sub("fx", inFX, "[fx]")
	s.refuseUnknown(nil)
	t := &rateTable{r: r, s: s, company: co.Currency, only: s.currencies(), seen: map[rateKey]string{}}
	complete := co.Currency != ""
	if complete && s.has("rates_file") {
		before := len(r.problems)
		t.read()
		complete = len(r.problems) == before
	} else if s.n != nil && s.lacks("rates_file") {
		r.fail(s.at, s.key("rates_file"), "[fx] has no rates_file", `write e.g. rates_file = "rates.csv", or remove [fx]`)
		return nil
	}
	slices.SortFunc(t.rates, func(a, b transform.Rate) int {
		return cmp.Or(a.Date.Compare(b.Date), cmp.Compare(a.Currency, b.Currency))
	})
	if complete {
		t.warnMissing(blocks)
	}
	return t.rates
}

// warnMissing finds the sources whose every document would wait for a rate.
func (t *rateTable) warnMissing(blocks []block) {
	for _, b := range blocks {
		c := b.rules.Currency
		if c == "" || c == t.company || slices.ContainsFunc(t.rates, func(x transform.Rate) bool { return x.Currency == c }) {
			continue
		}
		what := "there is no [fx]"
		if t.s.n != nil {
			what = "rates_file has no rate for it"
		}
		t.r.warn(b.section.place("currency"), b.section.key("currency"), fmt.Sprintf("%s is in %s and %s: its documents will be held until there are rates", b.section.title, c, what))
	}
}

// currencies returns the currencies to keep of rates_file, nil for all.
func (s section) currencies() []string {
	v := s.get("currencies")
	if v == nil {
		return nil
	}
	const do = `write e.g. currencies = ["EUR", "NOK"]`
	if len(v.items) == 0 {
		s.r.fail(v.at, s.key("currencies"), "currencies is a list of currencies", do+", or remove the key for all of the file")
		return nil
	}
	var only []string
	for _, item := range v.items {
		if item.kind != stringKind || !ledger.IsCurrency(item.text) {
			s.r.fail(item.at, s.key("currencies"), "a currency is three upper-case letters, as in ISO 4217, in quotes", do)
			continue
		}
		only = append(only, item.text)
	}
	return only
}

type rateKey struct {
	date     time.Time
	currency string
}

type rateTable struct {
	r       *reader
	s       section
	company string // the company's currency
	only    []string
	rates   []transform.Rate
	seen    map[rateKey]string // price
}

// read tells the two kinds of file apart by the header: one row a price, or the ECB's
// history with a column for each currency.
func (t *rateTable) read() {
	var each func(csvRow) bool
	header := func(row csvRow) bool {
		if isECB(row.columns) {
			each = t.ecbRow
			return t.ecbHeader(row)
		}
		each = t.priceRow
		price := "rate"
		if slices.Contains(row.columns, "price") && !slices.Contains(row.columns, "rate") {
			price = "price"
		}
		return t.s.needColumns("rates_file", row, []string{"date", "currency", price}, nil)
	}
	t.s.readCSV("rates_file", header, func(row csvRow) bool { return each(row) })
}

// priceRow reads date, currency and the price of one unit in the company's currency.
func (t *rateTable) priceRow(row csvRow) bool {
	fail := func(column, why, do string) { t.r.fail(row.at(column), "fx.rates_file", why, do) }
	date, err := time.Parse(time.DateOnly, row.cell("date"))
	if err != nil {
		fail("date", fmt.Sprintf("%q is no date", row.cell("date")), "write year, month and day: 2026-01-31")
		return true
	}
	currency := row.cell("currency")
	if !ledger.IsCurrency(currency) {
		fail("currency", fmt.Sprintf("%q is no currency: three upper-case letters, as in ISO 4217", currency), "write e.g. EUR")
		return true
	}
	column := "rate"
	if !slices.Contains(row.columns, column) {
		column = "price"
	}
	d, ok := parseDecimal(row.cell(column))
	switch {
	case !ok:
		fail(column, fmt.Sprintf("%q is no price: digits with a point, more than 0", row.cell(column)), fmt.Sprintf("write what one %s costs in %s, e.g. 11.2345", currency, t.company))
	case d.scale > priceDecimals:
		fail(column, fmt.Sprintf("%q has more than %d decimals", row.cell(column), priceDecimals), "round it to "+ratio(d, one).String())
	case currency == t.company:
		if ratio(d, one).String() != "1" {
			fail(column, fmt.Sprintf("%s is the company's own currency: one costs 1", currency), "remove the row")
		}
	default:
		price := ratio(d, one).String()
		if was, dup := t.seen[rateKey{date, currency}]; dup && was != price {
			fail(column, fmt.Sprintf("%s on %s has the price %s above and %s here", currency, row.cell("date"), was, price), "keep one of the two")
			return true
		}
		t.add(date, currency, price)
	}
	return true
}

func (t *rateTable) add(date time.Time, currency, price string) {
	key := rateKey{date, currency}
	if _, dup := t.seen[key]; dup || t.only != nil && !slices.Contains(t.only, currency) {
		return
	}
	t.seen[key] = price
	t.rates = append(t.rates, transform.Rate{Date: date, Currency: currency, Price: price})
}

// A decimal is an exact positive number: digits divided by ten to the scale.
type decimal struct {
	digits *big.Int
	scale  int
}

var one = decimal{big.NewInt(1), 0}

// parseDecimal reads digits with at most one point, more than 0. Zeros at the end of the
// decimals do not count as decimals.
func parseDecimal(s string) (decimal, bool) {
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || point && frac == "" || len(s) > 40 {
		return decimal{}, false
	}
	frac = strings.TrimRight(frac, "0")
	for _, c := range whole + frac {
		if c < '0' || c > '9' {
			return decimal{}, false
		}
	}
	n, ok := new(big.Int).SetString(whole+frac, 10)
	if !ok || n.Sign() <= 0 {
		return decimal{}, false
	}
	return decimal{n, len(frac)}, true
}

// ratio returns a/b, rounded half away from zero to priceDecimals.
func ratio(a, b decimal) decimal {
	num := new(big.Int).Mul(a.digits, pow10(b.scale+priceDecimals))
	den := new(big.Int).Mul(b.digits, pow10(a.scale))
	num.Lsh(num, 1).Add(num, den)
	return decimal{num.Quo(num, den.Lsh(den, 1)), priceDecimals}
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// String writes d with a point and without zeros at the end.
func (d decimal) String() string {
	s := d.digits.String()
	if d.scale == 0 {
		return s
	}
	if len(s) <= d.scale {
		s = strings.Repeat("0", d.scale-len(s)+1) + s
	}
	whole, frac := s[:len(s)-d.scale], strings.TrimRight(s[len(s)-d.scale:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}
