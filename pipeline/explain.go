package pipeline

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/kvitt/kvitt/sql/duck"
)

// A Chapter is one part of the story Explain tells.
type Chapter struct {
	Title string
	Table duck.Table
	More  bool // there are more rows than were asked for
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
	ref = strings.TrimSpace(ref)
	arg := duck.Named("ref", ref)
	amount, day := amountAndDate(ref)
	if err := db.Exec(ctx, "create temp table asked as select $ref::varchar as ref", arg); err != nil {
		return nil, err
	}
	// Everything that carries the reference, as documents and payout lines.
	if err := db.Exec(ctx, `
		create temp table found_documents as
		with asked_for as (select ref, length(ref) >= 8 as by_prefix from asked)
		select d.document_id from documents as d, asked_for as a
		where a.ref in (d.document_id, d.order_id, d.doc_ref, d.order_number, d.reference) or (a.by_prefix and (starts_with(d.order_id, a.ref) or starts_with(d.doc_ref, a.ref)))
			or normal_reference(a.ref) = normal_reference(d.order_number)
		union
		select p.document_id from payouts as p, asked_for as a
		where a.ref in (p.document_id, p.payout_id, p.bank_reference) or (a.by_prefix and contains(p.bank_reference, a.ref)) or split_part(p.payout_id, '/', 2) = a.ref
		union
		select e.document_id from entries as e, asked_for as a where a.by_prefix and starts_with(e.entry_id::varchar, a.ref) and e.kind in ('delivery', 'refund', 'correction', 'payout', 'payout_residual')
		union
		select distinct case when d.document_id is not null then d.document_id when p.book like '%/payout/%' then p.book else p.document_id end
		from erp_documents as d, asked_for as a, postings as p
		where a.ref in (d.erp_document_id, d.erp_number) and p.book = d.book and p.book_date = d.book_date and p.run_no <= d.through_run
		union
		select x.document_id from exceptions as x, asked_for as a where a.by_prefix and starts_with(x.exception_id::varchar, a.ref);

		create temp table found_lines as
		with asked_for as (select ref, length(ref) >= 8 as by_prefix from asked)
		select l.line_id from payout_lines as l, asked_for as a
		where a.ref in (l.order_key, l.event_key, l.order_reference) or (a.by_prefix and starts_with(l.line_id::varchar, a.ref))
			or normal_reference(a.ref) = normal_reference(l.order_reference)
		union
		select m.line_id from line_matches as m where m.document_id in (select document_id from found_documents);

		-- A line leads to the documents it settles, a document to the rest of its order.
		insert into found_documents
		select m.document_id from line_matches as m where m.line_id in (select line_id from found_lines)
		union
		select d.document_id from documents as d
		where (d.source, d.order_id) in (select (o.source, o.order_id) from documents as o where o.document_id in (select document_id from found_documents))
		except select document_id from found_documents;`); err != nil {
		return nil, err
	}
	if day != "" {
		if err := findByAmount(ctx, db, amount, day); err != nil {
			return nil, err
		}
	}
	n, err := db.Count(ctx, "select (select count(*) from found_documents) + (select count(*) from found_lines)")
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("%w: %s", ErrUnknownRef, ref)
	}
	if err := db.Exec(ctx, `
		create temp table found_entries as
		select distinct e.entry_id from entries as e
		where e.document_id in (select document_id from found_documents where document_id not in (select document_id from payouts))
			or coalesce(e.corrects, e.entry_id) in (select line_id from found_lines)
			or (e.kind in ('payout', 'payout_residual') and e.document_id in (select document_id from found_documents))`); err != nil {
		return nil, err
	}
	var out []Chapter
	for _, c := range chapters {
		t, more, err := db.Table(ctx, c.query, limit)
		if err != nil {
			return nil, err
		}
		if len(t.Rows) == 0 {
			continue
		}
		out = append(out, Chapter{c.title, t, more})
		switch c.title {
		case bytesTitle:
			sent, more, err := p.excerpts(ctx, db, limit)
			if err != nil {
				return nil, err
			}
			if len(sent.Rows) > 0 {
				out = append(out, Chapter{"what the source sent, personal data masked", sent, more})
			}
		case personTitle:
			why, err := causes(ctx, db)
			if err != nil {
				return nil, err
			}
			if len(why.Rows) > 0 {
				out = append(out, Chapter{"what may lie behind it, most likely first", why, false})
			}
		}
	}
	return out, nil
}

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
	return db.Exec(ctx, `
		insert into found_documents
		select document_id from recon.documents where abs(amount) = $amount::decimal(18, 2) and event_date between $day::date - 3 and $day::date + 3 and kind <> 'chargeback'
		except select document_id from found_documents;
		insert into found_lines
		select l.line_id from payout_lines as l inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
		where (abs(major(l.gross_minor, l.currency)) = $amount::decimal(18, 2) or abs(major(l.net_minor, l.currency)) = $amount::decimal(18, 2))
			and (p.paid_date between $day::date - 3 and $day::date + 3 or l.event_at::date between $day::date - 3 and $day::date + 3)
			and l.line_id not in (select line_id from found_lines)`,
		duck.Named("amount", amount), duck.Named("day", day))
}

// maxDiagnosed is how many exceptions of one story are looked into.
const maxDiagnosed = 10

// causes ranks what may lie behind the exceptions that the story tells of.
func causes(ctx context.Context, db *duck.DB) (duck.Table, error) {
	t := duck.Table{Columns: []string{"about", "rank", "cause", "says", "evidence", "action", "weight"}, Numeric: []bool{false, true, false, false, false, false, true}}
	type open struct{ id, about string }
	var found []open
	if err := db.Each(ctx, `select exception_id::varchar, document_id || coalesce(', ' || order_reference, '') from recon.exceptions
		where status = 'open' and `+ofTheStory+` order by opened_at, kind, exception_id limit `+fmt.Sprint(maxDiagnosed), func(scan func(...any) error) error {
		var o open
		if err := scan(&o.id, &o.about); err != nil {
			return err
		}
		found = append(found, o)
		return nil
	}); err != nil {
		return t, err
	}
	for _, o := range found {
		cs, err := diagnose(ctx, db, o.id)
		if err != nil {
			return t, err
		}
		for i, c := range cs {
			t.Rows = append(t.Rows, []duck.Cell{{Text: o.about}, {Text: fmt.Sprint(i + 1), Bare: true}, {Text: c.Name}, {Text: c.Says}, {Text: c.Evidence}, {Text: c.Action}, {Text: fmt.Sprint(c.Weight), Bare: true}})
		}
	}
	return t, nil
}

// ofTheStory are the exceptions that a story tells of.
const ofTheStory = `(document_id in (select document_id from found_documents where document_id not in (select document_id from payouts where status = 'booked'))
	or line_id in (select line_id from found_lines))`

var chapters = []struct{ title, query string }{
	{"documents", `select document_id, order_number, event_date, currency, amount, open_amount, status
		from recon.documents where document_id in (select document_id from found_documents) order by event_date, document_id`},
	{"payouts", `select payout_id, bank_reference, paid_date, currency, amount, sales, refunds, fees, other, difference, status, reason
		from recon.payouts where document_id in (select document_id from found_documents) order by paid_date`},
	{"what they hold, by VAT rate", `select g.document_id, g.class, g.country, rate_text(g.rate_bp) as vat_rate, major(g.gross_minor, d.currency) as gross, major(g.vat_minor, d.currency) as vat, g.how
		from document_groups as g inner join documents as d using (document_id)
		where d.kind in ('delivery', 'refund') and document_id in (select document_id from found_documents) order by 1, 2, 3, 4`},
	{"staged with these keys", `select document_id, key_type, value from document_keys where document_id in (select document_id from found_documents) order by document_id, key_type, value`},
	{"payout lines, and how each found its document", `select l.payout_id, l.event_date, l.provider_type as type, l.gross, l.fee, l.net, l.verdict, l.match_rule, l.evidence, l.matched_document
		from recon.payout_lines as l where l.line_id in (select line_id from found_lines) order by l.event_date, l.payout_id, l.line_id`},
	{"booked by", `select e.book_date, left(e.entry_id::varchar, 8) as entry, e.text, p.account, p.role, p.amount, x.rule
		from recon.entries as e inner join recon.postings as p using (entry_id) inner join recon.lineage as x on x.entry_id = p.entry_id and x.line = p.line
		where e.entry_id in (select entry_id from found_entries) order by e.book_date, e.entry_id, p.line`},
	{"corrected later", `select e.book_date, left(e.entry_id::varchar, 8) as entry, left(e.corrects::varchar, 8) as corrects, e.text, e.run_id
		from recon.entries as e where e.corrects is not null and e.entry_id in (select entry_id from found_entries) order by e.book_date, e.entry_id`},
	{bytesTitle, `select distinct x.of, b.sha256 as archive_sha256, x.locator, b.key, b.fetched_at
		from (` + foundBytes + `) as x inner join blobs as b using (blob_id) order by x.of, x.locator`},
	{"in the ERP", `select distinct d.erp_document_id as voucher, d.reference, d.status, d.erp_number, d.posted_at
		from erp_documents as d inner join postings as p on p.book = d.book and p.book_date = d.book_date and p.run_no <= d.through_run
		where p.entry_id in (select entry_id from found_entries)
			and (d.document_id is null or d.document_id = p.document_id or d.document_id = p.book) order by 1`},
	{"on the bank statement", `select account, booked_date, currency, amount, payout_id, match_rule, difference, verdict, reference, text from recon.bank_lines
		where line_id in (select m.line_id from bank_matches as m inner join payouts as p on p.source = m.source and p.payout_id = m.payout_id where p.document_id in (select document_id from found_documents)) order by booked_date`},
	{"what sets it apart in the proof", `select source, currency, since, until, document_id, reason, amount from recon.proof_differences where document_id in (select document_id from found_documents) order by since`},
	{personTitle, `select kind, document_id, currency, amount, reason, evidence, suggestion, status from recon.exceptions
		where ` + ofTheStory + ` order by opened_at, kind`},
}

// foundBytes are the places in the archive that what was found comes from.
const foundBytes = `
	select d.document_id as of, d.blob_id, coalesce(d.locator, '$') as locator from documents as d where d.document_id in (select document_id from found_documents)
	union
	select p.document_id, p.blob_id, coalesce(p.locator, '$') from payouts as p where p.has_header and p.document_id in (select document_id from found_documents)
	union
	select 'line ' || left(l.line_id::varchar, 8), l.blob_id, coalesce(l.locator, 'row ' || coalesce(l.row_no, l.rowid - b.first_rowid + 2))
	from payout_lines as l inner join blobs as b using (blob_id)
	-- The row that paid a payout out carries the payout's own entry.
	where l.line_id in (select line_id from found_lines) or l.line_id in (select entry_id from found_entries)
	union
	select 'bank ' || left(r.line_id::varchar, 8), r.blob_id, r.locator from bank_rows as r
	where r.line_id in (select m.line_id from bank_matches as m inner join payouts as p on p.source = m.source and p.payout_id = m.payout_id where p.document_id in (select document_id from found_documents))`
