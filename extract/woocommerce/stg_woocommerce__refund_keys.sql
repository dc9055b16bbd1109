-- stg_woocommerce__refund_keys: what a payout line may call a refund.
--
-- Stream: refunds (the refunds of an order)
-- Key:    kind, doc_ref, key_type, value
-- Source: the payment plugins' own meta keys; Klarna's plugin tells Klarna "number|refund ID" as the refund's reference
--
-- The refund's own ID is a reference of its own, which order number and payment are not: they name its order.

with

items as (

    select
        blob_id, key, generate_subscripts(list, 1) - 1 as position, unnest(list) as r
    from (
        select blob_id, key, from_json(case json_type(body) when 'ARRAY' then body else json_array(body) end, '[{"id": "VARCHAR", "transaction_id": "VARCHAR", "meta_data": [{"key": "VARCHAR", "value": "VARCHAR"}]}]') as list
        from raw
    )

),

refunds as (

    select
        *, split_part(substr(key, length('refunds/') + 1), '?', 1) as order_id
    from items

),

refunds_once as (

    select *, list_filter(r.meta_data, m -> (woo_is_provider_key(m.key) or lower(m.key) in ('_transaction_id', '_refund_id', '_refund_transaction_id'))
        and trim(m.value) <> '' and m.value not like '{%' and m.value not like '[%') as provider
    from refunds
    where r.id is not null
    qualify row_number() over (partition by r.id order by blob_id desc, position desc) = 1

)

select distinct 'refund' as kind, r.id as doc_ref, order_id, key_type, trim(value) as value
from (
    select r, order_id, unnest([
        {'key_type': 'reference', 'value': r.id},
        {'key_type': 'event_id', 'value': r.transaction_id},
        {'key_type': 'order_number', 'value': woo_param(key, 'number')},
        {'key_type': 'reference', 'value': order_id}
    ], recursive := true)
    from refunds_once

    union all

    select r, order_id, 'event_id', m.value from (select r, order_id, unnest(provider) as m from refunds_once)

    union all

    select r, order_id, t.key_type, p.value
    from (select r, order_id, unnest(string_split(woo_param(key, 'payments'), ',')) as value from refunds_once) as p
    cross join (values ('order_id'), ('payment_id')) as t (key_type)
)
where trim(value) <> ''
