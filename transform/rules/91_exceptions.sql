-- What needs a person now, per document and payout looked at. An exception whose cause is
-- gone is closed; one that stays keeps the day it was opened.

create or replace temp table raised as

select s.why_kind as kind, d.source, d.document_id, s.why as reason, d.currency, s.why_minor as amount_minor, s.evidence, s.suggestion
from document_states as s
inner join todo_documents using (document_id)
inner join documents as d using (document_id)
where s.state = 'held'

union all

-- Booked as stated, and said (posting_rules §3).
select 'vat_mismatch', d.source, d.document_id,
    count(*) || ' of its lines state VAT that does not fit their rate: '
        || string_agg('line ' || l.line_no || ' ' || money(l.vat_minor, d.currency) || ', ' || rate_text(l.rate_bp) || ' % would be ' || money(vat_inside(l.gross_minor, l.rate_bp), d.currency), '; ' order by l.line_no),
    d.currency, sum(l.vat_minor - vat_inside(l.gross_minor, l.rate_bp))::bigint, null,
    'correct the VAT rate or amount in the shop; the books follow what it states'
from documents as d
inner join todo_documents using (document_id)
inner join document_states as s using (document_id)
inner join document_lines as l using (document_id)
where s.state in ('booked', 'held') and d.kind in ('delivery', 'refund') and l.line_type not in ('gift_card', 'store_credit', 'sales_tax')
    and abs(l.vat_minor - vat_inside(l.gross_minor, l.rate_bp)) > 1
group by d.source, d.document_id, d.currency

union all

select f.verdict.kind, f.source, f.document_id, f.verdict.text, f.currency, f.verdict.minor, f.verdict.evidence, f.verdict.suggestion
from payout_facts as f
where f.verdict.status = 'held'

union all

-- Booked already, then delivered again with other content: the books stay, a person is told.
select g.kind, g.source, p.document_id, g.reason, p.currency, g.amount_minor, g.evidence,
    'the books keep the first delivery; ask the provider which one is right'
from payout_flags as g
inner join payouts as p on p.source = g.source and p.payout_id = g.payout_id
cross join this_run as r
where g.kind = 'payout_changed' and (p.booked_run < r.run_no or (p.source, p.payout_id) in (select (source, payout_id) from todo_reopened where as_first))
    and (g.source, g.payout_id) in (select (source, payout_id) from todo_payouts)
    and not exists (
        select 1 from document_decisions as x
        where x.document_id = p.document_id and x.kind = g.kind and x.action in ('accept', 'keep') and g.blob_id <= x.through_blob);

-- What a person said to leave as it is, for as long as it is the same matter.
delete from raised as n using decided as x
where x.action = 'ignore' and x.line_id is null and x.kind = n.kind and x.document_id = n.document_id and x.amount_minor is not distinct from n.amount_minor;

create or replace temp table looked_at as
select document_id from todo_documents
union
select p.document_id from payouts as p
inner join todo_payouts as t on t.source = p.source and t.payout_id = p.payout_id;

update exceptions as x set status = 'resolved', closed_at = r.began
from this_run as r
where x.status = 'open' and x.document_id in (select document_id from looked_at)
    and not starts_with(coalesce(x.evidence, ''), 'ERP document ') -- those are between us and the ERP
    and (x.kind, x.document_id) not in (select (kind, document_id) from raised);

update exceptions as x set reason = n.reason, amount_minor = n.amount_minor, evidence = n.evidence, suggestion = n.suggestion
from (select distinct on (kind, document_id) * from raised) as n
where x.status = 'open' and x.kind = n.kind and x.document_id = n.document_id
    and (x.reason <> n.reason or x.amount_minor is distinct from n.amount_minor);

insert into exceptions by name
select distinct on (n.kind, n.document_id)
    name_of(n.kind || ' ' || n.document_id || ' ' || r.run_no) as exception_id, n.kind, n.source, n.document_id, n.reason, n.currency, n.amount_minor,
    n.evidence, n.suggestion, r.began as opened_at, null::timestamp as closed_at, 'open' as status, r.run_no
from raised as n
cross join this_run as r
where not exists (
    select 1 from exceptions as x
    where x.kind = n.kind and x.document_id = n.document_id and x.status = 'open');
