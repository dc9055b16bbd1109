-- stg_woocommerce__refunds: one row per refund of an order. What a refund does not say of itself, currency, country,
-- buyer and method, is the order's, and in the key (follow_woocommerce__refunds.sql).
--
-- Stream: refunds (the refunds of an order)
-- Key:    kind, doc_ref
-- Units:  minor units, > 0
-- Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-refund-properties
--
-- An answer without refunds is a row without doc_ref: what was refunded before was taken back.

with

answers as (

    select blob_id, key, from_json(body, '[{"id": "VARCHAR", "amount": "VARCHAR", "total": "VARCHAR", "date_created": "VARCHAR", "date_created_gmt": "VARCHAR", "reason": "VARCHAR"}]') as list
    from raw
    where json_type(body) = 'ARRAY'

),

items as (

    select blob_id, key, generate_subscripts(list, 1) - 1 as position, unnest(list) as r from answers

    union all

    select blob_id, key, null, null from answers where len(list) = 0

),

refunds as (

    select
        *, split_part(substr(key, length('refunds/') + 1), '?', 1) as order_id
    from items

)

select
    'refund' as kind,
    case when position is not null then coalesce(r.id, order_id || '#refund' || position) end as doc_ref,
    order_id,
    nullif(woo_param(key, 'number'), '') as order_number,
    null as reference,
    coalesce(woo_time(r.date_created_gmt), woo_time(r.date_created)) as event_at,
    nullif(woo_param(key, 'currency'), '') as currency,
    abs(woo_minor(woo_decimal(coalesce(r.amount, r.total)), woo_param(key, 'currency'))) as amount_minor,
    nullif(woo_param(key, 'country'), '') as country,
    coalesce(nullif(woo_param(key, 'customer'), ''), 'consumer') as customer,
    nullif(woo_param(key, 'method'), '') as method,
    'refunded' as status,
    true as is_final,
    coalesce(woo_time(r.date_created_gmt), woo_time(r.date_created)) as changed_at,
    blob_id,
    '$[' || position || ']' as locator

from refunds
