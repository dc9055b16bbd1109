-- stg_klarna__documents: one row per order, per capture (a delivery) and per refund of
-- Order Management v1. Renames, casts; no joins, no sums over rows.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref
-- Units:  minor units, > 0
-- Source: https://docs.klarna.com/api/ordermanagement/
--
-- A refund belongs to the order, not to a capture, and often has no lines.
-- The country is where the goods went: that is where VAT is due (Directive 2006/112/EC, article 33).

with

source as (

    select
        blob_id,
        body,
        body ->> '$.order_id' as order_id,
        coalesce(from_json(body -> '$.captures', '["JSON"]'), []) as captures,
        coalesce(from_json(body -> '$.refunds', '["JSON"]'), []) as refunds

    from raw

),

orders as (

    select
        *,
        nullif(body ->> '$.merchant_reference1', '') as order_number,
        upper(body ->> '$.purchase_currency') as currency,
        upper(coalesce(nullif(body ->> '$.shipping_address.country', ''), body ->> '$.purchase_country')) as country,
        case when lower(body ->> '$.customer.type') = 'organization' then 'business' else 'consumer' end as customer,
        lower(body ->> '$.initial_payment_method.type') as method,
        upper(body ->> '$.status') as status,
        klarna_time(body ->> '$.created_at') as created_at,
        coalesce(klarna_int(body ->> '$.captured_amount'), 0) as captured,
        coalesce(klarna_int(body ->> '$.refunded_amount'), 0) as refunded,
        coalesce(klarna_int(body ->> '$.remaining_authorized_amount'), 0) as remaining

    from source

),

events as (

    select
        'order' as kind, order_id as doc_ref, order_id as order_id_, created_at as event_at,
        klarna_int(body ->> '$.order_amount') as amount_minor,
        nullif(body ->> '$.merchant_reference2', '') as reference, '$' as locator, *
    from orders

    union all by name

    select
        'delivery' as kind, coalesce(nullif(c.item ->> '$.capture_id', ''), order_id || '#capture' || c.position) as doc_ref,
        order_id as order_id_, klarna_time(c.item ->> '$.captured_at') as event_at,
        klarna_int(c.item ->> '$.captured_amount') as amount_minor,
        nullif(c.item ->> '$.reference', '') as reference, '$.captures[' || c.position || ']' as locator, * exclude (c)
    from (select *, unnest(list_transform(captures, (x, i) -> {'item': x, 'position': i - 1})) as c from orders)

    union all by name

    select
        'refund' as kind, coalesce(nullif(c.item ->> '$.refund_id', ''), order_id || '#refund' || c.position) as doc_ref,
        order_id as order_id_, klarna_time(c.item ->> '$.refunded_at') as event_at,
        klarna_int(c.item ->> '$.refunded_amount') as amount_minor,
        nullif(c.item ->> '$.reference', '') as reference, '$.refunds[' || c.position || ']' as locator, * exclude (c)
    from (select *, unnest(list_transform(refunds, (x, i) -> {'item': x, 'position': i - 1})) as c from orders)

)

select
    kind,
    doc_ref,
    order_id,
    order_number,
    reference,
    event_at,
    currency,
    amount_minor,
    country,
    customer,
    method,
    status,
    -- Nothing more can happen: never captured and closed, or all of it captured and given back.
    coalesce((status in ('CANCELLED', 'EXPIRED') and captured = 0)
        or (captured > 0 and refunded >= captured and (remaining = 0 or status in ('CANCELLED', 'EXPIRED', 'CLOSED'))), false) as is_final,
    greatest(created_at,
        list_max(list_transform(captures, x -> klarna_time(x ->> '$.captured_at'))),
        list_max(list_transform(refunds, x -> klarna_time(x ->> '$.refunded_at')))) as changed_at,
    blob_id,
    locator

from events
