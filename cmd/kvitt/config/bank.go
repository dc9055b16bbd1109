package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/transform"
)

// bank reads [bank]: where the bank's statements are put. That the folder does not exist yet is
// no problem of the configuration.
func (r *reader) bank(file section) (written, path string) {
	s := file.sub("bank", inBank, "[bank]")
	s.refuseUnknown(nil)
	const example = "inbox/bank"
	written = s.text("statements", "", example)
	if !s.has("statements") {
		return "", ""
	}
	if written == "" {
		if v := s.get("statements"); v.kind == stringKind {
			r.fail(v.at, s.key("statements"), "statements is empty", fmt.Sprintf("write the folder of the bank's camt.053 files: statements = %q", example))
		}
		return "", ""
	}
	path = r.path(written)
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		r.fail(s.place("statements"), s.key("statements"), fmt.Sprintf("statements = %q is a file", written),
			fmt.Sprintf("write the folder it is in: statements = %q", filepath.ToSlash(filepath.Dir(written))))
	}
	return written, path
}

// fees reads the [[source.fee]] blocks: the rates of the contract with the provider.
func (s section) fees(home string) []transform.Fee {
	var fees []transform.Fee
	for _, sub := range s.subs("fee", inFee) {
		sub.title = "[[source.fee]] of " + s.title
		sub.refuseUnknown(nil)
		f := transform.Fee{Method: strings.ToLower(sub.text("method", "*", "card")), Currency: sub.currency("currency"), From: sub.date("from"), To: sub.date("to")}
		if f.Currency == "" {
			f.Currency = home
		}
		if !sub.has("percent") && !sub.has("fixed") {
			s.r.fail(sub.at, sub.path, sub.title+" has no rate", `write e.g. percent = "2.79" and fixed = "1.50"`)
		}
		f.PercentE4 = sub.decimal("percent", "2.79", 4)
		f.Fixed = sub.decimal("fixed", "1.50", ledger.Exponent(f.Currency))
		fees = append(fees, f)
	}
	return fees
}

// decimal reads a number of at most so many decimals, not below zero, written as a string.
func (s section) decimal(name, example string, decimals int) int64 {
	t := strings.Replace(s.text(name, "0", example), ",", ".", 1)
	n, err := ledger.ParseMinor(t, decimals)
	if err != nil || n < 0 {
		s.r.fail(s.place(name), s.key(name), fmt.Sprintf("%s = %q is no amount of at most %d decimals", name, t, decimals), fmt.Sprintf("write e.g. %s = %q", name, example))
		return 0
	}
	return int64(n)
}
