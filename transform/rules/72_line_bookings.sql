-- First bookings of payout lines, all at once: a payout of a million rows is one statement.
-- The entry of a line carries the line's own ID.

insert into entries by name
select
    line_id as entry_id, book_date, event_date, case kind when 'payout' then 'payout' else 'payout_line' end as kind,
    source, payout_document as document_id, text, null::uuid as corrects, payout_document as book, r.run_no
from line_work
cross join this_run as r;

insert into postings by name
select
    subject as entry_id, line, book_date, account, role, amount_minor, currency, amount_currency_minor,
    source, document_id, null::varchar as country, null::integer as rate_bp, payout_document as book, rule, blob_id, row_no, locator, r.run_no
from line_postings
cross join this_run as r;
