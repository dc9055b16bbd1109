-- stg_mollie__balances: what Mollie holds for the account, by balance (one for each currency), each time it was asked.
--
-- Stream: balance_transactions (a page of the balances)
-- Key:    account_id, asked_at
-- Units:  minor units; > 0 is ours
-- Source: https://docs.mollie.com/reference/list-balances

with

items as (

    select
        blob_id,
        fetched_at,
        generate_subscripts(from_json(body -> '$._embedded.balances', '["JSON"]'), 1) - 1 as position,
        unnest(from_json(body -> '$._embedded.balances', '["JSON"]')) as item

    from raw

    where not starts_with(key, 'balance_transactions/')

)

select
    i.item ->> '$.id' as account_id,
    upper(coalesce(i.item ->> '$.currency', i.item ->> '$.availableAmount.currency')) as currency,
    i.fetched_at as asked_at,
    mollie_minor(i.item ->> '$.availableAmount.value', upper(i.item ->> '$.availableAmount.currency')) as available_minor,
    mollie_minor(i.item ->> '$.pendingAmount.value', upper(i.item ->> '$.pendingAmount.currency')) as pending_minor,
    i.blob_id,
    '$._embedded.balances[' || i.position || ']' as locator

from items as i

where i.item ->> '$.id' is not null
