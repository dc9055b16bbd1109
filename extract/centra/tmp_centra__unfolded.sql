-- tmp_centra__unfolded: The orders and the returns of an answer side by side, the first with the first: o with its place i,
-- r with its place k. The shorter of the two lists has nothing in its last rows: no place either.
--
-- All that is read of an answer is taken out of it at once, as text: each look into JSON reads all of it.
-- What is no object or no list where one should be is null, and the rest of the answer stands.

select
    blob_id,
    unnest(d.orders) as o, generate_subscripts(d.orders, 1) as i,
    unnest(d.returns) as r, generate_subscripts(d.returns, 1) as k
from (
    select blob_id, from_json(body, '{"data": {
        "orders": [{
            "id": "VARCHAR", "number": "VARCHAR", "status": "VARCHAR", "createdAt": "VARCHAR", "updatedAt": "VARCHAR", "store": {"type": "VARCHAR"},
            "grandTotal": {"value": "VARCHAR", "currency": {"code": "VARCHAR"}},
            "totals": {"shipping": {"value": "VARCHAR"}, "handling": {"value": "VARCHAR"}, "taxDeducted": {"value": "VARCHAR"},
                "shippingTaxRules": [{"taxIncluded": {"value": "VARCHAR"}, "rule": {"taxPercent": "VARCHAR"}}]},
            "lines": [{"id": "VARCHAR", "taxPercent": "VARCHAR", "quantity": "VARCHAR", "lineValue": {"value": "VARCHAR"}, "lineValueExTax": {"value": "VARCHAR"},
                "productSize": {"SKU": "VARCHAR"}, "orderLine": {"id": "VARCHAR", "taxPercent": "VARCHAR", "productSize": {"SKU": "VARCHAR"}}}],
            "shippingAddress": {"country": {"code": "VARCHAR"}, "vatNumber": "VARCHAR"},
            "billingAddress": {"country": {"code": "VARCHAR"}, "vatNumber": "VARCHAR"},
            "paymentMethod": {"uri": "VARCHAR", "plugin": "VARCHAR", "name": "VARCHAR"},
            "paymentHistory": [{"id": "VARCHAR", "createdAt": "VARCHAR", "status": "VARCHAR", "entryType": "VARCHAR", "externalReference": "VARCHAR",
                "externalId": "VARCHAR", "paramsJSON": "VARCHAR", "value": {"value": "VARCHAR"}}],
            "shipments": [{
                "id": "VARCHAR", "number": "VARCHAR", "createdAt": "VARCHAR", "isShipped": "VARCHAR", "shippedAt": "VARCHAR", "paidAt": "VARCHAR", "capturedAt": "VARCHAR",
                "grandTotal": {"value": "VARCHAR"}, "discountsApplied": [{"__typename": "VARCHAR", "value": {"value": "VARCHAR"}}],
                "shippingAddress": {"country": {"code": "VARCHAR"}},
                "lines": [{"id": "VARCHAR", "taxPercent": "VARCHAR", "quantity": "VARCHAR", "lineValue": {"value": "VARCHAR"}, "lineValueExTax": {"value": "VARCHAR"},
                    "productSize": {"SKU": "VARCHAR"}, "orderLine": {"id": "VARCHAR", "taxPercent": "VARCHAR", "productSize": {"SKU": "VARCHAR"}}}]
            }]
        }],
        "returns": [{
            "id": "VARCHAR", "status": "VARCHAR", "returnStatus": "VARCHAR", "createdAt": "VARCHAR", "order": {"id": "VARCHAR"}, "grandTotal": {"value": "VARCHAR"},
            "lines": [{"id": "VARCHAR", "taxPercent": "VARCHAR", "quantity": "VARCHAR", "lineValue": {"value": "VARCHAR"}, "lineValueExTax": {"value": "VARCHAR"},
                "productSize": {"SKU": "VARCHAR"}, "orderLine": {"id": "VARCHAR", "taxPercent": "VARCHAR", "productSize": {"SKU": "VARCHAR"}}}],
            "totals": {"shipping": {"value": "VARCHAR"}, "handling": {"value": "VARCHAR"}, "discounts": {"value": "VARCHAR"}, "returnCost": {"value": "VARCHAR"},
                "taxDeducted": {"value": "VARCHAR"},
                "shippingTaxRules": [{"taxIncluded": {"value": "VARCHAR"}, "rule": {"taxPercent": "VARCHAR"}}],
                "handlingTaxRules": [{"taxIncluded": {"value": "VARCHAR"}, "rule": {"taxPercent": "VARCHAR"}}],
                "returnCostTaxRules": [{"taxIncluded": {"value": "VARCHAR"}, "rule": {"taxPercent": "VARCHAR"}}]},
            "discountsApplied": [{"__typename": "VARCHAR", "value": {"value": "VARCHAR"}}],
            "refundPaymentHistory": [{"id": "VARCHAR", "createdAt": "VARCHAR", "status": "VARCHAR", "entryType": "VARCHAR", "externalReference": "VARCHAR",
                "externalId": "VARCHAR", "paramsJSON": "VARCHAR", "value": {"value": "VARCHAR"}}]
        }]
    }}').data as d
    from raw
)
