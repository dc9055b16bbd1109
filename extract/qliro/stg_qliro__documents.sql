-- stg_qliro__documents: one row per order, per capture (a delivery) and per refund.
-- What each transaction means: tmp_qliro__events.sql.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref = PaymentTransactionId (of an order: OrderId)
-- Units:  minor units, > 0
-- Source: https://developers.qliro.com/ (Admin API v2, orders)
--
-- MerchantReference can change after the order was placed: the order goes by its OrderId.

select
    kind, doc_ref, order_id, order_number, reference, event_at, currency, amount_minor, country, customer, method, status,
    is_final, changed_at, blob_id, locator

from qliro_happened
