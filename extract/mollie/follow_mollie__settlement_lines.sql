-- Which settlements' contents to read: those that are not all here, those held (they are tried
-- again on every run), and, when a window is read again, those in it.

select distinct p.payout_id as id

from payouts as p

where p.source = $source
    and (
        p.status = 'held'
        or ($reread and p.paid_at >= $since and p.paid_at < $until)
        or not exists (
            select 1 from payout_parts as q
            where q.source = p.source and q.payout_id = p.payout_id
            group by q.payout_id
            having sum(q.lines_here) >= max(q.lines_total)
        )
    )

order by id
