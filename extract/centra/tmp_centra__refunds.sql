-- tmp_centra__refunds: Money given back without a return: a refund in the payment history that no return points to. Centra may write the
-- provider's answer to a return's refund as an entry of its own, so one counts only when the refunds of the
-- order exceed its returns by it.

with

unfolded as (
    select *, sum(amount) over (partition by order_id) as refunded
    from centra_entries
    where kind = 'REFUND' and not failed and coalesce(status, 'SUCCESS') <> 'PENDING' and entry_id is not null
),

of_returns as (
    select order_id, sum(total - gift)::bigint as amount, flatten(list(list_transform(refunds, lambda x: x.id))) as linked,
        list(total - gift) filter (len(list_filter(refunds, lambda x: x.kind = 'REFUND')) = 0) as unanswered
    from centra_returns
    where counts
    group by order_id
)

select
    'refund/' || e.entry_id as doc_ref, e.order_id, o.order_number, e.at_ as event_at, o.currency, e.amount, o.country, o.customer, o.method,
    o.blob_id, o.locator || '.paymentHistory[' || (e.n - 1) || ']' as place, e.refs, e.params
from unfolded as e
inner join centra_orders as o on o.blob_id = e.blob_id and o.i = e.i
left join of_returns as r on r.order_id = e.order_id
where r.order_id is null
    or (not list_contains(r.linked, e.entry_id) and not list_contains(coalesce(r.unanswered, []), e.amount) and e.refunded - r.amount >= e.amount)
