-- tmp_svea__payouts: read by the models of payouts, their parts and lines.
-- The payouts in raw, with their rows: one per client of a report. None has an ID: the client and the day name it, and
-- where a client has several on a day, their currency, bank account and order. The same client's payout in the
-- answer for another day is the same payout.

with

clients as (

    select blob_id, asked_for, generate_subscripts(reports, 1) - 1 as position, unnest(reports) as c
    from (
        select blob_id, right(key, 10) as asked_for, from_json(body, '{"clientReports": [{
            "clientId": "VARCHAR", "recipientBankAccountNo": "VARCHAR", "reconciliationDate": "VARCHAR", "paymentReport": "JSON",
            "rows": [{"externalOrderNo": "VARCHAR", "orderDate": "VARCHAR", "sveaCustomerId": "VARCHAR", "sveaInvoiceNo": "VARCHAR", "sveaOrderNo": "VARCHAR", "paymentTransactionId": "VARCHAR",
                "sveaCheckoutId": "VARCHAR", "deliveryId": "VARCHAR", "nominalAmount": "VARCHAR", "sveaPaidAmount": "VARCHAR", "totalFeeAmountExcludingVat": "VARCHAR", "totalFeeVatAmount": "VARCHAR",
                "paymentType": "VARCHAR", "currency": "VARCHAR", "comment": "VARCHAR", "rowType": "VARCHAR", "reconciliationDate": "VARCHAR",
                "fees": [{"type": "VARCHAR", "amountExcludingVat": "VARCHAR", "vatAmount": "VARCHAR"}]}]}]}').clientReports as reports
        from raw
    )

),

dated as (

    select
        blob_id, position, c.clientId as client_id, c.recipientBankAccountNo as bank_account, c.paymentReport as report,
        coalesce(svea_time(c.reconciliationDate), svea_time(asked_for)) as paid_at,
        upper(nullif(c.paymentReport ->> '$.currency', '')) as currency,
        coalesce(c.rows, []) as report_rows
    from clients

)

select
    blob_id, position, bank_account, report, paid_at, currency, report_rows,
    coalesce(svea_id(client_id), '0') || '-' || local_date(paid_at, 'Europe/Stockholm')
        || case when row_number() over same_day > 1 then '-' || (row_number() over same_day) else '' end as payout_id
from dated
window same_day as (partition by blob_id, client_id, local_date(paid_at, 'Europe/Stockholm') order by currency, bank_account, position)
