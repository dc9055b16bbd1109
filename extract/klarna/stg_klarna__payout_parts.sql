-- stg_klarna__payout_parts: one row per page of a payout's transactions: how many rows
-- the payout has by Klarna's count, and how many this page holds.
--
-- Stream: payout_lines (a page), settlement_files (a file is every page of its payouts)
-- Key:    payout_id, part

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
    payout_id,
    'payout_lines/' || payout_id || '?offset=0' as part,
    rows as lines_total,
    rows as lines_here,
    blob_id

from (
    select blob_id, p ->> '$.payment_reference' as payout_id,
        len(list_filter(lines, x -> (x ->> '$.payment_reference') = (p ->> '$.payment_reference'))) as rows
    from (
        select blob_id, klarna_file_transactions(body) as lines, unnest(klarna_file_payouts(body)) as p
        from raw
        where json_exists(body, '$.sections')
    )
)
