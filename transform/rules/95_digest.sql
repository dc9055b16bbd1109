-- The digest of each page of the books that this run touched, and of the whole.
--
-- Canonical form: per page (book and date), every document's postings summed by role,
-- account, currency, country and rate, zero sums left out, in the order of their text. So
-- an entry with its corrections reads as what it says now: equal books have equal digests,
-- whatever runs led there. Run IDs and recording times are no part of it.

-- A page that was never there before holds rows of this run only: the others need not be read.
create or replace temp table touched_books as
select p.book, p.book_date, case when any_value(d.digest) is null then any_value(r.run_no) else 0 end as since
from (select distinct book, book_date from postings where run_no = (select run_no from this_run)) as p
cross join this_run as r
left join book_digests as d on d.book = p.book and d.book_date = p.book_date
group by p.book, p.book_date;

delete from book_digests as d
where exists (select 1 from touched_books as t where t.book = d.book and t.book_date = d.book_date and t.since = 0);

insert into book_digests by name
select book, book_date, sha256(string_agg(line, chr(10) order by line)) as digest
from (
    select p.book, p.book_date, book_line(p.book, p.book_date, source, document_id, role, account, currency, country, rate_bp,
        sum(amount_minor), sum(amount_currency_minor)) as line
    from postings as p
    semi join touched_books as t on t.book = p.book and t.book_date = p.book_date
    where p.run_no >= (select min(since) from touched_books)
    group by p.book, p.book_date, source, document_id, role, account, currency, country, rate_bp
    having sum(amount_minor) <> 0 or sum(amount_currency_minor) <> 0
)
group by book, book_date;
