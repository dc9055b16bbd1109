-- stg_klarna__payout_parts: one row per page of a payout's transactions: how many rows
-- the payout has by Klarna's count, and how many this page holds.
--
-- Stream: payout_lines (a page)
-- Key:    payout_id, part

select
    split_part(split_part(key, '/', 2), '?', 1) as payout_id,
    key as part,
    coalesce(klarna_int(body ->> '$.pagination.total'), json_array_length(body, '$.transactions')) as lines_total,
    json_array_length(body, '$.transactions') as lines_here,
    blob_id

from raw
