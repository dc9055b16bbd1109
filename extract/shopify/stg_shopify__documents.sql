-- stg_shopify__documents: one row per order, per fulfilment (a delivery) and per refund or return.
--
-- Streams: orders, lookups (one order)
-- Key:     kind, doc_ref
-- Units:   minor units, > 0, in the currency that the source is read in
--
-- An amount is what a payment provider owes for it (a refund: takes back): less what gift cards and
-- store credit paid. The total that the order states is held against its journal: what the two differ by is on
-- the first delivery, whose lines then do not add up to it.
-- An order that was edited or exchanged has no total to compare with: Shopify's is of the day it was placed.

with

orders as (

    select o.*, m.* exclude (blob_id)
    from shopify_orders as o
    left join (
        select blob_id, min_by(gateway, (at_, id)) filter (shopify_voucher(gateway) is null) as method,
            sum(case when kind in ('SALE', 'CAPTURE') and status = 'SUCCESS' and shopify_voucher(gateway) is not null then amount else 0 end)::bigint as vouchers
        from shopify_payments
        where kind in ('SALE', 'CAPTURE', 'AUTHORIZATION') and status in ('SUCCESS', 'PENDING')
        group by blob_id
    ) as m using (blob_id)

),

pools as (

    select blob_id, sum(gross)::bigint as gross, sum(gross + channel)::bigint as stated, bool_or(is_exchange) as is_exchange, bool_or(is_bad) as is_bad
    from shopify_pool
    group by blob_id

),

checked as (

    select o.*, p.gross, coalesce(p.is_bad, false) as is_bad,
        case when o.is_edited or p.is_exchange then 0 else coalesce(o.total - p.stated, 0) end as off
    from orders as o
    left join pools as p using (blob_id)

),

sums as (

    select blob_id, kind, doc_ref, any_value(event_at) as event_at, sum(gross)::bigint as gross, bool_or(gross is null) as is_bad
    from shopify_lines
    group by all

),

firsts as (select blob_id, doc_ref from shopify_sendings where is_first),

events as (

    select o.blob_id, 'order' as kind, o.order_id as doc_ref, o.placed_at as event_at,
        case when not o.is_bad then o.gross - coalesce(o.vouchers, 0) + o.rounding + o.off end as amount_minor
    from checked as o

    union all

    select s.blob_id, 'delivery', s.doc_ref, s.event_at,
        case when not (s.is_bad or o.is_bad) then s.gross + case when f.doc_ref is null then 0 else o.rounding + o.off end end
    from sums as s
    inner join checked as o using (blob_id)
    left join firsts as f on f.blob_id = s.blob_id and f.doc_ref = s.doc_ref
    where s.kind = 'delivery'

    union all

    select e.blob_id, 'refund', e.doc_ref, e.event_at,
        case when e.is_bad or coalesce(s.is_bad, false) then null
            when e.money > 0 then e.money - e.vouchers
            else s.gross end
    from shopify_givings as e
    left join sums as s on s.blob_id = e.blob_id and s.kind = 'refund' and s.doc_ref = e.doc_ref
    -- Units nobody paid for, or a change of stock only: nothing went back.
    where e.money > 0 or e.is_bad or s.doc_ref is not null

)

select
    e.kind,
    e.doc_ref,
    o.order_id,
    o.order_number,
    case when e.kind <> 'order' then e.doc_ref end as reference,
    e.event_at,
    o.currency,
    e.amount_minor,
    o.country,
    o.customer,
    coalesce(o.method, case when o.vouchers > 0 then 'gift_card' end) as method,
    concat_ws(' ', o.paid_status, o.sent_status) as status,
    o.is_closed or o.is_cancelled as is_final,
    o.changed_at as changed_at,
    o.blob_id,
    '$' as locator

from events as e
inner join checked as o using (blob_id)
