package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kvitt/kvitt/sql/duck"
)

// maxWidth is how wide a table for people may be, in characters.
const maxWidth = 100

// show writes t in the format asked for: a table for people, everything else for programs.
func (a *app) show(t duck.Table) error {
	switch a.format {
	case "json":
		return writeJSON(a.stdout, t)
	case "csv":
		return writeCSV(a.stdout, t)
	}
	return writeTable(a.stdout, t, maxWidth)
}

// writeTable writes t as columns. When it is wider than limit (0: any width will do), names that are wider than what is below
// them take two lines, and then the widest texts are cut; numbers and dates never are.
func writeTable(w io.Writer, t duck.Table, limit int) error {
	rows := make([][]string, len(t.Rows))
	values := make([]int, len(t.Columns)) // the widest of each column
	whole := slices.Clone(t.Numeric)
	for i := range whole {
		whole[i] = whole[i] || len(rows) > 0
	}
	for r, row := range t.Rows {
		rows[r] = make([]string, len(row))
		for i, c := range row {
			s := strings.Join(strings.Fields(c.Text), " ")
			rows[r][i], values[i] = s, max(values[i], utf8.RuneCountInString(s))
			whole[i] = whole[i] && (t.Numeric[i] || s == "" || dayForm.MatchString(s))
		}
	}
	heads := [][]string{nil, slices.Clone(t.Columns)}
	widths := widthsOf(heads, values)
	if limit > 0 && sum(widths) > limit {
		heads[0] = make([]string, len(t.Columns))
		for i, c := range t.Columns {
			if whole[i] && utf8.RuneCountInString(c) > values[i] {
				heads[0][i], heads[1][i] = broken(c)
			}
		}
		widths = widthsOf(heads, values)
	}
	fit(widths, t.Columns, whole, limit)
	for _, row := range rows {
		for i, s := range row {
			if utf8.RuneCountInString(s) > widths[i] {
				row[i] = string([]rune(s)[:widths[i]-1]) + "…"
			}
		}
	}
	line := func(cells []string) error {
		var b strings.Builder
		for i, c := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i > 0 {
				b.WriteString("  ")
			}
			if t.Numeric[i] {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		_, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		return err
	}
	for _, h := range heads {
		if strings.Join(h, "") == "" {
			continue
		}
		if err := line(h); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if err := line(r); err != nil {
			return err
		}
	}
	return nil
}

// dayForm is how days and moments begin.
var dayForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}\b`)

// broken is a name in two lines of about the same width; one that has no parts is below.
func broken(name string) (first, second string) {
	at := -1
	for i, c := range name {
		if c == '_' && (at < 0 || max(i+1, len(name)-i-1) < max(at+1, len(name)-at-1)) {
			at = i
		}
	}
	return name[:at+1], name[at+1:]
}

// widthsOf are the widths that columns want.
func widthsOf(heads [][]string, values []int) []int {
	out := slices.Clone(values)
	for _, h := range heads {
		for i, c := range h {
			out[i] = max(out[i], utf8.RuneCountInString(c))
		}
	}
	return out
}

// sum is the width of a line of columns.
func sum(widths []int) int {
	total := 2 * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	return total
}

func writeJSON(w io.Writer, t duck.Table) error {
	var b strings.Builder
	b.WriteString("[")
	for r, row := range t.Rows {
		if r > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  {")
		for i, c := range row {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quoteJSON(t.Columns[i]) + ": ")
			switch {
			case c.IsNull:
				b.WriteString("null")
			case c.Bare:
				b.WriteString(c.Text)
			default:
				b.WriteString(quoteJSON(c.Text))
			}
		}
		b.WriteString("}")
	}
	b.WriteString("\n]\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func writeCSV(w io.Writer, t duck.Table) error {
	c := csv.NewWriter(w)
	if err := c.Write(t.Columns); err != nil {
		return err
	}
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, x := range row {
			cells[i] = x.Text
		}
		if err := c.Write(cells); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// fit takes from the widest columns that need not stay whole until all fit into limit; a column keeps room for its name.
func fit(widths []int, columns []string, whole []bool, limit int) {
	for limit > 0 && sum(widths) > limit {
		widest := -1
		for i, n := range widths {
			if !whole[i] && n > max(8, utf8.RuneCountInString(columns[i])) && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}
