-- stg_mollie__listed_payments: payments that the list shows and nothing is known of yet. Each is an order
-- that is not final, so that it is then read by its ID, with its captures and refunds. Those that are known are left
-- out where this is merged (source.go).
--
-- Stream: payment_list (a page)
-- Key:    kind, doc_ref
-- Source: https://docs.mollie.com/reference/list-payments

with

-- A page is parsed once: each look into JSON keeps what its parse needed, many times the text, for two thousand payments.
pages as (

    select
        blob_id,
        from_json(body, '{"_embedded": {"payments": [{"id": "VARCHAR", "description": "VARCHAR", "metadata": "JSON", "createdAt": "VARCHAR", "paidAt": "VARCHAR",
            "amount": {"value": "VARCHAR", "currency": "VARCHAR"}, "status": "VARCHAR", "method": "VARCHAR", "countryCode": "VARCHAR",
            "shippingAddress": {"country": "VARCHAR"}, "billingAddress": {"country": "VARCHAR"}}]}}')._embedded.payments as payments

    from raw

),

items as (

    select blob_id, generate_subscripts(payments, 1) - 1 as position, unnest(payments) as item
    from pages

)

select
    'order' as kind,
    item.id as doc_ref,
    item.id as order_id,
    coalesce(mollie_order_number(item.metadata), mollie_described(item.description)) as order_number,
    item.description as reference,
    mollie_time(item.createdAt) as event_at,
    upper(item.amount.currency) as currency,
    mollie_minor(item.amount.value, upper(item.amount.currency)) as amount_minor,
    upper(coalesce(nullif(item.shippingAddress.country, ''), nullif(item.billingAddress.country, ''), nullif(item.countryCode, ''))) as country,
    'consumer' as customer,
    lower(item.method) as method,
    upper(item.status) as status,
    false as is_final,
    coalesce(mollie_time(item.paidAt), mollie_time(item.createdAt)) as changed_at,
    blob_id,
    '$._embedded.payments[' || position || ']' as locator

from items

where item.id is not null
    and lower(item.status) in ('open', 'pending', 'authorized', 'paid')
