-- stg_shopify__document_lines: the rows of orders, deliveries and refunds; how they come about is in macros_shopify.sql.
--
-- Streams: orders, lookups (one order)
-- Key:     kind, doc_ref, line_no
-- Units:   minor units with VAT included; rate in basis points
--
-- Duty is collected for customs and is no revenue; no rule of ours says where it goes, so that it holds its document.

with

lines as (

    select blob_id, kind, doc_ref, line_type, item_id, quantity, rate_bp, gross, vat from shopify_lines

    union all

    select p.blob_id, 'order', o.order_id, p.line_type, p.item_id, p.quantity, p.rate_bp, p.gross, p.vat
    from shopify_pool as p
    inner join shopify_orders as o using (blob_id)

)

select
    l.kind,
    l.doc_ref,
    o.order_id,
    row_number() over (partition by l.blob_id, l.kind, l.doc_ref order by l.line_type, l.item_id, l.rate_bp, l.gross) as line_no,
    case l.line_type
        when 'PRODUCT' then 'goods' when 'SHIPPING' then 'shipping' when 'TIP' then 'tip' when 'GIFT_CARD' then 'gift_card' when 'STORE_CREDIT' then 'store_credit'
        when 'FEE' then 'fee' when 'ADDITIONAL_FEE' then 'fee' when 'ADJUSTMENT' then 'adjustment' when 'DUTY' then 'duty' else 'unknown'
    end as line_type,
    shopify_tail(l.item_id) as reference,
    l.quantity,
    l.gross as gross_minor,
    l.vat as vat_minor,
    l.rate_bp as rate_bp

from lines as l
inner join shopify_orders as o using (blob_id)
semi join (select order_id, max(blob_id) as blob_id from shopify_orders group by order_id) as n on n.blob_id = l.blob_id
