// Package sql holds the SQL that every source shares: the tables, the public views and
// the checks. Sub-package duck runs it.
package sql

import (
	"embed"
	"io/fs"
	"path"
	"sort"
	"strings"
)

//go:embed schema/*.sql marts/*.sql checks/*.sql
var files embed.FS

// Schema returns the statements that make an empty ledger: macros, tables, views.
func Schema() string {
	return read("schema/macros.sql") + withPostings(read("schema/tables.sql")) + VATRates()
}

// VATRates returns the statements that make table vat_rates.
func VATRates() string { return read("schema/vat_rates.sql") }

func withPostings(text string) string {
	return strings.ReplaceAll(text, "{{line_postings}}", LinePostings("booked_lines", "line_classes"))
}

// LinePostings is a query of the postings of payout lines, one row each: what the tables
// lines and classes (shaped like booked_lines and line_classes) hold in columns.
func LinePostings(lines, classes string) string {
	return strings.NewReplacer("{{lines}}", lines, "{{classes}}", classes).Replace(read("schema/line_postings.sql"))
}

// ViewOf is the query of a public view that reads other tables instead: what the view says of rows that are at hand already,
// without looking for them among all. tables are pairs, a table of the view's and what stands in for it. It panics where the
// view does not read the table.
func ViewOf(view string, tables ...string) string {
	_, text, found := strings.Cut(read("marts/"+view+".sql"), "create or replace view recon."+view+" as\n")
	text, _, ends := strings.Cut(text, ";\n\ncomment on view")
	for i := 0; i < len(tables); i += 2 {
		reads := "main." + tables[i] + " as "
		found = found && strings.Contains(text, reads)
		text = strings.ReplaceAll(text, reads, tables[i+1]+" as ")
	}
	if !found || !ends {
		panic("view " + view + " reads otherwise than its query is asked for")
	}
	return text
}

// Macros returns the shared macros alone.
func Macros() string { return read("schema/macros.sql") }

// Views returns the statements that make the public views with their comments.
func Views() string {
	var b strings.Builder
	for _, name := range names("marts") {
		b.WriteString(read(name))
	}
	return b.String()
}

// Kept returns the statements that make the tables that whole views are kept in; they come after Views.
func Kept() string { return read("schema/kept.sql") }

// A Check is a query that returns what is wrong: no rows, all is well.
type Check struct {
	Name  string // "entries_balance"
	Says  string // the first comment line
	Query string
}

// Checks returns every check in order of name.
func Checks() []Check {
	var out []Check
	for _, name := range names("checks") {
		text := withPostings(read(name))
		first, _, _ := strings.Cut(text, "\n")
		out = append(out, Check{
			Name:  strings.TrimSuffix(path.Base(name), ".sql"),
			Says:  strings.TrimSpace(strings.TrimLeft(first, "- ")),
			Query: text,
		})
	}
	return out
}

func names(dir string) []string {
	found, err := fs.Glob(files, dir+"/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	sort.Strings(found)
	return found
}

func read(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the files are in the binary
	}
	return string(b)
}
