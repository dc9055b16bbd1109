-- stg_mollie__document_keys: what a settlement may call a payment, a capture, a shipment or a refund.
--
-- Stream: payments
-- Key:    kind, doc_ref, key_type, value
-- Source: https://docs.mollie.com/reference/list-settlement-payments (id, paymentId, orderId, metadata, description)

with

source as materialized (

    select
        order_id, deliveries, refunds,
        nullif(p.orderNumber, '') as order_number, mollie_order_number(p.metadata) as stored, mollie_described(p.description) as described, nullif(p.orderId, '') as part_of

    from mollie_happened

),

holders as (

    select 'order' as kind, order_id as doc_ref, null as payment, * exclude (deliveries, refunds) from source

    union all by name

    select 'delivery' as kind, d.id as doc_ref, d.payment as payment, * exclude (d) from (select * exclude (deliveries, refunds), unnest(deliveries) as d from source)

    union all by name

    select 'refund' as kind, d.id as doc_ref, d.payment as payment, * exclude (d) from (select * exclude (deliveries, refunds), unnest(refunds) as d from source)

)

select kind, doc_ref, order_id, k.key_type as key_type, k.value as value
from (
    select
        kind, doc_ref, order_id,
        unnest([
            {'key_type': 'event_id', 'value': case when kind <> 'order' then doc_ref end},
            {'key_type': 'order_id', 'value': order_id},
            {'key_type': 'order_id', 'value': payment},
            {'key_type': 'order_number', 'value': order_number},
            {'key_type': 'order_number', 'value': stored},
            {'key_type': 'order_number', 'value': described},
            {'key_type': 'reference', 'value': part_of},
            {'key_type': 'reference', 'value': case when doc_ref like 'shp\_%' escape '\' then doc_ref end}
        ]) as k
    from holders
)
where k.value is not null and k.value <> ''
