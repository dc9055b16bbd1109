-- stg_svea__document_lines: one row per row of an order, a delivery or a credit. Rows that were cancelled are none.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included, as UnitPrice is; rate in basis points (Svea's 2500 is 25 %)
-- Source: https://docs.payments.svea.com/docs/manage-order
--
-- Svea states rates, not VAT amounts. A credit's rows have a negative quantity, a new row of a credit may
-- have a negative price or neither: what is credited is > 0, as a whole.

with

items as (

    select
        blob_id, kind, doc_ref, order_id,
        generate_subscripts(order_rows, 1) as line_no,
        unnest(order_rows) as x
    from svea_happened

),

-- Each number is read once: what a macro is given, it writes wherever it needs it.
typed as (

    select
        blob_id, kind, doc_ref, order_id, line_no, x.ArticleNumber as reference, lower(coalesce(x.RowType, '')) as row_type,
        svea_int(x.Quantity) as quantity, svea_int(x.UnitPrice) as price, svea_int(x.DiscountAmount) as discount, svea_int(x.DiscountPercent) as percent,
        coalesce(svea_int(x.VatPercent), 0)::integer as rate_bp
    from items
    where coalesce(lower(x.IsCancelled), 'false') <> 'true'

),

priced as (

    select * exclude (price, discount, percent), svea_row_total(quantity, price, discount, percent) as total
    from typed

),

-- Only a refund's sign is in question.
negative as (

    select blob_id, kind, doc_ref from priced where kind = 'refund' group by blob_id, kind, doc_ref having sum(total) < 0

),

signed as (

    select p.*, case when n.doc_ref is not null then -p.total else p.total end as gross
    from priced as p
    left join negative as n on n.blob_id = p.blob_id and n.kind = p.kind and n.doc_ref = p.doc_ref

)

select
    kind,
    doc_ref,
    order_id,
    line_no,
    case when row_type = 'shippingfee' then 'shipping' when gross < 0 then 'discount' else 'goods' end as line_type,
    reference,
    abs(quantity) // 100 as quantity,
    gross as gross_minor,
    vat_inside(gross, rate_bp) as vat_minor,
    rate_bp

from signed
