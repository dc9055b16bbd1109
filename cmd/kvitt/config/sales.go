package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/transform"
)

var customers = []string{"consumer", "business"}

// A saleTable gathers the rows of [[sales]] and of sales_file.
type saleTable struct {
	r         *reader
	company   transform.Company
	rows      []transform.Sale
	first     map[saleKey]place
	countries map[string]bool // of all rows, also of those with another problem
}

type saleKey struct {
	country, customer string
	rate              int
}

// sales reads the sales account mapping. When a source books sales or refunds, the
// company's own country must be in it: without that row not one sale could be booked.
func (r *reader) sales(file section, co transform.Company, blocks []block) []transform.Sale {
	t := &saleTable{r: r, company: co, first: map[saleKey]place{}, countries: map[string]bool{}}
	for _, s := range file.subs("sales", inSales) {
		t.row(s)
	}
	complete := true
	if file.has("sales_file") {
		before := len(r.problems)
		t.csv(file)
		complete = len(r.problems) == before
	}
	if co.Country == "" || t.countries[co.Country] || !complete {
		return t.rows
	}
	for _, b := range blocks {
		if b.provider == nil {
			continue
		}
		if slices.Contains(b.config.Flows, "invoices") || slices.Contains(b.config.Flows, "refunds") {
			rate, account, vat := "25", 3001, 2611
			r.fail(file.place("sales"), "sales", fmt.Sprintf("missing mapping: no [[sales]] for %s, the company's own country, and %s books %s", co.Country, b.section.title, booked(b.config.Flows)),
				fmt.Sprintf("write, with your own rates and accounts\n\n[[sales]]\ncountry  = %q\nvat_rate = %q\nsales    = %d\nvat      = %d\n", co.Country, rate, account, vat))
			break
		}
	}
	return t.rows
}

// booked names the flows that need sales accounts.
func booked(on []string) string {
	var words []string
	for _, f := range []string{"invoices", "refunds"} {
		if slices.Contains(on, f) {
			words = append(words, f)
		}
	}
	return list(words)
}

// row reads one [[sales]] block.
func (t *saleTable) row(s section) {
	r := t.r
	s.refuseUnknown(nil)
	ok := true
	need := func(name, example string) {
		ok = ok && s.has(name)
		if s.lacks(name) {
			r.fail(s.at, s.key(name), "[[sales]] has no "+name, "write e.g. "+name+" = "+example)
		}
	}
	before := len(r.problems)
	sale := transform.Sale{Customer: s.word("customer", "consumer", customers), OSS: s.yes("oss")}
	if s.stringOf("country") == "*" {
		sale.Country = "*"
	} else {
		sale.Country = s.country("country")
	}
	t.countries[sale.Country] = true
	if co := t.company.Country; co != "" && strings.EqualFold(s.stringOf("country"), co) {
		t.countries[co] = true // misspelt, not missing
	}
	need("country", `"SE"`)
	need("vat_rate", `"25"`)
	need("sales", "3001")
	if v := s.get("vat_rate"); v != nil {
		var why, do string
		if sale.Rate, why, do = vatRate(v.kind, v.text); why != "" {
			r.fail(v.at, s.key("vat_rate"), why, do)
		}
	}
	sale.Sales = s.account("sales", 0, 3001)
	if v := s.get("vat"); v == nil || sale.Rate > 0 || v.kind != unstable.Integer || v.text != "0" {
		sale.VAT = s.account("vat", 0, 2611)
	}
	if sale.Rate > 0 {
		need("vat", "2611")
	}
	if ok && len(r.problems) == before {
		t.add(sale, s.at, s.path)
	}
}

// add keeps a row that is right in itself, unless an earlier one says the same.
func (t *saleTable) add(s transform.Sale, at place, path string) {
	key := saleKey{s.Country, s.Customer, s.Rate}
	if was, dup := t.first[key]; dup {
		t.r.fail(at, path, fmt.Sprintf("sales to %s at %s %% to a %s are mapped already, at %s", s.Country, percent(s.Rate), s.Customer, position(was.file, was.line, was.col)), "keep one of the two")
		return
	}
	t.first[key] = at
	switch {
	case s.OSS && s.Country == t.company.Country:
		t.r.warn(at, path, fmt.Sprintf("oss = true for %s, the company's own country: OSS is for sales to other EU countries", s.Country))
	case s.OSS && s.Country == "*":
		t.r.warn(at, path, "oss = true outside the EU: OSS is for sales to other EU countries")
	case s.OSS && s.Customer == "business":
		t.r.warn(at, path, "oss = true for business customers: OSS is for sales to consumers")
	}
	if s.Rate == 0 && s.VAT != 0 {
		t.r.warn(at, path, "a VAT account at the rate 0 is never used")
		s.VAT = 0
	}
	t.rows = append(t.rows, s)
}

// vatRate reads a rate in percent into basis points: "25.5" is 2550. It never rounds.
// When it is no rate, why says so and do says what to write.
func vatRate(kind unstable.Kind, text string) (rate int, why, do string) {
	const example = `write e.g. vat_rate = "25.5"`
	switch kind {
	case unstable.String, unstable.Integer:
		text = strings.TrimSpace(text)
		if kind == unstable.Integer {
			text = strings.ReplaceAll(strings.TrimPrefix(text, "+"), "_", "")
		}
		m, err := ledger.ParseMinor(text, 2)
		plain := strings.TrimSpace(strings.TrimSuffix(strings.ReplaceAll(text, ",", "."), "%"))
		_, plainErr := ledger.ParseMinor(plain, 2)
		switch {
		case err == nil && m >= 0 && m <= 10000:
			return int(m), "", ""
		case err != nil && plain != text && plainErr == nil:
			return 0, fmt.Sprintf("vat_rate = %q is not a plain number", text), fmt.Sprintf("write it with a point and without %%: vat_rate = %q", plain)
		case err == nil:
			return 0, fmt.Sprintf("vat_rate = %s is not between 0 and 100 percent", text), example
		case parses(text, 8):
			return 0, fmt.Sprintf("vat_rate = %q has more than two decimals", text), example
		}
		return 0, fmt.Sprintf("vat_rate = %q is no rate in percent", text), example
	case unstable.Float:
		do := example
		if parses(text, 2) {
			do = fmt.Sprintf("write it in quotes: vat_rate = %q", text)
		}
		return 0, "vat_rate is a number with a point, and those are not exact", do
	}
	return 0, "vat_rate is a rate in percent", example
}

// percent writes basis points as people do: "25.5".
func percent(rate int) string {
	whole, rest := rate/100, rate%100
	if rest == 0 {
		return strconv.Itoa(whole)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%02d", whole, rest), "0")
}
