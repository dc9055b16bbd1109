-- The digest of each page of the books that this run touched, and of the whole.
--
-- Canonical form: per page (book and date), every document's postings summed by role,
-- account, currency, country and rate, zero sums left out, in the order of their text. So
-- an entry with its corrections reads as what it says now: equal books have equal digests,
-- whatever runs led there. Run IDs and recording times are no part of it.

-- A page that was never there before holds rows of this run only: the others need not be read.
create or replace temp table touched_books as
select p.book, p.book_date, case when any_value(d.digest) is null then any_value(r.run_no) else 0 end as since
from (
    select book, book_date from posting_rows where run_no = (select run_no from this_run)
    union
    select payout_document, book_date from line_classes where run_no = (select run_no from this_run)
) as p
cross join this_run as r
left join book_digests as d on d.book = p.book and d.book_date = p.book_date
group by p.book, p.book_date;

delete from book_digests as d
where exists (select 1 from touched_books as t where t.book = d.book and t.book_date = d.book_date and t.since = 0);

-- Lines are summed by class, in their own columns, before they become postings.
create or replace temp table summed_lines as
select
    null::uuid as line_id, b.class_no, b.settles, null::bigint as row_no, null::varchar as locator, null::integer as run_no,
    sum(b.net)::bigint as net, sum(b.fee)::bigint as fee, sum(b.fee_vat)::bigint as fee_vat, sum(b.counter)::bigint as counter, sum(b.rounding)::bigint as rounding,
    sum(coalesce(b.net_home, b.net))::bigint as net_home, sum(coalesce(b.fee_home, b.fee))::bigint as fee_home,
    sum(coalesce(b.fee_vat_home, b.fee_vat))::bigint as fee_vat_home, sum(coalesce(b.counter_home, b.counter))::bigint as counter_home,
    sum(coalesce(b.rounding_home, b.rounding))::bigint as rounding_home, sum(b.reverse_home)::bigint as reverse_home,
    b.fx_home > 0 as is_loss, sum(b.fx_home)::bigint as fx_home
from booked_lines as b
where b.run_no >= (select min(since) from touched_books)
    and b.class_no in (
        select c.class_no from line_classes as c
        semi join touched_books as t on t.book = c.payout_document and t.book_date = c.book_date)
group by b.class_no, b.settles, b.fx_home > 0;

insert into book_digests by name
select book, book_date, sha256(string_agg(line, chr(10) order by line)) as digest
from (
    select book, book_date, book_line(book, book_date, source, document_id, role, account, currency, country, rate_bp,
        sum(amount_minor), sum(amount_currency_minor)) as line
    from (
        select p.book, p.book_date, p.source, p.document_id, p.role, p.account, p.currency, p.country, p.rate_bp, p.amount_minor, p.amount_currency_minor
        from posting_rows as p
        semi join touched_books as t on t.book = p.book and t.book_date = p.book_date
        where p.run_no >= (select min(since) from touched_books)
        union all
        select book, book_date, source, document_id, role, account, currency, null, null, amount_minor, amount_currency_minor
        from (
{{line_postings}}
        )
    )
    group by book, book_date, source, document_id, role, account, currency, country, rate_bp
    having sum(amount_minor) <> 0 or sum(amount_currency_minor) <> 0
)
group by book, book_date;
