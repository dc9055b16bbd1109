-- stg_qliro__payout_parts: a batch's lines come in one answer.
--
-- Stream: payout_lines (one batch)
-- Key:    payout_id, part

select
    split_part(split_part(key, '/', 2), '?', 1) as payout_id,
    split_part(key, '?', 1) as part,
    coalesce(json_array_length(body, '$.Settlements'), 0) as lines_total,
    coalesce(json_array_length(body, '$.Settlements'), 0) as lines_here,
    blob_id

from raw
