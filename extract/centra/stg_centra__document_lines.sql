-- stg_centra__document_lines: one row per line of an order, a shipment or a return, and one
-- per VAT rate for the discounts, shipping, handling and costs that belong to no line.
--
-- Stream: orders, lookups (a batch of orders with their returns)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included; rate in basis points
-- Source: https://centra.dev/graphql/shipmentline.html, returnline.html, appliedtaxrulevalue.html
--
-- VAT of a line: with tax less without tax, as Centra states them. Discounts are shared over the goods' rates, the
-- odd öre to the largest. Shipping is taxed as the order's tax rule says; else at the goods' rate that gives the tax
-- stated, else at their highest. A refund without prices on its lines has none here: its amount is split by rule.

with

holders as (

    select 'order' as kind, order_id as doc_ref, order_id, currency, centra_list(lines) as lines, false as untaxed,
        0::bigint as discount, 0::bigint as credit, 0::bigint as shipping, 0::bigint as handling, 0::bigint as cost, 0::bigint as gift, null::json as totals, 0::bigint as shipping_of
    from centra_orders

    union all by name

    select 'delivery' as kind, s.doc_ref, s.order_id, s.currency, s.lines, s.untaxed, s.discount_used as discount, s.credit,
        s.shipping, 0 as handling, 0 as cost, coalesce(g.amount, 0) as gift, s.totals, s.order_shipping as shipping_of
    from centra_shipments as s
    left join centra_gift_cards as g on g.order_id = s.order_id and g.doc_ref = s.doc_ref

    union all by name

    select 'refund' as kind, doc_ref, order_id, currency, lines, untaxed, discount_used as discount, credit,
        shipping_stated as shipping, handling_stated as handling, cost_stated as cost, gift, totals, shipping_stated as shipping_of
    from centra_returns
    where counts and priced

),

items as (

    select kind, doc_ref, order_id, currency, untaxed,
        json_extract_string(x, ['$.productSize.SKU', '$.orderLine.productSize.SKU', '$.orderLine.id', '$.id', '$.quantity', '$.lineValue.value', '$.lineValueExTax.value',
            '$.orderLine.taxPercent', '$.taxPercent']) as v
    from (select kind, doc_ref, order_id, currency, untaxed, unnest(lines) as x from holders)

),

goods as (

    select kind, doc_ref, order_id, 'goods' as line_type,
        coalesce(v[1], v[2], v[3], v[4]) as reference,
        try_cast(v[5] as bigint) as quantity,
        abs(centra_minor(case when untaxed then v[7] else v[6] end, currency)) as gross_minor,
        case when untaxed then 0 else abs(centra_minor(v[6], currency)) - abs(centra_minor(v[7], currency)) end as vat_minor,
        case when untaxed then 0 else coalesce(centra_bp(v[8]), centra_bp(v[9]), 0) end as rate_bp
    from items

),

rates as (

    select kind, doc_ref, rate_bp, sum(gross_minor)::bigint as gross,
        sum(sum(gross_minor)) over (partition by kind, doc_ref)::bigint as total,
        row_number() over (partition by kind, doc_ref order by sum(gross_minor) desc, rate_bp desc) as place
    from goods
    group by kind, doc_ref, rate_bp

),

shares as (

    select h.kind, h.doc_ref, h.order_id, r.rate_bp, r.place, h.discount,
        case when r.total = 0 then case when r.place = 1 then h.discount else 0 end else div_half_away(h.discount::hugeint * r.gross, r.total) end as share
    from holders as h
    inner join rates as r using (kind, doc_ref)
    where h.discount <> 0

),

discounts as (

    select kind, doc_ref, order_id, rate_bp, -(share + case when place = 1 then discount - sum(share) over (partition by kind, doc_ref) else 0 end)::bigint as gross_minor
    from shares

),

-- What is charged beside the goods, with the tax rule and the tax it states.
extras as (

    select kind, doc_ref, order_id, currency, untaxed, e.line_type, e.amount, e.whole, e.rules
    from (
        select *, unnest([
            {'line_type': 'shipping', 'amount': shipping, 'whole': shipping_of, 'rules': totals -> '$.shippingTaxRules'},
            {'line_type': 'handling', 'amount': handling, 'whole': handling, 'rules': totals -> '$.handlingTaxRules'},
            {'line_type': 'return_cost', 'amount': -cost, 'whole': cost, 'rules': totals -> '$.returnCostTaxRules'}]) as e
        from holders
    )
    where e.amount <> 0

),

fitting as (

    select e.kind, e.doc_ref, e.line_type, max(r.rate_bp) as highest,
        max(case when abs(vat_inside(e.whole, r.rate_bp) - abs(centra_minor(e.rules ->> '$[0].taxIncluded.value', e.currency))) <= 1 then r.rate_bp end) as stated
    from extras as e
    left join rates as r using (kind, doc_ref)
    group by e.kind, e.doc_ref, e.line_type

),

charged as (

    select e.kind, e.doc_ref, e.order_id, e.line_type, e.amount as gross_minor,
        case when e.untaxed then 0 else coalesce(
            case when len(centra_list(e.rules)) = 1 then centra_bp(e.rules ->> '$[0].rule.taxPercent') end, f.stated, f.highest, 0) end as rate_bp
    from extras as e
    inner join fitting as f using (kind, doc_ref, line_type)

),

all_lines as (

    select kind, doc_ref, order_id, line_type, reference, quantity, gross_minor, vat_minor, rate_bp, 1 as rank_ from goods where gross_minor is not null
    union all by name
    select kind, doc_ref, order_id, 'discount' as line_type, gross_minor, -vat_inside(-gross_minor, rate_bp) as vat_minor, rate_bp, 2 as rank_ from discounts where gross_minor <> 0
    union all by name
    select kind, doc_ref, order_id, line_type, gross_minor, case when gross_minor < 0 then -vat_inside(-gross_minor, rate_bp) else vat_inside(gross_minor, rate_bp) end as vat_minor, rate_bp, 3 as rank_ from charged
    union all by name
    select kind, doc_ref, order_id, 'store_credit' as line_type, -credit as gross_minor, 0 as vat_minor, 0 as rate_bp, 4 as rank_ from holders where credit <> 0
    union all by name
    select kind, doc_ref, order_id, 'gift_card' as line_type, -gift as gross_minor, 0 as vat_minor, 0 as rate_bp, 5 as rank_ from holders where gift <> 0

)

select
    kind, doc_ref, order_id,
    row_number() over (partition by kind, doc_ref order by rank_, line_type, reference, rate_bp, gross_minor)::integer as line_no,
    line_type, reference, coalesce(quantity, 1) as quantity, gross_minor, vat_minor, rate_bp
from all_lines
