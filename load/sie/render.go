package sie

import (
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// render returns the file of a prepared document (sections 5.12, 6 and 10.4).
func render(d Document) []byte {
	var out output
	out.record("#FLAGGA", bare("0"))
	// The sum covers what follows, so that an importer can set the flag.
	out.record("#KSUMMA")
	out.sum = ksumma{}
	out.record("#PROGRAM", quoted(d.Program), quoted(d.Version))
	out.record("#FORMAT", bare("PC8"))
	out.record("#GEN", bare(day(d.Generated)))
	out.record("#SIETYP", bare("4"))
	if d.OrgNumber != "" {
		org := quoted(d.OrgNumber)
		org.quote = !isNumber(strings.ReplaceAll(d.OrgNumber, "-", ""))
		out.record("#ORGNR", org)
	}
	out.record("#FNAMN", quoted(d.Company))
	if !d.YearStart.IsZero() {
		out.record("#RAR", bare("0"), bare(day(d.YearStart)), bare(day(d.YearEnd)))
	}
	// Every chart since EU-BAS 97 has this type (#KPTYP, rules 4 and 5).
	out.record("#KPTYP", bare("EUBAS97"))
	out.record("#VALUTA", bare(d.Currency))
	for _, a := range d.Accounts {
		out.record("#KONTO", bare(a.Number), quoted(a.Name))
	}
	out.vouchers(d.Vouchers, ledger.Exponent(d.Currency))
	out.record("#KSUMMA", bare(strconv.FormatUint(uint64(out.sum.crc), 10)))
	return out.b
}

// An output is a file as it grows, with the sum of its records.
type output struct {
	b   []byte
	sum ksumma
}

func (o *output) vouchers(vs []Voucher, exp int) {
	for _, v := range vs {
		o.record("#VER", trimmed([]cell{quoted(v.Series), quoted(v.Number), bare(day(v.Date)),
			quoted(withID(v.Text, v.ID)), optional(v.RegDate), quoted(v.Sign)}, 4)...)
		o.line("{")
		for _, r := range v.Rows {
			objects := cell{isList: true}
			for _, ob := range r.Objects {
				objects.list = append(objects.list, ob.Dimension, ob.Code)
			}
			o.record("#TRANS", trimmed([]cell{bare(r.Account), objects, bare(r.Amount.Decimal(exp)),
				optional(r.Date), quoted(r.Text), quoted(r.Quantity), quoted(r.Sign)}, 3)...)
		}
		o.line("}")
	}
}

// A cell is a field to be written.
type cell struct {
	value  string
	quote  bool
	list   []string
	isList bool
}

func bare(s string) cell   { return cell{value: s} }
func quoted(s string) cell { return cell{value: s, quote: true} }

// optional returns the date, or "" in quotes for none.
func optional(d time.Time) cell {
	if d.IsZero() {
		return quoted("")
	}
	return bare(day(d))
}

// trimmed leaves out empty fields at the end, down to the first n.
func trimmed(cs []cell, n int) []cell {
	for len(cs) > n && cs[len(cs)-1].value == "" {
		cs = cs[:len(cs)-1]
	}
	return cs
}

// record adds a line and its part of the sum. Its texts are spelled already.
func (o *output) record(label string, cells ...cell) {
	r := record{label: []byte(label)}
	line := []byte(label)
	for _, c := range cells {
		line = append(line, ' ')
		f := field{value: encode(c.value), isList: c.isList}
		switch {
		case c.isList:
			line = append(line, '{')
			for i, s := range c.list {
				if i > 0 {
					line = append(line, ' ')
				}
				f.list = append(f.list, encode(s))
				line = appendQuoted(line, f.list[i])
			}
			line = append(line, '}')
		case c.quote:
			line = appendQuoted(line, f.value)
		default:
			line = append(line, f.value...)
		}
		r.fields = append(r.fields, f)
	}
	o.sum.add(r)
	o.line(string(line))
}

func (o *output) line(s string) {
	o.b = append(append(o.b, s...), "\r\n"...)
}

func appendQuoted(line, b []byte) []byte {
	line = append(line, '"')
	for _, c := range b {
		if c == '"' {
			line = append(line, '\\')
		}
		line = append(line, c)
	}
	return append(line, '"')
}
