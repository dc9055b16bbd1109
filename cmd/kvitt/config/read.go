package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/ledger"
)

// A reader turns the tree of a file into settings, and gathers every problem on the way
// instead of stopping at the first.
type reader struct {
	file     string // as named to Load
	dir      string // absolute folder of the file
	env      func(string) (string, bool)
	sources  []extract.Source // the providers of this build
	targets  []string         // the ERPs of this build
	keyring  func(name string) (string, error)
	problems Errors
	warnings []Warning
	misspelt map[string]bool // paths of the keys that were meant by reported ones
}

func (r *reader) fail(at place, key, message, do string) {
	r.problems = append(r.problems, &Error{File: at.file, Line: at.line, Column: at.col, Key: key, Message: message, Do: do})
}

func (r *reader) warn(at place, key, message string) {
	r.warnings = append(r.warnings, Warning{File: at.file, Line: at.line, Column: at.col, Key: key, Message: message})
}

// A section is one table of the file. One that is absent reads as empty.
type section struct {
	r     *reader
	n     *node // nil when absent
	kind  sectionKind
	title string // as people write it: `[[source]] "klarna"`
	path  string // "source[0].accounts"
	at    place
}

func (s section) key(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

func (s section) get(name string) *node {
	if s.n == nil {
		return nil
	}
	return s.n.table[name]
}

func (s section) has(name string) bool { return s.get(name) != nil }

// place returns where name is set, or where the section begins.
func (s section) place(name string) place {
	if v := s.get(name); v != nil {
		return v.at
	}
	return s.at
}

// sub returns the section [path.name]; kind is its row in known.
func (s section) sub(name string, kind sectionKind, title string) section {
	sub := section{r: s.r, kind: kind, title: title, path: s.key(name), at: s.at}
	switch v := s.get(name); {
	case v == nil:
	case v.kind == unstable.Table:
		sub.n, sub.at = v, v.at
	case v.kind == unstable.Array && len(v.items) > 0 && v.items[0].kind == unstable.Table:
		sub.n, sub.at = v.items[0], v.items[0].at
		s.r.fail(v.items[0].at, sub.path, fmt.Sprintf("there is one %s only", header(kind)), "write it with single brackets: "+header(kind))
	default:
		s.r.fail(v.key, sub.path, fmt.Sprintf("%s is a section, not a value", name), "write "+header(kind)+" and its keys below")
	}
	return sub
}

// subs returns the sections [[path.name]], in file order.
func (s section) subs(name string, kind sectionKind) []section {
	v := s.get(name)
	if v == nil {
		return nil
	}
	items := v.items
	if v.kind == unstable.Table {
		s.r.fail(v.at, s.key(name), "there may be several "+header(kind), "write it with double brackets: "+header(kind))
		items = []*node{v}
	} else if v.kind != unstable.Array {
		s.r.fail(v.key, s.key(name), fmt.Sprintf("%s is a section, not a value", name), "write "+header(kind)+" and its keys below")
	}
	var subs []section
	for i, item := range items {
		path := fmt.Sprintf("%s[%d]", s.key(name), i)
		if item.kind != unstable.Table {
			s.r.fail(item.at, path, fmt.Sprintf("%s is a section, not a value", name), "write "+header(kind)+" and its keys below")
			continue
		}
		subs = append(subs, section{r: s.r, n: item, kind: kind, title: header(kind), path: path, at: item.at})
	}
	return subs
}

func header(kind sectionKind) string {
	for _, k := range known {
		if k.kind == kind {
			return k.header
		}
	}
	return string(kind)
}

// stringKind is the kind of a value in quotes.
const stringKind = unstable.String

// text returns a string, or fallback when it is absent or of another type, which it
// reports with example as what to write.
func (s section) text(name, fallback, example string) string {
	v := s.get(name)
	if v == nil {
		return fallback
	}
	if v.kind != stringKind {
		s.r.fail(v.at, s.key(name), name+" is text", fmt.Sprintf("write it in quotes: %s = %q", name, example))
		return fallback
	}
	return v.text
}

// word returns a string that is one of words.
func (s section) word(name, fallback string, words []string) string {
	example := fallback
	if example == "" {
		example = words[0]
	}
	w := s.text(name, fallback, example)
	if w != fallback && !slices.Contains(words, w) {
		s.r.fail(s.place(name), s.key(name), fmt.Sprintf("%s = %q is not known", name, w), mistyped(w, words))
		return fallback
	}
	return w
}

// yes returns a boolean, false when absent.
func (s section) yes(name string) bool {
	v := s.get(name)
	if v == nil {
		return false
	}
	if v.kind != unstable.Bool {
		s.r.fail(v.at, s.key(name), name+" is true or false, without quotes", "write "+name+" = true")
		return false
	}
	return v.text == "true"
}

// whole returns an integer from low to high.
func (s section) whole(name string, fallback, low, high int) int {
	v := s.get(name)
	if v == nil {
		return fallback
	}
	n, ok := integer(v)
	if !ok || n < low || n > high {
		s.r.fail(v.at, s.key(name), fmt.Sprintf("%s is a whole number from %d to %d, without quotes", name, low, high), fmt.Sprintf("write %s = %d", name, fallback))
		return fallback
	}
	return n
}

func integer(v *node) (int, bool) {
	if v.kind != unstable.Integer {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 0, 32)
	return int(n), err == nil
}

// account returns an account number, or fallback when it is absent or no account;
// example is what the hint suggests to write.
func (s section) account(name string, fallback, example int) int {
	v := s.get(name)
	if v == nil {
		return fallback
	}
	n, ok := integer(v)
	switch {
	case ok && isAccount(n):
		return n
	case v.kind == unstable.Integer:
		s.r.fail(v.at, s.key(name), fmt.Sprintf("%s = %s is no account: accounts have four digits, 1000 to 9999", name, v.text), fmt.Sprintf("write e.g. %s = %d", name, example))
	case v.kind == stringKind:
		if n, err := strconv.Atoi(v.text); err == nil && isAccount(n) {
			example = n
		}
		s.r.fail(v.at, s.key(name), fmt.Sprintf("%s = %q is text, and an account is a number", name, v.text), fmt.Sprintf("write it without quotes: %s = %d", name, example))
	default:
		s.r.fail(v.at, s.key(name), name+" is no account: accounts are whole numbers of four digits, 1000 to 9999", fmt.Sprintf("write e.g. %s = %d", name, example))
	}
	return fallback
}

func isAccount(n int) bool { return n >= 1000 && n <= 9999 }

// date returns "YYYY-MM-DD", with or without quotes in the file, or "" when absent.
func (s section) date(name string) string {
	v := s.get(name)
	if v == nil {
		return ""
	}
	if v.kind == stringKind || v.kind == unstable.LocalDate {
		if _, err := time.Parse(time.DateOnly, v.text); err == nil {
			return v.text
		}
	}
	s.r.fail(v.at, s.key(name), name+" is no date", fmt.Sprintf("write year, month and day: %s = %q", name, "2026-01-31"))
	return ""
}

// currency returns an ISO 4217 code, or "" when absent or wrong.
func (s section) currency(name string) string {
	c := s.text(name, "", "SEK")
	if c == "" && !s.has(name) || ledger.IsCurrency(c) {
		return c
	}
	example := strings.ToUpper(c)
	if !ledger.IsCurrency(example) {
		example = "SEK"
	}
	if s.get(name).kind == stringKind {
		s.r.fail(s.place(name), s.key(name), fmt.Sprintf("%s = %q is no currency: three upper-case letters, as in ISO 4217", name, c), fmt.Sprintf("write e.g. %s = %q", name, example))
	}
	return ""
}

// wrongCountry says what to write instead of a country code, or "" when it has the form
// of ISO 3166-1: two upper-case letters.
func wrongCountry(c string) string {
	switch strings.ToUpper(c) {
	case "EL":
		return "GR" // EL is Greece on VAT forms only
	case "UK":
		return "GB"
	}
	if len(c) == 2 && c[0] >= 'A' && c[0] <= 'Z' && c[1] >= 'A' && c[1] <= 'Z' {
		return ""
	}
	if up := strings.ToUpper(strings.TrimSpace(c)); up != c && wrongCountry(up) == "" {
		return up
	}
	return "SE"
}

// country returns an ISO 3166-1 alpha-2 code, or "" when absent or wrong.
func (s section) country(name string) string {
	c := s.text(name, "", "SE")
	if c == "" && (!s.has(name) || s.get(name).kind != stringKind) {
		return ""
	}
	if right := wrongCountry(c); right != "" {
		s.r.fail(s.place(name), s.key(name), fmt.Sprintf("%s = %q is no country code: two upper-case letters, as in ISO 3166", name, c), fmt.Sprintf("write e.g. %s = %q", name, right))
		return ""
	}
	return c
}
