// Package bank reads bank statements (ISO 20022 camt.053) and finds the payouts in them.
//
// A statement is the only witness of a payout that the provider is not: what reached the
// account, and what a provider says it paid and never did. The package knows nothing of
// providers but the names it is handed.
package bank

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// A Statement is one Stmt element: an account over some days.
type Statement struct {
	ID       string
	Account  string // IBAN, or the bank's own number
	Currency string
	From, To string // "YYYY-MM-DD": of its balances or entries; "" when it has neither
	Opening  int64  // minor units
	Closing  int64
	Balanced bool // it states both balances, so that Off says something
	Off      int64
	Lines    []Line
}

// A Line is one movement: an entry, or one of the transactions that the bank gathered in it.
type Line struct {
	Account   string
	Booked    string // "YYYY-MM-DD"
	Value     string
	Currency  string
	Amount    int64  // minor units; > 0 came in
	Reference string // the bank's own, which no other movement of the account has; may be ""
	Texts     []string
	Party     string // who paid, or was paid
	Locator   string // where in the document: Stmt[0]/Ntry[3]/TxDtls[0]
}

// ErrMalformed is returned for what is no camt.053 statement.
var ErrMalformed = errors.New("not a camt.053 bank statement")

type amount struct {
	Currency string `xml:"Ccy,attr"`
	Text     string `xml:",chardata"`
}

type date struct {
	Day  string `xml:"Dt"`
	Time string `xml:"DtTm"`
}

// day is the date as the bank writes it: a time there is in the bank's own zone.
func (d date) day() string {
	s := strings.TrimSpace(d.Day)
	if s == "" {
		s = strings.TrimSpace(d.Time)
	}
	if len(s) < 10 {
		return ""
	}
	if _, err := time.Parse("2006-01-02", s[:10]); err != nil {
		return ""
	}
	return s[:10]
}

type name struct {
	Old string `xml:"Nm"`     // up to version 7
	New string `xml:"Pty>Nm"` // from version 8
}

func (n name) text() string { return strings.TrimSpace(n.Old + n.New) }

type details struct {
	Amount    *amount  `xml:"Amt"`
	InDetails *amount  `xml:"AmtDtls>TxAmt>Amt"`
	Direction string   `xml:"CdtDbtInd"`
	Servicer  string   `xml:"Refs>AcctSvcrRef"`
	EndToEnd  string   `xml:"Refs>EndToEndId"`
	Instr     string   `xml:"Refs>InstrId"`
	Tx        string   `xml:"Refs>TxId"`
	Message   string   `xml:"Refs>MsgId"`
	Payment   string   `xml:"Refs>PmtInfId"`
	Other     []string `xml:"Refs>Prtry>Ref"`
	Free      []string `xml:"RmtInf>Ustrd"`
	Creditor  []string `xml:"RmtInf>Strd>CdtrRefInf>Ref"`
	Document  []string `xml:"RmtInf>Strd>RfrdDocInf>Nb"`
	More      []string `xml:"RmtInf>Strd>AddtlRmtInf"`
	Added     string   `xml:"AddtlTxInf"`
	Debtor    name     `xml:"RltdPties>Dbtr"`
	Ultimate  name     `xml:"RltdPties>UltmtDbtr"`
	Paid      name     `xml:"RltdPties>Cdtr"`
}

func (d details) texts() []string {
	var out []string
	for _, s := range append(append(append(append([]string{d.EndToEnd, d.Instr, d.Tx, d.Message, d.Payment}, d.Other...), d.Free...), append(d.Creditor, d.Document...)...), append(d.More, d.Added)...) {
		if s = strings.TrimSpace(s); s != "" && s != "NOTPROVIDED" {
			out = append(out, s)
		}
	}
	return out
}

func (d details) party(in bool) string {
	if !in {
		return d.Paid.text()
	}
	if s := d.Ultimate.text(); s != "" && d.Debtor.text() == "" {
		return s
	}
	return d.Debtor.text()
}

type entry struct {
	Ref       string `xml:"NtryRef"`
	Amount    amount `xml:"Amt"`
	Direction string `xml:"CdtDbtInd"`
	Status    struct {
		Text string `xml:",chardata"` // up to version 7
		Code string `xml:"Cd"`        // from version 8
	} `xml:"Sts"`
	Booked   date      `xml:"BookgDt"`
	Value    date      `xml:"ValDt"`
	Servicer string    `xml:"AcctSvcrRef"`
	Details  []details `xml:"NtryDtls>TxDtls"`
	Added    string    `xml:"AddtlNtryInf"`
}

type statement struct {
	ID      string `xml:"Id"`
	IBAN    string `xml:"Acct>Id>IBAN"`
	Other   string `xml:"Acct>Id>Othr>Id"`
	Ccy     string `xml:"Acct>Ccy"`
	From    string `xml:"FrToDt>FrDtTm"`
	To      string `xml:"FrToDt>ToDtTm"`
	Balance []struct {
		Code      string `xml:"Tp>CdOrPrtry>Cd"`
		Amount    amount `xml:"Amt"`
		Direction string `xml:"CdtDbtInd"`
		Date      date   `xml:"Dt"`
	} `xml:"Bal"`
	Entries []entry `xml:"Ntry"`
}

// Read reads every statement of a camt.053 document, of any version: elements are known by their
// names, not by their namespace.
//
// Errors: wraps ErrMalformed. Nothing of a malformed document is returned: half a statement
// would miss payouts silently.
func Read(body []byte) ([]Statement, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	dec.CharsetReader = latin
	var out []Statement
	known := false
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "BkToCstmrStmt":
			known = true
		case "Stmt":
			if !known {
				continue
			}
			var s statement
			if err := dec.DecodeElement(&s, &start); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			st, err := s.read(len(out))
			if err != nil {
				return nil, fmt.Errorf("%w: statement %s: %w", ErrMalformed, s.ID, err)
			}
			out = append(out, st)
		}
	}
	if !known {
		return nil, fmt.Errorf("%w: there is no BkToCstmrStmt in it", ErrMalformed)
	}
	return out, nil
}

// latin reads the encodings that a bank may declare besides UTF-8.
func latin(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1", "iso8859-1", "iso-8859-15", "windows-1252":
		b, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		return strings.NewReader(string(runes)), nil
	}
	return nil, fmt.Errorf("encoding %q", label)
}

func (s statement) read(at int) (Statement, error) {
	out := Statement{ID: strings.TrimSpace(s.ID), Account: strings.Join(strings.Fields(s.IBAN), ""), Currency: strings.TrimSpace(s.Ccy)}
	if out.Account == "" {
		out.Account = strings.TrimSpace(s.Other)
	}
	cover := func(day string) {
		if day == "" {
			return
		}
		if out.From == "" || day < out.From {
			out.From = day
		}
		if day > out.To {
			out.To = day
		}
	}
	cover(date{Time: s.From}.day())
	cover(date{Time: s.To}.day())
	opening, closing := false, false
	for _, b := range s.Balance {
		if out.Currency == "" {
			out.Currency = b.Amount.Currency
		}
		switch b.Code {
		case "OPBD", "PRCD", "CLBD":
			n, err := b.Amount.minor(b.Direction)
			if err != nil {
				return out, err
			}
			if b.Code == "CLBD" {
				out.Closing, closing = n, true
				cover(b.Date.day())
			} else if b.Code == "OPBD" || !opening {
				out.Opening, opening = n, true
				if b.Code == "OPBD" {
					cover(b.Date.day())
				}
			}
		}
	}
	var sum int64
	for i, e := range s.Entries {
		if status := strings.TrimSpace(e.Status.Text + e.Status.Code); status != "" && status != "BOOK" {
			continue // announced, or for information: it has not moved
		}
		lines, err := e.read(out.Account, fmt.Sprintf("Stmt[%d]/Ntry[%d]", at, i))
		if err != nil {
			return out, fmt.Errorf("entry %d: %w", i+1, err)
		}
		for _, l := range lines {
			if l.Currency == out.Currency || out.Currency == "" {
				sum += l.Amount
			}
			cover(l.Booked)
		}
		out.Lines = append(out.Lines, lines...)
	}
	if out.Balanced = opening && closing; out.Balanced {
		out.Off = out.Opening + sum - out.Closing
	}
	return out, nil
}

func (e entry) read(account, at string) ([]Line, error) {
	whole, err := e.Amount.minor(e.Direction)
	if err != nil {
		return nil, err
	}
	l := Line{Account: account, Booked: e.Booked.day(), Value: e.Value.day(), Currency: e.Amount.Currency, Amount: whole, Reference: first(e.Servicer, e.Ref), Locator: at}
	if l.Booked == "" {
		l.Booked = l.Value
	}
	if l.Booked == "" {
		return nil, errors.New("it has no date")
	}
	entryTexts := func(l *Line) {
		for _, s := range []string{e.Ref, e.Added} {
			if s = strings.TrimSpace(s); s != "" {
				l.Texts = append(l.Texts, s)
			}
		}
	}
	// What the bank gathered in one entry is taken apart only where its parts are stated and add up.
	if parts := e.parts(l, at, whole); parts != nil {
		for i := range parts {
			entryTexts(&parts[i])
		}
		return parts, nil
	}
	for _, d := range e.Details {
		l.Texts = append(l.Texts, d.texts()...)
		if l.Party == "" {
			l.Party = d.party(whole > 0)
		}
	}
	entryTexts(&l)
	return []Line{l}, nil
}

func (e entry) parts(whole Line, at string, amount int64) []Line {
	if len(e.Details) < 2 {
		return nil
	}
	var out []Line
	var sum int64
	for i, d := range e.Details {
		a := d.Amount
		if a == nil {
			a = d.InDetails
		}
		if a == nil || a.Currency != whole.Currency {
			return nil
		}
		n, err := a.minor(first(d.Direction, e.Direction))
		if err != nil {
			return nil
		}
		p := whole
		p.Amount, p.Texts, p.Party = n, d.texts(), d.party(n > 0)
		p.Reference, p.Locator = first(d.Servicer, whole.Reference), fmt.Sprintf("%s/TxDtls[%d]", at, i)
		out = append(out, p)
		sum += n
	}
	if sum != amount {
		return nil
	}
	return out
}

func (a amount) minor(direction string) (int64, error) {
	n, err := ledger.ParseMinor(strings.TrimSpace(a.Text), ledger.Exponent(a.Currency))
	if err != nil {
		return 0, err
	}
	switch strings.TrimSpace(direction) {
	case "CRDT":
		return int64(n), nil
	case "DBIT":
		return -int64(n), nil
	}
	return 0, fmt.Errorf("it is neither CRDT nor DBIT but %q", direction)
}

func first(ss ...string) string {
	for _, s := range ss {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}
