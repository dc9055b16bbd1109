-- tmp_klarna__orders: orders of Order Management v1, each parsed once; read by the models of documents, their lines and keys.
--
-- Numbers are read as text: what is no whole number is no amount.

select
    blob_id,
    o.order_id as order_id,
    nullif(o.merchant_reference1, '') as order_number,
    nullif(o.merchant_reference2, '') as order_reference,
    upper(o.purchase_currency) as currency,
    upper(coalesce(nullif(o.shipping_address.country, ''), o.purchase_country)) as country,
    case when lower(o.customer.type) = 'organization' then 'business' else 'consumer' end as customer,
    lower(o.initial_payment_method.type) as method,
    upper(o.status) as status,
    klarna_time(o.created_at) as created_at,
    klarna_int(o.order_amount) as amount,
    coalesce(klarna_int(o.captured_amount), 0) as captured,
    coalesce(klarna_int(o.refunded_amount), 0) as refunded,
    coalesce(klarna_int(o.remaining_authorized_amount), 0) as remaining,
    o.order_lines as lines,
    coalesce(o.captures, []) as captures,
    coalesce(o.refunds, []) as refunds
from (
    select blob_id, from_json(body, '{"order_id": "VARCHAR", "merchant_reference1": "VARCHAR", "merchant_reference2": "VARCHAR", "purchase_currency": "VARCHAR",
        "purchase_country": "VARCHAR", "shipping_address": {"country": "VARCHAR"}, "customer": {"type": "VARCHAR"}, "initial_payment_method": {"type": "VARCHAR"},
        "status": "VARCHAR", "created_at": "VARCHAR", "order_amount": "VARCHAR", "captured_amount": "VARCHAR", "refunded_amount": "VARCHAR", "remaining_authorized_amount": "VARCHAR",
        "order_lines": [{"type": "VARCHAR", "reference": "VARCHAR", "quantity": "VARCHAR", "total_amount": "VARCHAR", "total_tax_amount": "VARCHAR", "tax_rate": "VARCHAR"}],
        "captures": [{"capture_id": "VARCHAR", "captured_at": "VARCHAR", "captured_amount": "VARCHAR", "reference": "VARCHAR",
            "order_lines": [{"type": "VARCHAR", "reference": "VARCHAR", "quantity": "VARCHAR", "total_amount": "VARCHAR", "total_tax_amount": "VARCHAR", "tax_rate": "VARCHAR"}]}],
        "refunds": [{"refund_id": "VARCHAR", "refunded_at": "VARCHAR", "refunded_amount": "VARCHAR", "reference": "VARCHAR",
            "order_lines": [{"type": "VARCHAR", "reference": "VARCHAR", "quantity": "VARCHAR", "total_amount": "VARCHAR", "total_tax_amount": "VARCHAR", "tax_rate": "VARCHAR"}]}]}') as o
    from raw
)
