-- stg_adyen__payout_lines: one row per row of a settlement details report. Renames, casts,
-- gives each row its sign; no joins, no sums over rows.
--
-- Stream: settlement_reports (one file; columns by name, absent ones are null)
-- Key:    payout_id + the row's own values; equal rows are told apart by their order
-- Units:  minor units of the net currency (NC); net > 0 is to us, a fee > 0 is a cost
-- Source: https://docs.adyen.com/reporting/settlement-reconciliation/transaction-level/settlement-details-report
--
-- The gross amount is net + fees in NC, so that a row always agrees with itself; where the
-- row's own gross column (GC) disagrees, row_off_minor says by how much and the row is not matched.
-- "Payment Fees (NC)" repeats the sum of the four fee columns and is left alone.

with

source as (

    select
        *,
        exponent("Net Currency") as exp,
        -- Abbreviations as the reports use them; an unknown one is read as UTC.
        case upper(trim("TimeZone"))
            when 'CET' then 60 when 'CEST' then 120 when 'BST' then 60 when 'GMT' then 0 when 'UTC' then 0
            when 'WET' then 0 when 'WEST' then 60 when 'EET' then 120 when 'EEST' then 180 when 'MSK' then 180
            when 'PST' then -480 when 'PDT' then -420 when 'MST' then -420 when 'MDT' then -360
            when 'CST' then -360 when 'CDT' then -300 when 'EST' then -300 when 'EDT' then -240
            when 'BRT' then -180 when 'SGT' then 480 when 'HKT' then 480 when 'JST' then 540
            when 'AEST' then 600 when 'AEDT' then 660 when 'NZST' then 720 when 'NZDT' then 780
            else 0
        end as zone_minutes,
        adyen_fee("Commission (NC)") + adyen_fee("Markup (NC)") + adyen_fee("Scheme Fees (NC)")
            + adyen_fee("Interchange (NC)") as fees

    from raw

),

amounts as (

    select
        *,
        adyen_minor("Net Credit (NC)", exp) - adyen_minor("Net Debit (NC)", exp) as net,
        (fees * (case exp when 2 then 100 when 0 then 1 else 1000 end))::bigint as fee,
        -- An account row (no PSP reference) may carry noise in its gross columns.
        case when "Psp Reference" is not null and "Gross Currency" is not null
            then adyen_minor("Gross Credit (GC)", exponent("Gross Currency"))
                - adyen_minor("Gross Debit (GC)", exponent("Gross Currency"))
        end as shopper_gross

    from source

)

select
    coalesce("Merchant Account", '?') || '/' || coalesce("Batch Number", '?') || '/' || coalesce("Net Currency", '?') as payout_id,
    '' as part,
    "Type" as provider_type,
    null::varchar as provider_detail,
    "Payment Method" as method,
    case when try_cast("Creation Date" as timestamp) between timestamp '1990-01-01' and timestamp '2200-01-01'
        then try_cast("Creation Date" as timestamp) - to_minutes(zone_minutes) end as event_at,
    "Merchant Reference" as order_reference,
    "Psp Reference" as order_key,
    case when "Psp Reference" is not null then "Modification Reference" end as event_key,
    case when "Modification Merchant Reference" <> '<auto>' then "Modification Merchant Reference" end as other_references,
    "Net Currency" as currency,
    net + fee as gross_minor,
    fee as fee_minor,
    0 as fee_vat_minor,
    net as net_minor,
    case
        when shopper_gross is null then null
        when "Gross Currency" = "Net Currency" then shopper_gross - fee - net
        -- Adyen rounds after converting: ±1 is its own rounding, not a disagreement.
        when "Exchange Rate" is null then null
        else case when abs(adyen_converted(shopper_gross, "Exchange Rate", "Gross Currency", "Net Currency") - fee - net) <= 1 then 0
            else adyen_converted(shopper_gross, "Exchange Rate", "Gross Currency", "Net Currency") - fee - net end
    end as row_off_minor,
    case when shopper_gross <> 0 and "Gross Currency" <> "Net Currency" then upper(trim("Gross Currency")) end as sold_currency,
    case when shopper_gross <> 0 and "Gross Currency" <> "Net Currency" then shopper_gross end as sold_minor,
    null::varchar as country,
    case when "Psp Reference" is null then "Modification Reference" end as text

from amounts
