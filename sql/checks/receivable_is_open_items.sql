-- The receivable of every document is its amount less what payout lines settled of it.
with

ledger as (

    select p.document_id, sum(p.amount_currency_minor) as amount
    from postings as p
    where p.role = 'receivable'
    group by p.document_id

),

stated as (

    select d.document_id,
        case d.kind when 'delivery' then d.amount_minor when 'refund' then -d.amount_minor else 0 end as amount
    from documents as d
    inner join document_states as s using (document_id)
    where d.kind in ('delivery', 'refund') and s.state = 'booked'

),

settled as (

    select m.document_id,
        sum(case when l.gross_minor < 0 then 1 else -1 end * m.amount_minor) as amount
    from line_matches as m
    inner join payout_lines as l using (line_id)
    where m.state in ('matched', 'not_delivered')
    group by m.document_id

)

select coalesce(s.document_id, t.document_id, l.document_id) as key,
    'the ledger says ' || coalesce(l.amount, 0) || ', its document and lines ' || (coalesce(s.amount, 0) + coalesce(t.amount, 0)) as wrong
from stated as s
full join settled as t on t.document_id = s.document_id
full join ledger as l on l.document_id = coalesce(s.document_id, t.document_id)
where coalesce(l.amount, 0) <> coalesce(s.amount, 0) + coalesce(t.amount, 0)
    -- Sales booked elsewhere (unmatched = "receivable") stand under their payout.
    and coalesce(s.document_id, t.document_id, l.document_id) not in (select document_id from payouts)
    -- A document that was edited or held after its lines were matched is told by its own exception.
    and coalesce(s.document_id, t.document_id, l.document_id) not in (select document_id from document_states where state = 'held')
