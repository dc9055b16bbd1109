-- stg_qliro__payout_lines: one row per accepted line of a batch. Pending and rejected lines
-- move no money and are in no total.
--
-- Stream: payout_lines (one batch; the key says what the batch's header comes to, before and after fees)
-- Key:    payout_id + the row's own values; equal rows are told apart by their order
-- Units:  minor units; net > 0 is to us, a fee > 0 is a cost
-- Source: https://developers.qliro.com/ (Admin API v2, GetSettlementsByBatchId)
--
-- Debit is money to the merchant, Credit money back to the customer, whether Credit's amount
-- carries a sign or not. Which way a fee or a chargeback goes is not documented, so the batch's total decides:
-- of the readings below the first that adds up to it. Where none does the first is kept, and the batch is held.
-- A fee's amount includes VAT where AmountExcludingVat or VatRate stands beside it, else it has none.

with

batches as (

    select
        blob_id,
        split_part(split_part(key, '/', 2), '?', 1) as payout_id,
        split_part(key, '?', 1) as part,
        try_cast(nullif(regexp_extract(key, 'total=(-?[0-9]+)', 1), '') as bigint) as total,
        try_cast(nullif(regexp_extract(key, 'less_fees=(-?[0-9]+)', 1), '') as bigint) as less_fees,
        from_json(body, '{"Settlements": [{"OrderId": "VARCHAR", "PaymentTransactionId": "VARCHAR", "MerchantOrderReference": "VARCHAR", "Action": "VARCHAR", "Type": "VARCHAR",
            "CurrencyCode": "VARCHAR", "Amount": "VARCHAR", "AmountExcludingVat": "VARCHAR", "VatRate": "VARCHAR", "CountryCode": "VARCHAR", "AcquirerName": "VARCHAR", "PaymentMethodType": "VARCHAR",
            "PspSettlementDate": "VARCHAR", "ImportSettlementDate": "VARCHAR", "TransactionCompletedDate": "VARCHAR"}]}').Settlements as items

    from raw

),

items as (

    select blob_id, payout_id, part, total, less_fees, generate_subscripts(items, 1) - 1 as position, unnest(items) as item
    from batches

),

typed as (

    select
        *,
        qliro_line_type(item.Type) as type,
        qliro_line_action(item.Action) as action,
        upper(item.CurrencyCode) as currency,
        qliro_minor(item.Amount, upper(item.CurrencyCode)) as amount,
        qliro_minor(item.AmountExcludingVat, upper(item.CurrencyCode)) as without_vat,
        qliro_minor(item.VatRate, 'SEK') as rate_bp -- percent with two decimals

    from items

),

directed as materialized (

    select
        *,
        case when action = 'Credit' then -abs(amount) when type = 'Chargeback' then abs(amount) else amount end as moved,
        case when action = 'Debit' then -amount else amount end as cost_by_action

    from typed

),

sums as (

    select
        blob_id, any_value(total) as total, any_value(less_fees) as less_fees,
        coalesce(sum(moved) filter (type not in ('Fee', 'Chargeback')), 0)::bigint as sold,
        coalesce(sum(moved) filter (type = 'Chargeback'), 0)::bigint as charged_back,
        coalesce(sum(cost_by_action) filter (type = 'Fee'), 0)::bigint as by_action,
        coalesce(sum(amount) filter (type = 'Fee'), 0)::bigint as by_sign

    from directed

    group by blob_id

),

-- Fees are a cost taken together: by their Action, or by their sign; then the other way round.
readings as (

    select
        blob_id,
        coalesce(
            list_filter([
                {'by': 'action', 'fee': case when by_action < 0 then -1 else 1 end, 'back': 1},
                {'by': 'sign', 'fee': case when by_sign < 0 then -1 else 1 end, 'back': 1},
                {'by': 'action', 'fee': case when by_action < 0 then 1 else -1 end, 'back': 1},
                {'by': 'sign', 'fee': case when by_sign < 0 then 1 else -1 end, 'back': 1},
                {'by': 'action', 'fee': case when by_action < 0 then -1 else 1 end, 'back': -1},
                {'by': 'sign', 'fee': case when by_sign < 0 then -1 else 1 end, 'back': -1},
                {'by': 'action', 'fee': case when by_action < 0 then 1 else -1 end, 'back': -1},
                {'by': 'sign', 'fee': case when by_sign < 0 then 1 else -1 end, 'back': -1}
            ], r -> coalesce(sold + r.back * charged_back - r.fee * case r.by when 'action' then by_action else by_sign end in (total, coalesce(less_fees, total)), false))[1],
            {'by': 'action', 'fee': case when by_action < 0 then -1 else 1 end, 'back': 1}
        ) as r

    from sums

),

valued as (

    select
        d.* exclude (moved),
        case d.type when 'Chargeback' then r.back * d.moved else d.moved end as moved,
        case when d.type = 'Fee' then r.fee * case r.by when 'action' then d.cost_by_action else d.amount end end as cost

    from directed as d
    inner join readings using (blob_id)

),

split as (

    select
        *,
        case when cost is not null then case
            when without_vat is null and rate_bp > 0 then cost - vat_inside(cost, rate_bp::integer)
            when without_vat is null or abs(without_vat) > abs(cost) then cost
            when cost < 0 then -abs(without_vat)
            else abs(without_vat) end end as fee

    from valued

)

select
    payout_id,
    part,
    type as provider_type,
    -- Which way a chargeback went is what its money says.
    case when type = 'Chargeback' and action in ('Debit', 'Credit') then case when moved < 0 then 'Credit' else 'Debit' end else action end as provider_detail,
    lower(nullif(concat_ws('/', nullif(item.AcquirerName, ''), nullif(item.PaymentMethodType, '')), '')) as method,
    coalesce(qliro_time(item.TransactionCompletedDate), qliro_time(item.PspSettlementDate), qliro_time(item.ImportSettlementDate)) as event_at,
    nullif(item.MerchantOrderReference, '') as order_reference,
    nullif(nullif(item.OrderId, '0'), '') as order_key,
    nullif(nullif(item.PaymentTransactionId, '0'), '') as event_key,
    currency,
    case when type = 'Fee' then case when amount is null then null else 0 end else moved end as gross_minor,
    case when type = 'Fee' then fee else 0 end as fee_minor,
    case when type = 'Fee' then cost - fee else 0 end as fee_vat_minor,
    case when type = 'Fee' then -cost else moved end as net_minor,
    null as row_off_minor,
    upper(item.CountryCode) as country,
    null as text,
    position as row_no,
    '$.Settlements[' || position || ']' as locator,
    blob_id

from split
