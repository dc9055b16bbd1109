-- tmp_centra__shipments: Shipments that have left, with what is left of their total beside the goods. Types Shipment, ShipmentLine.
-- grand total = goods + shipping and handling − discounts − credit. A shipment does not state its shipping: it is the rest,
-- and must be a part of the order's. Whether the lines are before or after the discounts shows in that rest. Where
-- the order's tax is deducted (export) and only the values without tax add up, those are what was sold.

with

parts as (
    select * exclude (s, lines, history, shipments, total), s.i as i,
        json_extract_string(s.x, ['$.number', '$.id', '$.shippedAt', '$.capturedAt', '$.paidAt', '$.createdAt', '$.isShipped', '$.grandTotal.value', '$.shippingAddress.country.code']) as v,
        json_extract(s.x, ['$.lines', '$.discountsApplied']) as j
    from (select *, unnest(list_transform(centra_list(shipments), lambda x, i: {'x': x, 'i': i})) as s from centra_orders)
),

shipped as (
    select
        * exclude (v, j, i, country), locator || '.shipments[' || (i - 1) || ']' as place,
        coalesce(nullif(v[1], ''), v[2]) as doc_ref,
        coalesce(centra_time(v[3]), centra_time(v[4]), centra_time(v[6])) as event_at,
        coalesce(centra_time(v[4]), centra_time(v[5]), centra_time(v[3])) as captured_at,
        centra_minor(v[8], currency) as total,
        upper(coalesce(nullif(v[9], ''), country)) as country,
        centra_list(j[1]) as lines, centra_list(j[2]) as discounts,
        order_tax_deducted as tax_deducted
    from parts
    where v[3] is not null or lower(v[7]) = 'true'
),

sums as (
    select *,
        coalesce(list_sum(list_transform(lines, lambda l: centra_minor(l ->> '$.lineValue.value', currency))), 0)::bigint as goods_with,
        list_sum(list_transform(lines, lambda l: centra_minor(l ->> '$.lineValueExTax.value', currency)))::bigint as goods_without,
        coalesce(list_sum(list_transform(discounts, lambda d: case when centra_credit(d) then 0 else abs(centra_minor(d ->> '$.value.value', currency)) end)), 0)::bigint as discount,
        coalesce(list_sum(list_transform(discounts, lambda d: case when centra_credit(d) then abs(centra_minor(d ->> '$.value.value', currency)) else 0 end)), 0)::bigint as credit,
        order_shipping + order_handling as most
    from shipped
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

select *,
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
