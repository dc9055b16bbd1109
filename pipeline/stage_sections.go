package pipeline

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kvitt/kvitt/pipeline/archive"
)

// sections stages a report file of several tables as the JSON that extract.Inbox promises,
// together with the answers around it. A file that is no such report is held.
func (s *staging) sections(src Source, row blobRow, b *archive.Blob) error {
	defer func() { s.uneven = true }()
	body, err := s.w.arch.ReadBlob(b.Content)
	if err != nil {
		return err
	}
	docs, err := sectionsJSON(body, src.Connector.Inbox.Sections)
	if err != nil {
		if err := s.holdFile(src, row, err.Error(), "put the provider's own report here, whole and unchanged; see "+src.Connector.Docs); err != nil {
			return err
		}
		s.blobs = append(s.blobs, row)
		return nil
	}
	if err := s.mended(src, row); err != nil {
		return err
	}
	s.blobs = append(s.blobs, row)
	for _, doc := range docs {
		if int64(s.size) > s.bound(sectionBytes) {
			if err := s.flush(); err != nil {
				return err
			}
		}
		s.bodies = append(s.bodies, newBody(b, doc))
		s.size += len(doc)
	}
	return nil
}

// rowsAtATime is how many rows of the last table are in one object. DuckDB holds two thousand
// objects at once: a file in one piece would be there as often as it has rows.
const rowsAtATime = 500

// sectionBytes bounds what is staged of files at a time: every JSON expression over it takes several times its size.
const sectionBytes = 4 << 20

// sectionsJSON reads tables that stand one below the other. A row that has every name of the next
// section is its header; rows of blanks are nothing.
func sectionsJSON(body []byte, sections [][]string) ([][]byte, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	first, _, _ := bytes.Cut(body, []byte("\n"))
	delim, best := ',', 0
	for _, d := range []rune{',', ';', '\t', '|'} {
		if n := bytes.Count(first, []byte(string(d))); n > best {
			delim, best = d, n
		}
	}
	r := csv.NewReader(bytes.NewReader(body))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = delim, -1, false, true
	out := struct {
		Offset   int                `json:"offset"`
		Sections [][]map[string]any `json:"sections"`
	}{}
	var header []string
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it cannot be read as a report: %w", err)
		}
		line, _ := r.FieldPos(0)
		if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
			continue
		}
		if n := len(out.Sections); n < len(sections) {
			lacks := lacking(cells, sections[n])
			if len(lacks) == 0 {
				header = header[:0]
				for _, c := range cells {
					header = append(header, strings.TrimSpace(c))
				}
				out.Sections = append(out.Sections, []map[string]any{})
				continue
			}
			if n == 0 {
				return nil, fmt.Errorf("the report lacks the columns %s", strings.Join(lacks, ", "))
			}
		}
		if len(cells) != len(header) {
			return nil, fmt.Errorf("line %d has %d cells under %d column names: the file may be cut off", line, len(cells), len(header))
		}
		row := map[string]any{"line": line}
		for i, c := range cells {
			if _, twice := row[header[i]]; header[i] != "" && !twice {
				row[header[i]] = c
			}
		}
		last := len(out.Sections) - 1
		out.Sections[last] = append(out.Sections[last], row)
	}
	if n := len(out.Sections); n < len(sections) {
		return nil, fmt.Errorf("the report ends without a table that has the columns %s", strings.Join(sections[n], ", "))
	}
	last := len(out.Sections) - 1
	rows := out.Sections[last]
	var docs [][]byte
	for i := 0; i == 0 || i < len(rows); i += rowsAtATime {
		out.Offset, out.Sections[last] = i, rows[i:min(i+rowsAtATime, len(rows))]
		doc, err := json.Marshal(out)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// lacking returns which of names are no cell.
func lacking(cells, names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == n }) {
			out = append(out, n)
		}
	}
	return out
}
