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
                when vat_minor = 0 and gross_minor < 0 and woo_is_gift_card(l.name) then 'gift_card'
                when vat_minor = 0 and gross_minor < 0 and woo_is_store_credit(l.name) then 'store_credit'
                when gross_minor < 0 then 'discount' else 'fee' end
            else case
                -- A gift card that was sold is a debt to its holder, and no sale yet.
                when vat_minor = 0 and len(list_filter(l.meta_data, m -> regexp_matches(lower(m.key), '^_?(wc_gc_|pw_gift_card|ywgc_|giftcard_|gift_card_)'))) > 0 then 'gift_card'
                else 'goods' end
        end as line_type,
        coalesce(nullif(l.sku, ''), nullif(l.product_id, ''), nullif(l.method_id, '')) as reference,
        try_cast(woo_decimal(l.quantity) as bigint) as quantity,
        gross_minor, vat_minor, rate_bp
    from woo_lines
    where gross_minor is distinct from 0 or vat_minor is distinct from 0

    union all

    -- Gift cards that were used, unless a fee row says so already: the lines then are the total as they stand.
    select d.ref, d.order_id, 4, 1, 'gift_card', null, 1, -woo_minor(d.given, d.currency), 0, 0
    from woo_documents as d
    inner join (select ref, sum(gross_minor) as gross from woo_lines group by ref) as s using (ref)
    where d.given > 0 and 2 * (s.gross - woo_minor(woo_decimal(d.o.total), d.currency)) > woo_minor(d.given, d.currency)

)

select
    k.kind, ref as doc_ref, order_id, row_number() over (partition by k.kind, ref order by section, n) as line_no,
    line_type, reference, quantity, gross_minor, vat_minor, rate_bp

from typed cross join (values ('order'), ('delivery')) as k (kind)
