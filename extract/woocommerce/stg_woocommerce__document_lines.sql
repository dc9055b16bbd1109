-- stg_woocommerce__document_lines: one row per line of an order, and again per line of its delivery.
--
-- Streams: orders, lookup (a page of orders, or one)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included, rounded once per line from net plus tax; what the total then differs by is the
--         document's rounding row. Discounts by coupon are in the lines' totals already
-- Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-line-items-properties

with

typed as (

    select
        ref, order_id, section, n,
        case section
            when 2 then 'shipping'
            when 3 then case
                when vat_minor = 0 and gross_minor < 0 and woo_is_gift_card(name) then 'gift_card'
                when vat_minor = 0 and gross_minor < 0 and woo_is_store_credit(name) then 'store_credit'
                when gross_minor < 0 then 'discount' else 'fee' end
            else case when vat_minor = 0 and is_gift_card then 'gift_card' else 'goods' end
        end as line_type,
        reference, quantity, gross_minor, vat_minor, rate_bp
    from woo_lines
    where gross_minor is distinct from 0 or vat_minor is distinct from 0

    union all

    -- Gift cards that were used, unless a fee row says so already: the lines then are the total as they stand.
    select d.ref, d.order_id, 4, 1, 'gift_card', null, 1, -woo_minor(d.given, d.currency), 0, 0
    from woo_documents as d
    inner join (select ref, sum(gross_minor) as gross from woo_lines group by ref) as s using (ref)
    where d.given > 0 and 2 * (s.gross - woo_minor(woo_decimal(d.o.total), d.currency)) > woo_minor(d.given, d.currency)

),

numbered as (select *, row_number() over (partition by ref order by section, n) as line_no from typed)

select
    k.kind, ref as doc_ref, order_id, line_no, line_type, reference, quantity, gross_minor, vat_minor, rate_bp

from numbered cross join (values ('order'), ('delivery')) as k (kind)
