-- stg_mollie__documents: one row per payment or order (an order), per capture, shipment or paid
-- payment (a delivery), and per refund.
--
-- Stream: payments (one payment with its captures and refunds, or one order with its payments, refunds and shipments)
-- Key:    kind, doc_ref
-- Units:  minor units, > 0
-- Source: https://docs.mollie.com/reference/get-payment
--
-- The country is where the goods went, else where the bill did, else where Mollie saw the buyer: that is where VAT
-- is due (Directive 2006/112/EC, article 33). All three are optional: a payment that names none is in the country of its
-- currency, where that is one country, and else held.

with

orders as materialized (

    select
        blob_id, order_id, deliveries, refunds,
        mollie_time(p.createdAt) as created_at,
        mollie_minor_of(p.amount) as amount,
        nullif(p.description, '') as description,
        coalesce(nullif(p.orderNumber, ''), mollie_order_number(p.metadata), mollie_described(p.description)) as order_number,
        upper(p.amount.currency) as currency,
        upper(coalesce(nullif(p.shippingAddress.country, ''), nullif(p.billingAddress.country, ''), nullif(p.countryCode, ''), mollie_country_of(upper(p.amount.currency)))) as country,
        case when coalesce(p.billingAddress.organizationName, '') <> '' then 'business' else 'consumer' end as customer,
        lower(p.method) as method,
        upper(p.status) as status,
        -- Nothing more can happen: never paid and over, or all of it given back.
        coalesce(upper(p.status) in ('EXPIRED', 'CANCELED', 'FAILED')
            or (upper(p.status) in ('PAID', 'COMPLETED') and list_sum(list_transform(refunds, x -> x.amount_minor)) >= mollie_minor_of(p.amount)), false) as is_final,
        greatest(mollie_time(p.createdAt), mollie_time(p.paidAt), mollie_time(p.authorizedAt),
            list_max(list_transform(deliveries, x -> mollie_time(x.at))),
            list_max(list_transform(coalesce(p._embedded.refunds, []), x -> mollie_time(x.createdAt)))) as changed_at

    from mollie_happened

),

events as (

    select 'order' as kind, order_id as doc_ref, created_at as event_at, amount as amount_minor, description as reference, '$' as locator, * exclude (deliveries, refunds)
    from orders

    union all by name

    select 'delivery' as kind, d.id as doc_ref, mollie_time(d.at) as event_at, d.amount_minor as amount_minor, nullif(d.text, '') as reference, d.id as locator, * exclude (d)
    from (select * exclude (deliveries, refunds), unnest(deliveries) as d from orders)

    union all by name

    select 'refund' as kind, d.id as doc_ref, mollie_time(d.at) as event_at, d.amount_minor as amount_minor, nullif(d.text, '') as reference, d.id as locator, * exclude (d)
    from (select * exclude (deliveries, refunds), unnest(refunds) as d from orders)

)

select
    kind, doc_ref, order_id, order_number, reference, event_at, currency, amount_minor, country, customer, method, status,
    is_final, changed_at, blob_id, locator

from events
