-- stg_klarna__document_keys: what a settlement may call an order, a capture or a refund.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, key_type, value
-- Source: https://docs.klarna.com/api/settlements/ (capture_id on SALE and FEE, refund_id on RETURN, merchant references)

with

known as (

    select e.kind, e.doc_ref, e.order_id, e.event_id, o.order_number, o.order_reference, case when e.kind <> 'order' then e.reference end as reference
    from klarna_events as e
    inner join klarna_orders as o using (blob_id)

)

select kind, doc_ref, order_id, 'event_id' as key_type, event_id as value from known where event_id is not null
union all
select kind, doc_ref, order_id, 'order_id', order_id from known where order_id <> ''
union all
select kind, doc_ref, order_id, 'order_number', order_number from known where order_number is not null
union all
select kind, doc_ref, order_id, 'reference', order_reference from known where order_reference is not null
union all
select kind, doc_ref, order_id, 'reference', reference from known where reference is not null
