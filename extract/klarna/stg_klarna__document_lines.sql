-- stg_klarna__document_lines: one row per line of an order, a capture or a refund.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included; rate in basis points (Klarna's 2500 is 25 %)
-- Source: https://docs.klarna.com/api/ordermanagement/

with

source as (

    select
        body,
        body ->> '$.order_id' as order_id,
        coalesce(from_json(body -> '$.captures', '["JSON"]'), []) as captures,
        coalesce(from_json(body -> '$.refunds', '["JSON"]'), []) as refunds

    from raw

),

holders as (

    select 'order' as kind, order_id as doc_ref, order_id, body -> '$.order_lines' as lines
    from source

    union all

    select 'delivery', coalesce(nullif(c.item ->> '$.capture_id', ''), order_id || '#capture' || c.position), order_id, c.item -> '$.order_lines'
    from (select *, unnest(list_transform(captures, (x, i) -> {'item': x, 'position': i - 1})) as c from source)

    union all

    select 'refund', coalesce(nullif(c.item ->> '$.refund_id', ''), order_id || '#refund' || c.position), order_id, c.item -> '$.order_lines'
    from (select *, unnest(list_transform(refunds, (x, i) -> {'item': x, 'position': i - 1})) as c from source)

),

lines as (

    select
        kind, doc_ref, order_id,
        generate_subscripts(from_json(lines, '["JSON"]'), 1) as line_no,
        unnest(from_json(lines, '["JSON"]')) as item

    from holders

    where json_type(lines) = 'ARRAY'

)

select
    kind,
    doc_ref,
    order_id,
    line_no,
    lower(item ->> '$.type') as line_type,
    item ->> '$.reference' as reference,
    klarna_int(item ->> '$.quantity') as quantity,
    klarna_int(item ->> '$.total_amount') as gross_minor,
    klarna_int(item ->> '$.total_tax_amount') as vat_minor,
    coalesce(klarna_int(item ->> '$.tax_rate')::integer, 0) as rate_bp

from lines
