-- stg_woocommerce__document_keys: what a payout line may call an order or its delivery.
--
-- Streams: orders, lookup (a page of orders, or one)
-- Key:    kind, doc_ref, key_type, value
-- Source: the payment plugins' own meta keys (krokedil, Mollie, Qliro, Svea, Adyen); transaction_id is theirs too
--
-- The order's own ID and number are references: some providers get the one, some the other, some both. On the order
-- itself stand besides, for follow_woocommerce__refunds.sql: its refunds, its rates, and nothing that matching reads.

with

orders as (

    select order_id, o, list_filter(o.meta_data, m -> woo_is_provider_key(m.key) and trim(m.value) <> '' and m.value not like '{%' and m.value not like '[%') as provider
    from woo_documents
    where order_id is not null

),

named as (

    select order_id, unnest([
        {'key_type': 'order_number', 'value': o.number},
        {'key_type': 'reference', 'value': order_id},
        {'key_type': 'reference', 'value': o.order_key},
        {'key_type': 'order_id', 'value': o.transaction_id},
        {'key_type': 'payment_id', 'value': o.transaction_id},
        {'key_type': 'event_id', 'value': o.transaction_id}
    ], recursive := true)
    from orders

    union all

    select order_id, t.key_type, m.value
    from (select order_id, unnest(provider) as m from orders)
    cross join (values ('order_id'), ('payment_id'), ('event_id'), ('reference')) as t (key_type)
    where case when lower(m.key) like '%psp_reference' or lower(m.key) like '%pspreference' then t.key_type <> 'reference'
        when lower(m.key) like '%reference' then t.key_type = 'reference'
        when lower(m.key) like '%order_id' or lower(m.key) like '%orderid' then t.key_type in ('order_id', 'payment_id')
        else t.key_type in ('order_id', 'payment_id', 'event_id') end

),

for_refunds as (

    select order_id, 'refund' as key_type, 'refund ' || r.id as value
    from (select order_id, unnest(o.refunds) as r from orders)
    where r.id is not null

    union

    select order_id, 'rate', 'rate ' || t.rate_id || ':' || woo_minor(woo_decimal(t.rate_percent), 'SEK') || case when lower(t.compound) in ('true', '1', 'yes') then ':c' else '' end
    from (select order_id, unnest(o.tax_lines) as t from orders)
    where woo_decimal(t.rate_percent) is not null and t.rate_id is not null

)

select k.kind, order_id as doc_ref, order_id, key_type, value
-- Distinct before it goes to both kinds: half the rows.
from (select distinct order_id, key_type, trim(value) as value from named where trim(value) <> '')
cross join (values ('order'), ('delivery')) as k (kind)
-- What names one payment names its delivery, and not the order it is part of.
where not (k.kind = 'order' and key_type = 'event_id')

union all

select 'order', order_id, order_id, key_type, value from for_refunds
