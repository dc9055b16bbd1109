-- stg_mollie__document_lines: one row per line of a payment or order, of a payment that is its own
-- delivery, of a shipment, and of a refund that states lines.
--
-- Stream: payments
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included; rate in basis points ("25.00" is 2500)
-- Source: https://docs.mollie.com/reference/get-payment (lines)
--
-- A line without its VAT rate is no line with 0 %: such a document gets none of its lines, and is held.
-- Captures have no lines: their amount is split over what is left of the payment's.

with

source as materialized (

    select order_id, p.lines as lines, deliveries, refunds from mollie_happened

),

holders as (

    select 'order' as kind, order_id as doc_ref, order_id, lines from source

    union all

    select 'delivery', d.id, order_id, d.lines from (select order_id, unnest(deliveries) as d from source)

    union all

    select 'refund', d.id, order_id, d.lines from (select order_id, unnest(refunds) as d from source)

),

lines as (

    select kind, doc_ref, order_id, generate_subscripts(lines, 1) as line_no, unnest(lines) as item
    from holders
    where len(lines) > 0 and len(list_filter(lines, x -> (
        regexp_full_match(x.vatRate, '[0-9]{1,3}(\.[0-9]{1,4})?')
        or (x.vatRate is null and mollie_micro(x.vatAmount.value) = 0)
        or lower(x.type) in ('gift_card', 'store_credit')) is not true)) = 0

)

select
    kind,
    doc_ref,
    order_id,
    line_no,
    lower(coalesce(item.type, 'physical')) as line_type,
    coalesce(nullif(item.sku, ''), item.id) as reference,
    case when regexp_full_match(item.quantity, '[0-9]{1,9}') then item.quantity::bigint end as quantity,
    mollie_minor_of(item.totalAmount) as gross_minor,
    mollie_minor_of(item.vatAmount) as vat_minor,
    coalesce((mollie_micro(item.vatRate) // 10000)::integer, 0) as rate_bp

from lines
