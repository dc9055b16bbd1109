package sie

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/kvitt/kvitt/ledger"
)

// Read reads a SIE file of type 1, 2, 3 or 4. It takes what occurs in practice:
// unknown labels, extra fields at the end, amounts with a decimal comma, labels in
// any case, missing records. It does not take an amount or a date it cannot read, nor
// a row outside a voucher. A voucher may be out of balance: ask Unbalanced.
//
// Errors: *Error, wrapping
//   - ErrSyntax; the file is nil
//   - ErrTruncated; the file holds the vouchers that are whole
//   - ErrChecksum; the file holds everything
//
// A declared sum of 123456789 is the placeholder of known kits: Checksum.State says
// so and there is no error.
func Read(r io.Reader) (*File, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("sie: %w", err)
	}
	b = bytes.TrimPrefix(b, bom)
	rs, err := lex(b)
	if err != nil {
		return nil, err
	}
	if len(rs) == 0 {
		return nil, &Error{What: "no record", Err: ErrSyntax}
	}
	p := parser{f: &File{Type: 1, Currency: "SEK", Charset: detect(b)}}
	p.currency(rs)
	for _, r := range rs {
		if err := p.record(r); err != nil {
			return nil, &Error{Line: r.line, Label: r.name(), What: err.Error(), Err: ErrSyntax}
		}
	}
	p.f.Checksum, err = verifyChecksum(rs, p.f.Charset)
	if err == nil && p.in != outside {
		err = &Error{Line: rs[len(rs)-1].line, What: "the file ends before }", Err: ErrTruncated}
	}
	if e, ok := err.(*Error); ok && e.Err == ErrSyntax {
		return nil, err
	}
	return p.f, err
}

// A block is where a record stands.
type block int

const (
	outside   block = iota
	inVoucher       // between the braces of a #VER
	inUnknown       // between the braces of a record nobody knows
)

type parser struct {
	f    *File
	exp  int      // decimals of the file's currency
	ver  *Voucher // the last #VER whose end is not reached
	in   block
	last string // label of the record before
}

// currency looks for #VALUTA ahead of the rest: it says how many decimals the minor
// unit of every amount has.
func (p *parser) currency(rs []record) {
	for _, r := range rs {
		if c := strings.ToUpper(p.text(r, 0)); r.name() == "#VALUTA" && c != "" {
			p.f.Currency = c
		}
	}
	p.exp = ledger.Exponent(p.f.Currency)
}

func (p *parser) record(r record) error {
	defer func() { p.last = r.name() }()
	switch {
	case r.brace == '{':
		switch {
		case p.in != outside:
			return fmt.Errorf("{ within braces")
		case p.last == "#VER":
			p.in = inVoucher
		case p.last == "":
			return fmt.Errorf("{ belongs to no record")
		default:
			p.in = inUnknown
		}
		return nil
	case r.brace == '}':
		if p.in == outside {
			return fmt.Errorf("} without {")
		}
		p.close()
		return nil
	case p.in == inVoucher:
		if r.name() == "#VER" {
			return fmt.Errorf("the voucher before it is not closed")
		}
		if r.name() == "#TRANS" {
			return p.row(r)
		}
		return nil
	case p.in == inUnknown:
		return nil
	case r.name() == "#TRANS" && p.last == "#VER":
		// An export of e-conomic lacks one {.
		p.in = inVoucher
		return p.row(r)
	}
	// A #VER without braces is a voucher without rows.
	p.close()
	return p.top(r)
}

// close ends the voucher that is open, if one is.
func (p *parser) close() {
	if p.ver != nil {
		p.f.Vouchers = append(p.f.Vouchers, *p.ver)
		p.ver = nil
	}
	p.in = outside
}

// top reads a record that stands outside braces.
func (p *parser) top(r record) (err error) {
	f := p.f
	switch r.name() {
	case "#FLAGGA":
		f.Flag, err = p.int(r, 0)
	case "#PROGRAM":
		f.Program, f.Version = p.text(r, 0), p.text(r, 1)
	case "#GEN":
		f.Generated, err = p.date(r, 0)
		f.GeneratedBy = p.text(r, 1)
	case "#SIETYP":
		// Some write 4E or 4I.
		t := strings.TrimRight(strings.ToUpper(p.text(r, 0)), "EI")
		if len(t) != 1 || t[0] < '1' || t[0] > '4' {
			return fmt.Errorf("type %q is not 1 to 4", p.text(r, 0))
		}
		f.Type = int(t[0] - '0')
	case "#FNAMN":
		f.Company = p.text(r, 0)
	case "#ORGNR":
		f.OrgNumber = p.text(r, 0)
	case "#RAR":
		return p.year(r)
	case "#KONTO":
		f.Accounts = append(f.Accounts, Account{Number: p.text(r, 0), Name: p.text(r, 1)})
	case "#KTYP":
		p.accountType(p.text(r, 0), strings.ToUpper(p.text(r, 1)))
	case "#IB":
		err = p.balance(&f.Opening, r)
	case "#UB":
		err = p.balance(&f.Closing, r)
	case "#RES":
		err = p.balance(&f.Results, r)
	case "#PSALDO":
		return p.period(r)
	case "#VER":
		return p.voucher(r)
	case "#TRANS", "#RTRANS", "#BTRANS":
		return fmt.Errorf("a row outside a voucher")
	}
	return err
}

// accountType sets the type of the #KONTO that stands before its #KTYP, usually just before.
func (p *parser) accountType(number, typ string) {
	for i := len(p.f.Accounts) - 1; i >= 0; i-- {
		if a := &p.f.Accounts[i]; a.Number == number {
			a.Type = typ
			return
		}
	}
}

func (p *parser) year(r record) (err error) {
	var y Year
	if y.No, err = p.int(r, 0); err != nil {
		return err
	}
	if y.Start, err = p.date(r, 1); err != nil {
		return err
	}
	if y.End, err = p.date(r, 2); err != nil {
		return err
	}
	p.f.Years = append(p.f.Years, y)
	return nil
}

func (p *parser) balance(to *[]Balance, r record) (err error) {
	b := Balance{Account: p.text(r, 1), Quantity: p.text(r, 3)}
	if b.Year, err = p.int(r, 0); err != nil {
		return err
	}
	if b.Amount, err = p.amount(r, 2); err != nil {
		return err
	}
	*to = append(*to, b)
	return nil
}

func (p *parser) period(r record) (err error) {
	b := PeriodBalance{Period: p.text(r, 1), Account: p.text(r, 2)}
	if b.Year, err = p.int(r, 0); err != nil {
		return err
	}
	next, err := p.objects(r, 3, &b.Objects)
	if err != nil {
		return err
	}
	if b.Amount, err = p.amount(r, next); err != nil {
		return err
	}
	b.Quantity = p.text(r, next+1)
	p.f.Periods = append(p.f.Periods, b)
	return nil
}

func (p *parser) voucher(r record) (err error) {
	v := Voucher{Series: p.text(r, 0), Number: p.text(r, 1), Sign: p.text(r, 5), Line: r.line}
	if v.Date, err = p.date(r, 2); err != nil {
		return err
	}
	if v.Date.IsZero() {
		return fmt.Errorf("no date")
	}
	if v.RegDate, err = p.date(r, 4); err != nil {
		return err
	}
	v.Text, v.ID = cutID(p.text(r, 3))
	p.ver = &v
	return nil
}

func (p *parser) row(r record) (err error) {
	row := Row{Account: p.text(r, 0)}
	if row.Account == "" || strings.ContainsAny(row.Account, "{} ") {
		return fmt.Errorf("account %q", row.Account)
	}
	next, err := p.objects(r, 1, &row.Objects)
	if err != nil {
		return err
	}
	if row.Amount, err = p.amount(r, next); err != nil {
		return err
	}
	if row.Date, err = p.date(r, next+1); err != nil {
		return err
	}
	row.Text, row.Quantity, row.Sign = p.text(r, next+2), p.text(r, next+3), p.text(r, next+4)
	p.ver.Rows = append(p.ver.Rows, row)
	return nil
}
