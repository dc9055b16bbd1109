-- What the console's sums and lists are read from is what the lines say.
with

lines as (

    select source, payout_id, 'lines ' || coalesce(kind, '?') || ' ' || verdict as what, count(*) as n, sum(gross) as gross, sum(fee) as fee, sum(fee_vat) as fee_vat, sum(net) as net
    from recon.payout_lines
    group by source, payout_id, kind, verdict
    union all
    select p.source, p.payout_id, 'exceptions ' || x.kind, count(*), sum(abs(x.amount)), null, null, null
    from recon.exceptions as x
    inner join payouts as p on p.document_id = x.document_id
    where x.line_id is not null and x.status = 'open'
    group by p.source, p.payout_id, x.kind

),

sums as (

    select source, payout_id, 'lines ' || coalesce(kind, '?') || ' ' || verdict as what, lines as n, gross, fee, fee_vat, net
    from verdict_sums
    union all
    select source, payout_id, 'exceptions ' || kind, n, amount, null, null, null
    from exception_sums

)

select coalesce(l.source, s.source) || ' ' || coalesce(l.payout_id, s.payout_id) || ', ' || coalesce(l.what, s.what) as key,
    'the lines say ' || concat_ws(' of ', coalesce(l.n, 0), l.gross) || ', their sum ' || concat_ws(' of ', coalesce(s.n, 0), s.gross) as wrong
from lines as l
full join sums as s on s.source = l.source and s.payout_id = l.payout_id and s.what = l.what
where (l.n, l.gross, l.fee, l.fee_vat, l.net) is distinct from (s.n, s.gross, s.fee, s.fee_vat, s.net)
    -- What a run booked before it was cut off is counted by the next one.
    and coalesce((select arg_max(status, run_no) from runs), '') <> 'booked'
