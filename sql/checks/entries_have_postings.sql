-- Every entry has postings and every posting its entry, on the same day, once.
select coalesce(e.entry_id, p.entry_id)::varchar as key,
    case when p.entry_id is null then 'an entry without postings' when e.entry_id is null then 'postings without their entry'
        when e.times > 1 then 'the same entry ' || e.times || ' times' else 'its postings are on another date' end as wrong
from (select entry_id, min(book_date) as book_date, count(*) as times from entries group by entry_id) as e
full join (select entry_id, min(book_date) as first_date, max(book_date) as last_date from postings group by entry_id) as p
    on p.entry_id = e.entry_id
where p.entry_id is null or e.entry_id is null or e.times > 1 or p.first_date <> e.book_date or p.last_date <> e.book_date
