-- stg_klarna__document_keys: what a settlement may call an order, a capture or a refund.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, key_type, value
-- Source: https://docs.klarna.com/api/settlements/ (capture_id on SALE and FEE, refund_id on RETURN, merchant references)

with

source as (

    select
        body,
        body ->> '$.order_id' as order_id,
        coalesce(from_json(body -> '$.captures', '["JSON"]'), []) as captures,
        coalesce(from_json(body -> '$.refunds', '["JSON"]'), []) as refunds

    from raw

),

holders as (

    select 'order' as kind, order_id as doc_ref, order_id, body, null::json as item
    from source

    union all

    select 'delivery', coalesce(nullif(c.item ->> '$.capture_id', ''), order_id || '#capture' || c.position), order_id, body, c.item
    from (select *, unnest(list_transform(captures, (x, i) -> {'item': x, 'position': i - 1})) as c from source)

    union all

    select 'refund', coalesce(nullif(c.item ->> '$.refund_id', ''), order_id || '#refund' || c.position), order_id, body, c.item
    from (select *, unnest(list_transform(refunds, (x, i) -> {'item': x, 'position': i - 1})) as c from source)

)

select kind, doc_ref, order_id, k.key_type as key_type, k.value as value
from (
    select
        kind, doc_ref, order_id,
        unnest([
            {'key_type': 'event_id', 'value': coalesce(item ->> '$.capture_id', item ->> '$.refund_id')},
            {'key_type': 'order_id', 'value': order_id},
            {'key_type': 'order_number', 'value': body ->> '$.merchant_reference1'},
            {'key_type': 'reference', 'value': body ->> '$.merchant_reference2'},
            {'key_type': 'reference', 'value': item ->> '$.reference'}
        ]) as k
    from holders
)
where k.value is not null and k.value <> ''
