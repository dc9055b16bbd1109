package main

import (
	"encoding/csv"
	"fmt"
	"io"
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

// writeTable writes t as columns. When it is wider than limit (0: any width will do), the
// widest texts are cut; numbers never are.
func writeTable(w io.Writer, t duck.Table, limit int) error {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = utf8.RuneCountInString(c)
	}
	rows := make([][]string, len(t.Rows))
	for r, row := range t.Rows {
		rows[r] = make([]string, len(row))
		for i, c := range row {
			rows[r][i] = strings.Join(strings.Fields(c.Text), " ")
			widths[i] = max(widths[i], utf8.RuneCountInString(rows[r][i]))
		}
	}
	fit(widths, t.Columns, t.Numeric, limit)
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
	if err := line(t.Columns); err != nil {
		return err
	}
	for _, r := range rows {
		if err := line(r); err != nil {
			return err
		}
	}
	return nil
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

// fit takes from the widest text columns until all fit into limit; a column keeps room for its name.
func fit(widths []int, columns []string, numeric []bool, limit int) {
	for limit > 0 {
		total := 2 * (len(widths) - 1)
		widest := -1
		for i, n := range widths {
			total += n
			if !numeric[i] && n > max(8, utf8.RuneCountInString(columns[i])) && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if total <= limit || widest < 0 {
			return
		}
		widths[widest]--
	}
}
