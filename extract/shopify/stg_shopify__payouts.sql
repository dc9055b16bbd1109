-- stg_shopify__payouts: one row per payout of Shopify Payments that has reached the bank.
--
-- Stream: payouts (a page of the list)
-- Key:    payout_id = legacyResourceId
-- Units:  minor units; amount > 0 reaches the bank, a withdrawal is taken from it
-- Source: https://shopify.dev/docs/api/admin-graphql/latest/objects/ShopifyPaymentsPayout
--
-- net = Σ gross − Σ fees of the summary. One not paid yet is read again until it is; one that failed is
-- no payout: its money comes back as TRANSFER_FAILURE and is paid with a later one.

with

items as (

    select blob_id, '$.data.shopifyPaymentsAccount.payouts.nodes[' || (generate_subscripts(nodes, 1) - 1) || ']' as locator, unnest(nodes) as item
    from (select blob_id, from_json(body -> '$.data.shopifyPaymentsAccount.payouts.nodes', '["JSON"]') as nodes from raw)

),

typed as (

    select *,
        shopify_tail(coalesce(item ->> '$.legacyResourceId', item ->> '$.id')) as payout_id,
        upper(item ->> '$.net.currencyCode') as currency,
        upper(coalesce(item ->> '$.transactionType', 'DEPOSIT')) as direction,
        from_json(item -> '$.net', '{"amount": "VARCHAR", "currencyCode": "VARCHAR"}') as net,
        item -> '$.summary' as summary
    from items
    where upper(item ->> '$.status') = 'PAID'

),

summed as (

    select *,
        case when direction = 'WITHDRAWAL' then -abs(shopify_money(net)) else shopify_money(net) end as amount,
        list_sum(list_transform(
            ['chargesGross', 'refundsFeeGross', 'adjustmentsGross', 'reservedFundsGross', 'retriedPayoutsGross', 'advanceGross', 'usdcRebateCreditAmount'],
            lambda f: coalesce(scaled(summary ->> ('$.' || f || '.amount'), 6), 0)))
        - list_sum(list_transform(
            ['chargesFee', 'refundsFee', 'adjustmentsFee', 'reservedFundsFee', 'retriedPayoutsFee', 'advanceFees'],
            lambda f: coalesce(scaled(summary ->> ('$.' || f || '.amount'), 6), 0))) as formula
    from typed

)

select
    payout_id,
    coalesce(nullif(item ->> '$.externalTraceId', ''), payout_id) as bank_reference,
    shopify_time(item ->> '$.issuedAt') as paid_at,
    currency,
    amount as amount_minor,
    amount as rows_expected_minor,
    case when json_type(summary) = 'OBJECT' then amount - micro_exact(formula::bigint, currency) else 0 end as formula_off_minor,
    null::bigint as opening_minor,
    null::bigint as closing_minor,
    'deducted' as fee_rows,
    summary::varchar as stated,
    blob_id,
    locator

from summed
