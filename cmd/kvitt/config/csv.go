package config

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A csvRow is one row of a CSV file that the configuration names. Cells are found by the
// name of their column, and come without the blanks around them.
type csvRow struct {
	file    string
	columns []string // lower case, in file order
	cells   []string
	reader  *csv.Reader
}

// cell returns the text under a column, or "" when the row or the file has none.
func (c csvRow) cell(column string) string {
	if i := slices.Index(c.columns, column); i >= 0 && i < len(c.cells) {
		return c.cells[i]
	}
	return ""
}

// at returns the place of a column in this row, or of the row when it is too short.
func (c csvRow) at(column string) place {
	return c.placeOf(slices.Index(c.columns, column))
}

func (c csvRow) placeOf(i int) place {
	if i < 0 || i >= len(c.cells) {
		i = 0
	}
	line, col := c.reader.FieldPos(i)
	return place{c.file, line, col}
}

// readCSV reads the CSV file that s.name names, calling header with its first row and
// then each with every other. Either stops the reading by returning false, and so does
// the twentieth problem. Commas, semicolons (as Excel writes them in Sweden) and tabs
// separate; a line that begins with # is a comment.
func (s section) readCSV(name string, header, each func(csvRow) bool) {
	path := s.text(name, "", strings.TrimSuffix(name, "_file")+".csv")
	if path == "" {
		if v := s.get(name); v != nil && v.kind == stringKind {
			s.r.fail(v.at, s.key(name), name+" is empty", "write the path of a CSV file, or remove the key")
		}
		return
	}
	data, err := readFile(s.r.path(path))
	if err != nil {
		s.r.fail(s.place(name), s.key(name), fmt.Sprintf("%s = %q cannot be read: %v", name, path, err), "the path begins at the folder of this file")
		return
	}
	file := s.r.shownPath(path)
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		s.r.fail(place{file, 1, 1}, s.key(name), "the file is not UTF-8", "save it as UTF-8")
		return
	}
	rows := csv.NewReader(bytes.NewReader(data))
	rows.Comma = separator(data)
	rows.Comment = '#'
	rows.FieldsPerRecord = -1
	rows.TrimLeadingSpace = rows.Comma != '\t'
	rows.ReuseRecord = true

	row := csvRow{file: file, reader: rows}
	before := len(s.r.problems)
	for {
		cells, err := rows.Read()
		if err == io.EOF {
			break
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			s.r.fail(place{file, pe.Line, pe.Column}, s.key(name), "this is no CSV: "+pe.Err.Error(), `a cell with a quote in it is written in quotes, the quote twice: "5"" pipe"`)
			return
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		row.cells = cells
		if row.columns == nil {
			row.columns = make([]string, len(cells))
			for i, c := range cells {
				row.columns[i] = strings.ToLower(c)
			}
			if !header(row) {
				return
			}
			continue
		}
		if len(cells) > len(row.columns) && slices.ContainsFunc(cells[len(row.columns):], func(c string) bool { return c != "" }) {
			s.r.fail(row.placeOf(len(row.columns)), s.key(name), fmt.Sprintf("this row has %d cells, the header has %d", len(cells), len(row.columns)), "decimals have a point; a comma within a cell needs quotes around the cell")
		} else if !each(row) {
			return
		}
		if len(s.r.problems)-before >= shown {
			return
		}
	}
	if row.columns == nil {
		s.r.fail(place{file, 1, 1}, s.key(name), "the file is empty", "the first row names the columns")
	}
}

// separator returns what separates the cells of the first row that is no comment.
func separator(data []byte) rune {
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) == 0 || line[0] == '#' {
			continue
		}
		for _, sep := range ",;\t" {
			if bytes.ContainsRune(line, sep) {
				return sep
			}
		}
		break
	}
	return ','
}

// needColumns reports the columns of need that the header lacks, and every column that is
// neither in need nor in may.
func (s section) needColumns(name string, row csvRow, need, may []string) bool {
	all := append(slices.Clone(need), may...)
	ok := true
	for i, c := range row.columns {
		switch {
		case c == "" && i == len(row.columns)-1: // a separator at the end of the line
		case !slices.Contains(all, c):
			ok = false
			do := "columns are " + list(all)
			if k := nearest(c, all); k != "" {
				do = fmt.Sprintf("did you mean %q?", k)
			}
			s.r.fail(row.placeOf(i), s.key(name), fmt.Sprintf("unknown column %q", row.cells[i]), do)
		case slices.Index(row.columns, c) != i:
			ok = false
			s.r.fail(row.placeOf(i), s.key(name), fmt.Sprintf("column %q stands here twice", c), "remove one of the two")
		}
	}
	for _, c := range need {
		if !slices.Contains(row.columns, c) {
			ok = false
			s.r.fail(row.placeOf(0), s.key(name), fmt.Sprintf("the header has no column %q", c), "the first row names the columns: "+strings.Join(all, ","))
		}
	}
	return ok
}
