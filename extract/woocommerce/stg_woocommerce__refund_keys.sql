-- stg_woocommerce__refund_keys: what a payout line may call a refund.
--
-- Stream: refunds (the refunds of an order)
-- Key:    kind, doc_ref, key_type, value
-- Source: the payment plugins' own meta keys; Klarna's plugin tells Klarna "number|refund ID" as the refund's reference
--
-- The refund's own ID is a reference of its own, which order number and payment are not: they name its order.

with

refunds as (

    select *, list_filter(o.meta_data, m -> (woo_is_provider_key(m.key) or lower(m.key) in ('_transaction_id', '_refund_id', '_refund_transaction_id'))
        and trim(m.value) <> '' and m.value not like '{%' and m.value not like '[%') as provider
    from woo_documents

)

select distinct 'refund' as kind, ref as doc_ref, order_id, key_type, trim(value) as value
from (
    select ref, order_id, unnest([
        {'key_type': 'reference', 'value': ref},
        {'key_type': 'event_id', 'value': o.transaction_id},
        {'key_type': 'order_number', 'value': number},
        {'key_type': 'reference', 'value': order_id}
    ], recursive := true)
    from refunds

    union all

    select ref, order_id, 'event_id', m.value from (select ref, order_id, unnest(provider) as m from refunds)

    union all

    select ref, order_id, t.key_type, p.value
    from (select ref, order_id, unnest(string_split(payments, ',')) as value from refunds) as p
    cross join (values ('order_id'), ('payment_id')) as t (key_type)
)
where trim(value) <> ''
