package pipeline

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	kvsql "github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// A Chapter is one part of the story Explain tells.
type Chapter struct {
	Title string
	Table duck.Table
	More  bool // there are more rows than were asked for
	// LeftOut: what the source sent lies in large files and was not read (StoryLimits.Large).
	LeftOut bool
}

// ErrUnknownRef is returned by Explain for a reference that names nothing in the books.
var ErrUnknownRef = fmt.Errorf("%w: nothing in the books has this reference", ErrUsage)

// Explain tells what ref is: forward to the ERP and back to the bytes the source sent. A
// ref is an entry, payout, order, line or checkout ID, an order number, a bank reference,
// a voucher or an exception; of an ID its beginning is enough. A chapter has at most limit
// rows (0: all).
//
// Errors: ErrUnknownRef.
func (p *Project) Explain(ctx context.Context, ref string, limit int) ([]Chapter, error) {
	if strings.TrimSpace(ref) == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrUnknownRef)
	}
	db, err := p.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return p.ExplainFrom(ctx, db, nil, ref, StoryLimits{Rows: limit, Causes: maxDiagnosed})
}

// StoryLimits bound what a story tells.
type StoryLimits struct {
	Rows   int   // of a chapter; 0 is all
	Causes int   // exceptions whose causes are looked into
	Large  int64 // what is sent in files of more bytes is left out, and said to be; 0: nothing is left out
}

// ExplainFrom is Explain by a published ledger that is open. With another connection to the same ledger beside db, half of
// the story is told there at the same time; without, beside is nil. It leaves temporary tables on the connections, which
// the next call replaces.
//
// Errors: ErrUnknownRef.
func (p *Project) ExplainFrom(ctx context.Context, db, beside *duck.DB, ref string, max StoryLimits) ([]Chapter, error) {
	ref = strings.TrimSpace(ref)
	if ref == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrUnknownRef)
	}
	if _, id, ok := strings.Cut(ref, "/chargeback/"); ok && id != "" {
		ref = id // recon.documents names a chargeback so, which is a payout's line: by its own ID, or the line's
	}
	// A copy that another version published may have no tags to find lines by, or others.
	version, err := db.Texts(ctx, "select value from meta where name = 'schema'")
	if err != nil {
		return nil, err
	}
	thorough := !slices.Equal(version, []string{schemaVersion})
	f, lines, apart, err := find(ctx, db, beside, ref, thorough)
	if err != nil {
		return nil, err
	}
	if amount, day := amountAndDate(ref); day != "" {
		if err := findByAmount(ctx, db, amount, day); err != nil {
			return nil, err
		}
		lines = ""
		if f, err = countFound(ctx, db); err != nil {
			return nil, err
		}
	}
	if f == (howMany{}) && !thorough {
		// A reference written in another way than is looked for first: every one is made normal and compared.
		f, lines, apart, err = find(ctx, db, beside, ref, true)
	}
	if err != nil {
		return nil, err
	}
	if f == (howMany{}) {
		return nil, fmt.Errorf("%w: %s", ErrUnknownRef, ref)
	}
	names, err := nameFound(ctx, db, f, lines)
	if err != nil {
		return nil, err
	}
	if strings.Contains(strings.Join(names, ""), "found_") {
		beside = nil // too many to be written out: their table is on db alone
	}
	told := make([][]Chapter, len(chapters))
	booked := func() error {
		written, err := gatherBooked(ctx, db, f, names)
		if err != nil {
			return err
		}
		return p.tell(ctx, db, f, written, max, false, told)
	}
	judged := func(db *duck.DB) error {
		written, err := gatherJudged(ctx, db, f, names)
		if err != nil {
			return err
		}
		return p.tell(ctx, db, f, written, max, true, told)
	}
	if beside == nil {
		if err = booked(); err == nil {
			err = judged(db)
		}
	} else {
		if f.lines > apart { // none is ever taken away again
			err = copyLines(ctx, db, beside)
		}
		if err == nil {
			done := make(chan error, 1)
			go func() { done <- judged(beside) }()
			err = errors.Join(booked(), <-done)
		}
	}
	if err != nil {
		return nil, err
	}
	return slices.Concat(told...), nil
}

// tell writes chapters into told: those of what is judged of lines and exceptions, or the others.
func (p *Project) tell(ctx context.Context, db *duck.DB, f howMany, written *strings.Replacer, max StoryLimits, judged bool, told [][]Chapter) error {
	for i, c := range chapters {
		if c.judged != judged || c.of == ofDocuments && f.documents == 0 || c.of == ofLines && f.lines == 0 {
			continue
		}
		t, more, err := db.Table(ctx, written.Replace(c.query), max.Rows)
		if err != nil {
			return err
		}
		if len(t.Rows) == 0 {
			continue
		}
		told[i] = append(told[i], Chapter{Title: c.title, Table: t, More: more})
		switch c.title {
		case bytesTitle:
			sent, err := p.excerpts(ctx, db, max)
			if err != nil {
				return err
			}
			if len(sent.Table.Rows) > 0 || sent.LeftOut {
				told[i] = append(told[i], sent)
			}
		case personTitle:
			why, err := causes(ctx, db, max.Causes)
			if err != nil {
				return err
			}
			if len(why.Rows) > 0 {
				told[i] = append(told[i], Chapter{Title: "what may lie behind it, most likely first", Table: why})
			}
		}
	}
	return nil
}

// idPrefix is the beginning of a UUID.
var idPrefix = regexp.MustCompile(`^[0-9a-f]{8}(?:-(?:[0-9a-f]{0,4}(?:-(?:[0-9a-f]{0,4}(?:-(?:[0-9a-f]{0,4}(?:-[0-9a-f]{0,12})?)?)?)?)?)?)?$`)

// idRange are the first and the last UUID that begin with ref, "" if none does.
func idRange(ref string) (first, last string) {
	ref = strings.ToLower(ref)
	if !idPrefix.MatchString(ref) {
		return "", ""
	}
	const least, most = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
	return ref + least[len(ref):], ref + most[len(ref):]
}

// listed is the result of a query as a list for in (…): what is written out narrows what DuckDB reads of a
// table of millions, what is a subquery does not always. Too many stay a subquery.
func listed(ctx context.Context, db *duck.DB, query, typ string) (string, error) {
	const most = 60
	found, err := db.Texts(ctx, query+fmt.Sprintf(" limit %d", most+1))
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", nil
	case len(found) > most:
		return strings.Replace(query, "::varchar", "", 1), nil
	}
	for i, x := range found {
		found[i] = duck.Quote(x) + "::" + typ
	}
	return strings.Join(found, ", "), nil
}

// sameReference are the conditions, one or more of them, under which a column holds ref: a reference is the same with another
// case, and with #, zeros or blanks before it. What has one of these before it begins with a sign that is apart from those
// that references begin with else, so that DuckDB knows of the parts of a table that have none, mostly all of them, without
// reading them. When thorough every row is made normal and compared.
func sameReference(column, ref string, thorough bool) []string {
	bare := strings.TrimLeft(ref, "#0")
	if bare == "" {
		return []string{column + " = " + duck.Quote(ref)}
	}
	same := "normal_reference(" + column + ") = normal_reference(" + duck.Quote(ref) + ")"
	if thorough {
		return []string{same}
	}
	var written, ends []string
	for _, w := range []string{bare, strings.ToUpper(bare), strings.ToLower(bare)} {
		if w = duck.Quote(w); !slices.Contains(written, w) {
			written = append(written, w)
			ends = append(ends, "ends_with("+column+", "+w+")")
		}
	}
	longer := " and (" + strings.Join(ends, " or ") + ") and " + same
	out := []string{
		column + " < '1'" + longer, // a blank, # or 0 before it
		column + " between " + duck.Quote("\u00a0") + " and " + duck.Quote("\u3001") + longer, // a blank that is none of ASCII's
	}
	if first, _ := utf8.DecodeRuneInString(bare); !unicode.Is(unicode.Zs, first) { // else it is no normal form
		out = append(out, column+" in ("+strings.Join(written, ", ")+")")
	}
	return out
}

// lineReference are the conditions, one or more of them, under which a payout line carries ref. They are found by their tags;
// when thorough by what they are alone.
func lineReference(ref string, thorough bool) (out []string) {
	by := func(column, form string) {
		same := fmt.Sprintf(form, column) + " = " + fmt.Sprintf(form, duck.Quote(ref))
		if !thorough {
			same = column + "_tag = tag_of(" + fmt.Sprintf(form, duck.Quote(ref)) + ") and " + same
		}
		out = append(out, same)
	}
	by("order_key", "%s")
	by("event_key", "%s")
	if strings.Trim(ref, "#0") == "" {
		return append(out, "order_reference = "+duck.Quote(ref)) // it has no normal form
	}
	by("order_reference", "normal_reference(%s)")
	return out
}

// find gathers everything that carries a reference, as documents and payout lines. Each way that something may
// carry it is a scan of one column by a constant, which costs milliseconds where making a million references
// normal costs half a second: that is done only when thorough. With another connection beside db, lines are looked for there
// meanwhile; so many does it have then. It says how many they are in all, and gives the lines as a list for in (…).
func find(ctx context.Context, db, beside *duck.DB, ref string, thorough bool) (f howMany, lines string, apart int64, err error) {
	q := duck.Quote(ref)
	first, last := idRange(ref)
	var documents, places []string
	exact := func(into *[]string, query string, columns ...string) {
		for _, c := range columns {
			*into = append(*into, query+" where "+c+" = "+q)
		}
	}
	exact(&documents, "select document_id from documents", "document_id", "reference")
	documents = append(documents, "select document_id from payouts where "+q+" in (document_id, payout_id, bank_reference) or split_part(payout_id, '/', 2) = "+q)
	if utf8.RuneCountInString(ref) >= 8 {
		// What begins with it: up to the same with the last character there is behind it.
		between := " >= " + q + " and %s < " + duck.Quote(ref+string(unicode.MaxRune))
		for _, c := range []string{"order_id", "doc_ref"} {
			documents = append(documents, "select document_id from documents where "+c+fmt.Sprintf(between, c))
		}
		documents = append(documents, "select document_id from payouts where contains(bank_reference, "+q+")",
			"select document_id from exceptions where starts_with(exception_id::varchar, lower("+q+"))")
	} else {
		exact(&documents, "select document_id from documents", "order_id", "doc_ref")
	}
	if first != "" {
		between := " between " + duck.Quote(first) + "::uuid and " + duck.Quote(last) + "::uuid"
		documents = append(documents,
			"select document_id from entry_rows where entry_id"+between+" and kind in ('delivery', 'refund', 'correction', 'payout', 'payout_residual')",
			"select c.payout_document from booked_lines as b inner join line_classes as c using (class_no) where b.line_id"+between+" and c.kind = 'payout'")
		places = append(places, "select line_id, rowid from payout_lines where line_id"+between)
	}
	for _, same := range sameReference("order_number", ref, thorough) {
		documents = append(documents, "select document_id from documents where "+same)
	}
	for _, same := range lineReference(ref, thorough) {
		places = append(places, "select line_id, rowid from payout_lines where "+same)
	}
	findLines := func(db *duck.DB) error {
		return db.Exec(ctx, "create or replace temp table found_lines (line_id uuid, place bigint); insert into found_lines "+strings.Join(places, "\nunion\n"))
	}
	looked := make(chan error, 1)
	if beside != nil {
		go func() { looked <- findLines(beside) }()
	}
	err = db.Exec(ctx, `
		create or replace temp table found_vouchers as
		select book, book_date, through_run, document_id from erp_documents where erp_document_id = `+q+` or erp_number = `+q+`;
		create or replace temp table found_documents as
		`+strings.Join(documents, "\nunion\n")+`
		union
		select coalesce(document_id, book) from found_vouchers where document_id is not null or contains(book, '/payout/')
		union
		select p.document_id from posting_rows as p
		inner join (select * from found_vouchers where document_id is null and not contains(book, '/payout/')) as v on v.book = p.book and v.book_date = p.book_date and p.run_no <= v.through_run`)
	if beside == nil {
		err = errors.Join(err, findLines(db))
	} else if err = errors.Join(err, <-looked); err == nil {
		err = copyLines(ctx, beside, db)
	}
	if err != nil {
		return f, "", 0, err
	}
	if f, err = countFound(ctx, db); err != nil {
		return f, "", 0, err
	}
	apart = f.lines
	// A document leads to the lines that settle it, a line to the documents it settles, a document to the rest of its order. Where
	// there is none of one, what follows from it is not asked for: a query that finds nothing costs half a millisecond all the same.
	step := func(list, query string) (n int64, err error) {
		if list == "" {
			return 0, nil
		}
		return db.Affected(ctx, strings.ReplaceAll(query, "{{list}}", list))
	}
	if f.documents > 0 {
		list, err := listed(ctx, db, "select document_id from found_documents", "varchar")
		if err != nil {
			return f, "", 0, err
		}
		if err := db.Exec(ctx, "create or replace temp table found_settling (line_id uuid)"); err != nil {
			return f, "", 0, err
		}
		n, err := step(list, `insert into found_settling
			select line_id from line_matches where document_id in ({{list}}) except select line_id from found_lines`)
		if err == nil && n > 0 {
			if list, err = listed(ctx, db, "select line_id::varchar from found_settling", "uuid"); err == nil {
				n, err = step(list, "insert into found_lines select line_id, rowid from payout_lines where line_id in ({{list}})")
			}
		}
		if err != nil {
			return f, "", 0, err
		}
		f.lines += n
	}
	if f.lines > 0 {
		if lines, err = listed(ctx, db, linesFound, "uuid"); err != nil {
			return f, "", 0, err
		}
		n, err := step(lines, `insert into found_documents
			select document_id from line_matches where line_id in ({{list}}) except select document_id from found_documents`)
		if err != nil {
			return f, "", 0, err
		}
		f.documents += n
	}
	if f.documents > 0 {
		list, err := listed(ctx, db, "select order_id from documents where document_id in (select document_id from found_documents) and order_id is not null", "varchar")
		if err != nil {
			return f, "", 0, err
		}
		n, err := step(list, `insert into found_documents
			select document_id from documents where order_id in ({{list}})
				and (source, order_id) in (select (source, order_id) from documents where document_id in (select document_id from found_documents))
			except select document_id from found_documents`)
		if err != nil {
			return f, "", 0, err
		}
		f.documents += n
	}
	return f, lines, apart, nil
}

// linesFound is the query of the lines that were found.
const linesFound = "select line_id::varchar from found_lines"

// howMany documents and payout lines were found.
type howMany struct{ documents, lines int64 }

func countFound(ctx context.Context, db *duck.DB) (f howMany, err error) {
	_, err = db.One(ctx, "select (select count(*) from found_documents), (select count(*) from found_lines)", nil, &f.documents, &f.lines)
	return f, err
}

// copyLines makes the table found_lines of one connection on another too.
func copyLines(ctx context.Context, from, to *duck.DB) error {
	rows, err := from.Texts(ctx, "select concat('(', chr(39), line_id, chr(39), '::uuid, ', place, ')') from found_lines")
	if err != nil {
		return err
	}
	query := "create or replace temp table found_lines (line_id uuid, place bigint)"
	if len(rows) > 0 {
		query += "; insert into found_lines values " + strings.Join(rows, ", ")
	}
	return to.Exec(ctx, query)
}

// nameFound returns what stands in queries for what was found, name by name; lines is their list where it is known.
func nameFound(ctx context.Context, db *duck.DB, f howMany, lines string) ([]string, error) {
	if lines == "" {
		var err error
		if lines, err = named(ctx, db, f.lines, linesFound, "uuid"); err != nil {
			return nil, err
		}
	}
	names := []string{"{{lines}}", lines}
	for _, x := range []struct {
		of               int64
		name, query, typ string
	}{
		{f.documents, "{{documents}}", "select document_id from found_documents", "varchar"},
		{f.documents, "{{sold}}", "select document_id from found_documents where document_id not in (select document_id from payouts)", "varchar"},
		{f.documents, "{{unsettled}}", "select document_id from found_documents where document_id not in (select document_id from payouts where status = 'booked')", "varchar"},
		{f.documents, "{{payouts}}", "select payout_id from payouts where document_id in (select document_id from found_documents)", "varchar"},
		{f.documents, "{{classes}}", "select class_no::varchar from line_classes where kind = 'payout' and payout_document in (select document_id from found_documents)", "integer"},
	} {
		list, err := named(ctx, db, x.of, x.query, x.typ)
		if err != nil {
			return nil, err
		}
		names = append(names, x.name, list)
	}
	return names, nil
}

// named is what a query finds as a list for in (…), where there is anything of what it is asked for.
func named(ctx context.Context, db *duck.DB, of int64, query, typ string) (list string, err error) {
	if of > 0 {
		list, err = listed(ctx, db, query, typ)
	}
	if list == "" {
		list = "select null::" + typ + " where false" // a list of null is compared with every row
	}
	return list, err
}

// gatherBooked makes tables of where the lines that were found stand, what is booked for what was found, the entries' postings,
// and the places of the archive it comes from. It returns what stands in the chapters' queries.
func gatherBooked(ctx context.Context, db *duck.DB, f howMany, names []string) (*strings.Replacer, error) {
	if err := db.Exec(ctx, foundPlaces); err != nil {
		return nil, err
	}
	classes, err := named(ctx, db, f.lines, `select class_no::varchar from line_classes where payout_document in (
		select p.document_id from payouts as p inner join found_places as l on l.source = p.source and l.payout_id = p.payout_id)`, "integer")
	if err != nil {
		return nil, err
	}
	bytesOf := bytesOfLines
	if f.documents > 0 {
		bytesOf += bytesOfDocuments
	}
	written := strings.NewReplacer(append([]string{"{{line_classes}}", classes}, names...)...)
	return written, db.Exec(ctx, written.Replace(foundTables+bytesOf+") as x inner join blobs as b using (blob_id)"))
}

// gatherJudged makes tables of the lines that were found, with what they settle, and of what needs a person. It returns what
// stands in the chapters' queries.
func gatherJudged(ctx context.Context, db *duck.DB, f howMany, names []string) (*strings.Replacer, error) {
	written := strings.NewReplacer(names...)
	tables := foundExceptions
	if f.lines > 0 {
		if err := db.Exec(ctx, foundLines); err != nil {
			return nil, err
		}
		matched, err := db.Affected(ctx, written.Replace(foundMatches))
		if err != nil {
			return nil, err
		}
		if matched < f.lines { // a line that settles something needs nobody; of others the view knows
			tables += foundLineExceptions
		}
	}
	return written, db.Exec(ctx, written.Replace(tables))
}

// What is told of the lines that were found is told of these few rows: looking for a line by its ID in a table of millions costs
// milliseconds each time. Places, rowids, are asked for by a table: for a list of them DuckDB reads every row.
const (
	foundPlaces = `
	create or replace temp table found_places as
	select line_id, source, payout_id, blob_id, locator, row_no, rowid as place from payout_lines where rowid in (select place from found_lines)`

	foundLines = `
	create or replace temp table found_payout_lines as
	select * exclude (part, sold_currency, sold_minor, country, text, locator, blob_id, row_no) from payout_lines where rowid in (select place from found_lines)`

	foundMatches = `
	create or replace temp table found_matches as
	select * from line_matches where line_id in ({{lines}})`

	foundExceptions = `
	create or replace temp table found_exceptions as
	select exception_id, kind, source, document_id, reason, currency, major(amount_minor, currency) as amount, opened_at, suggestion, status, evidence,
		null::uuid as line_id, null::varchar as order_reference
	from exceptions where document_id in ({{unsettled}});
	`
)

var foundLineExceptions = `
	insert into found_exceptions by name
	select exception_id, kind, source, document_id, reason, currency, amount, opened_at, suggestion, status, evidence, line_id, order_reference
	from (` + kvsql.ViewOf("exceptions", "payout_lines", "found_payout_lines", "line_matches", "found_matches") + `) where line_id is not null`

// foundTables are what was found is booked by, and the entries' postings; the query of the places in the archive follows.
var foundTables = `
	create or replace temp table found_rows as
	select * from entry_rows where document_id in ({{sold}})
	union
	select * from entry_rows where corrects in ({{lines}})
	union
	select * from entry_rows where corrects is null and entry_id in ({{lines}})
	union
	select * from entry_rows where kind in ('payout', 'payout_residual') and document_id in ({{documents}});

	create or replace temp table found_booked as
	select * from booked_lines where line_id in ({{lines}}) and class_no in ({{line_classes}})
	union
	select * from booked_lines where class_no in ({{classes}});

	create or replace temp table found_entries as
	select entry_id, book_date, kind, document_id, text, corrects, run_no from found_rows
	union all
	select b.line_id, c.book_date, case c.kind when 'payout' then 'payout' else 'payout_line' end, c.payout_document, c.text, null, b.run_no
	from found_booked as b inner join line_classes as c using (class_no);

	create or replace temp table found_postings as
	select entry_id, line, book_date, account, role, amount_minor, amount_currency_minor, document_id, book, rule, run_no
	from posting_rows where entry_id in (select entry_id from found_rows)
	union all
	select entry_id, line, book_date, account, role, amount_minor, amount_currency_minor, document_id, book, rule, run_no
	from (` + kvsql.LinePostings("found_booked", "line_classes") + `);

	create or replace temp table found_bytes as
	select x.of, x.locator, b.* from (`

const bytesTitle, personTitle = "from these bytes", "needs a person"

var amountDate = regexp.MustCompile(`^(-?\d+(?:[.,]\d{1,2})?)[ @]+(\d{4}-\d{2}-\d{2})$|^(\d{4}-\d{2}-\d{2})[ @]+(-?\d+(?:[.,]\d{1,2})?)$`)

// amountAndDate reads "1250.00 2026-03-02", in either order; day is "" for anything else.
func amountAndDate(ref string) (amount, day string) {
	m := amountDate.FindStringSubmatch(ref)
	if m == nil {
		return "", ""
	}
	return strings.Replace(strings.TrimPrefix(m[1]+m[4], "-"), ",", ".", 1), m[2] + m[3]
}

// findByAmount adds what has an amount within three days of a date.
func findByAmount(ctx context.Context, db *duck.DB, amount, day string) error {
	asked := []any{duck.Named("amount", amount), duck.Named("day", day)}
	return errors.Join(
		db.Exec(ctx, `
		insert into found_documents
		select document_id from recon.documents where abs(amount) = $amount::decimal(18, 2) and event_date between $day::date - 3 and $day::date + 3 and kind <> 'chargeback'
		except select document_id from found_documents`, asked...),
		db.Exec(ctx, `
		insert into found_lines
		select l.line_id, l.rowid from payout_lines as l inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
		where (abs(major(l.gross_minor, l.currency)) = $amount::decimal(18, 2) or abs(major(l.net_minor, l.currency)) = $amount::decimal(18, 2))
			and (p.paid_date between $day::date - 3 and $day::date + 3 or l.event_at::date between $day::date - 3 and $day::date + 3)
			and l.line_id not in (select line_id from found_lines)`, asked...))
}

// maxDiagnosed is how many exceptions of one story are looked into.
const maxDiagnosed = 10

// causes ranks what may lie behind the exceptions that the story tells of.
func causes(ctx context.Context, db *duck.DB, most int) (duck.Table, error) {
	t := duck.Table{Columns: []string{"about", "rank", "cause", "says", "evidence", "action", "weight"}, Numeric: []bool{false, true, false, false, false, false, true}}
	type open struct {
		about string
		known KnownException
	}
	var found []open
	if err := db.Each(ctx, `select document_id || coalesce(', ' || order_reference, ''), `+knownColumns+`
		from found_exceptions where status = 'open' order by opened_at, kind, exception_id limit `+fmt.Sprint(most), func(scan func(...any) error) error {
		o := open{known: KnownException{lines: "found_payout_lines"}}
		if err := scan(append([]any{&o.about}, o.known.into()...)...); err != nil {
			return err
		}
		found = append(found, o)
		return nil
	}); err != nil {
		return t, err
	}
	for _, o := range found {
		cs, err := o.known.Causes(ctx, db)
		if err != nil {
			return t, err
		}
		for i, c := range cs {
			t.Rows = append(t.Rows, []duck.Cell{{Text: o.about}, {Text: fmt.Sprint(i + 1), Bare: true}, {Text: c.Name}, {Text: c.Says}, {Text: c.Evidence}, {Text: c.Action}, {Text: fmt.Sprint(c.Weight), Bare: true}})
		}
	}
	return t, nil
}

// What a chapter is of: without any it is not asked for.
const (
	ofAnything = iota
	ofDocuments
	ofLines
)

var chapters = []struct {
	title  string
	of     int
	judged bool // it reads what gatherJudged makes
	query  string
}{
	{"documents", ofDocuments, false, `with receivable as (select document_id, sum(amount_currency_minor)::bigint as minor from found_postings where role = 'receivable' group by document_id)
		select d.document_id, d.order_number, d.event_date, d.currency, major(case d.kind when 'refund' then -d.amount_minor else d.amount_minor end, d.currency) as amount,
			major(coalesce(r.minor, 0), d.currency) as open_amount,
			case when d.kind = 'order' then lower(d.status) when s.state = 'booked' then case when coalesce(r.minor, 0) = 0 then 'settled' else 'open' end else s.state end as status
		from documents as d left join (select * from document_states where document_id in ({{documents}})) as s using (document_id) left join receivable as r using (document_id)
		where d.document_id in ({{documents}})
		union all
		select p.document_id, null, p.paid_date, p.currency, major(p.amount_minor, p.currency), major(coalesce(r.minor, 0), p.currency), p.status
		from payouts as p left join receivable as r using (document_id) where p.document_id in (select document_id from found_documents)
		order by event_date, document_id`},
	{"payouts", ofDocuments, false, `select payout_id, bank_reference, paid_date, currency, amount, sales, refunds, fees, other, difference, status, reason
		from recon.payouts where document_id in (select document_id from found_documents) order by paid_date`},
	{"what they hold, by VAT rate", ofDocuments, false, `select g.document_id, g.class, g.country, rate_text(g.rate_bp) as vat_rate, major(g.gross_minor, d.currency) as gross, major(g.vat_minor, d.currency) as vat, g.how
		from document_groups as g inner join documents as d using (document_id)
		where d.kind in ('delivery', 'refund') and d.document_id in ({{sold}}) and g.document_id in ({{sold}}) order by 1, 2, 3, 4`},
	{"staged with these keys", ofDocuments, false, `select document_id, key_type, value from document_keys where document_id in ({{sold}}) order by document_id, key_type, value`},
	{"payout lines, and how each found its document", ofLines, true, `select l.payout_id, l.event_date, l.provider_type as type, l.gross, l.fee, l.net, l.verdict, l.match_rule, l.evidence, l.matched_document
		from (` + kvsql.ViewOf("payout_lines", "payout_lines", "found_payout_lines", "line_matches", "found_matches") + `) as l order by l.event_date, l.payout_id, l.line_id`},
	{"booked by", ofAnything, false, `select e.book_date, left(e.entry_id::varchar, 8) as entry, e.text, p.account, p.role, major(p.amount_minor, c.currency) as amount, p.rule
		from found_entries as e inner join found_postings as p using (entry_id) cross join set_company as c order by e.book_date, e.entry_id, p.line`},
	{"rows booked, by account", ofDocuments, false, `select s.account, coalesce(n.name, '') as name, s.role, major(sum(s.amount_minor)::bigint, any_value(o.currency)) as amount, sum(s.postings)::bigint as postings
		from class_sums as s inner join line_classes as c using (class_no) left join set_accounts as n using (account) cross join set_company as o
		where c.payout_document in ({{documents}}) group by s.account, n.name, s.role order by s.account, s.role`},
	{"corrected later", ofAnything, false, `select e.book_date, left(e.entry_id::varchar, 8) as entry, left(e.corrects::varchar, 8) as corrects, e.text, r.run_id
		from found_entries as e left join runs as r using (run_no) where e.corrects is not null order by e.book_date, e.entry_id`},
	{bytesTitle, ofAnything, false, `select distinct of, sha256 as archive_sha256, locator, key, fetched_at from found_bytes order by of, locator`},
	{"in the ERP", ofAnything, false, `select distinct d.erp_document_id as voucher, d.reference, d.status, d.erp_number, d.posted_at from erp_documents as d
		where d.document_id in ({{documents}}) or d.book in ({{documents}})
			or exists (select 1 from found_postings as p where p.book = d.book and p.book_date = d.book_date and p.run_no <= d.through_run
				and (d.document_id is null or d.document_id = p.document_id or d.document_id = p.book)) order by 1`},
	{"on the bank statement", ofDocuments, false, `select account, booked_date, currency, amount, payout_id, match_rule, difference, verdict, reference, text from recon.bank_lines
		where line_id in (select m.line_id from bank_matches as m inner join payouts as p on p.source = m.source and p.payout_id = m.payout_id where p.document_id in (select document_id from found_documents)) order by booked_date`},
	{"what sets it apart in the proof", ofDocuments, false, `select source, currency, since, until, document_id, reason, amount from kept_proof_differences where document_id in (select document_id from found_documents) order by since`},
	{personTitle, ofAnything, true, `select kind, document_id, currency, amount, reason, evidence, suggestion, status from found_exceptions order by opened_at, kind`},
}

// The places in the archive that what was found comes from: lines, and documents with what the bank said of them.
const (
	bytesOfLines = `
	select 'line ' || left(l.line_id::varchar, 8) as of, l.blob_id, coalesce(l.locator, 'row ' || coalesce(l.row_no, l.place - b.first_rowid + 2)) as locator
	from found_places as l inner join blobs as b using (blob_id)`
	bytesOfDocuments = `
	union
	select d.document_id, d.blob_id, coalesce(d.locator, '$') from documents as d where d.document_id in ({{sold}})
	union
	select p.document_id, p.blob_id, coalesce(p.locator, '$') from payouts as p where p.has_header and p.document_id in (select document_id from found_documents)
	union
	-- The row that paid a payout out carries the payout's own entry.
	select 'line ' || left(l.line_id::varchar, 8), l.blob_id, coalesce(l.locator, 'row ' || coalesce(l.row_no, l.rowid - b.first_rowid + 2))
	from payout_lines as l inner join blobs as b using (blob_id)
	where l.payout_id in ({{payouts}}) and l.line_id in (select line_id from found_booked where class_no in ({{classes}}))
	union
	select 'bank ' || left(r.line_id::varchar, 8), r.blob_id, r.locator from bank_rows as r
	where r.line_id in (select m.line_id from bank_matches as m inner join payouts as p on p.source = m.source and p.payout_id = m.payout_id where p.document_id in (select document_id from found_documents))`
)
