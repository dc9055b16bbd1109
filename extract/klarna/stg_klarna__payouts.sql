-- stg_klarna__payouts: one row per payout of Settlements v1, with what its totals prove.
--
-- Stream: payouts (a page of the list, or one payout), settlement_files (the first table of a file)
-- Key:    payout_id = payment_reference, printed on the bank statement
-- Units:  minor units; amount > 0 reaches the bank
-- Source: https://docs.klarna.com/api/settlements/
--
-- settlement = sale − return − reversal − fee + fee_correction + commission − commission_reversal − tax
--              − charge + credit − holdback + release + fee_refund + tax_refund − repay + deposit
-- closing debt = opening debt − repay + deposit. Repay, deposit and the debts have no rows of their own:
-- the rows must add up to settlement + repay − deposit.

with

source as (

    select
        *,
        case when json_exists(body, '$.payouts') then from_json(body -> '$.payouts', '["JSON"]')
            else [body::json] end as items

    from raw

    where not json_exists(body, '$.sections')

),

items as (

    select
        blob_id,
        case when json_exists(body, '$.payouts') then '$.payouts[' || (generate_subscripts(items, 1) - 1) || ']' else '$' end as locator,
        unnest(items) as item

    from source

    union all

    select distinct blob_id, 'line ' || (x ->> '$.line'), klarna_payout(x)::varchar::json -- each portion of a file names them
    from (
        select blob_id, unnest(from_json(body -> '$.sections[0]', '["JSON"]')) as x
        from raw
        where json_exists(body, '$.sections')
    )

),

typed as (

    select
        blob_id,
        locator,
        item ->> '$.payment_reference' as payout_id,
        klarna_time(item ->> '$.payout_date') as paid_at,
        upper(item ->> '$.currency_code') as currency,
        item ->> '$.merchant_settlement_type' as settlement_type,
        item -> '$.totals' as totals,
        {
            'sale_amount': klarna_int(item ->> '$.totals.sale_amount'),
            'return_amount': klarna_int(item ->> '$.totals.return_amount'),
            'reversal_amount': klarna_int(item ->> '$.totals.reversal_amount'),
            'fee_amount': klarna_int(item ->> '$.totals.fee_amount'),
            'fee_correction_amount': klarna_int(item ->> '$.totals.fee_correction_amount'),
            'commission_amount': klarna_int(item ->> '$.totals.commission_amount'),
            'commission_reversal_amount': klarna_int(item ->> '$.totals.commission_reversal_amount'),
            'tax_amount': klarna_int(item ->> '$.totals.tax_amount'),
            'charge_amount': klarna_int(item ->> '$.totals.charge_amount'),
            'credit_amount': klarna_int(item ->> '$.totals.credit_amount'),
            'repay_amount': klarna_int(item ->> '$.totals.repay_amount'),
            'holdback_amount': klarna_int(item ->> '$.totals.holdback_amount'),
            'release_amount': klarna_int(item ->> '$.totals.release_amount'),
            'fee_refund_amount': klarna_int(item ->> '$.totals.fee_refund_amount'),
            'tax_refund_amount': klarna_int(item ->> '$.totals.tax_refund_amount'),
            'deposit_amount': klarna_int(item ->> '$.totals.deposit_amount'),
            'opening_debt_balance_amount': klarna_int(item ->> '$.totals.opening_debt_balance_amount'),
            'closing_debt_balance_amount': klarna_int(item ->> '$.totals.closing_debt_balance_amount'),
            'settlement_amount': klarna_int(item ->> '$.totals.settlement_amount')
        } as t

    from items

),

sums as (

    select
        *,
        coalesce(t.sale_amount, 0) - coalesce(t.return_amount, 0) - coalesce(t.reversal_amount, 0)
            - coalesce(t.charge_amount, 0) + coalesce(t.credit_amount, 0)
            - coalesce(t.holdback_amount, 0) + coalesce(t.release_amount, 0)
            - coalesce(t.repay_amount, 0) + coalesce(t.deposit_amount, 0) as without_fees,
        -coalesce(t.fee_amount, 0) + coalesce(t.fee_correction_amount, 0) + coalesce(t.commission_amount, 0)
            - coalesce(t.commission_reversal_amount, 0) - coalesce(t.tax_amount, 0)
            + coalesce(t.fee_refund_amount, 0) + coalesce(t.tax_refund_amount, 0) as fees,
        coalesce(t.closing_debt_balance_amount, 0) - coalesce(t.opening_debt_balance_amount, 0)
            + coalesce(t.repay_amount, 0) - coalesce(t.deposit_amount, 0) as debt_off

    from typed

),

read as (

    select
        *,
        -- GROSS: fees are invoiced apart. Where they are is not documented, so the totals decide.
        case when settlement_type = 'GROSS' and t.settlement_amount = without_fees and fees <> 0
            then 'invoiced' else 'deducted' end as fee_rows

    from sums

)

select
    payout_id,
    payout_id as bank_reference,
    paid_at,
    currency,
    t.settlement_amount as amount_minor,
    t.settlement_amount + coalesce(t.repay_amount, 0) - coalesce(t.deposit_amount, 0) as rows_expected_minor,
    case
        -- totals without a tax figure cannot be added up; the rows still are
        when t.tax_amount is null and fees <> 0 then 0
        when t.settlement_amount <> without_fees + case fee_rows when 'deducted' then fees else 0 end
            then t.settlement_amount - without_fees - case fee_rows when 'deducted' then fees else 0 end
        else debt_off
    end as formula_off_minor,
    -coalesce(t.opening_debt_balance_amount, 0) as opening_minor,
    -coalesce(t.closing_debt_balance_amount, 0) as closing_minor,
    fee_rows,
    totals::varchar as stated,
    blob_id,
    locator

from read
