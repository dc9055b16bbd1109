-- stg_svea__payout_lines: one row per row of a client's report, and one per fee on it that is no cost
-- (a deposit, a dismissed invoice). Renames, casts, sums the fees of a row; no joins.
--
-- Stream: reports (one day)
-- Key:    payout_id + the row's own values; equal rows are told apart by their order
-- Units:  minor units; net > 0 is to us, a fee > 0 is a cost
-- Source: com.svea.webpay.common.reconciliation2 in sveawebpay/webpay-common
--
-- sveaPaidAmount = nominalAmount − Σ fees (with VAT). A fee's sign and whether a dismissed invoice counts among
-- them is inferred: the reading that the row's own arithmetic proves is taken, in the order below. When none is,
-- the fees are read as documented and the row is off, which holds the payout.

with

items as (

    select
        blob_id, payout_id, currency as payout_currency, paid_at, position as client,
        generate_subscripts(report_rows, 1) - 1 as position,
        unnest(report_rows) as x
    from svea_payouts

),

typed as (

    select
        * exclude (x),
        x.externalOrderNo as number, svea_row_type(x.rowType) as type, x.comment as comment, x.paymentType as payment_type,
        svea_id(x.sveaCheckoutId) as checkout_id, svea_id(x.deliveryId) as delivery_id, svea_id(x.sveaInvoiceNo) as invoice_no,
        svea_id(x.sveaOrderNo) as svea_order_no, svea_id(x.paymentTransactionId) as transaction_id, svea_id(x.sveaCustomerId) as customer_no,
        coalesce(upper(nullif(x.currency, '')), payout_currency) as currency,
        coalesce(svea_time(x.reconciliationDate), paid_at, svea_time(x.orderDate)) as event_at,
        svea_int(x.nominalAmount) as nominal, svea_int(x.sveaPaidAmount) as paid,
        coalesce(svea_int(x.totalFeeAmountExcludingVat), 0) as total_fee, coalesce(svea_int(x.totalFeeVatAmount), 0) as total_vat,
        list_transform(coalesce(x.fees, []), f -> {'type': lower(coalesce(f.type, '')), 'fee': coalesce(svea_int(f.amountExcludingVat), 0), 'vat': coalesce(svea_int(f.vatAmount), 0)}) as fees,
        svea_is_debt(x.rowType) as is_debt
    from items

),

summed as (

    select
        *,
        coalesce(list_sum(list_transform(list_filter(fees, f -> f.type not in ('deposit', 'dismissed')), f -> f.fee)), 0)::bigint as fee,
        coalesce(list_sum(list_transform(list_filter(fees, f -> f.type not in ('deposit', 'dismissed')), f -> f.vat)), 0)::bigint as vat,
        coalesce(list_sum(list_transform(list_filter(fees, f -> f.type = 'deposit'), f -> f.fee + f.vat)), 0)::bigint as deposit,
        coalesce(list_sum(list_transform(list_filter(fees, f -> f.type = 'dismissed'), f -> f.fee + f.vat)), 0)::bigint as dismissed
    from typed

),

proven as (

    select
        *,
        case
            when is_debt then 'debt'
            when paid = nominal - fee - vat - deposit then 'fees'
            when paid = nominal - fee - vat - deposit - dismissed then 'fees and dismissed'
            when paid = nominal + fee + vat + deposit then 'fees with the other sign'
            when paid = nominal - total_fee - total_vat then 'totals'
            else 'none'
        end as reading
    from summed

),

parted as (

    select
        * exclude (fee, vat, deposit, dismissed),
        case reading when 'debt' then coalesce(nullif(paid, 0), nominal) else nominal end as gross,
        case reading when 'debt' then 0 when 'totals' then total_fee when 'fees with the other sign' then -fee else fee end as fee,
        case reading when 'debt' then 0 when 'totals' then total_vat when 'fees with the other sign' then -vat else vat end as vat,
        case reading when 'debt' then 0 when 'totals' then 0 when 'fees with the other sign' then -deposit else deposit end as deposit,
        case reading when 'fees and dismissed' then dismissed else 0 end as dismissed
    from proven

),

lines as (

    select
        *, type as provider_type,
        -- A manual row without an amount and without anything it is about is a fee.
        case when type = 'Manual' and nominal = 0 and coalesce(nullif(number, ''), checkout_id, delivery_id, invoice_no, svea_order_no, transaction_id, customer_no) is null
            then 'FEE' end as provider_detail,
        gross as gross_, fee as fee_, vat as vat_,
        -- A few öre are left to the payout's rounding.
        case when not is_debt and abs(paid - (gross - fee - vat - deposit - dismissed)) > 100 then paid - (gross - fee - vat - deposit - dismissed) end as row_off_minor
    from parted

    union all

    select *, 'Fee', 'Deposit', -deposit, 0, 0, null from parted where deposit <> 0

    union all

    select *, 'Fee', 'Dismissed', -dismissed, 0, 0, null from parted where dismissed <> 0

)

select
    payout_id,
    payout_id as part,
    provider_type,
    provider_detail,
    svea_method(nullif(payment_type, '')) as method,
    event_at,
    svea_number(number) as order_reference,
    checkout_id as order_key,
    case when provider_type = 'Order' then delivery_id end as event_key,
    nullif(concat_ws('|', case when svea_number(number) <> number then number end, 'invoice ' || invoice_no, 'transaction ' || transaction_id), '') as other_references,
    currency,
    gross_ as gross_minor,
    fee_ as fee_minor,
    vat_ as fee_vat_minor,
    case when paid is not null or is_debt then gross_ - fee_ - vat_ end as net_minor,
    row_off_minor,
    null as country,
    nullif(trim(comment), '') as text,
    position as row_no,
    '$.clientReports[' || client || '].rows[' || position || ']' as locator,
    blob_id

from lines
