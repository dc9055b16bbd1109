-- stg_svea__document_keys: what a report may call an order, a delivery or a credit.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, key_type, value
-- Source: rows of a report: sveaCheckoutId, deliveryId, externalOrderNo (with -WRetry-N where a card was tried again), sveaInvoiceNo

select kind, doc_ref, order_id, k.key_type as key_type, k.value as value
from (
    select
        kind, doc_ref, order_id,
        unnest([
            {'key_type': 'event_id', 'value': event_id},
            {'key_type': 'order_id', 'value': order_id},
            {'key_type': 'order_number', 'value': svea_number(merchant_number)},
            {'key_type': 'reference', 'value': case when svea_number(merchant_number) <> merchant_number then merchant_number end},
            {'key_type': 'reference', 'value': 'invoice ' || invoice_id}
        ]) as k
    from svea_happened
)
where k.value is not null and k.value <> ''
