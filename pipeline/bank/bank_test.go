package bank

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// statementOf writes a statement; the version decides where status and names stand.
func statementOf(version int, opening, closing string, entries ...string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.%02d"><BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr>
<Stmt><Id>S1</Id><FrToDt><FrDtTm>2026-03-01T00:00:00+01:00</FrDtTm><ToDtTm>2026-03-31T23:59:59+02:00</ToDtTm></FrToDt>
<Acct><Id><IBAN>SE45 5000 0000 0583 9825 7466</IBAN></Id><Ccy>SEK</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="SEK">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-01</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="SEK">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-31</Dt></Dt></Bal>
%s</Stmt></BkToCstmrStmt></Document>`, version, opening, closing, strings.Join(entries, "\n"))
}

func TestReadsBothShapesOfStatusAndNames(t *testing.T) {
	old := `<Ntry><Amt Ccy="SEK">956.25</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-06</Dt></BookgDt><AcctSvcrRef>B1</AcctSvcrRef>
		<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><RltdPties><Dbtr><Nm>KLARNA BANK AB</Nm></Dbtr></RltdPties><RmtInf><Ustrd>ABCD1234</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>`
	recent := `<Ntry><Amt Ccy="SEK">956.25</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><DtTm>2026-03-06T23:30:00+01:00</DtTm></BookgDt><AcctSvcrRef>B1</AcctSvcrRef>
		<NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>KLARNA BANK AB</Nm></Pty></Dbtr></RltdPties><RmtInf><Strd><CdtrRefInf><Ref>ABCD1234</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls></Ntry>`
	// Announced money has not moved; a debit that reverses a credit is a debit.
	pending := `<Ntry><Amt Ccy="SEK">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts><BookgDt><Dt>2026-03-06</Dt></BookgDt></Ntry>`
	reversal := `<Ntry><Amt Ccy="SEK">56.25</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>true</RvslInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-07</Dt></BookgDt></Ntry>`
	for version, entry := range map[int]string{2: old, 8: recent} {
		got, err := Read(statementOf(version, "100.00", "1000.00", entry, pending, reversal))
		if err != nil {
			t.Fatal(err)
		}
		want := []Statement{{ID: "S1", Account: "SE4550000000058398257466", Currency: "SEK", From: "2026-03-01", To: "2026-03-31", Opening: 10000, Closing: 100000, Balanced: true, Lines: []Line{
			{Account: "SE4550000000058398257466", Booked: "2026-03-06", Currency: "SEK", Amount: 95625, Reference: "B1", Texts: []string{"ABCD1234"}, Party: "KLARNA BANK AB", Locator: "Stmt[0]/Ntry[0]"},
			{Account: "SE4550000000058398257466", Booked: "2026-03-07", Currency: "SEK", Amount: -5625, Locator: "Stmt[0]/Ntry[2]"},
		}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("version %d mismatch (-want +got):\n%s", version, diff)
		}
	}
}

// What the bank gathered is taken apart only when its parts add up.
func TestAGatheredEntry(t *testing.T) {
	entry := func(second string) string {
		return `<Ntry><Amt Ccy="SEK">300.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-06</Dt></BookgDt><NtryDtls>
			<TxDtls><AmtDtls><TxAmt><Amt Ccy="SEK">100.00</Amt></TxAmt></AmtDtls><RmtInf><Ustrd>one</Ustrd></RmtInf></TxDtls>
			<TxDtls><AmtDtls><TxAmt><Amt Ccy="SEK">` + second + `</Amt></TxAmt></AmtDtls><RmtInf><Ustrd>two</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>`
	}
	for second, want := range map[string]string{"200.00": "[10000 20000]", "150.00": "[30000]"} {
		got, err := Read(statementOf(2, "0", "300", entry(second)))
		if err != nil {
			t.Fatal(err)
		}
		var amounts []int64
		for _, l := range got[0].Lines {
			amounts = append(amounts, l.Amount)
		}
		if s := fmt.Sprint(amounts); s != want {
			t.Errorf("a second part of %s: %s, want %s", second, s, want)
		}
	}
}

func TestWhatIsNoStatementIsRefusedWhole(t *testing.T) {
	good := string(statementOf(2, "0", "0"))
	entry := `<Ntry><Amt Ccy="SEK">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-06</Dt></BookgDt></Ntry>`
	for name, body := range map[string]string{
		"nothing":               "",
		"another message":       `<Document><BkToCstmrDbtCdtNtfctn></BkToCstmrDbtCdtNtfctn></Document>`,
		"cut off":               good[:len(good)-40],
		"more than two digits":  string(statementOf(2, "0", "0", strings.Replace(entry, "1.00", "1.005", 1))),
		"neither in nor out":    string(statementOf(2, "0", "0", strings.Replace(entry, "CRDT", "X", 1))),
		"an entry without date": string(statementOf(2, "0", "0", strings.Replace(entry, "2026-03-06", "", 1))),
	} {
		if got, err := Read([]byte(body)); !errors.Is(err, ErrMalformed) || got != nil {
			t.Errorf("%s: %v, %v, want nothing and ErrMalformed", name, got, err)
		}
	}
	st, err := Read(statementOf(2, "0", "5", entry))
	if err != nil || st[0].Off != -400 {
		t.Errorf("movements of 1.00 between 0 and 5.00: %+v, %v, want off by -400", st, err)
	}
}

func TestFind(t *testing.T) {
	klarna := []string{"klarna"}
	p := func(id, ref, date string, amount int64) Payout {
		return Payout{Source: "klarna", ID: id, Reference: ref, Names: klarna, Date: date, Currency: "SEK", Amount: amount}
	}
	l := func(date string, amount int64, text, party string) Line {
		return Line{Booked: date, Currency: "SEK", Amount: amount, Texts: []string{text}, Party: party}
	}
	for _, tt := range []struct {
		name    string
		lines   []Line
		payouts []Payout
		want    []Match
	}{
		{"by its reference, however it is written", []Line{l("2026-03-09", 100, "OCR abcd-1234", "")}, []Payout{p("1", "ABCD1234", "2026-03-06", 100)}, []Match{{0, 0, "reference", 0}}},
		{"too late", []Line{l("2026-03-25", 100, "ABCD1234", "")}, []Payout{p("1", "ABCD1234", "2026-03-06", 100)}, nil},
		{"another currency", []Line{{Booked: "2026-03-06", Currency: "EUR", Amount: 100, Texts: []string{"ABCD1234"}}}, []Payout{p("1", "ABCD1234", "2026-03-06", 100)}, nil},
		{"the reference with another amount", []Line{l("2026-03-06", 90, "ABCD1234", "")}, []Payout{p("1", "ABCD1234", "2026-03-06", 100)}, []Match{{0, 0, "reference", -10}}},
		{"the same amount goes before another", []Line{l("2026-03-06", 90, "ABCD1234", ""), l("2026-03-08", 100, "ABCD1234", "")}, []Payout{p("1", "ABCD1234", "2026-03-06", 100)}, []Match{{1, 0, "reference", 0}}},
		{"two payouts in one transfer", []Line{l("2026-03-06", 300, "BATCH777", "")}, []Payout{p("a1", "BATCH777", "2026-03-06", 100), p("a2", "BATCH777", "2026-03-06", 200)}, []Match{{0, 0, "reference", 0}, {0, 1, "reference", 0}}},
		{"amount and date with the name", []Line{l("2026-03-07", 100, "utbetalning", "Klarna Bank AB")}, []Payout{p("1", "", "2026-03-06", 100)}, []Match{{0, 0, "amount_date", 0}}},
		{"amount and date without it", []Line{l("2026-03-07", 100, "betalning", "Anna A")}, []Payout{p("1", "", "2026-03-06", 100)}, nil},
		{"two that fit", []Line{l("2026-03-07", 100, "", "Klarna"), l("2026-03-08", 100, "", "Klarna")}, []Payout{p("1", "", "2026-03-06", 100)}, nil},
		{"money taken", []Line{l("2026-03-07", -100, "ABCD1234", "")}, []Payout{p("1", "ABCD1234", "2026-03-06", 100)}, nil},
	} {
		if diff := cmp.Diff(tt.want, Find(tt.lines, tt.payouts)); diff != "" {
			t.Errorf("%s: mismatch (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestKeptHoldsNoNamesAndNoPersonalNumbers(t *testing.T) {
	if got := Kept([]string{"Anna Andersson", "faktura 10423 ABCD1234", "19121212-1212", "8112189876"}); got != "10423 ABCD1234" {
		t.Errorf("kept %q", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(statementOf(2, "0", "0"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if st, err := Read(body); err != nil && (st != nil || !errors.Is(err, ErrMalformed)) {
			t.Errorf("%v with %v", err, st)
		}
	})
}
