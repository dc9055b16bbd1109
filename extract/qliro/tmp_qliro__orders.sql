-- tmp_qliro__orders: read by the other two.
-- Orders, one row per answer. The answer is read once, into text: numbers may come as text, text as numbers.

select
    blob_id,
    nullif(o.OrderId, '') as order_id,
    upper(nullif(trim(o.Currency), '')) as currency,
    -- Where the goods went: there VAT is due (Directive 2006/112/EC, article 33).
    upper(coalesce(nullif(trim(o.ShippingAddress.CountryCode), ''), nullif(trim(o.Country), ''))) as country,
    case when qliro_juridical_type(o.Customer.JuridicalType) = 'Company' then 'business' else 'consumer' end as customer,
    nullif(trim(o.MerchantReference), '') as order_number,
    o.PaymentTransactions as transactions,
    o.OrderItemActions as actions
from (
    select blob_id, from_json(body, '{"OrderId": "VARCHAR", "MerchantReference": "VARCHAR", "Currency": "VARCHAR", "Country": "VARCHAR",
        "Customer": {"JuridicalType": "VARCHAR"}, "ShippingAddress": {"CountryCode": "VARCHAR"},
        "PaymentTransactions": [{"PaymentTransactionId": "VARCHAR", "OriginalPaymentTransactionId": "VARCHAR", "Type": "VARCHAR", "Status": "VARCHAR", "Currency": "VARCHAR",
            "Amount": "VARCHAR", "Timestamp": "VARCHAR", "PaymentMethodName": "VARCHAR", "ProviderTransactionId": "VARCHAR"}],
        "OrderItemActions": [{"MerchantReference": "VARCHAR", "Description": "VARCHAR", "Quantity": "VARCHAR", "PricePerItemIncVat": "VARCHAR", "PricePerItemExVat": "VARCHAR",
            "ActionType": "VARCHAR", "Type": "VARCHAR", "PaymentTransactionId": "VARCHAR"}]}') as o
    from raw
)
