package pipeline

import (
	"context"
	"fmt"
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
	arg := duck.Named("ref", ref)
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
	}
	return out, nil
}

var chapters = []struct{ title, query string }{
	{"documents", `select document_id, order_number, event_date, currency, amount, open_amount, status
		from recon.documents where document_id in (select document_id from found_documents) order by event_date, document_id`},
	{"payouts", `select payout_id, bank_reference, paid_date, currency, amount, sales, refunds, fees, other, difference, status, reason
		from recon.payouts where document_id in (select document_id from found_documents) order by paid_date`},
	{"what they hold, by VAT rate", `select g.document_id, g.class, g.country, rate_text(g.rate_bp) as vat_rate, major(g.gross_minor, d.currency) as gross, major(g.vat_minor, d.currency) as vat, g.how
		from document_groups as g inner join documents as d using (document_id)
		where d.kind in ('delivery', 'refund') and document_id in (select document_id from found_documents) order by 1, 2, 3, 4`},
	{"payout lines, and how each found its document", `select l.payout_id, l.event_date, l.provider_type as type, l.gross, l.fee, l.net, l.verdict, l.match_rule, l.evidence, l.matched_document
		from recon.payout_lines as l where l.line_id in (select line_id from found_lines) order by l.event_date, l.payout_id, l.line_id`},
	{"booked by", `select e.book_date, left(e.entry_id::varchar, 8) as entry, e.text, p.account, p.role, p.amount, x.rule
		from recon.entries as e inner join recon.postings as p using (entry_id) inner join recon.lineage as x on x.entry_id = p.entry_id and x.line = p.line
		where e.entry_id in (select entry_id from found_entries) order by e.book_date, e.entry_id, p.line`},
	{"from these bytes", `select distinct left(x.entry_id::varchar, 8) as entry, x.archive_sha256, x.locator, b.key, b.fetched_at
		from recon.lineage as x inner join blobs as b on b.sha256 = x.archive_sha256
		where x.entry_id in (select entry_id from found_entries) order by entry, x.locator`},
	{"in the ERP", `select distinct d.erp_document_id as voucher, d.reference, d.status, d.erp_number, d.posted_at
		from erp_documents as d inner join postings as p on p.book = d.book and p.book_date = d.book_date and p.run_no <= d.through_run
		where p.entry_id in (select entry_id from found_entries)
			and (d.document_id is null or d.document_id = p.document_id or d.document_id = p.book) order by 1`},
	{"needs a person", `select kind, document_id, currency, amount, reason, evidence, suggestion, status from recon.exceptions
		where document_id in (select document_id from found_documents where document_id not in (select document_id from payouts where status = 'booked'))
			or line_id in (select line_id from found_lines) order by opened_at, kind`},
}
