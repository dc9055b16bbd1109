-- The desired postings of lines that are matched anew, for 90_apply.sql.

create or replace temp table desired as
select
    entry_id as subject, 'payout_line' as kind, source, book as entry_document, event_date, book_date, text,
    book, line, role, account, amount_minor, currency, amount_currency_minor,
    document_id, null::varchar as country, null::integer as rate_bp, rule, blob_id, row_no, locator
from (
{{line_postings}}
);

create or replace temp table work_subjects as
select line_id as subject from late_lines
union
-- A payout that is proven again: its rows may be others now, or it may be held.
select b.line_id from booked_lines as b
inner join line_classes as c using (class_no)
where c.payout_document in (select document_id from reopened)
union
select e.entry_id from entry_rows as e
where e.kind = 'payout_line' and e.document_id in (select document_id from reopened);
