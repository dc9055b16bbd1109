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

items as (

    select 'order' as kind, order_id as doc_ref, order_id, unnest(goods) as g, false as untaxed from centra_orders
    union all by name
    select 'delivery' as kind, doc_ref, order_id, unnest(goods) as g, untaxed from centra_shipments
    union all by name
    select 'refund' as kind, doc_ref, order_id, unnest(goods) as g, untaxed from centra_returns where counts and priced

),

goods as (

    select kind, doc_ref, order_id, g.reference, g.quantity,
        abs(case when untaxed then g.value[2] else g.value[1] end) as gross_minor,
        case when untaxed then 0 else abs(g.value[1]) - abs(g.value[2]) end as vat_minor,
        case when untaxed then 0 else g.rate_bp end as rate_bp
    from items

),

-- What is taken off shipments and returns.
deductions as (

    select 'delivery' as kind, s.doc_ref, s.order_id, s.discount_used as discount, s.credit, coalesce(g.amount, 0) as gift
    from centra_shipments as s
    left join centra_gift_cards as g on g.order_id = s.order_id and g.doc_ref = s.doc_ref
    union all by name
    select 'refund' as kind, doc_ref, order_id, discount_used as discount, credit, gift from centra_returns where counts and priced

),

-- What is charged beside the goods, with the tax rule and the tax it states. Of the order's shipping, a shipment has a part.
extras as (

    select kind, doc_ref, order_id, untaxed, line_type, amount, whole, len(rules) as rules, rules[1].rule.taxPercent as percent,
        abs(centra_minor(rules[1].taxIncluded.value, currency)) as tax
    from (
        select 'delivery' as kind, doc_ref, order_id, currency, untaxed, 'shipping' as line_type, shipping as amount, order_shipping as whole, rules
        from centra_shipments
        union all by name
        select 'refund' as kind, doc_ref, order_id, currency, untaxed, unnest([
                {'line_type': 'shipping', 'amount': shipping_stated, 'whole': shipping_stated, 'rules': totals.shippingTaxRules},
                {'line_type': 'handling', 'amount': handling_stated, 'whole': handling_stated, 'rules': totals.handlingTaxRules},
                {'line_type': 'return_cost', 'amount': -cost_stated, 'whole': cost_stated, 'rules': totals.returnCostTaxRules}], recursive := true)
        from centra_returns
        where counts and priced
    )
    where amount <> 0

),

rates as (

    select kind, doc_ref, rate_bp, sum(gross_minor)::bigint as gross
    from goods
    where kind <> 'order'
    group by kind, doc_ref, rate_bp

),

places as (

    select *, sum(gross) over (partition by kind, doc_ref)::bigint as total, row_number() over (partition by kind, doc_ref order by gross desc, rate_bp desc) as place
    from rates
    semi join (select kind, doc_ref from deductions where discount <> 0) as d using (kind, doc_ref)

),

shares as (

    select d.kind, d.doc_ref, d.order_id, p.rate_bp, p.place, d.discount,
        case when p.total = 0 then case when p.place = 1 then d.discount else 0 end else div_half_away(d.discount::hugeint * p.gross, p.total) end as share
    from deductions as d
    inner join places as p using (kind, doc_ref)
    where d.discount <> 0

),

discounts as (

    select kind, doc_ref, order_id, rate_bp, -(share + case when place = 1 then discount - sum(share) over (partition by kind, doc_ref) else 0 end)::bigint as gross_minor
    from shares

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

    select kind, doc_ref, order_id, 'goods' as line_type, reference, quantity, gross_minor, vat_minor, rate_bp, 1 as rank_ from goods where gross_minor is not null
    union all by name
    select *, vat_inside(gross_minor, rate_bp) as vat_minor
    from (
        select kind, doc_ref, order_id, 'discount' as line_type, gross_minor, rate_bp, 2 as rank_ from discounts where gross_minor <> 0
        union all by name
        select kind, doc_ref, order_id, line_type, gross_minor, rate_bp, 3 as rank_ from charged
    )
    union all by name
    select kind, doc_ref, order_id, 'store_credit' as line_type, -credit as gross_minor, 0 as vat_minor, 0 as rate_bp, 4 as rank_ from deductions where credit <> 0
    union all by name
    select kind, doc_ref, order_id, 'gift_card' as line_type, -gift as gross_minor, 0 as vat_minor, 0 as rate_bp, 5 as rank_ from deductions where gift <> 0

)

select
    kind, doc_ref, order_id,
    row_number() over (partition by kind, doc_ref order by rank_, line_type, reference, rate_bp, gross_minor)::integer as line_no,
    line_type, reference, coalesce(quantity, 1) as quantity, gross_minor, vat_minor, rate_bp
from all_lines
