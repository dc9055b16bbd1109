package sie

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/ledger"
)

// Whatever the bytes, Read returns a file or an *Error, and what it read of vouchers
// that may be written reads the same when written.
func FuzzRead(f *testing.F) {
	f.Add(render(must2(prepare(document()))))
	f.Add([]byte("#FLAGGA 0\n#KSUMMA\n#VER A 1 20260331 \"x [kv 1]\"\n{\n#TRANS 1930 {1 \"a\"} 0 20260331 \"a\\\"\n}\n#KSUMMA 1"))
	f.Add([]byte("\ufeff#KONTO 1930 \"Blåbär\"\n#IB 0 1930 -1,5\n#PSALDO 0 202603 1930 {} 1"))
	for _, name := range []string{"sie-gruppen/FAKT.SI", "sie-gruppen/BL0001_typ4I.SI", "sie-gruppen/Lön.si"} {
		if b, err := os.ReadFile(filepath.Join(samples, name)); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Read(bytes.NewReader(b))
		if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("error %T", err)
		}
		if got == nil {
			return
		}
		got.Unbalanced()
		d := document()
		d.YearStart, d.YearEnd = Year{}.Start, Year{}.End
		d.Currency, d.Vouchers = got.Currency, got.Vouchers
		d, _, err = prepare(d)
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(render(d)))
		if err != nil {
			t.Fatal(err)
		}
		forgetLines(again.Vouchers)
		if diff := cmp.Diff(d.Vouchers, again.Vouchers); diff != "" {
			t.Errorf("vouchers mismatch (-want +got):\n%s", diff)
		}
	})
}

// What is written reads the same, with its checksum; writing what was read gives the
// same bytes.
func FuzzWriteRead(f *testing.F) {
	f.Add("Exempel AB", "K", "Klarna utbetalning", "1a2b3c4d5e6f", "order 1001", "1", "N", int64(97000), uint16(90), uint32(1930))
	f.Add("Smørrebrød", "", `a\"b\`, "", "[kv x]", "", `"}`, int64(math.MinInt64), uint16(0), uint32(0))
	f.Add("ßää", "LEV1", "x [kv y]", "z", "\r\n€\x00", "{", "\\", int64(-1), uint16(400), uint32(99999999))
	f.Fuzz(func(t *testing.T, company, series, text, id, rowText, dim, object string, amount int64, days uint16, account uint32) {
		d := document()
		d.Company = company
		d.YearEnd = d.YearStart.AddDate(0, 0, 365)
		for i := range d.Vouchers {
			v := &d.Vouchers[i]
			v.Series, v.Text = series, text
			v.Date = d.YearStart.AddDate(0, 0, int(days))
			v.Rows[1].Text = rowText
			v.Rows[1].Account = ledger.Minor(account).Decimal(0)
			v.Rows[1].Objects = []Object{{dim, object}, {object, dim}}
			v.Rows = append(v.Rows, Row{Account: "1930", Amount: ledger.Minor(amount)}, Row{Account: "3740", Amount: -ledger.Minor(amount)})
		}
		d.Vouchers[0].ID = id
		d, warnings, err := prepare(d)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
			return
		}
		for _, w := range warnings {
			if w.Where == "" || w.String() == "" {
				t.Errorf("warning %+v", w)
			}
		}
		b := render(d)
		got, err := Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if got.Checksum.State != ChecksumOK || got.Checksum.Outside != 0 || got.Charset != CP437 {
			t.Errorf("%+v %s", got.Checksum, got.Charset)
		}
		forgetLines(got.Vouchers)
		back := Document{Program: got.Program, Version: got.Version, Generated: got.Generated, Company: got.Company,
			OrgNumber: got.OrgNumber, YearStart: got.Years[0].Start, YearEnd: got.Years[0].End, Currency: got.Currency,
			Accounts: got.Accounts, Vouchers: got.Vouchers}
		if diff := cmp.Diff(d, back); diff != "" {
			t.Errorf("document mismatch (-want +got):\n%s", diff)
		}
		var again bytes.Buffer
		if ws, err := Write(&again, back); err != nil || len(ws) > 0 || !bytes.Equal(b, again.Bytes()) {
			t.Errorf("written again: error %v, warnings %v\n%s\n%s", err, ws, b, again.Bytes())
		}
		for i, v := range got.Vouchers {
			if n := len(encode(withID(v.Text, v.ID))); n > maxText {
				t.Errorf("voucher %d has %d characters of text", i, n)
			}
		}
	})
}
