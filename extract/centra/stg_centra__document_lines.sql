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

-- Shipments and returns with what they have beside the goods.
holders as (

    select 'delivery' as kind, s.doc_ref, s.order_id, s.goods, s.untaxed, s.discount_used as discount, s.credit,
        s.shipping, 0 as handling, 0 as cost, coalesce(g.amount, 0) as gift, s.order_shipping as shipping_of,
        s.rules as shipping_rules, null as handling_rules, null as cost_rules, s.currency
    from centra_shipments as s
    left join centra_gift_cards as g on g.order_id = s.order_id and g.doc_ref = s.doc_ref

    union all by name

    select 'refund' as kind, doc_ref, order_id, goods, untaxed, discount_used as discount, credit,
        shipping_stated as shipping, handling_stated as handling, cost_stated as cost, gift, shipping_stated as shipping_of,
        totals.shippingTaxRules as shipping_rules, totals.handlingTaxRules as handling_rules, totals.returnCostTaxRules as cost_rules, currency
    from centra_returns
    where counts and priced

),

items as (

    select 'order' as kind, o.order_id as doc_ref, o.order_id, unnest(centra_goods(u.o.lines, o.currency)) as g, false as untaxed
    from centra_orders as o
    inner join centra_unfolded as u on u.blob_id = o.blob_id and u.i = o.i

    union all by name

    select kind, doc_ref, order_id, unnest(goods) as g, untaxed from holders

),

goods as (

    select kind, doc_ref, order_id, 'goods' as line_type, g.reference, g.quantity,
        abs(case when untaxed then g.value[2] else g.value[1] end) as gross_minor,
        case when untaxed then 0 else abs(g.value[1]) - abs(g.value[2]) end as vat_minor,
        case when untaxed then 0 else g.rate_bp end as rate_bp
    from items

),

rates as (

    select kind, doc_ref, rate_bp, sum(gross_minor)::bigint as gross,
        sum(sum(gross_minor)) over (partition by kind, doc_ref)::bigint as total,
        row_number() over (partition by kind, doc_ref order by sum(gross_minor) desc, rate_bp desc) as place
    from goods
    where kind <> 'order'
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

    select kind, doc_ref, order_id, untaxed, e.line_type, e.amount, e.whole, len(e.rules) as rules, e.rules[1].rule.taxPercent as percent,
        abs(centra_minor(e.rules[1].taxIncluded.value, currency)) as tax
    from (
        select kind, doc_ref, order_id, untaxed, currency, unnest([
            {'line_type': 'shipping', 'amount': shipping, 'whole': shipping_of, 'rules': shipping_rules},
            {'line_type': 'handling', 'amount': handling, 'whole': handling, 'rules': handling_rules},
            {'line_type': 'return_cost', 'amount': -cost, 'whole': cost, 'rules': cost_rules}]) as e
        from holders
    )
    where e.amount <> 0

),

fitting as (

    select e.kind, e.doc_ref, e.line_type, max(r.rate_bp) as highest,
        max(case when abs(vat_inside(e.whole, r.rate_bp) - e.tax) <= 1 then r.rate_bp end) as stated
    from extras as e
    left join rates as r using (kind, doc_ref)
    group by e.kind, e.doc_ref, e.line_type

),

charged as (

    select e.kind, e.doc_ref, e.order_id, e.line_type, e.amount as gross_minor,
        case when e.untaxed then 0 else coalesce(case when e.rules = 1 then centra_bp(e.percent) end, f.stated, f.highest, 0) end as rate_bp
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
