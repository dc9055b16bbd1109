-- The digest of each page of the books that this run touched, and of the whole.
--
-- Canonical form: per page (book and date), every document's postings summed by role,
-- account, currency, country and rate, zero sums left out, in the order of their text. So
-- an entry with its corrections reads as what it says now: equal books have equal digests,
-- whatever runs led there. Run IDs and recording times are no part of it.

create or replace temp table touched_books as
select distinct p.book, p.book_date from postings as p cross join this_run as r where p.run_no = r.run_no;

delete from book_digests as d
where exists (select 1 from touched_books as t where t.book = d.book and t.book_date = d.book_date);

insert into book_digests by name
select book, book_date, sha256(string_agg(line, chr(10) order by line)) as digest
from book_lines
where (book, book_date) in (select (book, book_date) from touched_books)
group by book, book_date;
