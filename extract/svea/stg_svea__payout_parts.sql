-- stg_svea__payout_parts: a client's report comes whole, with all of its rows. numberOfRows is no
-- proof of that (what it counts is not documented); the totals are.
--
-- Stream: reports (one day)
-- Key:    payout_id, part

select payout_id, payout_id as part, len(report_rows) as lines_total, len(report_rows) as lines_here, blob_id
from svea_payouts
