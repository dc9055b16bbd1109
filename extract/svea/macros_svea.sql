-- What Svea's answers have in common. Amounts, quantities and percents are integers times 100.

-- A whole number, or it is none: 12.5 is no amount in öre. "125000.0" is how some serializers write one.
create or replace temp macro svea_int(t) as
    case when regexp_full_match(t, '-?[0-9]{1,15}(\.0+)?') then try_cast(split_part(t, '.', 1) as bigint) end; -- DuckDB may cast before it looks at the case

-- A moment in UTC. Svea writes times without a zone; they are taken for Swedish local time (inferred).
create or replace temp macro svea_time(t) as
    case when regexp_matches(t, 'T.*(Z|[+-][0-9]{2}:?[0-9]{2})$') then try_cast(regexp_replace(t, '(\.[0-9]{6})[0-9]+', '\1') as timestamptz) at time zone 'UTC'
        else (try_cast(regexp_replace(t, '(\.[0-9]{6})[0-9]+', '\1') as timestamp) at time zone 'Europe/Stockholm') at time zone 'UTC' end;

-- An ID, which may come as a number, a text, "" or 0 for none.
create or replace temp macro svea_id(t) as nullif(nullif(regexp_replace(trim(t), '\.0+$', ''), ''), '0');

-- A shop's order number as it was before a card payment was tried again.
create or replace temp macro svea_number(t) as nullif(regexp_replace(trim(t), '-WRetry-[0-9]+$', ''), '');

-- How it was paid, by the admin API's words, also where the checkout's codes come.
-- _PF says that Svea is the facilitator of the payment.
create or replace temp macro svea_method(t) as
    case regexp_replace(lower(t), '_pf$', '')
        when 'sveacardpay' then 'card' when 'admininvoice' then 'invoice'
        else regexp_replace(lower(t), '_pf$', '') end;

-- A row's price: unit price (with VAT) by quantity less its discount, which is an amount on the row or a percent.
-- A row that is credited has a negative quantity, and its discount is given back in the same way; whether the
-- discount of such a row is written with a sign is documented nowhere, so both are read. Whole pieces without a
-- discount, as most rows are, need no division of 128 bits.
create or replace temp macro svea_row_total(quantity, price, amount, percent) as
    case when coalesce(amount, 0) = 0 and coalesce(percent, 0) = 0 and quantity % 100 = 0 then price * (quantity // 100)
        when coalesce(amount, 0) <> 0
        then div_half_away(price::hugeint * quantity, 100) - case when quantity < 0 then -abs(amount) else amount end
        else div_half_away(price::hugeint * quantity * (10000 - coalesce(percent, 0)), 1000000) end;

create or replace temp macro svea_order(body) as from_json(body, '{
    "Id": "VARCHAR", "MerchantOrderId": "VARCHAR", "OrderStatus": "VARCHAR", "PaymentType": "VARCHAR", "Currency": "VARCHAR", "CreationDate": "VARCHAR",
    "OrderAmount": "VARCHAR", "CancelledAmount": "VARCHAR", "IsCompany": "VARCHAR", "CountryCode": "VARCHAR",
    "ShippingAddress": {"CountryCode": "VARCHAR"}, "BillingAddress": {"CountryCode": "VARCHAR"},
    "OrderRows": [{"OrderRowId": "VARCHAR", "ArticleNumber": "VARCHAR", "Quantity": "VARCHAR", "UnitPrice": "VARCHAR", "DiscountPercent": "VARCHAR", "DiscountAmount": "VARCHAR", "VatPercent": "VARCHAR", "IsCancelled": "VARCHAR", "RowType": "VARCHAR"}],
    "Deliveries": [{"Id": "VARCHAR", "CreationDate": "VARCHAR", "InvoiceId": "VARCHAR", "DeliveryAmount": "VARCHAR", "CreditedAmount": "VARCHAR",
        "OrderRows": [{"OrderRowId": "VARCHAR", "ArticleNumber": "VARCHAR", "Quantity": "VARCHAR", "UnitPrice": "VARCHAR", "DiscountPercent": "VARCHAR", "DiscountAmount": "VARCHAR", "VatPercent": "VARCHAR", "IsCancelled": "VARCHAR", "RowType": "VARCHAR"}],
        "Credits": [{"Id": "VARCHAR", "CreditId": "VARCHAR", "CreationDate": "VARCHAR", "Amount": "VARCHAR",
            "OrderRows": [{"OrderRowId": "VARCHAR", "ArticleNumber": "VARCHAR", "Quantity": "VARCHAR", "UnitPrice": "VARCHAR", "DiscountPercent": "VARCHAR", "DiscountAmount": "VARCHAR", "VatPercent": "VARCHAR", "IsCancelled": "VARCHAR", "RowType": "VARCHAR"}]}]}],
    "Credits": [{"Id": "VARCHAR", "CreditId": "VARCHAR", "CreationDate": "VARCHAR", "Amount": "VARCHAR",
        "OrderRows": [{"OrderRowId": "VARCHAR", "ArticleNumber": "VARCHAR", "Quantity": "VARCHAR", "UnitPrice": "VARCHAR", "DiscountPercent": "VARCHAR", "DiscountAmount": "VARCHAR", "VatPercent": "VARCHAR", "IsCancelled": "VARCHAR", "RowType": "VARCHAR"}]}]
}');

-- What a row of a report is. Words nobody knows stay as they are.
create or replace temp macro svea_row_type(t) as
    case lower(t)
        when 'order' then 'Order' when 'credit' then 'Credit' when 'regression' then 'Regression' when 'cost' then 'Cost'
        when 'kickback' then 'Kickback' when 'deposit' then 'Deposit' when 'manual' then 'Manual'
        when 'openingbalancedebt' then 'OpeningBalanceDebt' when 'closingbalancedebt' then 'ClosingBalanceDebt'
        else t end;

create or replace temp macro svea_is_debt(t) as lower(coalesce(t, '')) in ('openingbalancedebt', 'closingbalancedebt');
