-- tmp_centra__orders: Orders, each in its newest version. Types Order, OrderTotals.

with

newest as (
    select blob_id, i
    from (select blob_id, i, o.id as order_id from centra_unfolded where i is not null)
    qualify row_number() over (partition by order_id order by blob_id desc, i) = 1
),

orders as (
    select blob_id, i, o, upper(o.grandTotal.currency.code) as currency
    from centra_unfolded
    semi join newest using (blob_id, i)
)

select
    blob_id, i, '$.data.orders[' || (i - 1) || ']' as locator,
    o.id as order_id, o.number as order_number,
    currency,
    upper(coalesce(nullif(o.shippingAddress.country.code, ''), o.billingAddress.country.code)) as country,
    case when coalesce(nullif(trim(o.billingAddress.vatNumber), ''), nullif(trim(o.shippingAddress.vatNumber), '')) is not null or upper(o.store.type) = 'WHOLESALE'
        then 'business' else 'consumer' end as customer,
    lower(coalesce(nullif(o.paymentMethod.uri, ''), nullif(o.paymentMethod.plugin, ''), o.paymentMethod.name)) as method,
    upper(coalesce(o.status, '')) as status,
    centra_time(o.createdAt) as created_at, centra_time(o.updatedAt) as updated_at,
    m[1] as total, coalesce(m[2], 0) as order_shipping, coalesce(m[3], 0) as order_handling, coalesce(m[4], 0) <> 0 as order_tax_deducted,
    centra_goods(o.lines, currency) as goods
from (
    select *, centra_minors([o.grandTotal.value, o.totals.shipping.value, o.totals.handling.value, o.totals.taxDeducted.value], currency) as m
    from orders
)
