-- stg_klarna__payout_parts: one row per page of a payout's transactions: how many rows
-- the payout has by Klarna's count, and how many this page holds.
--
-- Stream: payout_lines (a page), settlement_files (a file is every page of its payouts)
-- Key:    payout_id, part

with

-- Taken out of the file before anything is unnested: or each of its rows would carry the whole of it.
files as materialized (

    select
        blob_id,
        klarna_file_payout(body) as only_one,
        from_json(body -> '$.sections[0]', '["JSON"]') as payouts,
        from_json(body -> '$.sections[1]', '["JSON"]') as rows

    from raw

    where json_exists(body, '$.sections')

),

file_payouts as (
    select blob_id, x ->> '$.payment_reference' as payout_id
    from (select blob_id, unnest(payouts) as x from files)
),

file_rows as (
    select blob_id, coalesce(nullif(x ->> '$.payment_reference', ''), only_one) as payout_id
    from (select blob_id, only_one, unnest(rows) as x from files)
)

select
    split_part(split_part(key, '/', 2), '?', 1) as payout_id,
    key as part,
    coalesce(klarna_int(body ->> '$.pagination.total'), json_array_length(body, '$.transactions')) as lines_total,
    json_array_length(body, '$.transactions') as lines_here,
    blob_id

from raw

where not json_exists(body, '$.sections')

union all by name

select
    p.payout_id,
    'payout_lines/' || p.payout_id || '?offset=0' as part,
    count(r.blob_id) as lines_total,
    count(r.blob_id) as lines_here,
    p.blob_id

from file_payouts as p
left join file_rows as r on r.blob_id = p.blob_id and r.payout_id = p.payout_id
group by p.blob_id, p.payout_id
