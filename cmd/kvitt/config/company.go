package config

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // book dates must not depend on what the machine has installed

	"github.com/kvitt/kvitt/transform"
)

// company reads [company]. Name, country and currency must be stated: a guess at them
// would be wrong books. The time zone has a default in Sweden only.
func (r *reader) company(file section) transform.Company {
	s := file.sub("company", inCompany, "[company]")
	c := transform.Company{FiscalYear: "01-01"}
	if s.n == nil {
		if file.lacks("company") {
			r.fail(file.at, "company", "there is no [company]", "write\n\n"+companyBlock)
		}
		return c
	}
	s.refuseUnknown(nil)
	c.Name = s.text("name", "", "Exempel Handel AB")
	c.Country = s.country("country")
	c.Currency = s.currency("currency")
	for _, must := range []struct{ key, example string }{{"name", "Exempel Handel AB"}, {"country", "SE"}, {"currency", "SEK"}} {
		if v := s.get(must.key); s.lacks(must.key) || v != nil && must.key == "name" && v.kind == stringKind && strings.TrimSpace(v.text) == "" {
			r.fail(s.place(must.key), s.key(must.key), "[company] has no "+must.key, fmt.Sprintf("write e.g. %s = %q", must.key, must.example))
		}
	}
	c.OrgNumber = s.orgNumber(c.Country)
	c.TimeZone = s.timeZone(c.Country)
	c.FiscalYear = s.fiscalYear()
	return c
}

const companyBlock = `[company]
name       = "Exempel Handel AB"
org_number = "556000-0167"
country    = "SE"
currency   = "SEK"
`

// orgNumber returns the registration number, in Sweden in the form NNNNNN-NNNN.
func (s section) orgNumber(country string) string {
	n := s.text("org_number", "", "556000-0167")
	if n == "" || country != "SE" {
		return n
	}
	digits := digitsOf(n)
	if len(n) != 11 || len(digits) != 10 || n[6] != '-' {
		// 16 and a century are put before it in registers, SE before and 01 after it in VAT numbers.
		switch {
		case len(digits) == 12 && strings.HasSuffix(digits, "01") && strings.HasPrefix(strings.ToUpper(n), "SE"):
			digits = digits[:10]
		case len(digits) == 12:
			digits = digits[2:]
		}
		example := "556000-0167"
		if len(digits) == 10 {
			example = digits[:6] + "-" + digits[6:]
		}
		s.r.fail(s.place("org_number"), s.key("org_number"), fmt.Sprintf("org_number = %q is no Swedish organisation number: six digits, a hyphen, four digits", n), fmt.Sprintf("write e.g. org_number = %q", example))
		return ""
	}
	if !luhn(digits) {
		s.r.warn(s.place("org_number"), s.key("org_number"), fmt.Sprintf("the check digit of org_number = %q is wrong: is a digit mistyped?", n))
	}
	return n
}

func digitsOf(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, s)
}

// luhn reports whether the last digit is the check digit of the others.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return sum%10 == 0
}

func (s section) timeZone(country string) string {
	fallback := ""
	if country == "SE" {
		fallback = "Europe/Stockholm"
	}
	zone := s.text("time_zone", fallback, "Europe/Stockholm")
	if !s.has("time_zone") {
		if zone == "" && country != "" && s.lacks("time_zone") {
			s.r.fail(s.at, s.key("time_zone"), "[company] has no time_zone", `write e.g. time_zone = "Europe/Helsinki"`)
		}
		return zone
	}
	// Go reads "" as UTC and Local as the machine's zone: neither says where the company is.
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		s.r.fail(s.place("time_zone"), s.key("time_zone"), fmt.Sprintf("time_zone = %q is no time zone", zone), `write its IANA name, e.g. time_zone = "Europe/Stockholm"`)
		return fallback
	}
	return zone
}

// fiscalYear returns the first day of a fiscal year, "MM-DD".
func (s section) fiscalYear() string {
	const fallback = "01-01"
	day := s.text("fiscal_year", fallback, fallback)
	// 2001 has no 29 February: a year cannot begin on a day that most years lack.
	if _, err := time.Parse(time.DateOnly, "2001-"+day); err == nil {
		return day
	}
	example := fallback
	if t, err := time.Parse(time.DateOnly, day); err == nil {
		example = t.Format("01-02")
	} else if t, err := time.Parse("2006-1-2", "2001-"+day); err == nil {
		example = t.Format("01-02")
	}
	s.r.fail(s.place("fiscal_year"), s.key("fiscal_year"), fmt.Sprintf("fiscal_year = %q is no day of the year", day), fmt.Sprintf("write month and day on which it begins: fiscal_year = %q", example))
	return fallback
}
