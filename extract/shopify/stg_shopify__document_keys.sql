-- stg_shopify__document_keys: what a payment provider may call an order, a payment or a refund.
--
-- Streams: orders, lookups (one order)
-- Key:     kind, doc_ref, key_type, value
-- Source:  shops.md §1.7 and §4: a payment app gets the shop's payment ID; Klarna writes it as merchant reference 1
--          and 2, Mollie as description; with Klarna's extended access reference 1 becomes the order's name.
--
-- A receipt is the gateway's own and promises nothing: the usual names of an ID are looked for in it.

with

-- The newest version of each order: of others no key is asked for.
orders as (

    select * from shopify_orders
    where blob_id in (select max(blob_id) from shopify_orders group by order_id)

),

docs as (

    select blob_id, 'order' as kind, order_id as doc_ref, null as giving from orders
    union all
    select distinct blob_id, kind, doc_ref, null from shopify_lines where kind = 'delivery'
    union all
    select blob_id, 'refund', doc_ref, giving from shopify_givings

),

payments as (

    select blob_id, null as giving, id, kind, status, payment_id, receipt from shopify_payments
    union all
    select blob_id, refund_id, id, kind, status, payment_id, receipt from shopify_refund_payments

),

receipts as (

    select blob_id, giving, kind, value
    from (
        select blob_id, giving, kind, unnest([
            r ->> '$.id', r ->> '$.transaction_id', r ->> '$.transactionId', r ->> '$.payment_id', r ->> '$.paymentId', r ->> '$.order_id', r ->> '$.orderId',
            r ->> '$.klarna_order_id', r ->> '$.capture_id', r ->> '$.refund_id', r ->> '$.psp_reference', r ->> '$.pspReference', r ->> '$.merchant_reference', r ->> '$.merchantReference',
            r ->> '$.payment_reference', r ->> '$.reference', r ->> '$.x_reference', r ->> '$.x_gateway_reference', r ->> '$.gateway_reference', r ->> '$.remote_reference', r ->> '$.charge'
        ]) as value
        from (
            -- Either an object, or a text that holds one.
            select blob_id, giving, kind, case when json_type(receipt) = 'OBJECT' then receipt when json_valid(receipt ->> '$') then (receipt ->> '$')::json end as r
            from payments
            where receipt is not null
        )
        where json_type(r) = 'OBJECT'
    )
    where length(value) between 4 and 128

),

-- What names the order names each of its documents, once.
of_order as (

    select distinct blob_id, key_type, value
    from (
        select blob_id, unnest([
            {'key_type': 'order_id', 'value': order_id},
            {'key_type': 'order_number', 'value': order_number},
            {'key_type': 'order_number', 'value': number},
            {'key_type': 'reference', 'value': confirmation},
            {'key_type': 'reference', 'value': po_number},
            {'key_type': 'reference', 'value': source_identifier}
        ], recursive := true)
        from orders

        union all

        -- Every payment of the order: a refund's line may carry the sale's ID.
        select blob_id, 'payment_id', payment_id from payments

        union all

        -- The provider's own ID of the order.
        select blob_id, 'order_id', value from receipts where kind in ('SALE', 'CAPTURE', 'AUTHORIZATION') and giving is null
    )
    where value <> ''

),

-- What names one payment names its document.
of_payment as (

    -- The transaction itself: Shopify Payments names it, others may have it in the receipt.
    select d.blob_id, d.kind, d.doc_ref, shopify_tail(p.id) as value
    from docs as d
    inner join payments as p on p.blob_id = d.blob_id
    where p.status = 'SUCCESS'
        and ((d.kind = 'refund' and p.giving = d.giving and p.kind = 'REFUND') or (d.kind <> 'refund' and p.giving is null and p.kind in ('SALE', 'CAPTURE')))

    union

    select d.blob_id, d.kind, d.doc_ref, r.value
    from docs as d
    inner join receipts as r on r.blob_id = d.blob_id
    where (d.kind = 'refund' and r.giving = d.giving) or (d.kind = 'delivery' and r.giving is null and r.kind in ('SALE', 'CAPTURE'))

),

keys as (

    select d.blob_id, d.kind, d.doc_ref, k.key_type, k.value
    from (select distinct blob_id, kind, doc_ref from docs) as d
    inner join of_order as k using (blob_id)

    union all

    select blob_id, kind, doc_ref, 'event_id', value from of_payment where value <> ''

)

select k.kind, k.doc_ref, o.order_id, k.key_type, k.value
from keys as k
inner join orders as o using (blob_id)
