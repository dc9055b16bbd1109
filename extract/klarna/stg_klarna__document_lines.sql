-- stg_klarna__document_lines: one row per line of an order, a capture or a refund.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included; rate in basis points (Klarna's 2500 is 25 %)
-- Source: https://docs.klarna.com/api/ordermanagement/

with

items as (

    select kind, doc_ref, order_id, generate_subscripts(lines, 1) as line_no, unnest(lines) as x
    from klarna_events

)

select
    kind,
    doc_ref,
    order_id,
    line_no,
    lower(x.type) as line_type,
    x.reference as reference,
    klarna_int(x.quantity) as quantity,
    klarna_int(x.total_amount) as gross_minor,
    klarna_int(x.total_tax_amount) as vat_minor,
    coalesce(klarna_int(x.tax_rate)::integer, 0) as rate_bp

from items
