package sie

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files; read the diff")

// document returns two vouchers of a calendar year.
func document() Document {
	return Document{
		Program: "kvitt", Version: "1.0", Generated: date("20260401"),
		Company: "Exempel Smørrebrød AB", OrgNumber: "5560000167", Currency: "SEK",
		YearStart: date("20260101"), YearEnd: date("20261231"),
		Accounts: []Account{{Number: "1930", Name: "Företagskonto"}, {Number: "1585", Name: `Klarna "clearing"`}, {Number: "3001", Name: "unused"}},
		Vouchers: []Voucher{
			{ID: "1a2b3c4d5e6f", Series: "K", Date: date("20260330"), Text: "Klarna utbetalning – mars", RegDate: date("20260401"),
				Rows: []Row{
					{Account: "1930", Amount: 97000, Text: "ref KLA123"},
					{Account: "6064", Amount: 3000},
					{Account: "1585", Amount: -100000, Text: `order "1001" för Łukasz`},
				}},
			{ID: "2b3c4d5e6f70", Series: "K", Date: date("20260331"), Text: "Klarna öresutjämning", RegDate: date("20260401"),
				Rows: []Row{
					{Account: "1585", Amount: -1},
					{Account: "3740", Amount: 1, Text: "moms 25 %"},
				}},
		},
	}
}

func TestWriteGolden(t *testing.T) {
	var b bytes.Buffer
	warnings, err := Write(&b, document())
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/two_vouchers.si"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(CP437.decode(want), CP437.decode(b.Bytes())); diff != "" {
		t.Errorf("file mismatch (-want +got):\n%s", diff)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	if diff := cmp.Diff([]string{
		`company: "Exempel Smørrebrød AB": 'ø' (U+00F8) written as "ö"`,
		`voucher 1 (1a2b3c4d5e6f): "Klarna utbetalning – mars": '–' (U+2013) written as "-"`,
		`voucher 1 (1a2b3c4d5e6f) row 3: "order \"1001\" för Łukasz": 'Ł' (U+0141) written as "L"`,
	}, got); diff != "" {
		t.Errorf("warnings mismatch (-want +got):\n%s", diff)
	}
}

func TestWrittenFileReadsBack(t *testing.T) {
	d, _, err := prepare(document())
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read(bytes.NewReader(render(d)))
	if err != nil {
		t.Fatal(err)
	}
	forgetLines(f.Vouchers)
	sum := f.Checksum.Computed
	want := &File{
		Program: "kvitt", Version: "1.0", Generated: date("20260401"), Type: 4,
		Company: "Exempel Smörrebröd AB", OrgNumber: "556000-0167", Currency: "SEK", Charset: CP437,
		Years: []Year{{0, date("20260101"), date("20261231")}},
		Accounts: []Account{{Number: "1585", Name: `Klarna "clearing"`}, {Number: "1930", Name: "Företagskonto"},
			{Number: "3740", Name: "Konto 3740"}, {Number: "6064", Name: "Konto 6064"}},
		Vouchers: d.Vouchers,
		Checksum: Checksum{State: ChecksumOK, Declared: sum, Computed: sum},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("Read() mismatch (-want +got):\n%s", diff)
	}
}

// Only records that 4I permits, each line in its place, whatever is in the document.
func TestWriteFollowsSection6(t *testing.T) {
	b := render(must2(prepare(document())))
	if bytes.Count(b, []byte("\n")) != bytes.Count(b, []byte("\r\n")) || !bytes.HasSuffix(b, []byte("\r\n")) {
		t.Error("a line does not end in CRLF")
	}
	allowed := map[string]int{"#FLAGGA": 1, "#KSUMMA": 9, "#PROGRAM": 2, "#FORMAT": 2, "#GEN": 2, "#SIETYP": 2,
		"#ORGNR": 2, "#FNAMN": 2, "#RAR": 2, "#KPTYP": 2, "#VALUTA": 2, "#KONTO": 3, "#VER": 4, "#TRANS": 4}
	group := 0
	for i, r := range must(lex(b)) {
		if r.brace != 0 {
			continue
		}
		g, ok := allowed[r.name()]
		switch {
		case !ok:
			t.Errorf("%s is not permitted", r.label)
		case i < 2:
			if want := []string{"#FLAGGA", "#KSUMMA"}[i]; r.name() != want {
				t.Errorf("record %d is %s", i, r.label)
			}
		case g < group:
			t.Errorf("%s is out of order", r.label)
		default:
			group = g
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Document)
		want string
	}{
		{"a voucher that is one öre off", func(d *Document) { d.Vouchers[1].Rows[0].Amount = -2 },
			"sie: refused: voucher 2 (2b3c4d5e6f70): rows sum to -1 minor units, not zero"},
		{"amounts that wrap around to zero", func(d *Document) {
			d.Vouchers[0].Rows = []Row{{Account: "1", Amount: math.MinInt64}, {Account: "1", Amount: math.MinInt64}}
		}, "sie: refused: voucher 1 (1a2b3c4d5e6f): rows sum to -9223372036854775808 minor units, not zero"},
		{"a voucher without rows", func(d *Document) { d.Vouchers[0].Rows = nil }, "sie: refused: voucher 1 (1a2b3c4d5e6f): no rows"},
		{"a voucher of another year", func(d *Document) { d.Vouchers[0].Date = date("20270101") },
			"sie: refused: voucher 1 (1a2b3c4d5e6f): its date 20270101 is outside the fiscal year 20260101 to 20261231"},
		{"a voucher without a date", func(d *Document) { d.Vouchers[0].Date = d.Vouchers[0].Date.AddDate(-2026, 0, 0) },
			"sie: refused: voucher 1 (1a2b3c4d5e6f): no date"},
		{"an account with letters", func(d *Document) { d.Vouchers[0].Rows[0].Account = "19A" },
			`sie: refused: voucher 1 (1a2b3c4d5e6f): account "19A" is not a number`},
		{"an account below zero", func(d *Document) { d.Vouchers[0].Rows[0].Account = "-1930" },
			`sie: refused: voucher 1 (1a2b3c4d5e6f): account "-1930" is not a number`},
		{"an ID with a bracket", func(d *Document) { d.Vouchers[0].ID = "a]" }, `sie: refused: voucher 1 (a]): ID "a]"`},
		{"no company", func(d *Document) { d.Company = " \x00" }, "sie: refused: no company"},
		{"no program", func(d *Document) { d.Program = "" }, "sie: refused: no program"},
		{"no version", func(d *Document) { d.Version = "" }, "sie: refused: no version"},
		{"no day", func(d *Document) { d.Generated = date("20260401").AddDate(8000, 0, 0) }, "sie: refused: no date of generation"},
		{"half a year", func(d *Document) { d.YearEnd = d.YearEnd.AddDate(-1, 0, 0) }, "sie: refused: fiscal year 20260101 to 20251231"},
		{"three decimals", func(d *Document) { d.Currency = "KWD" }, "sie: refused: KWD has more than the two decimals of SIE"},
		{"a currency that is none", func(d *Document) { d.Currency = "kr" }, `sie: refused: currency "kr"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := document()
			tt.edit(&d)
			var b bytes.Buffer
			_, err := Write(&b, d)
			if !errors.Is(err, ErrRefused) || err.Error() != tt.want {
				t.Errorf("error\n%v\nwant\n%v", err, tt.want)
			}
			if b.Len() != 0 {
				t.Errorf("%d bytes written", b.Len())
			}
		})
	}
	d := document()
	d.Vouchers[1].Rows[0].Amount = -2
	_, err := Write(new(bytes.Buffer), d)
	var off *UnbalancedError
	if !errors.As(err, &off) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&UnbalancedError{Voucher: 2, ID: "2b3c4d5e6f70", Off: -1}, off); diff != "" {
		t.Errorf("error mismatch (-want +got):\n%s", diff)
	}
}

func TestWriteRows(t *testing.T) {
	for _, tt := range []struct {
		name     string
		row      Row
		currency string
		want     string
	}{
		{"a whole krona", Row{Amount: 100}, "SEK", "#TRANS 1930 {} 1.00"},
		{"an öre in credit", Row{Amount: -1}, "SEK", "#TRANS 1930 {} -0.01"},
		{"the largest amount", Row{Amount: math.MaxInt64}, "SEK", "#TRANS 1930 {} 92233720368547758.07"},
		{"yen", Row{Amount: 1250}, "JPY", "#TRANS 1930 {} 1250"},
		{"a text", Row{Amount: 0, Text: `a "b"`}, "SEK", `#TRANS 1930 {} 0.00 "" "a \"b\""`},
		{"a backslash at the end", Row{Text: `C:\`}, "SEK", `#TRANS 1930 {} 0.00 "" "C:/"`},
		{"a backslash before a quote", Row{Text: `a\"b`}, "SEK", `#TRANS 1930 {} 0.00 "" "a\\"b"`},
		{"a date", Row{Date: date("20260331")}, "SEK", `#TRANS 1930 {} 0.00 20260331`},
		{"objects", Row{Objects: []Object{{"1", "N"}, {"6", `P "1"}`}}}, "SEK", `#TRANS 1930 {"1" "N" "6" "P \"1\"}"} 0.00`},
		{"everything", Row{Quantity: "2.5", Sign: "SE"}, "SEK", `#TRANS 1930 {} 0.00 "" "" "2.5" "SE"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := document()
			d.Currency = tt.currency
			tt.row.Account = "1930"
			d.Vouchers = []Voucher{{Date: date("20260331"), Rows: []Row{tt.row, {Account: "1585", Amount: -tt.row.Amount}}}}
			p, _, err := prepare(d)
			if err != nil {
				t.Fatal(err)
			}
			b := render(p)
			if line := strings.Split(string(b), "\r\n"); line[len(line)-5] != tt.want {
				t.Errorf("row\n%s\nwant\n%s", line[len(line)-5], tt.want)
			}
			f, err := Read(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.Vouchers[0].Rows, f.Vouchers[0].Rows); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
}

// However long the text, the ID is whole and the limit is kept.
func TestLongTextsKeepTheID(t *testing.T) {
	d := document()
	d.Vouchers[0].ID = strings.Repeat("f", 64)
	d.Vouchers[0].Text = strings.Repeat("€ ", 90)
	d.Vouchers[0].Rows[0].Text = strings.Repeat("ö", 101)
	var b bytes.Buffer
	if _, err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	v := must(Read(&b)).Vouchers[0]
	if v.ID != d.Vouchers[0].ID || v.Text != "EUR EUR EUR EUR EUR EUR..." {
		t.Errorf("voucher %q %q", v.Text, v.ID)
	}
	if got, want := v.Rows[0].Text, strings.Repeat("ö", 97)+"..."; got != want {
		t.Errorf("row %q", got)
	}
}

// Text that looks like another character set is spelled so that it does not.
func TestWriteIsNeverTakenForAnotherCharset(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Straße", "Straße"},        // a lone E1 is not UTF-8
		{"├ñ", "?ñ"},                // C3 A4 is ä in UTF-8
		{"Straßää 5", "Strassää 5"}, // E1 84 84 is a character of UTF-8
		{"α÷σ", "?/?"},              // E0 F6 E5 is àöå in Latin-1
		{"÷ å", "÷ å"},              // as much of both
	} {
		d := document()
		d.Company = "X"
		d.Accounts = nil
		d.Vouchers = []Voucher{{Date: date("20260331"), Text: tt.text, Rows: []Row{{Account: "1930"}}}}
		var b bytes.Buffer
		if _, err := Write(&b, d); err != nil {
			t.Fatal(err)
		}
		f := must(Read(&b))
		if f.Vouchers[0].Text != tt.want || f.Charset != CP437 || f.Checksum.State != ChecksumOK {
			t.Errorf("%q read back as %q, %s, %s", tt.text, f.Vouchers[0].Text, f.Charset, f.Checksum.State)
		}
	}
}

func TestWriteWithoutTheOptional(t *testing.T) {
	d := document()
	d.OrgNumber, d.Currency = "", ""
	d.YearStart, d.YearEnd = Year{}.Start, Year{}.End
	f := must(Read(bytes.NewReader(render(must2(prepare(d))))))
	if f.OrgNumber != "" || f.Currency != "SEK" || len(f.Years) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestWriteReportsTheWriter(t *testing.T) {
	boom := errors.New("boom")
	if _, err := Write(brokenWriter{boom}, document()); !errors.Is(err, boom) {
		t.Error(err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteLeavesTheDocumentAlone(t *testing.T) {
	d := document()
	if _, err := Write(new(bytes.Buffer), d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(document(), d); diff != "" {
		t.Errorf("document mismatch (-want +got):\n%s", diff)
	}
}

func must2[T, U any](v T, _ U, err error) T { return must(v, err) }
