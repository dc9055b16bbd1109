-- tmp_centra__returns: Returns with the order they belong to. One counts when it is completed or money has gone back. Types Return, ReturnTotals.
-- grand total = goods + shipping + handling − discounts − what the return costs the customer.

with

answers as (
    select blob_id, r.i as i,
        json_extract_string(r.x, ['$.id', '$.order.id', '$.returnStatus', '$.status', '$.createdAt', '$.grandTotal.value',
            '$.totals.shipping.value', '$.totals.handling.value', '$.totals.discounts.value', '$.totals.returnCost.value', '$.totals.taxDeducted.value']) as v,
        json_extract(r.x, ['$.totals', '$.lines', '$.discountsApplied', '$.refundPaymentHistory']) as j
    from (select blob_id, unnest(list_transform(coalesce(json_extract(body, '$.data.returns[*]'), []::json[]), lambda x, i: {'x': x, 'i': i})) as r from raw)
),

returned as (
    select
        o.* exclude (locator, totals, lines, shipments, history, total), '$.data.returns[' || (a.i - 1) || ']' as place,
        v[1] as doc_ref,
        upper(coalesce(nullif(v[3], ''), v[4], '')) as return_status,
        centra_time(v[5]) as returned_at,
        abs(centra_minor(v[6], o.currency)) as total,
        coalesce(abs(centra_minor(v[7], o.currency)), 0) as shipping_stated,
        coalesce(abs(centra_minor(v[8], o.currency)), 0) as handling_stated,
        coalesce(abs(centra_minor(v[9], o.currency)), 0) as discounts_stated,
        coalesce(abs(centra_minor(v[10], o.currency)), 0) as cost_stated,
        coalesce(centra_minor(v[11], o.currency), 0) <> 0 as tax_deducted,
        j[1] as totals, centra_list(j[2]) as lines,
        coalesce(list_sum(list_transform(centra_list(j[3]),
            lambda d: case when centra_credit(d) then abs(centra_minor(d ->> '$.value.value', o.currency)) else 0 end)), 0)::bigint as credit_stated,
        list_filter(centra_list(j[4]), lambda x: centra_kind(x) like 'REFUND%' and centra_kind(x) not like '%FAILED' and not centra_failed(x)) as refunds
    from answers as a
    inner join centra_orders as o on o.blob_id = a.blob_id and o.order_id = a.v[2]
),

sums as (
    select *,
        return_status in ('COMPLETED', 'COMPLETE') or len(refunds) > 0 as counts,
        list_bool_and(list_transform(lines, lambda l: (l ->> '$.lineValue.value') is not null)) is not false as priced,
        coalesce(list_sum(list_transform(lines, lambda l: abs(centra_minor(l ->> '$.lineValue.value', currency)))), 0)::bigint as goods_with,
        list_sum(list_transform(lines, lambda l: abs(centra_minor(l ->> '$.lineValueExTax.value', currency))))::bigint as goods_without,
        shipping_stated + handling_stated as extras,
        coalesce(list_sum(list_transform(refunds, lambda x: case when centra_kind(x) = 'REFUND_GIFT_CARD' then abs(centra_minor(x ->> '$.value.value', currency)) else 0 end)), 0)::bigint as gift,
        len(lines) + 2 as slack
    from returned
),

based as (
    select *,
        tax_deducted and goods_without is not null
            and abs(total - (goods_with + extras - discounts_stated - cost_stated)) > slack
            and abs(total - (goods_without + extras - discounts_stated - cost_stated)) <= slack as untaxed
    from sums
)

select *,
    case
        when discounts_stated = 0 then 0
        when abs(total - (case when untaxed then goods_without else goods_with end + extras - cost_stated)) <= slack
            and abs(total - (case when untaxed then goods_without else goods_with end + extras - discounts_stated - cost_stated)) > slack then 0
        else discounts_stated - least(credit_stated, discounts_stated)
    end as discount_used,
    case
        when discounts_stated > 0 and abs(total - (case when untaxed then goods_without else goods_with end + extras - cost_stated)) <= slack
            and abs(total - (case when untaxed then goods_without else goods_with end + extras - discounts_stated - cost_stated)) > slack then 0
        else least(credit_stated, discounts_stated)
    end as credit,
    coalesce(list_min(list_transform(refunds, lambda x: centra_time(x ->> '$.createdAt'))), returned_at) as event_at
from based
