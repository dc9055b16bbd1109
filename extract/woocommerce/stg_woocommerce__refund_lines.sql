-- stg_woocommerce__refund_lines: one row per line of a refund. An amount-only refund has none.
--
-- Stream: refunds (the refunds of an order)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included; > 0 is given back. Lines come negative; a return fee that is kept comes positive
-- Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-refund-line-items-properties

select
    'refund' as kind, ref as doc_ref, order_id, row_number() over (partition by ref order by section, n) as line_no,
    case section
            when 2 then 'shipping'
            when 3 then case
                when vat_minor = 0 and gross_minor > 0 and woo_is_gift_card(l.name) then 'gift_card'
                when vat_minor = 0 and gross_minor > 0 and woo_is_store_credit(l.name) then 'store_credit'
                when gross_minor < 0 then 'discount' else 'fee' end
            else case
                -- A gift card that was sold is a debt to its holder, and no sale yet.
                when vat_minor = 0 and len(list_filter(l.meta_data, m -> regexp_matches(lower(m.key), '^_?(wc_gc_|pw_gift_card|ywgc_|giftcard_|gift_card_)'))) > 0 then 'gift_card'
                else 'goods' end
        end as line_type,
    coalesce(nullif(l.sku, ''), nullif(l.product_id, ''), nullif(l.method_id, '')) as reference,
    abs(try_cast(woo_decimal(l.quantity) as bigint)) as quantity,
    gross_minor, vat_minor, rate_bp

from woo_lines

where gross_minor is distinct from 0 or vat_minor is distinct from 0
