-- stg_centra__documents: one row per order, per shipment that has left (a delivery) and per
-- return or refund (a refund).
--
-- Stream: orders, lookups (a batch of orders with their returns)
-- Key:    kind, doc_ref = order ID; shipment number; return ID, or refund/<ID of the payment history's entry>
-- Units:  minor units, > 0
-- Source: https://centra.dev/graphql/directtoconsumerorder.html and the types it leads to
--
-- The amount is what the payment provider owes: what gift cards paid or got back is a line. A delivery is dated when it
-- left, a refund when money first went back, else when the return was made. Country: where the goods
-- went (Directive 2006/112/EC, article 33). A buyer with a VAT number, or of a wholesale store, is a business.

with

open_returns as (

    select distinct order_id from centra_returns where not counts and return_status not in ('CANCELLED', 'DELETED', 'REJECTED')

),

cards as (

    select order_id, sum(amount)::bigint as amount
    from centra_entries
    where kind = 'AUTH_GIFT_CARD' and not failed
    group by order_id

)

select
    'order' as kind, o.order_id as doc_ref, o.order_id, o.order_number, null::varchar as reference,
    o.created_at as event_at, o.currency,
    greatest(o.total - coalesce(c.amount, 0), 0) as amount_minor,
    o.country, o.customer, o.method,
    o.status || case when r.order_id is null then '' else ', return open' end as status,
    r.order_id is null and o.status in ('COMPLETED', 'CANCELLED', 'CANCELED', 'ARCHIVED') as is_final,
    coalesce(o.updated_at, o.created_at) as changed_at,
    o.blob_id, o.locator
from centra_orders as o
left join open_returns as r using (order_id)
left join cards as c using (order_id)

union all by name

select
    'delivery' as kind, s.doc_ref, s.order_id, s.order_number, s.doc_ref as reference, s.event_at, s.currency,
    s.total - coalesce(g.amount, 0) as amount_minor, s.country,
    s.customer, s.method, s.status, null::boolean as is_final, null::timestamp as changed_at, s.blob_id, s.place as locator
from centra_shipments as s
left join centra_gift_cards as g on g.order_id = s.order_id and g.doc_ref = s.doc_ref
where s.total is null or s.total <> 0 or s.goods_with <> 0

union all by name

select
    'refund' as kind, doc_ref, order_id, order_number, null as reference, event_at, currency, total - gift as amount_minor,
    country, customer, method, return_status as status, null as is_final, null as changed_at, blob_id, place as locator
from centra_returns
where counts and (total is null or total <> 0 or goods_with <> 0)

union all by name

select
    'refund' as kind, doc_ref, order_id, order_number, null as reference, event_at, currency, amount as amount_minor,
    country, customer, method, 'REFUND' as status, null as is_final, null as changed_at, blob_id, place as locator
from centra_refunds
where amount <> 0
