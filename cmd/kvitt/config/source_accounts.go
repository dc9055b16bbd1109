package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/transform"
)

// kinds are what a provider's word can mean (posting_rules §4).
var kinds = []string{"sale", "refund", "chargeback", "chargeback_reversed", "fee", "reserve", "loan", "carried", "payout", "decision"}

// defaultAccounts are the roles' accounts in BAS, with the provider's own for clearing
// and fee (posting_rules §1).
func defaultAccounts(d extract.Defaults) transform.SourceAccounts {
	a := transform.SourceAccounts{
		Receivable: 1510, Clearing: 1580, Bank: 1930, Fee: 6040, FeeVAT: 2641, Reserve: 1689, Dispute: 1516,
	}
	if d.Clearing != 0 {
		a.Clearing = d.Clearing
	}
	if d.Fee != 0 {
		a.Fee = d.Fee
	}
	return a
}

// sourceAccounts reads [source.accounts].
func (s section) sourceAccounts(d extract.Defaults) transform.SourceAccounts {
	a := defaultAccounts(d)
	sub := s.sub("accounts", inSourceAccounts, "[source.accounts] of "+s.title)
	sub.refuseUnknown(nil)
	for _, role := range []struct {
		name    string
		account *int
	}{
		{"receivable", &a.Receivable}, {"clearing", &a.Clearing}, {"bank", &a.Bank}, {"fee", &a.Fee},
		{"fee_vat", &a.FeeVAT}, {"reserve", &a.Reserve}, {"dispute", &a.Dispute},
	} {
		*role.account = sub.account(role.name, *role.account, *role.account)
	}
	a.Loan = sub.account("loan", 0, 2390)
	return a
}

// methods reads the [[source.method]] blocks: accounts of a payment method's own.
func (s section) methods() []transform.Method {
	example := defaultAccounts(extract.Defaults{})
	var methods []transform.Method
	var seen matches
	for _, sub := range s.subs("method", inMethod) {
		sub.title = "[[source.method]] of " + s.title
		sub.refuseUnknown(nil)
		m := transform.Method{Match: sub.match("card", &seen)}
		any := false
		for _, role := range []struct {
			name    string
			account *int
			example int
		}{
			{"receivable", &m.Receivable, example.Receivable}, {"clearing", &m.Clearing, example.Clearing},
			{"bank", &m.Bank, example.Bank}, {"fee", &m.Fee, example.Fee}, {"fee_vat", &m.FeeVAT, example.FeeVAT},
			{"reserve", &m.Reserve, example.Reserve}, {"dispute", &m.Dispute, example.Dispute},
		} {
			*role.account = sub.account(role.name, 0, role.example)
			any = any || sub.has(role.name)
		}
		if !any {
			s.r.fail(sub.at, sub.path, sub.title+" has no account", "write e.g. fee = 6040; an account that is left out is the source's")
		}
		methods = append(methods, m)
	}
	return methods
}

// lineTypes reads the [[source.line_type]] blocks: what a provider's word means here.
func (s section) lineTypes() []transform.LineType {
	var types []transform.LineType
	var seen matches
	for _, sub := range s.subs("line_type", inLineType) {
		sub.title = "[[source.line_type]] of " + s.title
		sub.refuseUnknown(nil)
		t := transform.LineType{Match: sub.match("MiscCosts", &seen), Kind: sub.word("kind", "", kinds)}
		if sub.lacks("kind") {
			s.r.fail(sub.at, sub.key("kind"), sub.title+" has no kind", "write one of "+choice(quoted(kinds)))
		}
		types = append(types, t)
	}
	return types
}

// matches are the words matched so far by the blocks of one source, lower case.
type matches []string

// match returns the provider's word that a block is about. Of two blocks for one word
// only one could ever hold.
func (s section) match(example string, seen *matches) string {
	m := s.text("match", "", example)
	v := s.get("match")
	switch {
	case s.lacks("match"):
		s.r.fail(s.at, s.key("match"), s.title+" has no match", fmt.Sprintf("write the provider's word: match = %q", example))
	case v == nil, v.kind != stringKind:
	case strings.TrimSpace(m) == "":
		s.r.fail(v.at, s.key("match"), "match is empty", fmt.Sprintf("write the provider's word: match = %q", example))
	case slices.Contains(*seen, strings.ToLower(m)):
		s.r.fail(v.at, s.key("match"), fmt.Sprintf("a block above matches %q already", m), "keep one of the two")
	default:
		*seen = append(*seen, strings.ToLower(m))
	}
	return m
}
