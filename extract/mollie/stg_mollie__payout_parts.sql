-- stg_mollie__payout_parts: which of the five answers about a settlement are here: its payments,
-- captures, refunds and chargebacks, each to the last page, and the settlement itself. Mollie does
-- not say how many rows a list has, only whether another page follows.
--
-- Stream: settlement_lines (a page, or the settlement)
-- Key:    payout_id, part

select
    split_part(key, '/', 2) as payout_id,
    split_part(key, '/', 3) as part,
    5 as lines_total,
    case when coalesce(body ->> '$._links.next.href', '') = '' then 1 else 0 end as lines_here,
    blob_id

from raw

where split_part(key, '/', 3) <> ''
