-- stg_svea__payouts: one row per client of a day's reconciliation report, with what its totals prove.
--
-- Stream: reports (one day)
-- Key:    payout_id = client and day; the report has no ID, and no reference that the bank prints
-- Units:  minor units; amount > 0 reaches the bank
-- Source: com.svea.webpay.common.reconciliation2 in sveawebpay/webpay-common; the identities are inferred
--         from its ReportConverter, so that a payout they do not hold for is held
--
-- paid including withholding = opening debt + Σ row.sveaPaidAmount + closing debt, opening debt < 0, closing debt > 0.
-- The rows must add up to paid − opening − closing. The totals of nominal amounts, fees and VAT are those of the rows.
-- Rows of debts say again what the totals say: they are carried, and in no sum.

with

typed as (

    select
        *,
        coalesce(svea_int(report ->> '$.sveaPaidAmountIncludingWithholding'), svea_int(report ->> '$.sveaPaidAmountExcludingWithholding')) as paid,
        coalesce(svea_int(report ->> '$.openingBalanceDebt'), 0) as opening,
        coalesce(svea_int(report ->> '$.closingBalanceDebt'), 0) as closing,
        svea_int(report ->> '$.nominalAmount') as nominal,
        svea_int(report ->> '$.feeAmountExcludingVat') as fee,
        svea_int(report ->> '$.feeVatAmount') as fee_vat,
        list_filter(report_rows, x -> not svea_is_debt(x.rowType)) as paid_rows,
        list_filter(report_rows, x -> svea_is_debt(x.rowType)) as debt_rows
    from svea_payouts

),

sums as (

    select
        *,
        coalesce(list_sum(list_transform(paid_rows, x -> svea_int(x.nominalAmount))), 0)::bigint as rows_nominal,
        -- by the row's own totals, and by its fees one by one: a report may leave the one or the other out, which is then null
        list_sum(list_transform(paid_rows, x -> svea_int(x.totalFeeAmountExcludingVat)))::bigint as rows_fee,
        list_sum(list_transform(paid_rows, x -> svea_int(x.totalFeeVatAmount)))::bigint as rows_vat,
        list_sum(list_transform(flatten(list_transform(paid_rows, x -> coalesce(x.fees, []))), f -> svea_int(f.amountExcludingVat)))::bigint as fees_fee,
        list_sum(list_transform(flatten(list_transform(paid_rows, x -> coalesce(x.fees, []))), f -> svea_int(f.vatAmount)))::bigint as fees_vat,
        coalesce(list_sum(list_transform(debt_rows, x -> coalesce(nullif(svea_int(x.sveaPaidAmount), 0), svea_int(x.nominalAmount), 0))), 0)::bigint as carried,
        list_sum(list_transform(list_filter(debt_rows, x -> lower(x.rowType) = 'openingbalancedebt'), x -> abs(coalesce(nullif(svea_int(x.sveaPaidAmount), 0), svea_int(x.nominalAmount), 0))))::bigint as opening_rows,
        list_sum(list_transform(list_filter(debt_rows, x -> lower(x.rowType) = 'closingbalancedebt'), x -> abs(coalesce(nullif(svea_int(x.sveaPaidAmount), 0), svea_int(x.nominalAmount), 0))))::bigint as closing_rows
    from typed

),

offs as (

    select
        *,
        case when nominal is null or nominal in (rows_nominal, rows_nominal + carried) then 0 else nominal - rows_nominal end as nominal_off,
        case when fee is null or fee in (rows_fee, fees_fee) then 0 else fee - coalesce(fees_fee, rows_fee, 0) end as fee_off,
        case when fee_vat is null or fee_vat in (rows_vat, fees_vat) then 0 else fee_vat - coalesce(fees_vat, rows_vat, 0) end as vat_off,
        coalesce(abs(opening) - opening_rows, 0) as opening_off,
        coalesce(abs(closing) - closing_rows, 0) as closing_off
    from sums

)

select
    payout_id,
    nullif(bank_account, '') as bank_reference,
    paid_at,
    currency,
    paid as amount_minor,
    paid - opening - closing + carried as rows_expected_minor,
    coalesce(nullif(nominal_off, 0), nullif(fee_off, 0), nullif(vat_off, 0), nullif(opening_off, 0), nullif(closing_off, 0), 0) as formula_off_minor,
    opening as opening_minor,
    -closing as closing_minor,
    'deducted' as fee_rows,
    report::varchar as stated,
    blob_id,
    '$.clientReports[' || position || '].paymentReport' as locator

from offs
