-- stg_centra__document_keys: what a payment provider may call an order, a shipment or a refund.
--
-- Stream: orders, lookups (a batch of orders with their returns)
-- Key:    kind, doc_ref, key_type, value
-- Source: https://centra.dev/graphql/paymenthistoryentry.html
--
-- The external reference of an authorisation names the order at the provider (Adyen: the PSP reference, Klarna: the order ID);
-- the provider's own reply, kept as text, may name the capture or the refund. An entry does not say which
-- shipment it captured: captures and shipments of one amount go together in the order of their times.

with

payments as (

    select distinct order_id, unnest(refs) as value
    from centra_entries
    where not regexp_matches(kind, '^(REFUND|CANCEL)|GIFT_CARD$|_FAILED$') and not failed

),

captures as (

    select order_id, refs, params, amount, row_number() over (partition by order_id, kind, amount order by at_, n) as nth
    from centra_entries
    where kind in ('CAPTURE', 'CAPTURE_REQUEST', 'CAPTURE_PENDING') and not failed

),

deliveries as (

    select s.order_id, s.doc_ref, s.total - coalesce(g.amount, 0) as amount,
        row_number() over (partition by s.order_id, s.total - coalesce(g.amount, 0) order by s.captured_at, s.doc_ref) as nth
    from centra_shipments as s
    left join centra_gift_cards as g on g.order_id = s.order_id and g.doc_ref = s.doc_ref

),

named as (

    select 'order' as kind, order_id as doc_ref, order_id, order_number from centra_orders
    union all by name
    select 'delivery' as kind, doc_ref, order_id, order_number from centra_shipments
    union all by name
    select 'refund' as kind, doc_ref, order_id, order_number from centra_returns where counts
    union all by name
    select 'refund' as kind, doc_ref, order_id, order_number from centra_refunds

),

-- What the payment history has of single events. A request and its answer keep the same reply.
happened as (

    select 'delivery' as kind, d.doc_ref, d.order_id, c.refs, c.params
    from deliveries as d
    inner join captures as c on c.order_id = d.order_id and c.amount = d.amount and c.nth = d.nth
    union all
    select 'refund', doc_ref, order_id, x.refs, x.params from (select doc_ref, order_id, unnest(refunds) as x from centra_returns where counts)
    union all
    select 'refund', doc_ref, order_id, refs, params from centra_refunds

),

-- IDs of single events that are not the order's own at the provider.
events as (

    select kind, doc_ref, order_id, unnest(refs) as value from happened
    union all
    select kind, doc_ref, order_id, unnest(centra_ids_in(params)) from (select distinct kind, doc_ref, order_id, params from happened)

)

-- A key may stand here twice: where keys are merged, each is taken once.
select kind, doc_ref, order_id, 'order_id' as key_type, order_id as value from named
union all
select kind, doc_ref, order_id, 'order_number', order_number from named where order_number is not null
union all
select n.kind, n.doc_ref, n.order_id, t.key_type, p.value
from named as n
inner join payments as p using (order_id)
cross join (values ('order_id'), ('payment_id')) as t (key_type)
union all
select kind, doc_ref, order_id, 'reference', doc_ref from named where kind = 'delivery'
union all
select kind, doc_ref, order_id, 'event_id', value
from events
anti join (select order_id, unnest(refs) as value from centra_entries where kind like 'AUTH%') as a using (order_id, value)
