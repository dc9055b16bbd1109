-- stg_klarna__documents: one row per order, per capture (a delivery) and per refund of
-- Order Management v1. Renames, casts; no joins, no sums over rows.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref
-- Units:  minor units, > 0
-- Source: https://docs.klarna.com/api/ordermanagement/
--
-- A refund belongs to the order, not to a capture, and often has no lines.
-- The country is where the goods went: that is where VAT is due (Directive 2006/112/EC, article 33).

with

changes as (

    select blob_id, max(event_at) as changed_at
    from klarna_events
    group by blob_id

)

select
    e.kind,
    e.doc_ref,
    e.order_id,
    o.order_number,
    e.reference,
    e.event_at,
    o.currency,
    e.amount_minor,
    o.country,
    o.customer,
    o.method,
    o.status,
    -- Nothing more can happen: never captured and closed, or all of it captured and given back.
    coalesce((o.status in ('CANCELLED', 'EXPIRED') and o.captured = 0)
        or (o.captured > 0 and o.refunded >= o.captured and (o.remaining = 0 or o.status in ('CANCELLED', 'EXPIRED', 'CLOSED'))), false) as is_final,
    c.changed_at,
    e.blob_id,
    e.locator

from klarna_events as e
inner join klarna_orders as o using (blob_id)
inner join changes as c using (blob_id)
