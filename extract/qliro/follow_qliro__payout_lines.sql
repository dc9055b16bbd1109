-- Which batches' lines to read: those that are not here, those held (they are tried again on every run),
-- and, when a window is read again, those in it. The two sums that the batch may come to go along.

select distinct p.payout_id || coalesce('/' || greatest(p.amount_minor, coalesce(p.other_amount_minor, p.amount_minor))
    || '/' || least(p.amount_minor, coalesce(p.other_amount_minor, p.amount_minor)), '') as id

from payouts as p

where p.source = $source
    and (
        p.status = 'held'
        or ($reread and p.paid_at >= $since and p.paid_at < $until)
        or not exists (select 1 from payout_parts as q where q.source = p.source and q.payout_id = p.payout_id)
    )

order by id
