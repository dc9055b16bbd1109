-- stg_klarna__payout_lines: one row per transaction of a payout. Renames, casts, gives
-- each row its sign; no joins, no sums over rows.
--
-- Stream: payout_lines (a page), settlement_files (the second table of a file)
-- Key:    payout_id + the row's own values; equal rows are told apart by their order
-- Units:  minor units; net > 0 is to us, a fee > 0 is a cost
-- Source: https://docs.klarna.com/settlement-reports/
--
-- A FEE row's amount is without VAT; its VAT stands beside it, rounded per row, and is
-- never computed again. Capture and refund IDs come as "" where there are none.

with

-- Taken out of the file before anything is unnested: or each of its rows would carry the whole of it.
files as materialized (

    select blob_id, klarna_file_payout(body) as asked_for, body ->> '$.offset' as portion, from_json(body -> '$.sections[1]', '["JSON"]') as rows
    from raw
    where json_exists(body, '$.sections')

),

-- Each page is parsed once, and its rows are text then: as JSON each would be parsed again for every value.
pages as materialized (

    select blob_id, split_part(split_part(key, '/', 2), '?', 1) as asked_for, key as part, from_json(body, '{"transactions": [{
        "payment_reference": "VARCHAR", "type": "VARCHAR", "detailed_type": "VARCHAR", "amount": "VARCHAR", "vat_amount": "VARCHAR", "capture_date": "VARCHAR",
        "order_id": "VARCHAR", "capture_id": "VARCHAR", "refund_id": "VARCHAR", "merchant_reference1": "VARCHAR", "merchant_reference2": "VARCHAR",
        "merchant_capture_reference": "VARCHAR", "merchant_refund_reference": "VARCHAR", "currency_code": "VARCHAR", "purchase_country": "VARCHAR", "shipping_country": "VARCHAR",
        "initial_payment_method_type": "VARCHAR", "reversal_reference": "VARCHAR", "klarna_comment": "VARCHAR"}]}').transactions as rows
    from raw
    where not json_exists(body, '$.sections')

),

items as (

    select blob_id, asked_for, part, generate_subscripts(rows, 1) - 1 as position, unnest(rows) as item
    from pages

    union all by name

    select blob_id, asked_for, (x ->> '$.line')::bigint as position, klarna_transaction(x) as item, 'line ' || (x ->> '$.line') as line, portion
    from (select blob_id, asked_for, portion, unnest(rows) as x from files)

),

typed as (

    select
        *,
        upper(item.type) as type,
        coalesce(upper(item.detailed_type), '') as detail,
        klarna_int(item.amount) as amount,
        coalesce(klarna_int(item.vat_amount), 0) as vat

    from items

),

signed as (

    select
        *,
        klarna_signed(type, amount) as net_of_vat,
        -- VAT goes the way of its row.
        case when klarna_signed(type, amount) < 0 then -abs(vat) else abs(vat) end as vat_signed,
        type in ('FEE', 'FEE_REFUND', 'COMMISSION') or (type = 'CORRECTION' and detail like '%FEE%') as is_fee,
        type = 'TAX' or (type = 'CORRECTION' and detail like 'VAT%') as is_vat

    from typed

)

select
    coalesce(nullif(item.payment_reference, ''), asked_for) as payout_id,
    coalesce(part, 'payout_lines/' || coalesce(nullif(item.payment_reference, ''), asked_for) || '?offset=' || portion) as part,
    type as provider_type,
    nullif(detail, '') as provider_detail,
    lower(item.initial_payment_method_type) as method,
    klarna_time(item.capture_date) as event_at,
    nullif(item.merchant_reference1, '') as order_reference,
    nullif(item.order_id, '') as order_key,
    coalesce(
        case when type in ('RETURN', 'REVERSAL', 'REVERSAL_MERCHANT_PROTECTION') then nullif(item.refund_id, '') end,
        case when type not in ('RETURN', 'REVERSAL', 'REVERSAL_MERCHANT_PROTECTION') then nullif(item.capture_id, '') end
    ) as event_key,
    nullif(concat_ws('|', nullif(item.merchant_reference2, ''), nullif(item.merchant_capture_reference, ''),
        nullif(item.merchant_refund_reference, '')), '') as other_references,
    upper(item.currency_code) as currency,
    case when is_fee or is_vat then 0 else net_of_vat end as gross_minor,
    case when is_vat then 0 when is_fee then -net_of_vat else 0 end as fee_minor,
    case when is_vat then -net_of_vat when is_fee then -vat_signed else 0 end as fee_vat_minor,
    case when is_fee then net_of_vat + vat_signed else net_of_vat end as net_minor,
    null as row_off_minor,
    upper(coalesce(nullif(item.shipping_country, ''), item.purchase_country)) as country,
    nullif(concat_ws(' ', told(item.klarna_comment), item.reversal_reference), '') as text,
    position as row_no,
    coalesce(line, '$.transactions[' || position || ']') as locator,
    blob_id

from signed

-- A row of a file with several payouts that does not say which one it is of: its payout does not add up without it.
where coalesce(nullif(item.payment_reference, ''), asked_for) is not null
