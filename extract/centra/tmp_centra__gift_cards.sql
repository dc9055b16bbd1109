-- tmp_centra__gift_cards: What gift cards paid of each shipment: a capture of a gift card belongs to the shipment captured nearest to it.

select order_id, doc_ref, sum(amount)::bigint as amount
from (
    select e.order_id, e.n, any_value(e.amount) as amount,
        arg_min(s.doc_ref, abs(epoch(s.captured_at) - epoch(coalesce(e.at_, timestamp '1970-01-01')))) as doc_ref
    from centra_entries as e
    inner join centra_shipments as s using (order_id)
    where e.kind = 'CAPTURE_GIFT_CARD' and not e.failed
    group by e.order_id, e.n
)
group by all
