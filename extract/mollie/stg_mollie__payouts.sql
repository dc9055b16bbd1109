-- stg_mollie__payouts: one row per settlement that was paid out or failed, with what its
-- periods prove.
--
-- Stream: settlements (one settlement)
-- Key:    payout_id = stl_…; the bank statement shows its reference
-- Units:  minor units; amount > 0 reaches the bank
-- Source: https://docs.mollie.com/reference/get-settlement
--
-- amount = Σ revenue.amountNet − Σ costs.amountGross, rounded once. revenue.amountGross is not used: of refunds
-- it has had the wrong sign for years. What is in the settlement must add up to the amount too.
-- A failed settlement never reached the bank: what its lines settle is taken back by a line of its own.

with

source as (

    select
        blob_id, body,
        upper(body ->> '$.amount.currency') as currency,
        mollie_minor(body ->> '$.amount.value', upper(body ->> '$.amount.currency')) as amount,
        lower(coalesce(body ->> '$.status', 'paidout')) as status

    from raw

    where lower(coalesce(body ->> '$.status', 'paidout')) in ('paidout', 'failed') and (body ->> '$.id') like 'stl\_%' escape '\'

),

years as (

    select blob_id, body, unnest(json_keys(body, '$.periods')) as year
    from source
    where json_type(body, '$.periods') = 'OBJECT'

),

months as (

    select blob_id, json_extract(body, '$.periods."' || year || '"') as year_body,
        unnest(json_keys(body, '$.periods."' || year || '"')) as month
    from years
    where json_type(body, '$.periods."' || year || '"') = 'OBJECT'

),

amounts as (

    select blob_id, mollie_micro(r ->> '$.amountNet.value') as micro
    from (select blob_id, unnest(from_json(json_extract(year_body, '$."' || month || '".revenue'), '["JSON"]')) as r from months)

    union all

    select blob_id, -coalesce(mollie_micro(c ->> '$.amountGross.value'),
        mollie_micro(c ->> '$.amountNet.value') + coalesce(mollie_micro(c ->> '$.amountVat.value'), 0)) as micro
    from (select blob_id, unnest(from_json(json_extract(year_body, '$."' || month || '".costs'), '["JSON"]')) as c from months)

),

sums as (

    select blob_id, sum(micro)::bigint as micro
    from amounts
    group by blob_id

)

select
    s.body ->> '$.id' as payout_id,
    nullif(s.body ->> '$.reference', '') as bank_reference,
    coalesce(mollie_time(s.body ->> '$.settledAt'), mollie_time(s.body ->> '$.createdAt')) as paid_at,
    s.currency,
    case s.status when 'failed' then 0 else s.amount end as amount_minor,
    case s.status when 'failed' then 0 else s.amount end as rows_expected_minor,
    coalesce(s.amount - mollie_round(p.micro, s.currency), 0) as formula_off_minor,
    'deducted' as fee_rows,
    concat_ws(' ', 'amount', s.body ->> '$.amount.value', s.body ->> '$.amount.currency', 'reference', s.body ->> '$.reference', 'status', s.body ->> '$.status') as stated,
    s.blob_id,
    '$' as locator

from source as s
left join sums as p using (blob_id)
