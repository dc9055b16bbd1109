-- stg_shopify__payout_lines: one row per balance transaction of a payout.
--
-- Stream: payout_lines (all of one payout's)
-- Key:    payout_id + the row's own values
-- Units:  minor units; net > 0 is to us, a fee > 0 is a cost
-- Source: https://shopify.dev/docs/api/admin-graphql/latest/objects/ShopifyPaymentsBalanceTransaction
--
-- The net is what moves the balance: the gross is net + fee, and where the stated amount is another,
-- row_off_minor says by how much. TRANSFER is the payout itself.

with

answers as (

    select blob_id, key, unnest(case when json_type(body, '$.answers') = 'ARRAY' then from_json(body -> '$.answers', '["JSON"]') else [body] end) as answer
    from raw

),

nodes as (

    select blob_id, key, unnest(from_json(answer -> '$.data.shopifyPaymentsAccount.balanceTransactions.nodes', '["JSON"]')) as item
    from answers

),

typed as (

    select *,
        row_number() over (partition by blob_id order by item ->> '$.id') - 1 as row_no,
        shopify_money(from_json(item -> '$.amount', '{"amount": "VARCHAR", "currencyCode": "VARCHAR"}')) as amount,
        shopify_money(from_json(item -> '$.fee', '{"amount": "VARCHAR", "currencyCode": "VARCHAR"}')) as fee,
        shopify_money(from_json(item -> '$.net', '{"amount": "VARCHAR", "currencyCode": "VARCHAR"}')) as net
    from nodes
    where upper(item ->> '$.type') <> 'TRANSFER' and not coalesce((item ->> '$.test')::boolean, false)

)

select
    split_part(key, '/', 2) as payout_id,
    key as part,
    upper(item ->> '$.type') as provider_type,
    nullif(upper(item ->> '$.adjustmentReason'), '') as provider_detail,
    'shopify_payments' as method,
    shopify_time(item ->> '$.transactionDate') as event_at,
    item ->> '$.associatedOrder.name' as order_reference,
    shopify_tail(item ->> '$.associatedOrder.id') as order_key,
    item ->> '$.sourceOrderTransactionId' as event_key,
    null as other_references,
    upper(item ->> '$.net.currencyCode') as currency,
    net + fee as gross_minor,
    fee as fee_minor,
    0 as fee_vat_minor,
    net as net_minor,
    nullif(amount - fee - net, 0) as row_off_minor,
    null as country,
    shopify_tail(item ->> '$.id') as text,
    row_no,
    '$.data.shopifyPaymentsAccount.balanceTransactions.nodes[' || row_no || ']' as locator,
    blob_id

from typed
