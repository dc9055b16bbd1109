package sie

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// A Document is what Write writes: the vouchers of one fiscal year of one company.
type Document struct {
	Program   string // required
	Version   string // required
	Generated time.Time
	Company   string    // required
	OrgNumber string    // "" leaves the record out; ten digits get their hyphen
	YearStart time.Time // first and last day of the fiscal year;
	YearEnd   time.Time // both zero leave the record out
	Currency  string    // ISO 4217; "" is SEK
	Accounts  []Account // names of the accounts used; others are called "Konto 1234"
	Vouchers  []Voucher
}

// Write writes d as a SIE 4I file: code page 437, CRLF, with a checksum. Vouchers and
// rows keep their order. Texts are brought into what the format can hold, and each
// change is a Warning; they are at most 100 characters long, the voucher's with the ID
// at its end. It writes nothing but standard records permitted in 4I (section 6).
//
// Errors: before anything is written, *UnbalancedError for a voucher that does not sum
// to zero, or *RefusedError for what SIE has no room for: a voucher without rows, or
// outside the fiscal year, a currency with three decimals, an account that is not a
// number. After that, errors of w.
func Write(w io.Writer, d Document) ([]Warning, error) {
	d, warnings, err := prepare(d)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(render(d)); err != nil {
		return nil, fmt.Errorf("sie: %w", err)
	}
	return warnings, nil
}

// prepare returns d exactly as reading the file gives it back.
//
// A reader guesses the character set. Text of signs and Greek alone can be valid UTF-8,
// or look like Latin-1; such a file is spelled without them.
//
// Errors: *UnbalancedError, *RefusedError.
func prepare(d Document) (Document, []Warning, error) {
	if err := check(d); err != nil {
		return Document{}, nil, err
	}
	var w speller
	out := w.document(d)
	if detect(render(out)) != CP437 {
		w = speller{strict: true}
		out = w.document(d)
	}
	return out, w.warnings, nil
}

func check(d Document) error {
	refuse := func(format string, a ...any) error {
		return &RefusedError{What: fmt.Sprintf(format, a...)}
	}
	for _, v := range [][2]string{{"program", d.Program}, {"version", d.Version}, {"company", d.Company}} {
		if new(speller).text("", v[1], maxText) == "" {
			return refuse("no %s", v[0])
		}
	}
	if d.Currency != "" && !ledger.IsCurrency(d.Currency) {
		return refuse("currency %q", d.Currency)
	}
	if ledger.Exponent(d.Currency) > 2 {
		return refuse("%s has more than the two decimals of SIE", d.Currency)
	}
	if !isDate(d.Generated) {
		return refuse("no date of generation")
	}
	year := !d.YearStart.IsZero() || !d.YearEnd.IsZero()
	if year && (!isDate(d.YearStart) || !isDate(d.YearEnd) || day(d.YearEnd) < day(d.YearStart)) {
		return refuse("fiscal year %s to %s", day(d.YearStart), day(d.YearEnd))
	}
	for i, v := range d.Vouchers {
		refuse := func(format string, a ...any) error {
			return &RefusedError{Voucher: i + 1, ID: v.ID, What: fmt.Sprintf(format, a...)}
		}
		switch {
		case v.ID != "" && !validID.MatchString(v.ID):
			return refuse("ID %q", v.ID)
		case !isDate(v.Date):
			return refuse("no date")
		case year && (day(v.Date) < day(d.YearStart) || day(v.Date) > day(d.YearEnd)):
			return refuse("its date %s is outside the fiscal year %s to %s", day(v.Date), day(d.YearStart), day(d.YearEnd))
		case !v.RegDate.IsZero() && !isDate(v.RegDate):
			return refuse("registration date %s", day(v.RegDate))
		case len(v.Rows) == 0:
			return refuse("no rows")
		}
		for _, r := range v.Rows {
			if !isNumber(r.Account) {
				return refuse("account %q is not a number", r.Account)
			}
			if !r.Date.IsZero() && !isDate(r.Date) {
				return refuse("date %s of a row", day(r.Date))
			}
		}
		if off := v.Sum(); off != 0 {
			return &UnbalancedError{Voucher: i + 1, ID: v.ID, Off: off}
		}
	}
	return nil
}

// document spells every text of d, and names the accounts in use, in order of number.
func (w *speller) document(d Document) Document {
	d.Program = w.field("program", d.Program, maxText)
	d.Version = w.field("version", d.Version, maxText)
	d.Company = w.field("company", d.Company, maxText)
	d.OrgNumber = w.field("organisation number", hyphenate(d.OrgNumber), maxText)
	if d.Currency == "" {
		d.Currency = "SEK"
	}
	d.Generated, d.YearStart, d.YearEnd = civil(d.Generated), civil(d.YearStart), civil(d.YearEnd)
	name := map[string]string{}
	for _, a := range d.Accounts {
		name[a.Number] = a.Name
	}
	d.Accounts = nil
	used := map[string]bool{}
	for _, v := range d.Vouchers {
		for _, r := range v.Rows {
			if used[r.Account] {
				continue
			}
			used[r.Account] = true
			n := w.field("account "+r.Account, name[r.Account], maxText)
			if n == "" {
				n = "Konto " + r.Account
			}
			d.Accounts = append(d.Accounts, Account{Number: r.Account, Name: n})
		}
	}
	slices.SortFunc(d.Accounts, func(a, b Account) int {
		if len(a.Number) != len(b.Number) {
			return len(a.Number) - len(b.Number)
		}
		return strings.Compare(a.Number, b.Number)
	})
	d.Vouchers = slices.Clone(d.Vouchers)
	for i, v := range d.Vouchers {
		d.Vouchers[i] = w.voucher(place(i+1, v.ID), v)
	}
	return d
}

func (w *speller) voucher(where string, v Voucher) Voucher {
	if v.ID == "" {
		v.Text, v.ID = cutID(w.field(where, v.Text, maxText))
	} else {
		// The text gives way to the ID: the file is its receipt.
		v.Text = w.text(where, v.Text, maxText-len(withID("", v.ID))-1)
	}
	v.Series, v.Number = w.field(where, v.Series, maxText), w.field(where, v.Number, maxText)
	v.Sign = w.field(where, v.Sign, maxText)
	v.Date, v.RegDate = civil(v.Date), civil(v.RegDate)
	v.Line = 0
	v.Rows = slices.Clone(v.Rows)
	for i, r := range v.Rows {
		at := fmt.Sprintf("%s row %d", where, i+1)
		r.Text, r.Quantity, r.Sign = w.field(at, r.Text, maxText), w.field(at, r.Quantity, maxText), w.field(at, r.Sign, maxText)
		r.Date = civil(r.Date)
		var objects []Object
		for _, o := range r.Objects {
			objects = append(objects, Object{w.field(at, o.Dimension, maxText), w.field(at, o.Code, maxText)})
		}
		r.Objects = objects
		v.Rows[i] = r
	}
	return v
}

// hyphenate puts the hyphen into an organisation number of ten digits (#ORGNR, rule 1).
func hyphenate(s string) string {
	if len(s) == 10 && isNumber(s) {
		return s[:6] + "-" + s[6:]
	}
	return s
}

func isNumber(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}

// day writes a date as the format has it. The calendar date is the one in t's own zone.
func day(t time.Time) string { return t.Format("20060102") }

// isDate reports whether t has a year of four digits, which a date needs.
func isDate(t time.Time) bool { return t.Year() >= 1000 && t.Year() <= 9999 }

// civil returns the calendar date of t, as reading it back gives it.
func civil(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
