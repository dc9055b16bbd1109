-- stg_qliro__payouts: one row per settlement batch, a transfer to the merchant's account.
--
-- Stream: payouts (the batches of some days)
-- Key:    payout_id = Id. BatchId is the bank's word for the transfer, and two batches may share it
-- Units:  minor units; amount > 0 reaches the bank
-- Source: https://developers.qliro.com/ (Admin API v2, GetSettlementBatches)
--
-- Whether TotalAmount is before or after TotalFeeAmount is not documented. Both readings go
-- along; the rows decide, and which one held is added to stated.

with

items as (

    select
        blob_id,
        generate_subscripts(items, 1) - 1 as position,
        unnest(items) as item

    from (select blob_id, from_json(body -> '$.SettlementBatches', '["JSON"]') as items from raw)

),

typed as (

    select
        *,
        upper(item ->> '$.CurrencyCode') as currency,
        qliro_minor(item ->> '$.TotalAmount', upper(item ->> '$.CurrencyCode')) as total,
        qliro_minor(item ->> '$.TotalFeeAmount', upper(item ->> '$.CurrencyCode')) as fees

    from items

)

select
    nullif(item ->> '$.Id', '') as payout_id,
    nullif(item ->> '$.BatchId', '') as bank_reference,
    qliro_day(item ->> '$.BatchDate') as paid_at,
    currency,
    total as amount_minor,
    total as rows_expected_minor,
    0 as formula_off_minor,
    0 as opening_minor,
    0 as closing_minor,
    case when fees <> 0 then total - abs(fees) end as other_amount_minor,
    'TotalAmount is after fees' as reading,
    'TotalAmount is before fees; TotalFeeAmount was taken off it' as other_reading,
    'deducted' as fee_rows,
    item::varchar as stated,
    blob_id,
    '$.SettlementBatches[' || position || ']' as locator

from typed
