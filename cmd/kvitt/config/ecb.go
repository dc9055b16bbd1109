package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// The ECB's eurofxref-hist.csv has a row for each day it sets rates and a column for each
// currency: how many units of it one euro buys, N/A where there was no rate. Each line
// ends with a comma, so the last column has no name.
//
// Source: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/html/index.en.html

// isECB reports whether these are its columns, lower case: a date, then only currencies.
func isECB(columns []string) bool {
	if len(columns) < 2 || columns[0] != "date" {
		return false
	}
	for i, c := range columns[1:] {
		if !ledger.IsCurrency(strings.ToUpper(c)) && !(c == "" && i == len(columns)-2) {
			return false
		}
	}
	return true
}

// ecbHeader refuses a file from which the company's currency cannot be priced.
func (t *rateTable) ecbHeader(row csvRow) bool {
	if t.company == "EUR" || slices.Contains(row.columns, strings.ToLower(t.company)) {
		return true
	}
	t.r.fail(row.placeOf(0), "fx.rates_file", fmt.Sprintf("the file has no column for %s, the company's currency", t.company), "write a file of your own: date,currency,rate")
	return false
}

// ecbRow derives the price of one unit of each currency in the company's: units of the
// company's currency per euro divided by units of the other per euro. A day on which the
// company's currency has no rate prices nothing.
func (t *rateTable) ecbRow(row csvRow) bool {
	date, err := time.Parse(time.DateOnly, row.cell("date"))
	if err != nil {
		t.r.fail(row.at("date"), "fx.rates_file", fmt.Sprintf("%q is no date", row.cell("date")), "this looks like the ECB's history of rates, where dates are written 2026-01-31")
		return true
	}
	mine := one
	if t.company != "EUR" {
		var ok bool
		if mine, ok = t.ecbCell(row, slices.Index(row.columns, strings.ToLower(t.company))); !ok {
			return true
		}
		t.add(date, "EUR", ratio(mine, one).String())
	}
	for i, column := range row.columns {
		currency := strings.ToUpper(column)
		if i == 0 || currency == "" || currency == t.company || currency == "EUR" || t.only != nil && !slices.Contains(t.only, currency) {
			continue
		}
		units, ok := t.ecbCell(row, i)
		if !ok {
			continue
		}
		// A unit worth less than the last decimal kept has no price that could be used.
		if price := ratio(mine, units); price.digits.Sign() > 0 {
			t.add(date, currency, price.String())
		}
	}
	return true
}

// ecbCell reads the rate in a column; ok is false when there was none that day or it was
// reported.
func (t *rateTable) ecbCell(row csvRow, column int) (d decimal, ok bool) {
	if column >= len(row.cells) || row.cells[column] == "" || row.cells[column] == "N/A" {
		return d, false
	}
	text := row.cells[column]
	if d, ok = parseDecimal(text); !ok {
		t.r.fail(row.placeOf(column), "fx.rates_file", fmt.Sprintf("%q is no rate: digits with a point, more than 0, or N/A", text), "take the file again from the ECB")
	}
	return d, ok
}
