-- stg_mollie__documents: one row per payment or order (an order), per capture, shipment or paid
-- payment (a delivery), and per refund.
--
-- Stream: payments (one payment with its captures and refunds, or one order with its payments, refunds and shipments)
-- Key:    kind, doc_ref
-- Units:  minor units, > 0
-- Source: https://docs.mollie.com/reference/get-payment
--
-- The country is where the goods went, else where the bill did, else where Mollie saw the buyer: that is where VAT
-- is due (Directive 2006/112/EC, article 33). A payment that names none is held.

with

source as (

    select
        blob_id, body,
        body ->> '$.id' as order_id,
        mollie_deliveries(body) as deliveries,
        mollie_refunds(body) as refunds,
        mollie_list(json_extract(body, '$._embedded.refunds')) as all_refunds

    from raw

),

orders as (

    select
        *,
        coalesce(nullif(body ->> '$.orderNumber', ''), mollie_order_number(body -> '$.metadata'), mollie_described(body ->> '$.description')) as order_number,
        upper(body ->> '$.amount.currency') as currency,
        upper(coalesce(nullif(body ->> '$.shippingAddress.country', ''), nullif(body ->> '$.billingAddress.country', ''), nullif(body ->> '$.countryCode', ''))) as country,
        case when coalesce(body ->> '$.billingAddress.organizationName', '') <> '' then 'business' else 'consumer' end as customer,
        lower(body ->> '$.method') as method,
        upper(body ->> '$.status') as status,
        mollie_time(body ->> '$.createdAt') as created_at,
        mollie_minor(body ->> '$.amount.value', upper(body ->> '$.amount.currency')) as amount,
        coalesce(list_sum(list_transform(refunds, x -> mollie_amount(x))), 0) as refunded

    from source

),

events as (

    select
        'order' as kind, order_id as doc_ref, created_at as event_at, amount as amount_minor,
        nullif(body ->> '$.description', '') as reference, '$' as locator, *
    from orders

    union all by name

    select
        'delivery' as kind, d ->> '$.id' as doc_ref,
        coalesce(mollie_time(d ->> '$.paidAt'), mollie_time(d ->> '$.createdAt')) as event_at,
        mollie_amount(d) as amount_minor,
        nullif(d ->> '$.description', '') as reference, d ->> '$.id' as locator, * exclude (d)
    from (select *, unnest(deliveries) as d from orders)

    union all by name

    select
        'refund' as kind, d ->> '$.id' as doc_ref,
        mollie_time(d ->> '$.createdAt') as event_at,
        abs(mollie_amount(d)) as amount_minor,
        nullif(d ->> '$.description', '') as reference, d ->> '$.id' as locator, * exclude (d)
    from (select *, unnest(refunds) as d from orders)

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
    -- Nothing more can happen: never paid and over, or all of it given back.
    coalesce(status in ('EXPIRED', 'CANCELED', 'FAILED')
        or (status in ('PAID', 'COMPLETED') and refunded >= amount), false) as is_final,
    greatest(created_at, mollie_time(body ->> '$.paidAt'), mollie_time(body ->> '$.authorizedAt'),
        list_max(list_transform(deliveries, x -> mollie_time(x ->> '$.createdAt'))),
        list_max(list_transform(all_refunds, x -> mollie_time(x ->> '$.createdAt')))) as changed_at,
    blob_id,
    locator

from events
