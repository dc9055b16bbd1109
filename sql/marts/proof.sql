-- recon.proof_differences: what makes the ledger differ from the provider, document by document, from one day to another
-- recon.proof: per source, currency and day: what the ledger says the provider owes against what the provider and its documents say
--
-- The provider owes what was delivered and is not settled (receivable), and what it has settled and not paid
-- (clearing). The ledger's side is read from postings alone; the other side from documents, payouts and which
-- payout settled what. Neither side looks at the other; what is known to set them apart is a row here, with a name.

create or replace view recon.proof_differences as
with
openings as (
    select source, currency, arg_min(document_id, (paid_at, payout_id)) as document_id, min(paid_date) as since,
        arg_min(case when has_header then coalesce(opening_minor, 0) else 0 end, (paid_at, payout_id)) as minor
    from main.payouts
    where paid_date is not null and currency is not null
    group by source, currency
),
rows as (
    select d.source, d.currency, d.event_date as since, null::date as until, d.document_id, 'held: ' || s.why_kind as reason,
        case d.kind when 'refund' then d.amount_minor else -d.amount_minor end as minor
    from main.documents as d
    inner join main.document_states as s using (document_id)
    where s.state = 'held' and d.kind in ('delivery', 'refund') and d.event_date is not null and d.currency is not null
    union all
    select source, currency, paid_date, null, document_id, coalesce('held: ' || why_kind, status),
        -(coalesce(closing_minor, -carried_minor, 0) - case when has_header then coalesce(opening_minor, 0) else 0 end)
    from main.payouts
    where status <> 'booked' and paid_date is not null and currency is not null
    union all
    select source, currency, since, null, document_id, 'carried in from before the first payout that is here', -minor from openings
    union all
    -- Settled by the provider's word, of no document that is known or booked.
    select p.source, coalesce(x.currency, p.currency), p.paid_date, null, p.document_id, x.lines || ' lines on suspense', x.gross_minor
    from main.payout_settles as x
    inner join main.payouts as p on p.source = x.source and p.payout_id = x.payout_id
    where x.fate = 'suspense'
    union all
    select coalesce(x.document_source, p.source), coalesce(x.currency, p.currency), p.paid_date, null, p.document_id, 'lines rounded to their documents', x.rounding_minor
    from main.payout_settles as x
    inner join main.payouts as p on p.source = x.source and p.payout_id = x.payout_id
    where x.rounding_minor <> 0
    union all
    -- Booked on another day than it happened: a locked period, or a correction of what was booked before.
    select split_part(p.document_id, '/', 1), p.currency, least(e.event_date, e.book_date), greatest(e.event_date, e.book_date), p.document_id,
        case e.kind when 'correction' then 'corrected on ' || e.book_date || ' by entry ' || left(e.entry_id::varchar, 8)
            else 'booked on ' || e.book_date || ', its period being locked' end,
        case when e.book_date > e.event_date then -p.amount_currency_minor else p.amount_currency_minor end
    from main.posting_rows as p
    inner join main.entry_rows as e using (entry_id)
    where p.role in ('receivable', 'clearing') and e.book_date <> e.event_date
    union all
    select coalesce(x.document_source, c.source), coalesce(x.currency, c.currency), c.event_date, c.book_date, c.payout_document,
        'booked on ' || c.book_date || ', its period being locked', -x.minor
    from (
        select s.class_no, s.role, null as document_source, case when s.role = 'receivable' then k.counter_currency end as currency, sum(s.amount_currency_minor)::bigint as minor
        from main.class_sums as s inner join main.line_classes as k using (class_no) where s.role in ('receivable', 'clearing') group by all
        union all
        select class_no, 'receivable', source_of, currency, minor from main.settled_for_others
        union all
        select class_no, 'receivable', null, currency, -minor from main.settled_for_others
    ) as x
    inner join main.line_classes as c using (class_no)
    where c.event_date <> c.book_date
    union all
    -- The source has given it another date since it was booked.
    select d.source, d.currency, least(d.event_date, e.event_date), greatest(d.event_date, e.event_date), d.document_id, 'its date was changed at the source',
        case when e.event_date < d.event_date then p.amount_currency_minor else -p.amount_currency_minor end
    from main.documents as d
    inner join main.entry_rows as e on e.document_id = d.document_id and e.kind in ('delivery', 'refund')
    inner join main.posting_rows as p on p.entry_id = e.entry_id and p.role = 'receivable'
    where e.event_date <> d.event_date and d.run_no > e.run_no
)
select r.source, r.currency, r.since, r.until, r.document_id, r.reason, main.major(sum(r.minor)::bigint, r.currency) as amount, sum(r.minor)::bigint as amount_minor
from rows as r
group by r.source, r.currency, r.since, r.until, r.document_id, r.reason
having sum(r.minor) <> 0
order by r.source, r.currency, r.since, r.document_id;

create or replace view recon.proof as
with
openings as (
    select source, currency, min(paid_date) as date, arg_min(case when has_header then coalesce(opening_minor, 0) else 0 end, (paid_at, payout_id)) as minor
    from main.payouts
    where paid_date is not null and currency is not null
    group by source, currency
),
events as (
    -- the ledger's side
    select case role when 'receivable' then split_part(document_id, '/', 1) else source end as source, currency, book_date as date,
        sum(amount_currency_minor) filter (role = 'receivable') as receivable, sum(amount_currency_minor) filter (role = 'clearing') as clearing,
        0 as documents, 0 as carried, 0 as explained, 0 as held
    from main.posting_rows
    where role in ('receivable', 'clearing')
    group by 1, 2, 3
    union all
    select c.source, case when s.role = 'receivable' then coalesce(c.counter_currency, c.currency) else c.currency end, c.book_date, sum(s.amount_currency_minor) filter (s.role = 'receivable'), sum(s.amount_currency_minor) filter (s.role = 'clearing'), 0, 0, 0, 0
    from main.class_sums as s
    inner join main.line_classes as c using (class_no)
    where s.role in ('receivable', 'clearing')
    group by 1, 2, 3
    union all
    select unnest([x.source_of, c.source]), x.currency, c.book_date, unnest([x.minor, -x.minor]), 0, 0, 0, 0, 0
    from main.settled_for_others as x
    inner join main.line_classes as c using (class_no)
    union all
    -- the provider's side
    select d.source, d.currency, d.event_date, 0, 0, sum(case d.kind when 'refund' then -d.amount_minor else d.amount_minor end), 0, 0, 0
    from main.documents as d
    inner join main.document_states as s using (document_id)
    where d.kind in ('delivery', 'refund') and s.state in ('booked', 'held') and d.event_date is not null and d.currency is not null
    group by 1, 2, 3
    union all
    select coalesce(x.document_source, p.source), coalesce(x.currency, p.currency), p.paid_date, 0, 0, -x.gross_minor, 0, 0, 0
    from main.payout_settles as x
    inner join main.payouts as p on p.source = x.source and p.payout_id = x.payout_id
    union all
    select source, currency, paid_date, 0, 0, 0, coalesce(closing_minor, -carried_minor, 0) - case when has_header then coalesce(opening_minor, 0) else 0 end,
        0, case when status <> 'booked' then 1 else 0 end
    from main.payouts
    where paid_date is not null and currency is not null
    union all
    select source, currency, date, 0, 0, 0, minor, 0, 0 from openings
    union all
    -- what is known to set them apart
    select source, currency, since, 0, 0, 0, 0, amount_minor, 0 from recon.proof_differences
    union all
    select source, currency, until, 0, 0, 0, 0, -amount_minor, 0 from recon.proof_differences where until is not null
),
days as (
    select source, currency, date, sum(receivable) as receivable, sum(clearing) as clearing, sum(documents) as documents, sum(carried) as carried,
        sum(explained) as explained, sum(held) as held
    from events
    group by source, currency, date
),
running as (
    select source, currency, date, sum(coalesce(receivable, 0)) over w as receivable, sum(coalesce(clearing, 0)) over w as clearing,
        sum(documents) over w as documents, sum(carried) over w as carried, sum(explained) over w as explained, sum(held) over w as held
    from days
    window w as (partition by source, currency order by date rows between unbounded preceding and current row)
)
select source, currency, date, main.major(receivable + clearing, currency) as ledger_balance, main.major(documents + carried, currency) as provider_balance,
    main.major(receivable + clearing - documents - carried, currency) as difference, main.major(explained, currency) as explained,
    main.major(receivable + clearing - documents - carried - explained, currency) as unexplained,
    main.major(receivable, currency) as receivable, main.major(clearing, currency) as clearing,
    main.major(documents, currency) as unsettled, main.major(carried, currency) as carried, held::bigint as held,
    (receivable + clearing - documents - carried - explained)::bigint as unexplained_minor
from running
order by source, currency, date;

comment on view recon.proof_differences is 'what sets the ledger apart from the provider: one row per document, reason and span of days';
comment on column recon.proof_differences.source is 'the configured source, e.g. klarna';
comment on column recon.proof_differences.currency is 'its currency';
comment on column recon.proof_differences.since is 'the first day it counts';
comment on column recon.proof_differences.until is 'the first day it no longer counts; null: it still does';
comment on column recon.proof_differences.document_id is 'the delivery, refund or payout it comes from';
comment on column recon.proof_differences.reason is 'why';
comment on column recon.proof_differences.amount is 'major units: by how much the ledger is above the provider';
comment on column recon.proof_differences.amount_minor is 'amount in minor units';

comment on view recon.proof is 'per source, currency and day with a movement: what the ledger says the provider owes against what the provider and its documents say';
comment on column recon.proof.source is 'the configured source, e.g. klarna';
comment on column recon.proof.currency is 'the currency settled in';
comment on column recon.proof.date is 'the company''s local date';
comment on column recon.proof.ledger_balance is 'major units: receivable and clearing accounts after that day, in the currency';
comment on column recon.proof.provider_balance is 'major units: what is delivered and not settled by its documents and payouts, and what the provider carries; a debt to it < 0';
comment on column recon.proof.difference is 'ledger - provider';
comment on column recon.proof.explained is 'the part of the difference that recon.proof_differences has names for';
comment on column recon.proof.unexplained is 'difference - explained: 0.00, or the books are wrong';
comment on column recon.proof.receivable is 'the ledger''s receivable: delivered and not settled';
comment on column recon.proof.clearing is 'the ledger''s clearing: settled and not paid';
comment on column recon.proof.unsettled is 'the same as receivable, by documents and payouts';
comment on column recon.proof.carried is 'the same as clearing, by the provider''s own balances';
comment on column recon.proof.held is 'how many payouts up to that day are held';
comment on column recon.proof.unexplained_minor is 'unexplained in minor units';
