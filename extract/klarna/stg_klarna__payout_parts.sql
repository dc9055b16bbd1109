-- stg_klarna__payout_parts: one row per page of a payout's transactions: how many rows
-- the payout has by Klarna's count, and how many this page holds.
--
-- Stream: payout_lines (a page), settlement_files (a file is every page of its payouts)
-- Key:    payout_id, part

with

files as materialized (

    select
        blob_id,
        body ->> '$.offset' as position,
        klarna_file_payout(body) as only_one,
        body ->> '$.sections[0][*].payment_reference' as payouts,
        body ->> '$.sections[1][*].payment_reference' as named,
        json_array_length(body, '$.sections[1]') as rows

    from raw

    where json_exists(body, '$.sections')

),

pages as (

    select blob_id, key, body ->> '$.pagination.total' as total, lengths[1] as rows
    from (select *, json_array_length(body, ['$.transactions', '$.sections']) as lengths from raw)
    where lengths[2] is null

),

-- Each portion of a file names its payouts; a row says which one it is of where there are several.
file_payouts as (
    select blob_id, position, only_one, rows, named, unnest(payouts) as payout_id from files
)

select
    split_part(split_part(key, '/', 2), '?', 1) as payout_id,
    key as part,
    coalesce(klarna_int(total), rows) as lines_total,
    rows as lines_here,
    blob_id

from pages

union all by name

select
    payout_id,
    'payout_lines/' || payout_id || '?offset=' || position as part,
    case when only_one is not null then rows else len(list_filter(named, x -> x = payout_id)) end as lines_total,
    lines_total as lines_here,
    blob_id

from file_payouts
