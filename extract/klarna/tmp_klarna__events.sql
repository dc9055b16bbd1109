-- tmp_klarna__events: one row per order, capture (a delivery) and refund, with its lines; read by the models of documents, their lines and keys.

select
    blob_id, 'order' as kind, order_id as doc_ref, order_id, created_at as event_at, amount as amount_minor,
    order_reference as reference, null::varchar as event_id, '$' as locator, lines
from klarna_orders

union all by name

select
    blob_id, 'delivery' as kind, coalesce(nullif(c.capture_id, ''), order_id || '#capture' || position) as doc_ref, order_id,
    klarna_time(c.captured_at) as event_at, klarna_int(c.captured_amount) as amount_minor,
    nullif(c.reference, '') as reference, nullif(c.capture_id, '') as event_id, '$.captures[' || position || ']' as locator, c.order_lines as lines
from (select blob_id, order_id, generate_subscripts(captures, 1) - 1 as position, unnest(captures) as c from klarna_orders)

union all by name

select
    blob_id, 'refund' as kind, coalesce(nullif(c.refund_id, ''), order_id || '#refund' || position) as doc_ref, order_id,
    klarna_time(c.refunded_at) as event_at, klarna_int(c.refunded_amount) as amount_minor,
    nullif(c.reference, '') as reference, nullif(c.refund_id, '') as event_id, '$.refunds[' || position || ']' as locator, c.order_lines as lines
from (select blob_id, order_id, generate_subscripts(refunds, 1) - 1 as position, unnest(refunds) as c from klarna_orders)
