-- A booked payout has an entry for every line that moves money, and a held one has none.
with

wanted as (

    select l.source, l.payout_id, count(*) as lines
    from payout_lines as l
    inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
    inner join line_words as k on k.source = l.source
        and k.provider_type is not distinct from l.provider_type and k.provider_detail is not distinct from l.provider_detail
        and p.booked_run between k.from_run and coalesce(k.to_run, 2147483647)
    where k.kind <> 'carried' and not (k.kind = 'fee' and p.fee_rows = 'invoiced')
        and (l.net_minor <> 0 or l.fee_vat_minor <> 0 or (k.kind <> 'fee' and (l.fee_minor <> 0 or l.gross_minor <> 0)))
    group by l.source, l.payout_id

),

-- What was booked and taken back whole, when a person decided otherwise, is not there any more.
taken_back as (

    select subject
    from (
        select coalesce(e.corrects, e.entry_id) as subject, p.account, p.document_id, sum(p.amount_minor) as minor
        from entries as e
        inner join postings as p using (entry_id)
        where coalesce(e.corrects, e.entry_id) in (select corrects from entry_rows where corrects is not null and book like '%/payout/%')
        group by all
    )
    group by subject
    having bool_and(minor = 0)

),

found as (

    select e.source, e.document_id, count(*) as entries
    from entries as e
    where e.kind in ('payout_line', 'payout') and e.corrects is null and e.entry_id not in (select subject from taken_back)
        and e.entry_id <> name_of(e.document_id || '#paid')
    group by e.source, e.document_id

)

select p.document_id as key, coalesce(w.lines, 0) || ' lines to book, ' || coalesce(f.entries, 0) || ' booked' as wrong
from payouts as p
left join wanted as w on w.source = p.source and w.payout_id = p.payout_id
left join found as f on f.document_id = p.document_id
where coalesce(w.lines, 0) <> coalesce(f.entries, 0)
