-- Which documents could each payout line settle? One row per line, rung and document.
-- Source: posting_rules §8. What the rungs are: transform.Rungs.
--
-- Looked at: sale and refund lines of payouts booked in this run, lines that a person decided about, and lines that found no
-- document (or only the order, or a held one) and share a key with a document looked at now: {{late}}
-- is false when no document is; {{arrived}} then keeps to the lines of what is booked now, so that those
-- booked already are not read.

create or replace temp table work_lines as

with

known_keys as (

    select k.key_type, k.value, k.normal
    from document_keys as k
    inner join todo_documents using (document_id)

),

-- Lines booked before that have no document of their own yet. Only their references are taken apart.
unmatched as (

    select l.line_id, l.source, l.payout_id, l.order_key, l.event_key, l.order_reference, l.other_references
    from payout_lines as l
    inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
    cross join this_run as r
    where p.booked_run < r.run_no
        and {{late}}
        and l.gross_minor <> 0
        and not exists (select 1 from line_matches as m where m.line_id = l.line_id and m.state = 'matched')

),

names as (

    select line_id, unnest(string_split(concat_ws('|', order_key, order_reference, other_references), '|')) as name
    from unmatched

),

open_lines as (

    select line_id from unmatched where event_key in (select value from known_keys where key_type = 'event_id')
    union
    select line_id from unmatched where order_key in (select value from known_keys where key_type = 'order_id')
    union
    select line_id from names where normal_reference(name) in (select normal from known_keys where key_type in ('order_number', 'reference'))
    union
    select line_id from names where payment_reference(name) in (select normal from known_keys where key_type = 'payment_id')

),

new_payouts as (

    select p.source, p.payout_id
    from payouts as p
    cross join this_run as r
    where p.booked_run = r.run_no
        -- Nothing to match against: do not look at the lines one by one.
        and exists (
            select 1 from documents as d
            where d.source = p.source or d.source in (select source from set_sources where is_shop)
        )

)

select l.line_id, l.source, l.payout_id, coalesce(x.line_kind, k.kind) as kind, l.order_key, l.event_key, l.order_reference, l.other_references,
    l.currency, abs(l.gross_minor) as amount, nullif(l.sold_currency, l.currency) as sold_currency, abs(l.sold_minor) as sold, l.event_at,
    case when coalesce(x.line_kind, k.kind) = 'sale' and l.gross_minor > 0 then 'delivery' when coalesce(x.line_kind, k.kind) = 'refund' and l.gross_minor < 0 then 'refund' end as settles,
    p.paid_date, coalesce(l.row_off_minor, 0) as row_off, p.booked_run
from payout_lines as l
inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
inner join line_words as k on k.source = l.source
    and k.provider_type is not distinct from l.provider_type and k.provider_detail is not distinct from l.provider_detail
    and p.booked_run between k.from_run and coalesce(k.to_run, 2147483647)
left join decided as x on x.line_id = l.line_id and x.action in ('match', 'kind')
where (coalesce(x.line_kind, k.kind) in ('sale', 'refund') or x.action = 'match') and l.gross_minor <> 0 and {{arrived}}
    and (
        (l.source, l.payout_id) in (select (source, payout_id) from new_payouts)
        or l.line_id in (select line_id from open_lines)
        or l.line_id in (select line_id from todo_lines)
    );

create or replace temp table candidates as

with

pairs as (

    select w.line_id, k.document_id, 1 as rung, 'event_id ' || k.value as evidence
    from work_lines as w
    inner join document_keys as k on k.key_type = 'event_id' and k.value = w.event_key

    union all

    select w.line_id, k.document_id, 2, 'order_id ' || k.value
    from work_lines as w
    inner join document_keys as k on k.key_type = 'order_id' and k.value = w.order_key

    union all

    -- A payment app gets the shop's payment ID and nothing else, and hands it on as whatever
    -- reference the provider has, sometimes decorated.
    select w.line_id, k.document_id, 3, 'payment_id ' || k.value
    from (
        select line_id, payment_reference(unnest(string_split(concat_ws('|', order_key, order_reference, other_references), '|'))) as normal
        from work_lines
        where exists (select 1 from document_keys where key_type = 'payment_id')
    ) as w
    inner join document_keys as k on k.key_type = 'payment_id' and k.normal = w.normal

    union all

    select w.line_id, k.document_id, 4, k.key_type || ' ' || k.value
    from (
        select line_id, normal_reference(unnest(string_split(concat_ws('|', order_reference, other_references), '|'))) as normal
        from work_lines
        where order_reference is not null or other_references is not null
    ) as w
    inner join document_keys as k on k.key_type in ('order_number', 'reference') and k.normal = w.normal

    union all

    -- A reference that a person once said means an order.
    select w.line_id, d.document_id, 4, 'alias ' || a.alias_id || ' ' || a.name
    from (
        select line_id, source, normal_reference(unnest(string_split(concat_ws('|', order_reference, other_references, order_key), '|'))) as normal
        from work_lines
        where source in (select source from aliases where what = 'reference' and forgotten_run is null)
    ) as w
    inner join aliases as a on a.what = 'reference' and a.forgotten_run is null and a.source = w.source and a.name = w.normal
    inner join documents as d on d.source = a.to_source and d.order_id = a.to_order

),

-- The keys of a document that is the same as another one lead to that one.
led as (

    select p.line_id, coalesce(x.target, p.document_id) as document_id, p.rung, p.evidence, starts_with(p.evidence, 'alias ') or x.target is not null as is_alias
    from pairs as p
    left join document_decisions as x on x.document_id = p.document_id and x.action = 'duplicate'

)

select
    w.line_id, w.source, w.payout_id, w.settles, w.currency, w.event_at, w.row_off, w.paid_date, w.booked_run,
    -- A document in the currency that the provider converted from is settled by what was sold.
    coalesce(d.currency = w.sold_currency, false) as is_converted,
    case when d.currency = w.sold_currency then w.sold else w.amount end as amount,
    p.rung, min(p.evidence) as evidence,
    d.document_id, d.kind as document_kind, s.state, d.amount_minor as document_amount, d.event_at as document_at, d.source || '/' || d.order_id as order_id,
    coalesce(d.currency in (w.currency, w.sold_currency), false) as same_currency, coalesce(o.is_shop, false) as is_shop

from led as p
inner join work_lines as w using (line_id)
-- What names an adopted document means the one it was adopted by.
left join document_states as a on a.document_id = p.document_id and a.same_as is not null
inner join documents as d on d.document_id = coalesce(a.same_as, p.document_id)
inner join document_states as s on s.document_id = d.document_id
left join set_sources as o on o.source = d.source

where (d.source = w.source or coalesce(o.is_shop, false) or a.same_as is not null or p.is_alias)
    and s.state <> 'not_ours'
    and (d.kind = w.settles or d.kind = 'order')

group by all;

-- What a person said a line settles. Nothing else is asked for it.
create or replace temp table decided_matches as
select w.line_id, w.source, w.payout_id, x.target as document_id, x.decision_id, case when d.currency = w.sold_currency then w.sold else w.amount end as amount, w.settles, w.paid_date,
    d.amount_minor as document_amount, d.kind as document_kind, s.state
from work_lines as w
inner join decided as x on x.line_id = w.line_id and x.action = 'match'
inner join documents as d on d.document_id = x.target
inner join document_states as s on s.document_id = d.document_id
where s.state <> 'not_ours';

delete from candidates where line_id in (select line_id from decided_matches);

-- What is settled of each candidate by lines that are not looked at now.
create or replace temp table settled as
select m.document_id, sum(m.amount_minor) as amount
from line_matches as m
where m.document_id in (select document_id from candidates union select document_id from decided_matches) and m.state in ('matched', 'not_delivered')
    and m.line_id not in (select line_id from work_lines)
group by m.document_id;

-- The plain case, which is nearly every line: the provider's own event ID names one document,
-- nothing else asks for it, and the amount is exactly what is open.
create or replace temp table plain_matches as
select c.line_id, c.source, c.payout_id, c.document_id, c.amount, c.evidence, c.state
from candidates as c
left join settled as s using (document_id)
where c.rung = 1 and c.document_kind = c.settles and c.same_currency and c.row_off = 0
    and c.amount = c.document_amount and s.document_id is null
    and c.document_id not in (select document_id from decided_matches)
qualify count(*) over (partition by c.line_id) = 1
    and count(*) over (partition by c.document_id) = 1;
