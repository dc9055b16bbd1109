-- The desired postings of lines that are matched anew, for 90_apply.sql.

create or replace temp table desired as
select
    entry_id as subject, 'payout_line' as kind, source, book as entry_document, event_date, book_date, text,
    book, line, role, account, amount_minor, currency, amount_currency_minor,
    document_id, null::varchar as country, null::integer as rate_bp, rule, blob_id, row_no, locator
from (
{{line_postings}}
);

create or replace temp table work_subjects as select line_id as subject from late_lines;
