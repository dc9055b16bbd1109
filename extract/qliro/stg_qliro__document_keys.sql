-- stg_qliro__document_keys: what a settlement may call an order, a capture or a refund.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref, key_type, value
-- Source: https://developers.qliro.com/ (PaymentTransactionId, OrderId and MerchantOrderReference of a settlement)
--
-- What is delivered after the money was taken may be settled under the number of the Debit.

select kind, doc_ref, order_id, k.key_type as key_type, k.value as value
from (
    select
        kind, doc_ref, order_id,
        unnest([
            {'key_type': 'event_id', 'value': transaction},
            {'key_type': 'event_id', 'value': case when kind = 'delivery' and original_type = 'Debit' then original end},
            {'key_type': 'order_id', 'value': order_id},
            {'key_type': 'order_number', 'value': order_number},
            {'key_type': 'reference', 'value': reference}
        ]) as k
    from qliro_happened
)
where k.value is not null and k.value <> ''
