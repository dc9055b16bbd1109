-- Sales that two sources deliver: the second one is the first one's document by another name.
--
-- Looked at: deliveries and refunds that would be booked now, against those of other sources that are booked,
-- or come first here (a shop before a provider, then by name). Run only when more than one source has such flows on.
--
-- The same key, kind, currency and amount: adopted. Nothing of it is booked, and a payout line that names it
-- settles the other. A key that only one order in the world carries, and no amount to go with it: in doubt, held
-- as duplicate_sale. An order number is no such key, two shops count from 1001 alike: it counts between a
-- shop and a provider, for orders placed within two hours of each other.

create or replace temp table adoptions as

with

placed as (

    select source, order_id, min(event_at) as placed_at
    from documents
    where kind = 'order' and (source, order_id) in (
        select (d.source, d.order_id) from documents as d
        where d.document_id in (select document_id from todo_documents))
    group by source, order_id

),

ours as (

    select d.document_id, d.source, d.kind, d.order_id, d.currency, d.amount_minor, d.event_at, d.method, s.provider, s.is_shop,
        case when s.is_shop then '0' else '1' end || d.source as rank
    from documents as d
    inner join todo_documents using (document_id)
    inner join set_sources as s using (source)
    left join document_states as t using (document_id)
    where ((d.kind = 'delivery' and s.invoices) or (d.kind = 'refund' and s.refunds))
        and (coalesce(t.state, '') <> 'booked'
            -- Booked as a sale of its own on a decision that was taken back.
            or d.document_id in (select document_id from decisions where kind = 'duplicate_sale' and action = 'accept' and undone_run is not null))

),

links as (

    select
        o.document_id, k2.document_id as other, min(k.key_type || ' ' || k.value) as evidence,
        bool_or(k.key_type in ('event_id', 'order_id', 'payment_id') and k2.key_type in ('event_id', 'order_id', 'payment_id')
            and length(k.normal) >= 10) as is_sure

    from ours as o
    inner join document_keys as k on k.document_id = o.document_id and k.normal is not null
    inner join document_keys as k2 on k2.normal = k.normal and k2.document_id <> k.document_id

    group by o.document_id, k2.document_id

),

pairs as (

    select
        o.*, l.other, l.evidence, d.source as other_source, d.order_id as other_order, d.event_at as other_at,
        d.amount_minor = o.amount_minor as same_amount,
        l.is_sure or contains(lower(coalesce(case when o.is_shop then o.method else d.method end, '')),
            case when o.is_shop then s.provider else o.provider end) as is_sure,
        l.is_sure as by_id

    from links as l
    inner join ours as o using (document_id)
    inner join documents as d on d.document_id = l.other
    inner join set_sources as s on s.source = d.source
    left join document_states as t on t.document_id = d.document_id
    left join placed as p on p.source = o.source and p.order_id = o.order_id
    left join documents as q on q.source = d.source and q.order_id = d.order_id and q.kind = 'order'

    where d.kind = o.kind and d.source <> o.source and d.currency = o.currency
        and ((d.kind = 'delivery' and s.invoices) or (d.kind = 'refund' and s.refunds))
        and (t.state = 'booked'
            or (d.document_id in (select document_id from ours) and case when s.is_shop then '0' else '1' end || d.source < o.rank))
        and (l.is_sure
            or (s.is_shop <> o.is_shop and d.amount_minor = o.amount_minor
                and abs(epoch(coalesce(p.placed_at, o.event_at)) - epoch(coalesce(q.event_at, d.event_at))) <= 7200))

),

-- Several alike of one order are taken in the order they happened.
alike as (

    select
        *,
        dense_rank() over (partition by source, order_id, other_source, other_order, kind, amount_minor order by event_at, document_id) as mine,
        dense_rank() over (partition by source, order_id, other_source, other_order, kind, amount_minor order by other_at, other) as theirs
    from pairs
    where same_amount

),

found as (

    select document_id, min_by(other, other) as other, min_by(evidence, other) as evidence, min_by(is_sure, other) as is_sure
    from alike
    where mine = theirs
    group by document_id

)

select
    p.document_id,
    case when any_value(f.is_sure) then any_value(f.other) end as same_as,
    case when any_value(f.other) is null then min(p.other) else any_value(f.other) end as resembles,
    case when any_value(f.other) is null then min(p.evidence) else any_value(f.evidence) end as evidence,
    any_value(f.other) is not null as same_amount
from pairs as p
left join found as f using (document_id)
where f.other is not null or p.by_id
group by p.document_id;
