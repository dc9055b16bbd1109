-- tmp_mollie__payments: read by the models of documents, their lines and keys.
-- What happened to each payment (tr_…) or order of the former Orders API (ord_…), as one list of deliveries and one of
-- refunds. A payment that was captured is delivered by its captures, any other by being paid; an order that was
-- authorised first by its shipments. Of refunds only those that reached the customer count: the others may yet fail.
-- An answer is parsed once: every path into its text would read all of it again.

with parsed as (

    select blob_id, from_json(body, '{
        "id": "VARCHAR", "orderNumber": "VARCHAR", "orderId": "VARCHAR", "status": "VARCHAR", "method": "VARCHAR", "countryCode": "VARCHAR", "metadata": "JSON",
        "amount": {"value": "VARCHAR", "currency": "VARCHAR"}, "createdAt": "VARCHAR", "paidAt": "VARCHAR", "authorizedAt": "VARCHAR", "description": "VARCHAR",
        "billingAddress": {"country": "VARCHAR", "organizationName": "VARCHAR"}, "shippingAddress": {"country": "VARCHAR"},
        "lines": [{"id": "VARCHAR", "type": "VARCHAR", "sku": "VARCHAR", "quantity": "VARCHAR", "vatRate": "VARCHAR",
            "totalAmount": {"value": "VARCHAR", "currency": "VARCHAR"}, "vatAmount": {"value": "VARCHAR", "currency": "VARCHAR"}}],
        "_embedded": {
            "captures": [{"id": "VARCHAR", "status": "VARCHAR", "amount": {"value": "VARCHAR", "currency": "VARCHAR"}, "createdAt": "VARCHAR", "description": "VARCHAR", "paymentId": "VARCHAR"}],
            "payments": [{"id": "VARCHAR", "status": "VARCHAR", "amount": {"value": "VARCHAR", "currency": "VARCHAR"}, "createdAt": "VARCHAR", "paidAt": "VARCHAR", "authorizedAt": "VARCHAR", "description": "VARCHAR"}],
            "shipments": [{"id": "VARCHAR", "createdAt": "VARCHAR",
                "lines": [{"id": "VARCHAR", "type": "VARCHAR", "sku": "VARCHAR", "quantity": "VARCHAR", "vatRate": "VARCHAR",
                    "totalAmount": {"value": "VARCHAR", "currency": "VARCHAR"}, "vatAmount": {"value": "VARCHAR", "currency": "VARCHAR"}}]}],
            "refunds": [{"id": "VARCHAR", "status": "VARCHAR", "amount": {"value": "VARCHAR", "currency": "VARCHAR"}, "createdAt": "VARCHAR", "description": "VARCHAR", "paymentId": "VARCHAR",
                "lines": [{"id": "VARCHAR", "type": "VARCHAR", "sku": "VARCHAR", "quantity": "VARCHAR", "vatRate": "VARCHAR",
                    "totalAmount": {"value": "VARCHAR", "currency": "VARCHAR"}, "vatAmount": {"value": "VARCHAR", "currency": "VARCHAR"}}]}]}}') as p
    from raw

),

listed as (

    select
        blob_id, p,
        list_filter(coalesce(p._embedded.captures, []), x -> coalesce(lower(x.status), 'succeeded') = 'succeeded') as captures,
        list_filter(coalesce(p._embedded.payments, []), x -> lower(x.status) = 'paid' and x.authorizedAt is null) as paid

    from parsed

)

select
    blob_id,
    p,
    p.id as order_id,
    case
        when p.id like 'ord\_%' escape '\' and len(paid) > 0
            then list_transform(paid, x -> {'id': x.id, 'at': coalesce(x.paidAt, x.createdAt), 'amount_minor': mollie_minor_of(x.amount), 'text': x.description, 'payment': x.id, 'lines': []})
        when p.id like 'ord\_%' escape '\'
            then list_transform(coalesce(p._embedded.shipments, []), x -> {'id': x.id, 'at': x.createdAt,
                'amount_minor': list_sum(list_transform(x.lines, l -> mollie_minor_of(l.totalAmount)))::bigint, 'text': null, 'payment': null, 'lines': x.lines})
        when len(captures) > 0
            then list_transform(captures, x -> {'id': x.id, 'at': x.createdAt, 'amount_minor': mollie_minor_of(x.amount), 'text': x.description, 'payment': x.paymentId, 'lines': []})
        when lower(p.status) = 'paid'
            then [{'id': p.id, 'at': coalesce(p.paidAt, p.createdAt), 'amount_minor': mollie_minor_of(p.amount), 'text': p.description, 'payment': p.id, 'lines': p.lines}]
        else []
    end as deliveries,
    list_transform(list_filter(coalesce(p._embedded.refunds, []), x -> lower(x.status) = 'refunded'),
        x -> {'id': x.id, 'at': x.createdAt, 'amount_minor': abs(mollie_minor_of(x.amount)), 'text': x.description, 'payment': x.paymentId, 'lines': x.lines}) as refunds

from listed
