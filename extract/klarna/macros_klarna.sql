-- How Klarna's settlements write signs: amounts come unsigned, the type says the direction.
-- Only a CORRECTION carries its own sign. Some accounts have signs switched on, so the
-- magnitude is taken first.
-- Source: https://docs.klarna.com/settlement-reports/

create or replace temp macro klarna_signed(type, amount) as
    case
        when type in ('SALE', 'REVERSAL_MERCHANT_PROTECTION', 'COMMISSION', 'RELEASE', 'CREDIT', 'FEE_REFUND') then abs(amount)
        when type in ('RETURN', 'REVERSAL', 'HOLDBACK', 'CHARGE', 'FEE', 'TAX') then -abs(amount)
        else amount
    end;

create or replace temp macro klarna_time(t) as (try_cast(t as timestamptz) at time zone 'UTC');

-- An amount in minor units: a whole number, or it is none. DuckDB may cast before it looks at the case.
create or replace temp macro klarna_int(t) as case when regexp_full_match(t, '-?[0-9]{1,15}') then try_cast(t as bigint) end;

---------- settlement files (CSV): rows by column name, as the API would have answered them

-- Major units with a point or a comma; anything else is no amount.
create or replace temp macro klarna_minor(t) as
    case when regexp_full_match(replace(t, ',', '.'), '-?[0-9]{1,13}([.][0-9]{1,2})?')
        then (try_cast(replace(t, ',', '.') as decimal(18, 2)) * 100)::bigint end;

-- Times in a file are UTC, whether they say so or not.
create or replace temp macro klarna_utc(t) as
    case when regexp_matches(t, '(Z|[+-][0-9]{2}:?[0-9]{2})$') then t else t || 'Z' end;

create or replace temp macro klarna_payout(x) as
    to_json({
        'payment_reference': x ->> '$.payment_reference',
        'payout_date': klarna_utc(x ->> '$.payout_date'),
        'currency_code': x ->> '$.settlement_currency',
        'merchant_settlement_type': x ->> '$.merchant_settlement_type',
        'totals': {
            'sale_amount': klarna_minor(x ->> '$.total_sale_amount'),
            'return_amount': klarna_minor(x ->> '$.total_return_amount'),
            'reversal_amount': klarna_minor(x ->> '$.total_reversal_amount'),
            'fee_amount': klarna_minor(x ->> '$.total_fee_amount'),
            'fee_correction_amount': klarna_minor(x ->> '$.total_fee_correction_amount'),
            'commission_amount': klarna_minor(x ->> '$.total_commission_amount'),
            'commission_reversal_amount': klarna_minor(x ->> '$.total_commission_reversal_amount'),
            'tax_amount': klarna_minor(x ->> '$.total_tax_amount'),
            'charge_amount': klarna_minor(x ->> '$.total_charge_amount'),
            'credit_amount': klarna_minor(x ->> '$.total_credit_amount'),
            'repay_amount': klarna_minor(x ->> '$.total_repay_amount'),
            'holdback_amount': klarna_minor(x ->> '$.total_holdback_amount'),
            'release_amount': klarna_minor(x ->> '$.total_release_amount'),
            'fee_refund_amount': klarna_minor(x ->> '$.total_fee_refund_amount'),
            'tax_refund_amount': klarna_minor(x ->> '$.total_tax_refund_amount'),
            'deposit_amount': klarna_minor(x ->> '$.total_deposit_amount'),
            'opening_debt_balance_amount': klarna_minor(x ->> '$.opening_debt_balance'),
            'closing_debt_balance_amount': klarna_minor(x ->> '$.closing_debt_balance'),
            'settlement_amount': klarna_minor(x ->> '$.total_settlement_amount')
        }
    });

create or replace temp macro klarna_transaction(x) as
    {
        'payment_reference': x ->> '$.payment_reference',
        'type': x ->> '$.type', 'detailed_type': x ->> '$.detailed_type',
        'amount': klarna_minor(x ->> '$.amount')::varchar, 'vat_amount': klarna_minor(x ->> '$.tax_amount')::varchar,
        'capture_date': klarna_utc(x ->> '$.capture_date'),
        'order_id': x ->> '$.order_id', 'capture_id': x ->> '$.capture_id', 'refund_id': x ->> '$.refund_id',
        'merchant_reference1': x ->> '$.merchant_reference1', 'merchant_reference2': x ->> '$.merchant_reference2',
        'merchant_capture_reference': x ->> '$.merchant_capture_reference', 'merchant_refund_reference': x ->> '$.merchant_refund_reference',
        'currency_code': x ->> '$.posting_currency', 'purchase_country': x ->> '$.purchase_country', 'shipping_country': x ->> '$.shipping_country',
        'initial_payment_method_type': x ->> '$.initial_payment_method_type', 'reversal_reference': x ->> '$.reversal_reference', 'klarna_comment': null::varchar
    };

-- The payout that rows are of which do not say so themselves: the only one of the file.
create or replace temp macro klarna_file_payout(body) as
    case when json_array_length(body, '$.sections[0]') = 1 then body ->> '$.sections[0][0].payment_reference' end;
