package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/transform"
)

// csv reads sales_file: the columns of [[sales]] under their names, in any order.
func (t *saleTable) csv(file section) {
	header := func(row csvRow) bool {
		return file.needColumns("sales_file", row, []string{"country", "vat_rate", "sales"}, []string{"vat", "oss", "customer"})
	}
	file.readCSV("sales_file", header, func(row csvRow) bool {
		t.csvSale(row)
		return true
	})
}

func (t *saleTable) csvSale(row csvRow) {
	r := t.r
	before := len(r.problems)
	fail := func(column, why, do string) { r.fail(row.at(column), "sales_file", why, do) }

	s := transform.Sale{Country: row.cell("country"), Customer: strings.ToLower(row.cell("customer"))}
	t.countries[s.Country] = true
	if co := t.company.Country; strings.EqualFold(s.Country, co) {
		t.countries[co] = true
	}
	if s.Country != "*" {
		if right := wrongCountry(s.Country); right != "" {
			fail("country", fmt.Sprintf("%q is no country code: two upper-case letters, as in ISO 3166, or *", s.Country), "write e.g. "+right)
		}
	}
	if s.Customer == "" {
		s.Customer = "consumer"
	}
	if !slices.Contains(customers, s.Customer) {
		fail("customer", fmt.Sprintf("%q is no kind of customer", s.Customer), "write consumer or business")
	}
	rate, why, do := vatRate(stringKind, row.cell("vat_rate"))
	if why != "" {
		fail("vat_rate", why, strings.ReplaceAll(do, "vat_rate = ", ""))
	}
	s.Rate = rate
	s.Sales = t.csvAccount(row, "sales", "3001")
	if vat := row.cell("vat"); vat != "" && vat != "0" {
		s.VAT = t.csvAccount(row, "vat", "2611")
	} else if s.Rate > 0 {
		fail("vat", fmt.Sprintf("a sale at %s %% needs an account in column vat", percent(s.Rate)), "write e.g. 2611")
	}
	switch oss := strings.ToLower(row.cell("oss")); oss {
	case "true", "1", "yes":
		s.OSS = true
	case "", "false", "0", "no":
	default:
		fail("oss", fmt.Sprintf("%q is neither true nor false", oss), "write true or false")
	}
	if len(r.problems) == before {
		t.add(s, row.placeOf(0), "sales_file")
	}
}

func (t *saleTable) csvAccount(row csvRow, column, example string) int {
	text := row.cell(column)
	n, err := strconv.Atoi(text)
	if err != nil || !isAccount(n) {
		t.r.fail(row.at(column), "sales_file", fmt.Sprintf("%q in column %s is no account: accounts have four digits, 1000 to 9999", text, column), "write e.g. "+example)
		return 0
	}
	return n
}
