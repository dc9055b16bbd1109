package sie

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/ledger"
)

func date(s string) time.Time {
	d, err := time.Parse("20060102", s)
	if err != nil {
		panic(err)
	}
	return d
}

func TestReadEveryRecord(t *testing.T) {
	f, err := Read(strings.NewReader(strings.ReplaceAll(`#FLAGGA 1
#PROGRAM "Visma \"Compact\"" 5.1
#FORMAT PC8
#GEN 20260401 "Siw Eriksson"
#SIETYP 4
#PROSA "whatever"
#FNAMN "Exempel AB"
#ORGNR 556000-0167 1
#RAR 0 20260101 20261231
#RAR -1 20250101 20251231
#VALUTA eur
#KONTO 1930 "Bank"
#KTYP 1930 t
#KONTO 3001 Sales
#NYTT ett "tva" {a b}
#IB 0 1930 100.5 3
#IB -1 1930 99
#UB 0 1930 197.50
#RES 0 3001 -97,00
#PSALDO 0 202603 1930 {} 97
#PSALDO 0 202603 3001 {1 "N" 6 "P1"} -97.00 2
#VER	A 17 20260331 "Dagskassa" 20260401 SE an extra field
{
	#TRANS 1930 {1 "N" "6" P1} 97.00 20260330 "row \"1\"" 2.5 SE extra
	#BTRANS 6110 { } 1.00
	#RTRANS 3001 { } -97.00
	#TRANS 3001 { } -97.00
}
#VER "" 0 20260401 "payout [kv 1a2b3c4d5e6f]"
{
}
#VER B 1 20260402
#PBUDGET 0 202603 1930 {} 1
`, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Flag: 1, Program: `Visma "Compact"`, Version: "5.1", Generated: date("20260401"), GeneratedBy: "Siw Eriksson",
		Type: 4, Company: "Exempel AB", OrgNumber: "556000-0167", Currency: "EUR", Charset: CP437,
		Years:    []Year{{0, date("20260101"), date("20261231")}, {-1, date("20250101"), date("20251231")}},
		Accounts: []Account{{"1930", "Bank", "T"}, {"3001", "Sales", ""}},
		Opening:  []Balance{{0, "1930", 10050, "3"}, {-1, "1930", 9900, ""}},
		Closing:  []Balance{{0, "1930", 19750, ""}},
		Results:  []Balance{{0, "3001", -9700, ""}},
		Periods: []PeriodBalance{
			{0, "202603", "1930", nil, 9700, ""},
			{0, "202603", "3001", []Object{{"1", "N"}, {"6", "P1"}}, -9700, "2"},
		},
		Vouchers: []Voucher{
			{Series: "A", Number: "17", Date: date("20260331"), Text: "Dagskassa", RegDate: date("20260401"), Sign: "SE", Line: 22,
				Rows: []Row{
					{Account: "1930", Objects: []Object{{"1", "N"}, {"6", "P1"}}, Amount: 9700,
						Date: date("20260330"), Text: `row "1"`, Quantity: "2.5", Sign: "SE"},
					{Account: "3001", Amount: -9700},
				}},
			{ID: "1a2b3c4d5e6f", Number: "0", Date: date("20260401"), Text: "payout", Line: 29},
			{Series: "B", Number: "1", Date: date("20260402"), Line: 32},
		},
		Checksum: Checksum{State: ChecksumNone},
	}
	// Nothing follows the last voucher but a record outside it.
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("Read() mismatch (-want +got):\n%s", diff)
	}
}

// What programs write against the specification, and readers must take all the same.
func TestReadTolerates(t *testing.T) {
	const head = "#FLAGGA 0\n"
	ver := func(rows string) string { return head + "#VER A 1 20260331 t\n{\n" + rows + "\n}\n" }
	row := func(f *File) Row { return f.Vouchers[0].Rows[0] }
	for _, tt := range []struct {
		name, in string
		get      func(*File) any
		want     any
	}{
		{"no type is type 1", head, func(f *File) any { return f.Type }, 1},
		{"type 4I", head + "#SIETYP 4i", func(f *File) any { return f.Type }, 4},
		{"labels in any case", "#flagga 1\n#Fnamn X", func(f *File) any { return f.Company + string(rune('0'+f.Flag)) }, "X1"},
		{"no #VALUTA is SEK", head, func(f *File) any { return f.Currency }, "SEK"},
		{"yen have no decimals", "#VALUTA JPY\n#IB 0 1930 1250.00", func(f *File) any { return f.Opening[0].Amount }, ledger.Minor(1250)},
		{"a byte order mark", "\ufeff#FLAGGA 0\n#FNAMN Räksmörgås", func(f *File) any { return f.Company }, "Räksmörgås"},
		{"UTF-8", head + "#FNAMN \"Blåbär €\"", func(f *File) any { return f.Company + string(f.Charset) }, "Blåbär €UTF-8"},
		{"code page 437", head + "#FNAMN Bl\x86b\x84r", func(f *File) any { return f.Company + string(f.Charset) }, "BlåbärCP437"},
		{"Latin-1", head + "#FNAMN Bl\xe5b\xe4r", func(f *File) any { return f.Company + string(f.Charset) }, "Blåbärwindows-1252"},
		{"ASCII", head, func(f *File) any { return f.Charset }, CP437},
		{"Latin-1 in one path only", head + "#FNR F\xf6r\n#FNAMN \x84\x94", func(f *File) any { return f.Company }, "äö"},
		{"Ctrl-Z at the end", head + "#FNAMN X\r\n\x1a", func(f *File) any { return f.Company }, "X"},
		{"blank lines and indents", "\n \t\n  #FLAGGA 1 \n\n", func(f *File) any { return f.Flag }, 1},
		{"a year without days", head + "#RAR 0  ", func(f *File) any { return f.Years }, []Year{{}}},
		{"quotes nobody escaped", head + `#FNAMN "Uppl"sning av "vriga"`, func(f *File) any { return f.Company }, `Uppl"sning av "vriga`},
		{"a quote in a bare value", head + `#FNAMN Leverant"rsskulder`, func(f *File) any { return f.Company }, `Leverant"rsskulder`},
		{"a text cut off with its quote", head + `#FNAMN "260   aaa`, func(f *File) any { return f.Company }, "260   aaa"},
		{"a backslash", head + `#FNAMN "1820\A012 \\ x"`, func(f *File) any { return f.Company }, `1820\A012 \\ x`},
		{"a backslash at the end", head + `#FNAMN "C:\dir\"`, func(f *File) any { return f.Company }, `C:\dir\`},
		{"an escaped quote in a bare value", head + `#FNAMN a\"b`, func(f *File) any { return f.Company }, `a"b`},
		{"a brace in a text", head + `#FNAMN "a } b"`, func(f *File) any { return f.Company }, `a } b`},
		{"a decimal comma", ver(`#TRANS 1930 {} -12,5`), func(f *File) any { return row(f).Amount }, ledger.Minor(-1250)},
		{"no object list", ver(`#TRANS 1930 12`), func(f *File) any { return row(f).Amount }, ledger.Minor(1200)},
		{"an object list without blanks", ver(`#TRANS 1930 {1 "a}b"} 12`), func(f *File) any { return row(f).Objects }, []Object{{"1", "a}b"}}},
		{"an account with more digits", ver(`#TRANS 19301234 {} 12`), func(f *File) any { return row(f).Account }, "19301234"},
		{"a row date of zeros", ver(`#TRANS 1930 {} 12 00000000 x`), func(f *File) any { return row(f).Text }, "x"},
		{"no opening brace", head + "#VER A 1 20260331\n\n#TRANS 1930 {} 1\n}\n", func(f *File) any { return row(f).Amount }, ledger.Minor(100)},
		{"records with braces nobody knows", head + "#NYTT\n{\n#TRANS x\n}\n#FNAMN X", func(f *File) any { return f.Company }, "X"},
		{"out of balance", ver("#TRANS 1930 {} 1"), func(f *File) any { return f.Unbalanced()[0].Sum() }, ledger.Minor(100)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Read(strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.get(f)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	const head = "#FLAGGA 0\n"
	for _, tt := range []struct {
		name, in string
		kind     error
		text     string
	}{
		{"nothing", "\n\n", ErrSyntax, "sie: not valid SIE: no record"},
		{"a web page", "<!DOCTYPE html>\n", ErrSyntax, `sie: line 1: not valid SIE: no label, the line begins with "<!DOCTYPE html>"`},
		{"an unknown type", head + "#SIETYP 5", ErrSyntax, `sie: line 2: #SIETYP: not valid SIE: type "5" is not 1 to 4`},
		{"a flag", "#FLAGGA x", ErrSyntax, `sie: line 1: #FLAGGA: not valid SIE: "x" is not a number`},
		{"an amount with three decimals", head + "#ib 0 1930 0.125", ErrSyntax,
			`sie: line 2: #IB: not valid SIE: not an exact amount: "0.125" has more than 2 decimals`},
		{"no amount", head + "#UB 0 1930", ErrSyntax, `sie: line 2: #UB: not valid SIE: not an exact amount: ""`},
		{"a day that is not", head + "#VER A 1 20260230", ErrSyntax, `sie: line 2: #VER: not valid SIE: "20260230" is not a date`},
		{"no day", head + "#VER A 1", ErrSyntax, `sie: line 2: #VER: not valid SIE: no date`},
		{"a row outside a voucher", head + "#TRANS 1930 {} 1", ErrSyntax, `sie: line 2: #TRANS: not valid SIE: a row outside a voucher`},
		{"an account with a list stuck to it", head + "#VER A 1 20260331\n{\n#TRANS 1930{} 1", ErrSyntax,
			`sie: line 4: #TRANS: not valid SIE: account "1930{}"`},
		{"an object list that is not closed", head + "#VER A 1 20260331\n{\n#TRANS 1930 {1 2 3.00", ErrSyntax,
			`sie: line 4: #TRANS: not valid SIE: the object list is not closed`},
		{"half a pair", head + "#VER A 1 20260331\n{\n#TRANS 1930 {1} 3.00", ErrSyntax,
			`sie: line 4: #TRANS: not valid SIE: an object list of 1 values is not pairs`},
		{"a voucher in a voucher", head + "#VER A 1 20260331\n{\n#VER A 2 20260331", ErrSyntax,
			`sie: line 4: #VER: not valid SIE: the voucher before it is not closed`},
		{"braces in braces", head + "#VER A 1 20260331\n{\n{", ErrSyntax, `sie: line 4: not valid SIE: { within braces`},
		{"an orphan {", "{", ErrSyntax, `sie: line 1: not valid SIE: { belongs to no record`},
		{"an orphan }", head + "}", ErrSyntax, `sie: line 2: not valid SIE: } without {`},
		{"a brace with company", head + "#VER A 1 20260331\n{ #TRANS", ErrSyntax, `sie: line 3: not valid SIE: { is not alone on its line`},
		{"cut off in a voucher", head + "#VER A 1 20260331\n{\n}\n#VER A 2 20260331\n{\n#TRANS 1930 {} 1\n", ErrTruncated,
			`sie: line 7: file is cut off: the file ends before }`},
		{"cut off before the sum", head + "#KSUMMA\n#FNAMN X\n", ErrTruncated,
			`sie: line 2: #KSUMMA: file is cut off: the closing checksum is missing`},
		{"another sum", head + "#KSUMMA\n#FNAMN X\n#KSUMMA 17\n", ErrChecksum,
			`sie: line 4: #KSUMMA: checksum does not match: declared 17, computed 224094624`},
		{"a sum that is none", head + "#KSUMMA\n#FNAMN X\n#KSUMMA x\n", ErrSyntax,
			`sie: line 4: #KSUMMA: not valid SIE: "x" is not a 32-bit number`},
		{"a closing record without a sum", head + "#KSUMMA\n#FNAMN X\n#KSUMMA\n", ErrSyntax, `sie: line 4: #KSUMMA: not valid SIE: no sum`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Read(strings.NewReader(tt.in))
			if !errors.Is(err, tt.kind) {
				t.Fatalf("error %v, want %v", err, tt.kind)
			}
			if err.Error() != tt.text {
				t.Errorf("error\n%s\nwant\n%s", err, tt.text)
			}
			if (f == nil) != (tt.kind == ErrSyntax) {
				t.Errorf("file %v", f)
			}
			if tt.name == "cut off in a voucher" && len(f.Vouchers) != 1 {
				t.Errorf("%d whole vouchers, want 1", len(f.Vouchers))
			}
		})
	}
}

func TestReadReportsTheReader(t *testing.T) {
	if _, err := Read(iotest.ErrReader(iotest.ErrTimeout)); !errors.Is(err, iotest.ErrTimeout) {
		t.Error(err)
	}
}

func TestChecksum(t *testing.T) {
	// Section 10.15: the label, the number, and the name with bare quotes.
	var k ksumma
	for _, r := range must(lex([]byte(`#KONTO 1915 "Kassa \"special\""`))) {
		k.add(r)
	}
	var plain ksumma
	plain.bytes([]byte(`#KONTO1915Kassa "special"`))
	if k.crc != plain.crc {
		t.Errorf("sum %d, want %d", k.crc, plain.crc)
	}
	// The check value of CRC-32 in every catalogue.
	var check ksumma
	if check.bytes([]byte("123456789")); check.crc != 0xcbf43926 {
		t.Errorf("sum %x", check.crc)
	}
	for _, tt := range []struct {
		name, in string
		want     Checksum
	}{
		{"none", "#FLAGGA 0\n", Checksum{State: ChecksumNone}},
		{"right", "#FLAGGA 0\n#KSUMMA\n#FNAMN X\n#KSUMMA 224094624\n", Checksum{ChecksumOK, 224094624, 224094624, 0}},
		{"right, written by a signed program", "#KSUMMA\n#FNAMN Z\n#KSUMMA -480966516\n", Checksum{ChecksumOK, 3814000780, 3814000780, 0}},
		{"lower case, blanks and quotes do not matter", "#ksumma\n #FNAMN\t  \"X\" \n#ksumma \"224094624\"", Checksum{ChecksumOK, 224094624, 224094624, 0}},
		{"the flag is not covered", "#FLAGGA 1\n#KSUMMA\n#FNAMN X\n#KSUMMA 224094624\n", Checksum{ChecksumOK, 224094624, 224094624, 0}},
		{"records after the sum", "#KSUMMA\n#FNAMN X\n#KSUMMA 224094624\n#VER A 1 20260331\n{\n}\n", Checksum{ChecksumOK, 224094624, 224094624, 3}},
		{"a placeholder", "#KSUMMA\n#FNAMN X\n#KSUMMA 123456789\n", Checksum{ChecksumPlaceholder, 123456789, 224094624, 0}},
		{"a number without a beginning", "#FNAMN X\n#KSUMMA 17\n", Checksum{State: ChecksumNone}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Read(strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, f.Checksum); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// A program that writes UTF-8 may have added up its own bytes, or those of code page 437.
func TestChecksumInUTF8(t *testing.T) {
	const text = "#FNAMN \"Blåbär\"\n"
	var own, pc8 ksumma
	own.bytes([]byte("#FNAMNBlåbär"))
	pc8.bytes([]byte("#FNAMNBl\x86b\x84r"))
	for _, sum := range []ksumma{own, pc8} {
		var out output
		out.record("#KSUMMA", bare(ledger.Minor(sum.crc).Decimal(0)))
		f, err := Read(strings.NewReader("#KSUMMA\n" + text + string(out.b)))
		if err != nil || f.Checksum.State != ChecksumOK {
			t.Errorf("%v %+v", err, f)
		}
	}
}

func TestSumNeverWraps(t *testing.T) {
	sum := func(amounts ...ledger.Minor) ledger.Minor {
		var v Voucher
		for _, a := range amounts {
			v.Rows = append(v.Rows, Row{Amount: a})
		}
		return v.Sum()
	}
	const most, least = math.MaxInt64, math.MinInt64
	for _, tt := range []struct{ got, want ledger.Minor }{
		{sum(), 0},
		{sum(100, -40, -60), 0},
		{sum(1, -3), -2},
		{sum(most, most), most},
		{sum(most, 1), most},
		{sum(least, least), least},
		{sum(least, -1), least},
		{sum(most, most, 2), most},
		{sum(least, least, most, most, 2), 0},
		{sum(most, least), -1},
	} {
		if tt.got != tt.want {
			t.Errorf("sum %d, want %d", tt.got, tt.want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
