-- The postings of booked lines: a row for each column of {{lines}} that holds an amount.
-- Source: posting_rules §2, entries 3 to 10 and 13.

select
    b.class_no, b.line_id as entry_id, 1::utinyint as line, 'clearing' as role, c.clearing as account, coalesce(b.net_home, b.net) as amount_minor, b.net as amount_currency_minor,
    c.payout_document as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, c.currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where b.net <> 0 or b.net_home <> 0

union all

select
    b.class_no, b.line_id as entry_id, 2::utinyint as line, 'fee' as role, c.fee_account as account, coalesce(b.fee_home, b.fee) as amount_minor, b.fee as amount_currency_minor,
    c.payout_document as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, c.currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where b.fee <> 0 or b.fee_home <> 0

union all

select
    b.class_no, b.line_id as entry_id, 3::utinyint as line, 'fee_vat' as role, c.fee_vat_account as account, coalesce(b.fee_vat_home, b.fee_vat) as amount_minor, b.fee_vat as amount_currency_minor,
    c.payout_document as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, c.currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where b.fee_vat <> 0 or b.fee_vat_home <> 0

union all

select
    b.class_no, b.line_id as entry_id, 4::utinyint as line, 'reverse_in' as role, c.reverse_in as account, b.reverse_home as amount_minor, 0::bigint as amount_currency_minor,
    c.payout_document as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, c.currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where b.reverse_home <> 0

union all

select
    b.class_no, b.line_id as entry_id, 5::utinyint as line, 'reverse_out' as role, c.reverse_out as account, -b.reverse_home as amount_minor, 0::bigint as amount_currency_minor,
    c.payout_document as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, c.currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where b.reverse_home <> 0

union all

select
    b.class_no, b.line_id as entry_id, 6::utinyint as line, c.counter_role as role, c.counter_account as account, coalesce(b.counter_home, b.counter) as amount_minor, b.counter as amount_currency_minor,
    coalesce(b.settles, c.payout_document) as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, coalesce(c.counter_currency, c.currency) as currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where c.counter_role is not null and (b.counter <> 0 or b.counter_home <> 0)

union all

select
    b.class_no, b.line_id as entry_id, 7::utinyint as line, 'rounding' as role, c.rounding_account as account, -coalesce(b.rounding_home, b.rounding) as amount_minor, -b.rounding as amount_currency_minor,
    c.payout_document as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, c.currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where b.rounding <> 0 or b.rounding_home <> 0

union all

select
    b.class_no, b.line_id as entry_id, 8::utinyint as line, case when b.fx_home > 0 then 'fx_loss' else 'fx_gain' end as role, case when b.fx_home > 0 then c.fx_loss else c.fx_gain end as account, b.fx_home as amount_minor, 0::bigint as amount_currency_minor,
    c.payout_document as document_id, c.source, c.payout_document as book, c.event_date, c.book_date, c.currency, c.text, c.rule, c.blob_id, b.row_no, b.locator, b.run_no
from {{lines}} as b
inner join {{classes}} as c using (class_no)
where b.fx_home <> 0
