-- tmp_centra__returns: Returns with the order they belong to. One counts when it is completed or money has gone back. Types Return, ReturnTotals.
-- grand total = goods + shipping + handling − discounts − what the return costs the customer.

with

returned as (
    select
        o.blob_id, '$.data.returns[' || (a.k - 1) || ']' as place, o.order_id, o.order_number,
        a.r.id as doc_ref,
        upper(coalesce(nullif(a.r.returnStatus, ''), a.r.status, '')) as return_status,
        centra_time(a.r.createdAt) as returned_at,
        o.currency, o.country, o.customer, o.method,
        centra_minors([a.r.grandTotal.value, a.r.totals.shipping.value, a.r.totals.handling.value, a.r.totals.discounts.value,
            a.r.totals.returnCost.value, a.r.totals.taxDeducted.value], o.currency) as m,
        a.r.totals, centra_goods(a.r.lines, o.currency) as goods,
        list_transform(list_filter(a.r.discountsApplied, lambda d: centra_credit(d.__typename)), lambda d: d.value.value) as credits,
        list_transform(a.r.refundPaymentHistory, lambda x: {
            'id': x.id, 'kind': centra_kind(x.entryType), 'failed': centra_failed(x.status), 'at_': centra_time(x.createdAt), 'amount': x.value.value,
            'refs': centra_refs(x), 'params': x.paramsJSON}) as entries
    from (select blob_id, k, r from centra_unfolded where k is not null) as a
    inner join centra_orders as o on o.blob_id = a.blob_id and o.order_id = a.r."order".id
),

sums as (
    select * exclude (m, credits, entries),
        abs(m[1]) as total,
        coalesce(abs(m[2]), 0) as shipping_stated,
        coalesce(abs(m[3]), 0) as handling_stated,
        coalesce(abs(m[4]), 0) as discounts_stated,
        coalesce(abs(m[5]), 0) as cost_stated,
        coalesce(m[6], 0) <> 0 as tax_deducted,
        coalesce(centra_sum(list_transform(centra_minors(credits, currency), lambda c: abs(c))), 0) as credit_stated,
        coalesce(list_filter(entries, lambda x: x.kind like 'REFUND%' and x.kind not like '%FAILED' and not x.failed), []) as refunds,
        list_bool_and(list_transform(goods, lambda g: g.priced)) is not false as priced,
        coalesce(centra_sum(list_transform(goods, lambda g: abs(g.value[1]))), 0) as goods_with,
        centra_sum(list_transform(goods, lambda g: abs(g.value[2]))) as goods_without,
        len(goods) + 2 as slack
    from returned
),

counted as (
    select *,
        return_status in ('COMPLETED', 'COMPLETE') or len(refunds) > 0 as counts,
        shipping_stated + handling_stated as extras,
        coalesce(centra_sum(list_transform(
            centra_minors(list_transform(list_filter(refunds, lambda x: x.kind = 'REFUND_GIFT_CARD'), lambda x: x.amount), currency), lambda a: abs(a))), 0) as gift
    from sums
),

based as (
    select *,
        tax_deducted and goods_without is not null
            and abs(total - (goods_with + extras - discounts_stated - cost_stated)) > slack
            and abs(total - (goods_without + extras - discounts_stated - cost_stated)) <= slack as untaxed
    from counted
),

-- Whether the total is as if there were no discounts.
fitted as (
    select *, abs(total - charged) <= slack and abs(total - (charged - discounts_stated)) > slack as undiscounted
    from (select *, case when untaxed then goods_without else goods_with end + extras - cost_stated as charged from based)
)

select
    blob_id, place, order_id, order_number, doc_ref, return_status, currency, country, customer, method, total, goods, totals, goods_with,
    refunds, counts, priced, untaxed, gift, shipping_stated, handling_stated, cost_stated,
    case when discounts_stated = 0 or undiscounted then 0 else discounts_stated - least(credit_stated, discounts_stated) end as discount_used,
    case when discounts_stated > 0 and undiscounted then 0 else least(credit_stated, discounts_stated) end as credit,
    coalesce(list_min(list_transform(refunds, lambda x: x.at_)), returned_at) as event_at
from fitted
