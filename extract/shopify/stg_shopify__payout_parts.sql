-- stg_shopify__payout_parts: all of a payout's transactions are one blob, whole or not there.
--
-- Stream: payout_lines
-- Key:    payout_id, part

select
    split_part(key, '/', 2) as payout_id,
    key as part,
    1 as lines_total,
    1 as lines_here,
    blob_id

from raw
