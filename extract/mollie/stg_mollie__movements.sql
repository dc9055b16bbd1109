-- stg_mollie__movements: what was booked on a balance at Mollie: the only place where a fee is of one payment, and
-- where what is in no settlement's lists shows (compensations, reserves, transfers of an amount of one's choice).
--
-- Stream: balance_transactions (a page of a balance's transactions)
-- Key:    movement_id = baltr_…
-- Units:  minor units; > 0 is to us, a deduction is < 0
-- Source: https://docs.mollie.com/reference/list-balance-transactions
--
-- resultAmount = initialAmount + deductions. The context is flat in what the API sends, by type in its
-- specification, and [] where there is none (mollie/api-documentation#959); its words are looked for in all three.

with

items as (

    select
        blob_id,
        split_part(split_part(key, '/', 2), '?', 1) as account_id,
        generate_subscripts(items, 1) - 1 as position,
        unnest(items) as item

    from (
        select *, from_json(body -> '$._embedded.balance_transactions', '[{
            "id": "VARCHAR", "type": "VARCHAR", "createdAt": "VARCHAR", "context": "JSON",
            "resultAmount": {"value": "VARCHAR", "currency": "VARCHAR"}, "initialAmount": {"value": "VARCHAR", "currency": "VARCHAR"},
            "deductions": {"value": "VARCHAR", "currency": "VARCHAR"},
            "deductionDetails": {"fees": {"value": "VARCHAR", "currency": "VARCHAR"}, "commissions": {"value": "VARCHAR", "currency": "VARCHAR"},
                "repayments": {"value": "VARCHAR", "currency": "VARCHAR"}, "reservations": {"value": "VARCHAR", "currency": "VARCHAR"}}}]') as items
        from raw
        where starts_with(key, 'balance_transactions/')
    )

),

named as (

    select
        *,
        mollie_context(item.context, 'paymentId') as payment,
        coalesce(mollie_context(item.context, 'captureId'), mollie_context(item.context, 'refundId'), mollie_context(item.context, 'chargebackId')) as event,
        mollie_context(item.context, 'settlementId') as settlement

    from items

)

select
    item.id as movement_id,
    account_id,
    lower(item.type) as provider_type,
    mollie_time(item.createdAt) as event_at,
    upper(item.resultAmount.currency) as currency,
    mollie_minor_of(item.initialAmount) as initial_minor,
    case when item.deductions.value is null then 0 else mollie_minor_of(item.deductions) end as deducted_minor,
    mollie_minor_of(item.resultAmount) as result_minor,
    -- What of it is said to be no fee: a commission, a repayment of a loan, a reserve.
    coalesce(mollie_minor_of(item.deductionDetails.commissions), 0) as commission_minor,
    coalesce(mollie_minor_of(item.deductionDetails.repayments), 0) as repayment_minor,
    coalesce(mollie_minor_of(item.deductionDetails.reservations), 0) as reserve_minor,
    payment as order_key,
    coalesce(event, payment) as event_key,
    settlement as payout_id,
    '$._embedded.balance_transactions[' || position || ']' as locator,
    blob_id

from named

where item.id is not null
