package pipeline

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// largeReport is how many bytes of a report are worth more than one thread.
const largeReport = 2 << 20

// report stages one report file. DuckDB reads it itself, in parallel when it is large, and in the order of
// its rows, so that a million rows never pass through Go; what cannot be read is held.
func (s *staging) report(src Source, row blobRow, b *archive.Blob) (err error) {
	if err := s.flush(); err != nil {
		return err
	}
	path, done, err := s.spoolFile(b)
	if err != nil {
		return err
	}
	if err := s.own.useMacros(s.ctx, src.Connector); err != nil {
		return err
	}
	if b.Size > largeReport {
		if err := s.w.db.Threads(s.ctx, 0); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.w.db.Threads(s.ctx, 1)) }()
	}
	head, err := readHeader(path)
	if err == nil {
		err = head.complete(*src.Connector.Inbox)
	}
	if err != nil {
		if err := s.holdFile(src, row, err.Error(), "put the provider's own report here, unchanged; see "+src.Connector.Docs); err != nil {
			return err
		}
		return errors.Join(s.w.insertBlobs(s.ctx, []blobRow{row}), done())
	}
	if err := s.w.db.Exec(s.ctx, head.view(*src.Connector.Inbox, path, b.Seq)); err != nil {
		return err
	}
	if err := s.supersede(src, row); err != nil {
		return err
	}
	for _, m := range src.Connector.Models {
		if m.Stream != src.Connector.Inbox.Stream {
			continue
		}
		if err := s.reportModel(src, m, &row); err != nil {
			return fmt.Errorf("%s: %w", b.Key, err)
		}
	}
	if err := s.w.insertBlobs(s.ctx, []blobRow{row}); err != nil {
		return err
	}
	if err := s.claimed(src); err != nil {
		return err
	}
	if err := s.missing(src); err != nil {
		return err
	}
	if err := s.rejects(src, row); err != nil {
		return err
	}
	if err := s.mended(src, row); err != nil {
		return err
	}
	return done()
}

// mended closes the exception about a file of the same name that could not be read before.
func (s *staging) mended(src Source, row blobRow) error {
	return s.w.db.Exec(s.ctx, `update exceptions set status = 'resolved', closed_at = (select began from this_run)
		where status = 'open' and kind = 'malformed_record' and document_id = $doc and run_no < (select run_no from this_run)`,
		duck.Named("doc", src.Name+"/file/"+row.Key))
}

// gone notes that the provider has no such report.
func (s *staging) gone(src Source, row blobRow) error {
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.w.insertBlobs(s.ctx, []blobRow{row}); err != nil {
		return err
	}
	return s.missing(src)
}

// missing raises an exception for each numbered report that was never there while one with a higher
// number is; without a later one it is only not made yet. The report itself closes it, as it mends a broken one.
func (s *staging) missing(src Source) error {
	stream := string(src.Connector.Inbox.Stream)
	args := []any{duck.Named("source", src.Name), duck.Named("stream", stream)}
	n, err := s.w.db.Count(s.ctx, "select count(*) from (select 1 from blobs where gone and source = $source and stream = $stream limit 1)", args...)
	if err != nil || n == 0 {
		return err
	}
	return s.w.db.Exec(s.ctx, `
		insert into exceptions by name
		with reports as (
			select key, bool_and(gone) as gone, regexp_replace(key, '[0-9]+$', '') as series,
				try_cast(nullif(regexp_extract(key, '[0-9]{1,18}$'), '') as bigint) as number
			from blobs where source = $source and stream = $stream
			group by key
		)
		select name_of('malformed_record ' || $source || '/file/' || g.key || ' ' || r.run_no) as exception_id, 'malformed_record' as kind, $source as source,
			$source || '/file/' || g.key as document_id, 'report ' || g.key || ' is missing: the provider has later ones, but not this one, and nothing of it is booked' as reason,
			null as currency, null as amount_minor, null as evidence, 'ask the provider to make it again; it is asked for in every run until it is there' as suggestion,
			r.began as opened_at, null as closed_at, 'open' as status, r.run_no
		from reports as g, this_run as r
		where g.gone and exists (select 1 from reports as l where not l.gone and l.series = g.series and l.number > g.number)
			and not exists (select 1 from exceptions as x where x.kind = 'malformed_record' and x.document_id = $source || '/file/' || g.key)`, args...)
}

// claimed flags the payouts that another source of the same provider has read already: the same account read twice is
// not to be booked twice. Where a payout ID is one payout the ID tells; elsewhere two accounts may well name
// their payouts alike, and only a payout of the same rows, which name the same orders, is the same.
func (s *staging) claimed(src Source) error {
	var others []string
	for _, o := range s.w.Sources {
		if o.Name != src.Name && o.Connector.Name == src.Connector.Name {
			others = append(others, duck.Quote(o.Name))
		}
	}
	if len(others) == 0 {
		return nil
	}
	same := ""
	if !src.Connector.UniquePayouts {
		const rows = `(select sum(hash(provider_type, provider_detail, order_key, event_key, order_reference, event_at, currency, gross_minor, fee_minor, fee_vat_minor, net_minor)::hugeint)
			from payout_lines as l where l.source = %[1]s.source and l.payout_id = %[1]s.payout_id having count(*) filter (coalesce(order_key, event_key) is not null and gross_minor <> 0) > 0)`
		same = "and (o.currency, o.amount_minor, o.paid_at) is not distinct from (p.currency, p.amount_minor, p.paid_at) and " +
			fmt.Sprintf(rows, "o") + " = " + fmt.Sprintf(rows, "p")
	}
	return s.w.db.Exec(s.ctx, fmt.Sprintf(`
		insert into payout_flags by name
		select p.source, p.payout_id, 'flow_conflict' as kind, 'source ' || min(o.source) || ' has read the same payout before: they read one account' as reason,
			0 as amount_minor, null as evidence, max(p.blob_id) as blob_id
		from todo_payouts as t
		inner join payouts as p on p.source = t.source and p.payout_id = t.payout_id
		inner join payouts as o on o.payout_id = p.payout_id and o.source in (%s) and o.blob_id < p.blob_id
		where p.source = %s and p.booked_run is null %s
			and not exists (select 1 from payout_flags as f where f.source = p.source and f.payout_id = p.payout_id and f.kind = 'flow_conflict')
		group by p.source, p.payout_id`, strings.Join(others, ", "), duck.Quote(src.Name), same))
}

// supersede sets aside what a file of the same name left that could not be read whole: this
// one is the same report, mended. What is booked stays; rows are kept under a name of their own.
func (s *staging) supersede(src Source, row blobRow) error {
	if err := s.w.db.Exec(s.ctx, `create or replace temp table broken as
		select distinct f.payout_id, f.blob_id
		from payout_flags as f
		inner join blobs as b using (blob_id)
		inner join payouts as p on p.source = f.source and p.payout_id = f.payout_id
		where f.source = $source and f.kind = 'malformed_record' and b.key = $key and p.booked_run is null`,
		duck.Named("source", src.Name), duck.Named("key", row.Key)); err != nil {
		return err
	}
	return s.w.db.Exec(s.ctx, `
		update payout_lines as l set payout_id = l.payout_id || '#' || l.blob_id, line_id = name_of(l.line_id::varchar || '#' || l.blob_id)
		from broken as b where l.blob_id = b.blob_id and l.payout_id = b.payout_id;
		delete from payout_flags as f using broken as b where f.blob_id = b.blob_id and f.payout_id = b.payout_id`)
}

// reportModel fills payout_lines from the view raw. The rows of payouts that nobody has
// seen go straight in; those of a payout that is known are compared first.
func (s *staging) reportModel(src Source, m extract.Model, row *blobRow) error {
	text, err := modelText(src.Connector, m)
	if err != nil {
		return err
	}
	db := s.w.db
	source := duck.Quote(src.Name)
	with := func(q string) string {
		return strings.NewReplacer("{{source}}", source, "{{model}}", "(\n"+text+"\n)", "{{blob}}", fmt.Sprint(row.BlobID), "{{run}}", fmt.Sprint(s.w.runNo)).Replace(q)
	}
	known, err := db.Count(s.ctx, with("select count(*) from (select 1 from payouts where source = {{source}} limit 1)"))
	if err == nil && known > 0 {
		known, err = db.Count(s.ctx, with("select count(*) from (select distinct payout_id from {{model}}) where payout_id in (select payout_id from payouts where source = {{source}})"))
	}
	if err != nil {
		return err
	}
	if known > 0 {
		return s.takeRows(src, m, row.BlobID)
	}
	first, err := db.Count(s.ctx, "select count(*) from payout_lines")
	if err != nil {
		return err
	}
	n, err := db.Affected(s.ctx, with(`insert into payout_lines by name
		select name_of(`+lineContent+` || '|1') as line_id, {{source}} as source, {{blob}} as blob_id, {{run}} as run_no, `+lineTags+`, m.* from {{model}} as m`))
	if err != nil {
		return err
	}
	row.FirstRowID, row.RowsRead = &first, &n
	// Equal rows are told apart by their order; there are few, so only they are looked at.
	return db.Exec(s.ctx, with(`
		create or replace temp table twins as
			select line_id from payout_lines where blob_id = {{blob}} group by line_id having count(*) > 1;
		update payout_lines as l set line_id = t.line_id
		from (
			select row, name_of(content || '|' || ordinal) as line_id
			from (
				select rowid as row, `+lineContent+` as content, row_number() over (partition by line_id order by rowid) as ordinal
				from payout_lines
				where blob_id = {{blob}} and line_id in (select line_id from twins)
			)
			where ordinal > 1
		) as t
		where l.rowid = t.row;
		insert into todo_payouts
			select distinct source, payout_id from payout_lines where blob_id = {{blob}}
			except select source, payout_id from todo_payouts;
	`+headerless))
}

// takeRows takes in the rows of the view raw by model, compared with those that are known.
func (s *staging) takeRows(src Source, m extract.Model, blob int64) error {
	model, err := modelText(src.Connector, m)
	if err != nil {
		return err
	}
	with := strings.NewReplacer("{{source}}", duck.Quote(src.Name), "{{model}}", "(\n"+model+"\n)", "{{blob}}", fmt.Sprint(blob))
	if err := s.w.db.Exec(s.ctx, with.Replace(`create or replace temp table incoming as
		select * exclude (row_no), row_number() over () + 1 as row_no
		from (select * from (select * from payout_lines where false) union all by name select *, {{blob}} as blob_id from {{model}})`)); err != nil {
		return err
	}
	if err := s.narrow(src, "payout_lines"); err != nil {
		return err
	}
	if err := s.w.db.Exec(s.ctx, "create or replace temp table incoming as "+namedLines(src.Name, "incoming")); err != nil {
		return err
	}
	return s.mergeRows(src, m, "incoming")
}

// rejects holds every payout of a file with rows that are no CSV rows: nobody knows which
// payout such a row belongs to.
func (s *staging) rejects(src Source, row blobRow) error {
	db := s.w.db
	var n int64
	var first, last string
	if _, err := db.One(s.ctx, `select count(distinct line), coalesce(min(line), 0)::varchar, coalesce(min_by(error_message, line), '') from rejected_rows`, nil, &n, &first, &last); err != nil {
		return err
	}
	if err := db.Exec(s.ctx, "drop table if exists rejected_rows; drop table if exists rejected_scans"); err != nil {
		return err
	}
	rows := int64(0)
	if row.RowsRead != nil {
		rows = *row.RowsRead
	}
	if n == 0 {
		if row.RowsRead != nil && rows == 0 {
			return s.holdFile(src, row, "the report has a header and no rows", "get the report from the provider again")
		}
		return nil
	}
	reason := fmt.Sprintf("%d rows of %s cannot be read as rows of a report, the first at line %s: the file may be cut off", n, row.Key, first)
	return db.Exec(s.ctx, `
		insert into payout_flags by name
		select distinct $source as source, payout_id, 'malformed_record' as kind, $reason as reason, 0 as amount_minor, $evidence as evidence, $blob as blob_id
		from payout_lines where blob_id = $blob`,
		duck.Named("source", src.Name), duck.Named("reason", reason), duck.Named("evidence", last), duck.Named("blob", row.BlobID))
}

// holdFile raises an exception about a file that holds no payout at all.
func (s *staging) holdFile(src Source, row blobRow, reason, do string) error {
	s.w.Log.Warn("report held", "source", src.Name, "file", row.Key, "reason", reason)
	return s.w.db.Exec(s.ctx, `
		insert into exceptions by name
		select name_of('malformed_record ' || $doc || ' ' || r.run_no) as exception_id, 'malformed_record' as kind, $source as source, $doc as document_id,
			$reason as reason, null as currency, null as amount_minor, null as evidence, $do as suggestion, r.began as opened_at, null as closed_at, 'open' as status, r.run_no
		from this_run as r
		where not exists (select 1 from exceptions as x where x.status = 'open' and x.kind = 'malformed_record' and x.document_id = $doc and x.reason = $reason)`,
		duck.Named("doc", src.Name+"/file/"+row.Key), duck.Named("source", src.Name), duck.Named("reason", reason), duck.Named("do", do))
}

// A header is the first row of a report and what it tells of the file's form.
type header struct {
	names   []string
	delim   string
	newline string
	buffer  int64 // bytes that a reading thread takes at a time: a small file must not cost a large buffer
}

// readHeader finds the column names, the delimiter and the line ends of a CSV file. A
// byte order mark is no part of the first name.
func readHeader(path string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	line, err := r.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, fmt.Errorf("its first line is no header: %w", err)
	}
	h := header{newline: `\n`}
	if bytes.HasSuffix(line, []byte("\r\n")) {
		h.newline = `\r\n`
	}
	line = bytes.TrimRight(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")), "\r\n")
	if len(line) == 0 {
		return header{}, errors.New("the file is empty")
	}
	st, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	h.buffer = min(max(st.Size(), 1<<20)+1<<16, 16<<20)
	best := 0
	for _, d := range []string{",", ";", "\t", "|"} {
		if n := bytes.Count(line, []byte(d)); n > best {
			best, h.delim = n, d
		}
	}
	if best == 0 {
		return header{}, errors.New("its first line is no header of a report")
	}
	c := csv.NewReader(bytes.NewReader(line))
	c.Comma = rune(h.delim[0])
	c.LazyQuotes = true
	if h.names, err = c.Read(); err != nil {
		return header{}, fmt.Errorf("its first line is no header: %w", err)
	}
	for i := range h.names {
		h.names[i] = strings.TrimSpace(h.names[i])
	}
	return h, nil
}

// complete checks that every column is there that the staging cannot do without.
func (h header) complete(in extract.Inbox) error {
	var missing []string
	for _, n := range in.Header {
		if !slices.Contains(h.names, n) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the report lacks the columns %s", strings.Join(missing, ", "))
	}
	return nil
}

// view makes the file readable as raw: the columns by name, absent ones null.
func (h header) view(in extract.Inbox, path string, blob int64) string {
	var cols, pick []string
	seen := map[string]bool{}
	for i, n := range h.names {
		// A name that comes twice, or none, would stop the reader.
		if n == "" || seen[strings.ToLower(n)] {
			n = fmt.Sprintf("column %d", i+1)
		}
		seen[strings.ToLower(n)] = true
		cols = append(cols, duck.Quote(n)+": 'VARCHAR'")
	}
	for _, n := range append(slices.Clone(in.Header), in.Optional...) {
		if slices.Contains(h.names, n) {
			pick = append(pick, fmt.Sprintf("nullif(%[1]s, '') as %[1]s", duck.Ident(n)))
		} else {
			pick = append(pick, "null::varchar as "+duck.Ident(n))
		}
	}
	return fmt.Sprintf(`create or replace temp view raw as select %s
		from read_csv(%s, auto_detect = false, header = true, delim = %s, quote = '"', escape = '"', new_line = %s,
				max_line_size = 1048576, buffer_size = %d,
			columns = {%s}, store_rejects = true, rejects_table = 'rejected_rows', rejects_scan = 'rejected_scans')`,
		strings.Join(pick, ", "), duck.Quote(path), duck.Quote(h.delim), duck.Quote(h.newline), h.buffer, strings.Join(cols, ", "))
}
