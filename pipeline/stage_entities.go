package pipeline

import (
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/sql/duck"
)

// model runs one staging query over the answers in raw and merges what it yields.
func (s *staging) model(src Source, m extract.Model) error {
	text, err := modelText(src.Connector, m)
	if err != nil {
		return err
	}
	start := s.w.Wall()
	defer func() { s.w.Log.Debug("model", "file", m.File, "took", s.w.Wall().Sub(start)) }()
	switch {
	case m.Temp != "":
		err = s.w.db.Exec(s.ctx, fmt.Sprintf("create or replace temp table %s as\n%s", m.Temp, text))
	case s.only != "" && !strings.HasPrefix(m.Entity, "payout"):
	case strings.Contains(merges[m.Entity], "{{once}}"):
		return s.mergeRows(src, m, "("+incoming(m, text)+")")
	default:
		if err = s.w.db.Exec(s.ctx, "create or replace temp table incoming as "+incoming(m, text)); err == nil {
			err = s.narrow(src, m.Entity)
		}
		if err == nil && m.Entity == "payout_lines" {
			err = s.w.db.Exec(s.ctx, "create or replace temp table incoming as "+namedLines(src.Name, "incoming"))
		}
		if err == nil {
			return s.mergeRows(src, m, "incoming")
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", m.File, err)
	}
	return nil
}

// incoming is what a model yields, with the columns of its entity's table: those that a provider does not have are null.
func incoming(m extract.Model, text string) string {
	return fmt.Sprintf("select * from (select * from %s where false) union all by name select * from (\n%s\n)", m.Entity, text)
}

// mergeRows merges what a model yielded, payout lines with their names. Each entity has one way to be merged, whatever the provider.
func (s *staging) mergeRows(src Source, m extract.Model, rows string) error {
	merge, ok := merges[m.Entity]
	if !ok {
		return fmt.Errorf("%s: there is no entity %q", m.File, m.Entity)
	}
	if m.Leave != "" {
		if err := s.w.db.Exec(s.ctx, fmt.Sprintf("create or replace temp table staying as select * from %s where (%s) is not true", rows, m.Leave)); err != nil {
			return fmt.Errorf("%s: %w", m.File, err)
		}
		rows = "staying"
	}
	if m.Entity == "payout_lines" && !hasHeaders(src.Connector) {
		merge += headerless
	}
	query := strings.NewReplacer("{{source}}", duck.Quote(src.Name), "{{kinds}}", ofKinds(m), "{{rows}}", rows, "{{once}}", rows).Replace(merge)
	if err := s.w.db.Exec(s.ctx, query); err != nil {
		return fmt.Errorf("%s: %w", m.File, err)
	}
	return nil
}

// lineContent is what tells one payout line from another: everything the row says.
const lineContent = `concat_ws('|', {{source}}, payout_id, part, provider_type, coalesce(provider_detail, ''), coalesce(order_key, ''), coalesce(event_key, ''),
	coalesce(order_reference, ''), coalesce(other_references, ''), coalesce(epoch_us(event_at), 0), coalesce(currency, ''),
	coalesce(gross_minor::varchar, '?'), coalesce(fee_minor::varchar, '?'), coalesce(fee_vat_minor, 0), coalesce(net_minor::varchar, '?'), coalesce(row_off_minor, 0), coalesce(text, ''))`

// lineTags are what the references of a payout line are found by.
const lineTags = "tag_of(normal_reference(order_reference)) as order_reference_tag, tag_of(order_key) as order_key_tag, tag_of(event_key) as event_key_tag"

// namedLines is a query of payout lines with the names they are known by: what a line says, and which of its answer's equal ones it is.
func namedLines(source, rows string) string {
	content := strings.ReplaceAll(lineContent, "{{source}}", duck.Quote(source))
	return strings.NewReplacer("{{content}}", content, "{{tags}}", lineTags, "{{rows}}", rows).Replace(`
select name_of(content || '|' || row_number() over (partition by content, blob_id order by row_no)) as line_id, * exclude (content)
from (select i.* exclude (line_id, source, run_no) replace ({{tags}}), {{content}} as content from {{rows}} as i)`)
}

// ofKinds narrows what a model's documents replace to the kinds it yields.
func ofKinds(m extract.Model) string {
	if len(m.Kinds) == 0 {
		return ""
	}
	quoted := make([]string, len(m.Kinds))
	for i, k := range m.Kinds {
		quoted[i] = duck.Quote(k)
	}
	return " and kind in (" + strings.Join(quoted, ", ") + ")"
}

// In merges {{rows}} is a table of what a model yielded; where it is read but once, {{once}} can be the model itself.
var merges = map[string]string{
	// An order is read whole, or the kinds of its documents that a model has are: the newest version
	// replaces what was known of it. All its documents are looked at again: a refund is judged by what was delivered.
	"documents": `
create or replace temp table newest as
select order_id, max(blob_id) as blob_id from {{rows}} where order_id is not null group by order_id;

create or replace temp table old_documents as
select document_id, kind from documents where source = {{source}} and order_id in (select order_id from newest);

insert into todo_documents
select document_id from old_documents
union
select {{source}} || '/' || i.kind || '/' || i.doc_ref from {{rows}} as i inner join newest using (order_id, blob_id)
where i.doc_ref is not null
except
select document_id from todo_documents;

delete from document_lines where document_id in (select document_id from old_documents where true{{kinds}});
delete from document_keys where document_id in (select document_id from old_documents where true{{kinds}});
delete from documents where document_id in (select document_id from old_documents where true{{kinds}});

insert into documents by name
select
	i.* exclude (document_id, source, event_date, run_no),
	{{source}} || '/' || i.kind || '/' || i.doc_ref as document_id, {{source}} as source,
	local_date(i.event_at, c.time_zone) as event_date, r.run_no
from {{rows}} as i
inner join newest using (order_id, blob_id)
cross join set_company as c
cross join this_run as r
where i.rowid in (select min(x.rowid) from {{rows}} as x inner join newest using (order_id, blob_id) where x.doc_ref is not null group by x.kind, x.doc_ref);

-- What lines and keys are then for: an answer's documents are read before both.
create or replace temp table new_documents as
select document_id, kind, doc_ref from documents where source = {{source}} and blob_id in (select blob_id from newest);

insert into exceptions by name
select name_of('malformed_record ' || {{source}} || '/' || b.key || ' ' || r.run_no) as exception_id, 'malformed_record' as kind, {{source}} as source,
	{{source}} || '/' || b.key as document_id, 'the answer names no order' as reason, null as currency, null as amount_minor, null as evidence,
	'ask the provider; the bytes are in the archive' as suggestion, r.began as opened_at, null as closed_at, 'open' as status, r.run_no
from blobs as b, this_run as r
where b.blob_id in (select blob_id from {{rows}} where order_id is null);`,

	"document_lines": `
insert into document_lines by name
select i.* exclude (document_id, kind, doc_ref, order_id), d.document_id as document_id
from {{once}} as i
inner join new_documents as d on d.kind = i.kind and d.doc_ref = i.doc_ref;`,

	"document_keys": `
insert into document_keys by name
select distinct d.document_id, i.key_type, i.value, case i.key_type when 'payment_id' then payment_reference(i.value) else normal_reference(i.value) end as normal
from {{once}} as i
inner join new_documents as d on d.kind = i.kind and d.doc_ref = i.doc_ref;`,

	// A payout that is there already with other figures is flagged; what is booked stays.
	"payouts": `
insert into payout_flags by name
select distinct {{source}} as source, i.payout_id, 'payout_changed' as kind,
	'its totals differ from the first delivery: ' || money(p.amount_minor, p.currency) || ' then, ' || money(i.amount_minor, i.currency) || ' now' as reason,
	i.amount_minor - p.amount_minor as amount_minor, concat_ws(' | now: ', p.stated, i.stated) as evidence, i.blob_id
from {{rows}} as i
inner join payouts as p on p.source = {{source}} and p.payout_id = i.payout_id
where p.has_header
	and ((p.currency, p.paid_at, p.closing_minor) is distinct from (i.currency, i.paid_at, i.closing_minor)
		-- Of a total of two meanings the rows may have chosen the other.
		or ((p.amount_minor, p.rows_expected_minor, p.other_amount_minor) is distinct from (i.amount_minor, i.rows_expected_minor, i.other_amount_minor)
			and (p.other_amount_minor, p.rows_expected_minor, p.amount_minor) is distinct from (i.amount_minor, i.other_amount_minor, i.other_amount_minor)))
	and not exists (select 1 from payout_flags as f where f.source = {{source}} and f.payout_id = i.payout_id and f.blob_id = i.blob_id);

insert into todo_payouts
select {{source}}, payout_id from {{rows}} where payout_id is not null
except select source, payout_id from todo_payouts;

insert into payouts by name
select distinct on (i.payout_id)
	i.* exclude (source, document_id, has_header, run_no, status),
	{{source}} as source, {{source}} || '/payout/' || i.payout_id as document_id, true as has_header, r.run_no, 'pending' as status
from {{rows}} as i
cross join this_run as r
where i.payout_id is not null and i.payout_id not in (select payout_id from payouts where source = {{source}})
order by i.payout_id, i.blob_id;`,

	"payout_parts": `
delete from payout_parts where source = {{source}} and (payout_id, part) in (select (payout_id, part) from {{rows}});
insert into payout_parts by name
select distinct on (payout_id, part) i.* exclude (source), {{source}} as source from {{rows}} as i order by payout_id, part, blob_id desc;
insert into todo_payouts select distinct {{source}}, payout_id from {{rows}} except select source, payout_id from todo_payouts;`,

	"payout_lines": `
create or replace temp table known_parts as
select distinct l.payout_id, l.part from payout_lines as l
where l.source = {{source}} and (l.payout_id, l.part) in (select (payout_id, part) from {{rows}})
union
-- A page more of a payout that is booked: it stays as it was booked.
select distinct n.payout_id, n.part from {{rows}} as n
inner join payouts as p on p.source = {{source}} and p.payout_id = n.payout_id and p.booked_run is not null;

-- The same page again: the same rows are nothing new, others are flagged and not taken in.
insert into payout_flags by name
select {{source}} as source, payout_id, 'payout_changed' as kind,
	count(*) filter (is_new) || ' rows are new and ' || count(*) filter (not is_new) || ' are gone since the first delivery' as reason,
	sum(case when is_new then net_minor else -net_minor end)::bigint as amount_minor,
	string_agg(case when is_new then 'new: ' else 'gone: ' end || concat_ws(' ', provider_type, order_reference, money(net_minor, currency)), '; ' order by is_new, line_id) as evidence,
	max(blob_id) as blob_id
from (
	select n.payout_id, n.line_id, true as is_new, n.provider_type, n.order_reference, n.net_minor, n.currency, n.blob_id
	from {{rows}} as n semi join known_parts as k on k.payout_id = n.payout_id and k.part = n.part
	where n.line_id not in (select line_id from payout_lines where source = {{source}})
	union all
	select l.payout_id, l.line_id, false, l.provider_type, l.order_reference, l.net_minor, l.currency, l.blob_id
	from payout_lines as l semi join known_parts as k on k.payout_id = l.payout_id and k.part = l.part
	where l.source = {{source}} and l.line_id not in (select line_id from {{rows}})
)
group by payout_id;

insert into payout_lines by name
select n.*, {{source}} as source, r.run_no
from {{rows}} as n
cross join this_run as r
where n.rowid in (select min(rowid) from {{rows}} where (payout_id, part) not in (select (payout_id, part) from known_parts) group by line_id);

insert into todo_payouts
select distinct {{source}}, payout_id from {{rows}} where payout_id is not null
except select source, payout_id from todo_payouts;`,

	"provider_balances": `
insert into provider_balances by name
select i.* exclude (source, run_no), {{source}} as source, r.run_no from {{rows}} as i cross join this_run as r;`,

	// What moved never changes, and is listed again in every window that overlaps.
	"provider_movements": `
insert into provider_movements by name
select distinct on (i.movement_id) i.* exclude (source, run_no), {{source}} as source, r.run_no
from {{rows}} as i
cross join this_run as r
where i.movement_id not in (select movement_id from provider_movements where source = {{source}})
order by i.movement_id, i.blob_id;`,
}

// headerless gives a payout its row when the source has rows only and no header: it is new when its first
// rows are, which are of this run.
const headerless = `
insert into payouts by name
select t.source, t.payout_id, t.source || '/payout/' || t.payout_id as document_id, false as has_header, 'pending' as status, 'deducted' as fee_rows, l.blob_id, r.run_no
from todo_payouts as t
cross join this_run as r
inner join (
	select l.source, l.payout_id, max(l.blob_id) as blob_id
	from payout_lines as l
	where l.run_no = (select run_no from this_run)
	group by l.source, l.payout_id
) as l on l.source = t.source and l.payout_id = t.payout_id
where t.source = {{source}} and not exists (select 1 from payouts as p where p.source = t.source and p.payout_id = t.payout_id);`

// hasHeaders reports whether the source states its payouts apart from their rows.
func hasHeaders(src extract.Source) bool {
	for _, m := range src.Models {
		if m.Entity == "payouts" {
			return true
		}
	}
	return false
}
