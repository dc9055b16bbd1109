-- stg_mollie__payout_lines: one row per payment, capture, refund and chargeback of a settlement,
-- one per row of its costs, and one per row of its revenue that none of the lists explains.
--
-- Stream: settlement_lines (a page, or the settlement)
-- Key:    payout_id, part and the row's own values; equal rows are told apart by their order
-- Units:  minor units; net > 0 is to us, a fee > 0 is a cost
-- Source: https://docs.mollie.com/reference/list-settlement-payments and its neighbours
--
-- settlementAmount is what counts, in the settlement's currency; where it is missing, the amount is, if Mollie
-- settles the method at all. Its sign has been written both ways: a refund and a chargeback always reduce, and
-- what is given back of them always adds. Costs have four decimals: each row is rounded on its own.

with

pages as (

    select
        blob_id,
        split_part(key, '/', 2) as payout_id,
        split_part(key, '/', 3) as part,
        split_part(split_part(key, '/', 3), '?', 1) as list,
        body

    from raw

),

-- Parsed once: every path into its text would read all of an answer again.
listed_items as (

    select
        blob_id, payout_id, part, list,
        generate_subscripts(items, 1) - 1 as position,
        unnest(items) as item

    from (
        select *, from_json(json_extract(body, '$._embedded.' || list), '[{
            "id": "VARCHAR", "paymentId": "VARCHAR", "orderId": "VARCHAR", "shipmentId": "VARCHAR", "settlementId": "VARCHAR", "status": "VARCHAR", "method": "VARCHAR",
            "amount": {"value": "VARCHAR", "currency": "VARCHAR"}, "settlementAmount": {"value": "VARCHAR", "currency": "VARCHAR"},
            "details": {"remainderAmount": {"value": "VARCHAR", "currency": "VARCHAR"}}, "createdAt": "VARCHAR", "paidAt": "VARCHAR", "reversedAt": "VARCHAR",
            "metadata": "JSON", "description": "VARCHAR", "externalReference": {"id": "VARCHAR"}, "countryCode": "VARCHAR",
            "shippingAddress": {"country": "VARCHAR"}, "billingAddress": {"country": "VARCHAR"}, "reason": {"code": "VARCHAR", "description": "VARCHAR"},
            "_embedded": {"payment": {"metadata": "JSON", "description": "VARCHAR", "orderId": "VARCHAR"}}}]') as items
        from pages
        where list in ('payments', 'captures', 'refunds', 'chargebacks')
    )

),

typed as (

    select
        *,
        upper(coalesce(item.settlementAmount.currency, item.amount.currency)) as currency,
        mollie_minor_of(item.settlementAmount) as settled,
        mollie_minor_of(item.amount) as amount,
        lower(item.method) as paid_by,
        lower(item.status) as status,
        mollie_time(item.reversedAt) as reversed_at,
        mollie_described(item.description) as described,
        item._embedded.payment.metadata as payment_metadata,
        mollie_described(item._embedded.payment.description) as payment_described

    from listed_items

),

signed as (

    select
        *,
        case
            when list = 'payments' then 'payment'
            when list = 'captures' then 'capture'
            -- A refund that failed comes back.
            when list = 'refunds' and status in ('failed', 'canceled') and coalesce(settled, 0) > 0 then 'returned-refund'
            when list = 'refunds' then 'refund'
            -- One that was won back keeps its ID: the settlement it was taken in is named in it, or its sign tells.
            when reversed_at is not null and (coalesce(settled, -1) > 0 or coalesce(nullif(item.settlementId, ''), payout_id) <> payout_id) then 'chargeback-reversal'
            else 'chargeback'
        end as type,
        case
            when item.settlementAmount.value is not null then settled
            when list = 'payments' and paid_by = 'paypal' then 0 -- PayPal pays the merchant itself
            when list = 'payments' and paid_by in ('giftcard', 'voucher') -- and so do those who issue these, except for the remainder
                then case when item.details.remainderAmount.value is null then 0 else mollie_minor_of(item.details.remainderAmount) end
            else amount
        end as magnitude

    from typed

),

listed as materialized (

    select
        payout_id,
        part,
        type as provider_type,
        null as provider_detail,
        paid_by as method,
        case when type = 'chargeback-reversal' then reversed_at
            else coalesce(mollie_time(item.paidAt), mollie_time(item.createdAt)) end as event_at,
        -- A capture or refund seldom says which order it is of; the payment it belongs to does.
        coalesce(mollie_order_number(item.metadata), mollie_order_number(payment_metadata), payment_described, described) as order_reference,
        coalesce(nullif(item.paymentId, ''), item.id) as order_key,
        item.id as event_key,
        nullif(concat_ws('|', described, payment_described, nullif(item.orderId, ''), nullif(item._embedded.payment.orderId, ''), nullif(item.shipmentId, ''), nullif(item.externalReference.id, '')), '') as other_references,
        currency,
        case type
            when 'refund' then -abs(magnitude)
            when 'chargeback' then -abs(magnitude)
            when 'returned-refund' then abs(magnitude)
            when 'chargeback-reversal' then abs(magnitude)
            else magnitude
        end as gross_minor,
        -- What Mollie converted, as it was sold.
        case when currency <> upper(item.amount.currency) and magnitude <> 0 then upper(item.amount.currency) end as sold_currency,
        case when currency <> upper(item.amount.currency) and magnitude <> 0
            then case when type in ('refund', 'chargeback') then -1 when type in ('returned-refund', 'chargeback-reversal') then 1 else sign(magnitude)::bigint end * abs(amount) end as sold_minor,
        0::bigint as fee_minor,
        0::bigint as fee_vat_minor,
        upper(coalesce(nullif(item.shippingAddress.country, ''), nullif(item.billingAddress.country, ''), nullif(item.countryCode, ''))) as country,
        nullif(concat_ws(' ', item.description, item.reason.code, item.reason.description), '') as text,
        position as row_no,
        '$._embedded.' || list || '[' || position || ']' as locator,
        blob_id

    from signed

),

---------- the periods

years as (

    select blob_id, payout_id, part, body, unnest(json_keys(body, '$.periods')) as year
    from pages
    where list = 'settlement' and json_type(body, '$.periods') = 'OBJECT' and lower(coalesce(body ->> '$.status', 'paidout')) in ('paidout', 'failed')

),

months as (

    select blob_id, payout_id, part, body, year, unnest(json_keys(body, '$.periods."' || year || '"')) as month
    from years
    where json_type(body, '$.periods."' || year || '"') = 'OBJECT'

),

sides as (

    select *, from_json(json_extract(body, '$.periods."' || year || '"."' || month || '".' || side), '["JSON"]') as items
    from (select *, unnest(['revenue', 'costs']) as side from months)

),

period_rows as (

    select
        blob_id, payout_id, part, year, month, side, body,
        generate_subscripts(items, 1) - 1 as position,
        unnest(items) as item

    from sides

),

period_amounts as (

    select
        *,
        lower(item ->> '$.method') as method,
        upper(coalesce(item ->> '$.amountNet.currency', item ->> '$.amountGross.currency', body ->> '$.amount.currency')) as currency,
        mollie_micro(item ->> '$.amountNet.value') as net,
        mollie_micro(item ->> '$.amountVat.value') as vat,
        mollie_micro(item ->> '$.amountGross.value') as gross,
        -- The month is "4" or "04".
        year || '-' || lpad(month, 2, '0') as period

    from period_rows

),

period_minor as (

    select
        *,
        mollie_round(coalesce(net, gross - coalesce(vat, 0)), currency) as net_minor,
        -- What is not there is no VAT; what cannot be read is not nothing.
        case when item ->> '$.amountVat.value' is not null then mollie_round(vat, currency)
            when side = 'costs' and net is not null and gross is not null then mollie_round(gross - net, currency)
            else 0 end as vat_minor,
        coalesce(mollie_time(body ->> '$.settledAt'), mollie_time(body ->> '$.createdAt')) as paid_at

    from period_amounts

),

-- Revenue by method of payment is what the lists hold one by one. These words have no list; any other
-- word that no payment goes by is for a person to map, and holds the settlement until then. What payments that are
-- staged go by is left out where this is merged (source.go).
paid_by as (

    select distinct method from listed where method is not null
    union
    select unnest(['alma', 'applepay', 'bacs', 'bancomatpay', 'bancontact', 'banktransfer', 'belfius', 'billie', 'billink', 'bitcoin', 'bizum', 'blik',
        'capture', 'chargeback', 'creditcard', 'directdebit', 'eps', 'giftcard', 'giropay', 'googlepay', 'ideal', 'in3', 'inghomepay', 'kbc', 'klarna',
        'klarnapaylater', 'klarnapaynow', 'klarnasliceit', 'mbway', 'mobilepay', 'multibanco', 'mybank', 'paybybank', 'payconiq', 'paypal', 'paysafecard',
        'podiumcadeaukaart', 'pointofsale', 'przelewy24', 'refund', 'riverty', 'satispay', 'sofort', 'swish', 'trustly', 'twint', 'vipps', 'voucher'])

),

unlisted as (

    select
        payout_id,
        part,
        case when side = 'costs' then 'cost' else coalesce(method, 'revenue') end as provider_type,
        case when side = 'costs' then method end as provider_detail,
        method,
        paid_at as event_at,
        null as order_reference,
        null as order_key,
        null as event_key,
        null as other_references,
        currency,
        case when side = 'revenue' then net_minor + vat_minor when method = 'rollingreserve' then -(net_minor + vat_minor) else 0 end as gross_minor,
        case when side = 'revenue' or method = 'rollingreserve' then 0 else net_minor end as fee_minor,
        case when side = 'revenue' or method = 'rollingreserve' then 0 else vat_minor end as fee_vat_minor,
        null as country,
        concat_ws(' ', item ->> '$.description', period, item ->> '$.count' || ' ×') as text,
        row_number() over (partition by blob_id order by period, side, position) as row_no,
        '$.periods."' || year || '"."' || month || '".' || side || '[' || position || ']' as locator,
        blob_id

    from period_minor

    where side = 'costs' or method is null or method not in (select method from paid_by)

),

-- A settlement that failed never reached the bank. Its payout is nothing, so its lines are taken back
-- by this one until a person says what became of the money.
failed as (

    select
        payout_id, part, 'settlement' as provider_type, 'failed' as provider_detail, null as method,
        coalesce(mollie_time(body ->> '$.settledAt'), mollie_time(body ->> '$.createdAt')) as event_at,
        null as order_reference, null as order_key, null as event_key, null as other_references,
        upper(body ->> '$.amount.currency') as currency,
        -mollie_minor(body ->> '$.amount.value', upper(body ->> '$.amount.currency')) as gross_minor,
        0::bigint as fee_minor, 0::bigint as fee_vat_minor, null as country, 'the settlement could not be paid out' as text,
        1000000 as row_no, '$' as locator, blob_id

    from pages

    where list = 'settlement' and lower(body ->> '$.status') = 'failed'

),

together as (

    select * from listed
    union all by name
    select * from unlisted
    union all by name
    select * from failed

)

select
    *,
    gross_minor - fee_minor - fee_vat_minor as net_minor,
    null as row_off_minor

from together
