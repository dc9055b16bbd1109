-- tmp_centra__shipments: Shipments that have left, with what is left of their total beside the goods. Types Shipment, ShipmentLine.
-- grand total = goods + shipping and handling − discounts − credit. A shipment does not state its shipping: it is the rest,
-- and must be a part of the order's. Whether the lines are before or after the discounts shows in that rest. Where
-- the order's tax is deducted (export) and only the values without tax add up, those are what was sold.

with

shipped as (
    select blob_id, i, n, x, rules
    from (select blob_id, i, unnest(o.shipments) as x, generate_subscripts(o.shipments, 1) as n, o.totals.shippingTaxRules as rules from centra_unfolded)
    where x.shippedAt is not null or lower(x.isShipped) = 'true'
),

parts as (
    select
        o.blob_id, o.locator || '.shipments[' || (s.n - 1) || ']' as place, o.order_id, o.order_number,
        coalesce(nullif(s.x.number, ''), s.x.id) as doc_ref,
        centra_time(s.x.shippedAt) as shipped_at, centra_time(s.x.capturedAt) as captured, centra_time(s.x.paidAt) as paid_at, centra_time(s.x.createdAt) as created_at,
        o.currency, upper(coalesce(nullif(s.x.shippingAddress.country.code, ''), o.country)) as country, o.customer, o.method, o.status,
        centra_minor(s.x.grandTotal.value, o.currency) as total,
        centra_goods(s.x.lines, o.currency) as goods, s.rules,
        list_transform(s.x.discountsApplied, lambda d: {'credit': centra_credit(d.__typename), 'amount': abs(centra_minor(d.value.value, o.currency))}) as discounts,
        o.order_shipping, o.order_handling, o.order_tax_deducted as tax_deducted
    from shipped as s
    inner join centra_orders as o on o.blob_id = s.blob_id and o.i = s.i
),

sums as (
    select * exclude (shipped_at, captured, paid_at, created_at, discounts),
        coalesce(shipped_at, captured, created_at) as event_at,
        coalesce(captured, paid_at, shipped_at) as captured_at,
        coalesce(centra_sum(list_transform(goods, lambda g: g.value[1])), 0) as goods_with,
        centra_sum(list_transform(goods, lambda g: g.value[2])) as goods_without,
        coalesce(centra_sum(list_transform(discounts, lambda d: case when d.credit then 0 else d.amount end)), 0) as discount,
        coalesce(centra_sum(list_transform(discounts, lambda d: case when d.credit then d.amount else 0 end)), 0) as credit,
        order_shipping + order_handling as most
    from parts
),

based as (
    select *,
        tax_deducted and goods_without is not null and total - goods_with + discount + credit < 0
            and total - goods_without + discount + credit between 0 and most as untaxed
    from sums
),

rests as (
    select *,
        total - case when untaxed then goods_without else goods_with end + credit as rest_after,
        total - case when untaxed then goods_without else goods_with end + credit + discount as rest_before
    from based
)

select * exclude (order_handling, tax_deducted, most, goods_without, discount, takes_discount, rest_after, rest_before),
    case when takes_discount then discount else 0 end as discount_used,
    case when takes_discount then case when rest_before between 1 and most then rest_before else 0 end
        else case when rest_after between 1 and most then rest_after else 0 end end as shipping
from (
    select *,
        case
            when discount = 0 then false
            when rest_before in (most, order_shipping, order_handling, 0) then true
            when rest_after in (most, order_shipping, order_handling, 0) then false
            when rest_before between 0 and most then true
            when rest_after between 0 and most then false
            else true
        end as takes_discount
    from rests
)
