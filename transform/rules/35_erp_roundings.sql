-- Where the ERP's voucher of an invoice differs from the ledger by what its own VAT rounding makes, the ledger
-- follows: a correction entry of its own, on the day of that voucher, which is in the ERP already.
-- Source: posting_rules §9.

create or replace temp table new_roundings as
select
    name_of('erp_rounding ' || r.erp_document_id) as entry_id, first.entry_id as subject, coalesce(e.erp_date, e.book_date) as book_date,
    first.event_date, first.source, first.document_id, first.book, r.erp_document_id, d.currency, d.currency = c.currency as is_home,
    r.role, r.account, r.country, r.rate_bp, sum(r.amount_minor)::bigint as amount_minor

from erp_roundings as r
inner join todo_documents using (document_id)
inner join documents as d using (document_id)
inner join erp_documents as e on e.erp_document_id = r.erp_document_id
inner join entries as first on first.entry_id = name_of(r.document_id)
cross join set_company as c

where name_of('erp_rounding ' || r.erp_document_id) not in (select entry_id from entries where kind = 'correction')

group by all

having sum(r.amount_minor) <> 0;

insert into entry_rows by name
select
    n.entry_id, any_value(n.book_date) as book_date, any_value(n.event_date) as event_date, 'correction' as kind, any_value(n.source) as source,
    n.document_id, 'Correction of ' || n.document_id || ': erp_rounding' as text, any_value(n.subject) as corrects, any_value(n.book) as book, any_value(r.run_no) as run_no
from new_roundings as n
cross join this_run as r
group by n.entry_id, n.document_id;

insert into posting_rows by name
select
    n.entry_id, (row_number() over (partition by n.entry_id order by n.role, n.account, n.rate_bp))::utinyint as line, n.book_date, n.account, n.role,
    n.amount_minor, n.currency, case when n.is_home then n.amount_minor else 0 end as amount_currency_minor, n.source, n.document_id, n.country, n.rate_bp,
    n.book, 'erp_rounding' as rule, r.run_no
from new_roundings as n
cross join this_run as r;

-- The ERP has it: it is in no plan.
insert into erp_entries by name
select distinct entry_id, erp_document_id from new_roundings;
