-- A payout line is there once.
select line_id::varchar as key, 'the same payout line ' || count(*) || ' times' as wrong
from payout_lines
group by line_id
having count(*) > 1
