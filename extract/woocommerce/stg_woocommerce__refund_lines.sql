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
                when vat_minor = 0 and gross_minor > 0 and woo_is_gift_card(name) then 'gift_card'
                when vat_minor = 0 and gross_minor > 0 and woo_is_store_credit(name) then 'store_credit'
                when gross_minor < 0 then 'discount' else 'fee' end
            else case when vat_minor = 0 and is_gift_card then 'gift_card' else 'goods' end
        end as line_type,
    reference, abs(quantity) as quantity, gross_minor, vat_minor, rate_bp

from woo_lines

where gross_minor is distinct from 0 or vat_minor is distinct from 0
