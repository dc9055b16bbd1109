-- tmp_centra__gift_cards: What gift cards paid of each shipment: a capture of a gift card belongs to the shipment captured nearest to it.

select order_id, doc_ref, sum(amount)::bigint as amount
from (
    select e.order_id, e.n, any_value(e.amount) as amount, arg_min(s.doc_ref, abs(epoch(s.captured_at) - epoch(e.at_))) as doc_ref
    from (
        select order_id, n, abs(centra_minor(x ->> '$.value.value', currency)) as amount, coalesce(centra_time(x ->> '$.createdAt'), timestamp '1970-01-01') as at_
        from (select order_id, currency, unnest(history) as x, generate_subscripts(history, 1) as n from centra_orders)
        where centra_kind(x) = 'CAPTURE_GIFT_CARD' and not centra_failed(x)
    ) as e
    inner join centra_shipments as s using (order_id)
    group by e.order_id, e.n
)
group by all
