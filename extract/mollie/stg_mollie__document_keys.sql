-- stg_mollie__document_keys: what a settlement may call a payment, a capture, a shipment or a refund.
--
-- Stream: payments
-- Key:    kind, doc_ref, key_type, value
-- Source: https://docs.mollie.com/reference/list-settlement-payments (id, paymentId, orderId, metadata, description)

with

source as (

    select body, body ->> '$.id' as order_id, mollie_deliveries(body) as deliveries, mollie_refunds(body) as refunds
    from raw

),

holders as (

    select 'order' as kind, order_id as doc_ref, order_id, body, body as item from source

    union all

    select 'delivery', d ->> '$.id', order_id, body, d from (select *, unnest(deliveries) as d from source)

    union all

    select 'refund', d ->> '$.id', order_id, body, d from (select *, unnest(refunds) as d from source)

)

select kind, doc_ref, order_id, k.key_type as key_type, k.value as value
from (
    select
        kind, doc_ref, order_id,
        unnest([
            {'key_type': 'event_id', 'value': case when kind <> 'order' then doc_ref end},
            {'key_type': 'order_id', 'value': order_id},
            {'key_type': 'order_id', 'value': item ->> '$.paymentId'},
            {'key_type': 'order_id', 'value': case when item ->> '$.resource' = 'payment' then item ->> '$.id' end},
            {'key_type': 'order_number', 'value': body ->> '$.orderNumber'},
            {'key_type': 'order_number', 'value': mollie_order_number(body -> '$.metadata')},
            {'key_type': 'order_number', 'value': mollie_described(body ->> '$.description')},
            {'key_type': 'reference', 'value': body ->> '$.orderId'},
            {'key_type': 'reference', 'value': case when doc_ref like 'shp\_%' escape '\' then doc_ref end}
        ]) as k
    from holders
)
where k.value is not null and k.value <> ''
