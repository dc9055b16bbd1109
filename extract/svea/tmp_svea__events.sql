-- tmp_svea__events: read by the models of documents, their lines and keys.
-- What happened to the orders in raw: one row per order, delivery and credit, with its rows.
--
-- A credit has neither ID nor date. It is named by its delivery, its amount and, where several are alike,
-- their order. Credits without rows (an amount was credited) stand in the list, or only in the
-- delivery's CreditedAmount: what that says more than the list is a credit of its own.
-- Credits of the order itself are read where no delivery has any: they are not to be counted twice.

with

parsed as (

    select blob_id, svea_order(body) as o from raw

),

-- Only what is needed is carried on: an order is large, and its lists are copied wherever they go.
orders as (

    select
        blob_id, svea_id(o.Id) as order_id, o.MerchantOrderId as merchant_number, o.PaymentType as payment_type,
        upper(o.Currency) as currency, lower(coalesce(o.OrderStatus, '')) as state, lower(o.IsCompany) as is_company,
        upper(coalesce(nullif(o.ShippingAddress.CountryCode, ''), nullif(o.BillingAddress.CountryCode, ''), nullif(o.CountryCode, ''))) as country,
        svea_int(o.OrderAmount) - coalesce(svea_int(o.CancelledAmount), 0) as amount, svea_time(o.CreationDate) as created_at,
        coalesce(o.OrderRows, []) as own_rows, coalesce(o.Deliveries, []) as deliveries, coalesce(o.Credits, []) as own_credits
    from parsed

),

deliveries as (

    select
        blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country, position, has_own_credits,
        d.Id as id, d.InvoiceId as invoice_id, d.CreationDate as created, svea_int(d.DeliveryAmount) as amount, svea_int(d.CreditedAmount) as credited,
        coalesce(d.OrderRows, []) as delivered_rows, coalesce(d.Credits, []) as credits,
        coalesce(svea_id(d.Id), order_id || '#delivery' || (position + 1)) as delivery_ref
    from (
        select
            blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country, len(own_credits) > 0 as has_own_credits,
            generate_subscripts(deliveries, 1) - 1 as position, unnest(deliveries) as d
        from orders
    )

),

credits as (

    select
        blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country, delivery_ref, place, position,
        svea_id(c.CreditId) as credit_id, svea_id(c.Id) as id, c.CreationDate as created, abs(svea_int(c.Amount)) as amount, coalesce(c.OrderRows, []) as credited_rows
    from (
        select
            blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country, delivery_ref, '$.Deliveries[' || position || '].Credits[' as place,
            generate_subscripts(credits, 1) - 1 as position, unnest(credits) as c
        from deliveries

        union all

        select
            blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country, order_id, '$.Credits[',
            generate_subscripts(own_credits, 1) - 1, unnest(own_credits)
        from orders
        where len(own_credits) > 0 and len(list_filter(deliveries, x -> len(coalesce(x.Credits, [])) > 0)) = 0
    )

),

-- Only credits' scalars go through the window: their rows would be sorted with them.
numbered as (

    select blob_id, place, position, row_number() over (partition by blob_id, delivery_ref, amount order by position) as ordinal
    from credits
    where amount is distinct from 0

),

unlisted as (

    select
        blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country, delivery_ref, position,
        abs(credited) - coalesce(list_sum(list_transform(credits, x -> abs(svea_int(x.Amount)))), 0)::bigint as amount
    from deliveries
    where credited <> 0 and not has_own_credits

)

select
    blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country,
    'order' as kind, order_id as doc_ref, null::varchar as event_id, null::varchar as invoice_id, amount as amount_minor, created_at as event_at, '$' as locator,
    list_concat(own_rows, coalesce(flatten(list_transform(deliveries, x -> coalesce(x.OrderRows, []))), [])) as order_rows
from orders

union all

select
    blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country,
    'delivery', delivery_ref, svea_id(id), svea_id(invoice_id), amount, svea_time(created), '$.Deliveries[' || position || ']', delivered_rows
from deliveries

union all

select
    c.blob_id, c.order_id, c.merchant_number, c.payment_type, c.currency, c.state, c.is_company, c.country, 'refund',
    coalesce(c.credit_id, c.id, c.delivery_ref || '#credit' || coalesce(c.amount, 0) || case when n.ordinal > 1 then '.' || n.ordinal else '' end),
    coalesce(c.credit_id, c.id), null, c.amount, svea_time(c.created), c.place || c.position || ']', c.credited_rows
from credits as c
inner join numbered as n on n.blob_id = c.blob_id and n.place = c.place and n.position = c.position

union all

select
    blob_id, order_id, merchant_number, payment_type, currency, state, is_company, country,
    'refund', delivery_ref || '#credited', null, null, amount, null, '$.Deliveries[' || position || '].CreditedAmount', []
from unlisted
where amount > 0
