-- stg_qliro__document_lines: the item actions that hang on an order's reservation, on a capture or on a refund.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included; rate in basis points
-- Source: https://developers.qliro.com/ (Admin API v2, orders)
--
-- VAT is what lies between the two prices, times the quantity. The rate is not stated: macro qliro_rate.
-- A refund's lines are > 0 where they give money back: a return fee lowers it.
-- A gift card is a Discount without VAT that says what it is.

with

lines as materialized (

    select
        e.kind, e.doc_ref, e.order_id, e.blob_id, a.reference, a.quantity, a.type, a.country, a.position, a.description,
        case when e.lowering then a.inc_lowering else a.inc end as inc,
        case when e.lowering then a.ex_lowering else a.ex end as ex,
        case when e.rows = 'reserved' then 1 else a.sign end * case e.kind when 'refund' then -1 else 1 end as sign

    from qliro_happened as e
    inner join qliro_acted as a on a.blob_id = e.blob_id and a.transaction = e.transaction
        and case e.rows when 'reserved' then a.action in ('Reserve', 'Create') else a.action in ('Ship', 'Return') end

    where coalesce(a.quantity * a.inc, 1) <> 0

),

-- Prices repeat: the rate between two is worked out once.
rates as (

    select inc, ex, country, qliro_rate(inc, ex, country) as rate_bp
    from (select distinct inc, ex, country from lines)

)

select
    kind, doc_ref, order_id,
    row_number() over (partition by blob_id, kind, doc_ref order by position) as line_no,
    case
        when type = 'Discount' and inc = ex
            and regexp_matches(lower(concat_ws(' ', reference, description)), 'gift.?(card|cert|voucher)|presentkort|gavekort|lahjakort|geschenk(karte|gutschein)')
            then 'gift_card'
        when type = 'Discount' then 'discount'
        when type = 'Shipping' then 'shipping'
        when type = 'Fee' then 'surcharge'
        else 'goods'
    end as line_type,
    reference,
    quantity,
    sign * quantity * inc as gross_minor,
    sign * quantity * (inc - ex) as vat_minor,
    rate_bp

from lines
left join rates using (inc, ex, country)
