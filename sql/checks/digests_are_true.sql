-- The digest of every page of the books is that of its postings.
with

now as (

    select book, book_date, sha256(string_agg(line, chr(10) order by line)) as digest
    from book_lines
    group by book, book_date

)

select coalesce(n.book, d.book) || ' ' || coalesce(n.book_date, d.book_date) as key, 'its postings are not what they were when it was booked' as wrong
from now as n
full join book_digests as d on d.book = n.book and d.book_date = n.book_date
where n.digest is distinct from d.digest
