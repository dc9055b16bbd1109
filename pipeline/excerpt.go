package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/pipeline/personal"
	"github.com/kvitt/kvitt/sql/duck"
)

// maxExcerpt is how many bytes of one place are shown, maxExcerpts how many places.
const maxExcerpt, maxExcerpts = 4000, 20

const sentTitle = "what the source sent, personal data masked"

// masked stands in for personal data.
const masked = "***"

// excerpts reads the exact bytes that what was found comes from, out of the archive, with where they
// begin in what the source sent. Values under the sources' personal keys are masked.
func (p *Project) excerpts(ctx context.Context, db *duck.DB, max StoryLimits) (Chapter, error) {
	c := Chapter{Title: sentTitle, Table: duck.Table{Columns: []string{"of", "locator", "offset", "sent"}, Numeric: []bool{false, false, true, false}}}
	limit := max.Rows
	if limit == 0 || limit > maxExcerpts {
		limit = maxExcerpts
	}
	type place struct {
		of, locator, source, media string
		content                    archive.Content
	}
	var places []place
	if err := db.Each(ctx, `select distinct of, locator, source, coalesce(media_type, ''), sha256, size, place_run, place_offset, place_length
		from found_bytes where not coalesce(gone, false) order by 1, 2 limit `+fmt.Sprint(limit+1), func(scan func(...any) error) error {
		var x place
		var sum string
		if err := scan(&x.of, &x.locator, &x.source, &x.media, &sum, &x.content.Size, &x.content.Place.Run, &x.content.Place.Offset, &x.content.Place.Length); err != nil {
			return err
		}
		if err := x.content.SHA256.UnmarshalText([]byte(sum)); err != nil {
			return err
		}
		places = append(places, x)
		return nil
	}); err != nil || len(places) == 0 {
		return c, err
	}
	c.More = len(places) > limit
	places = places[:min(len(places), limit)]
	for _, x := range places {
		if max.Large > 0 && x.content.Size > max.Large {
			c.LeftOut = true
			return c, nil
		}
	}
	arch, err := archive.Open(p.path("archive"), archive.Options{ReadOnly: true})
	if err != nil {
		return c, fmt.Errorf("archive: %w", err)
	}
	for _, x := range places {
		at, sent, err := p.excerpt(arch, x.content, x.source, x.media, x.locator)
		if err != nil {
			sent = err.Error()
		}
		c.Table.Rows = append(c.Table.Rows, []duck.Cell{{Text: x.of}, {Text: x.locator}, {Text: fmt.Sprint(at), Bare: true}, {Text: sent}})
	}
	return c, nil
}

func (p *Project) excerpt(arch *archive.Archive, c archive.Content, source, media, locator string) (at int64, sent string, err error) {
	keys := p.personal(source)
	row, isRow := strings.CutPrefix(locator, "row ")
	switch {
	case isRow && media == "text/csv":
		n, err := strconv.Atoi(row)
		if err != nil {
			return 0, "", err
		}
		r, err := arch.OpenBlob(c)
		if err != nil {
			return 0, "", err
		}
		defer r.Close()
		return csvRow(r, n, keys)
	case source == bankSource:
		return 0, "the statement holds other people's payments too; see " + locator + " in it", nil
	}
	body, err := arch.ReadBlob(c)
	if err != nil {
		return 0, "", err
	}
	start, end, err := jsonPlace(body, locator)
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", locator, err)
	}
	text := personal.Hide(maskJSON(body[start:end], keys), masked)
	if len(text) > maxExcerpt {
		text = append(bytes.ToValidUTF8(text[:maxExcerpt], nil), fmt.Sprintf("… and %d bytes more", len(text)-maxExcerpt)...)
	}
	return start, string(text), nil
}

// personal are the keys of a source whose values are about a person. Of a source that is no longer
// configured nothing is known, so all sources' keys count.
func (p *Project) personal(source string) []string {
	if s := p.source(source); s != nil {
		return s.Connector.Personal
	}
	var all []string
	for _, s := range p.Sources {
		all = append(all, s.Connector.Personal...)
	}
	return all
}

// csvRow returns a row of a report as "column: value" lines, and the byte it begins at. The header
// is row 1. A report that is not quoted as CSV should be is shown as far as it can be read.
func csvRow(r io.Reader, n int, keys []string) (int64, string, error) {
	cr := csv.NewReader(bufio.NewReaderSize(r, 1<<20))
	cr.FieldsPerRecord, cr.LazyQuotes, cr.ReuseRecord = -1, true, true
	head, err := cr.Read()
	if err != nil {
		return 0, "", err
	}
	head = slices.Clone(head)
	for i := 2; ; i++ {
		at := cr.InputOffset()
		rec, err := cr.Read()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the report has no such row")
			}
			return 0, "", err
		}
		if i < n {
			continue
		}
		var parts []string
		for j, v := range rec {
			name := fmt.Sprintf("column %d", j+1)
			if j < len(head) {
				name = strings.TrimPrefix(head[j], "\ufeff")
			}
			if v == "" {
				continue
			}
			if slices.Contains(keys, strings.ToLower(name)) {
				v = masked
			}
			parts = append(parts, name+": "+string(personal.Hide([]byte(v), masked)))
		}
		return at, strings.Join(parts, " | "), nil
	}
}

// jsonPlace finds the bytes of the value at a path such as $.payouts[3].totals.
func jsonPlace(body []byte, path string) (start, end int64, err error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return 0, 0, errors.New("no JSON path")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	for rest != "" {
		var key string
		index := -1
		switch {
		case strings.HasPrefix(rest, "["):
			n, after, ok := strings.Cut(rest[1:], "]")
			if index, err = strconv.Atoi(n); !ok || err != nil {
				return 0, 0, errors.New("no JSON path")
			}
			rest = after
		case strings.HasPrefix(rest, `."`):
			var ok bool
			if key, rest, ok = strings.Cut(rest[2:], `"`); !ok {
				return 0, 0, errors.New("no JSON path")
			}
		case strings.HasPrefix(rest, "."):
			cut := strings.IndexAny(rest[1:], ".[")
			if cut < 0 {
				key, rest = rest[1:], ""
			} else {
				key, rest = rest[1:1+cut], rest[1+cut:]
			}
		default:
			return 0, 0, errors.New("no JSON path")
		}
		if err := enter(dec, key, index); err != nil {
			return 0, 0, err
		}
	}
	at := skipBlank(body, dec.InputOffset())
	var v json.RawMessage
	if err := dec.Decode(&v); err != nil {
		return 0, 0, err
	}
	return at, dec.InputOffset(), nil
}

// enter moves dec to just before the value under key, or at index.
func enter(dec *json.Decoder, key string, index int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	want := json.Delim('{')
	if index >= 0 {
		want = '['
	}
	if tok != want {
		return errors.New("the bytes have another shape")
	}
	for i := 0; dec.More(); i++ {
		if index >= 0 && i == index {
			return nil
		}
		if index < 0 {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			if name == key {
				return nil
			}
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return err
		}
	}
	return errors.New("the bytes have nothing there")
}

// skipBlank steps over what stands between two JSON values.
func skipBlank(body []byte, at int64) int64 {
	for at < int64(len(body)) && strings.IndexByte(" \t\r\n:,", body[at]) >= 0 {
		at++
	}
	return at
}

// maskJSON replaces the values under personal keys, at any depth; every other byte stays.
func maskJSON(body []byte, keys []string) []byte {
	var out []byte
	copied := int64(0)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var walk func() error
	walk = func() error {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		open, ok := tok.(json.Delim)
		if !ok {
			return nil
		}
		for dec.More() {
			if open == '{' {
				name, err := dec.Token()
				if err != nil {
					return err
				}
				if s, _ := name.(string); slices.Contains(keys, strings.ToLower(s)) {
					from := skipBlank(body, dec.InputOffset())
					var v json.RawMessage
					if err := dec.Decode(&v); err != nil {
						return err
					}
					// Nothing was said of the person: that may be seen.
					if s := string(v); s == "null" || s == `""` {
						continue
					}
					out = append(append(out, body[copied:from]...), `"`+masked+`"`...)
					copied = dec.InputOffset()
					continue
				}
			}
			if err := walk(); err != nil {
				return err
			}
		}
		_, err = dec.Token()
		return err
	}
	if err := walk(); err != nil {
		return []byte("(not shown: it cannot be read as JSON, so that personal data in it cannot be told)")
	}
	return append(out, body[copied:]...)
}
