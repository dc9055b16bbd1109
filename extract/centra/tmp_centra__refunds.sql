-- tmp_centra__refunds: Money given back without a return: a refund in the payment history that no return points to. Centra may write the
-- provider's answer to a return's refund as an entry of its own, so one counts only when the refunds of the
-- order exceed its returns by it.

with

entries as (
    select order_id, x, x ->> '$.id' as entry_id, abs(centra_minor(x ->> '$.value.value', currency)) as amount, centra_time(x ->> '$.createdAt') as event_at,
        '.paymentHistory[' || (n - 1) || ']' as place, o.* exclude (order_id, x, n)
    from (select * exclude (total, lines, totals, shipments), unnest(history) as x, generate_subscripts(history, 1) as n from centra_orders) as o
    where centra_kind(x) = 'REFUND' and not centra_failed(x) and upper(coalesce(x ->> '$.status', 'SUCCESS')) <> 'PENDING' and (x ->> '$.id') is not null
),

of_returns as (
    select order_id, sum(total - gift)::bigint as amount, flatten(list(list_transform(refunds, lambda x: x ->> '$.id'))) as linked,
        list(total - gift) filter (len(list_filter(refunds, lambda x: centra_kind(x) = 'REFUND')) = 0) as unanswered
    from centra_returns
    where counts
    group by order_id
)

select e.*
from (select *, sum(amount) over (partition by order_id) as refunded from entries) as e
left join of_returns as r using (order_id)
where r.order_id is null
    or (not list_contains(r.linked, e.entry_id) and not list_contains(coalesce(r.unanswered, []), e.amount) and e.refunded - r.amount >= e.amount)
