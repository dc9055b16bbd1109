-- Every entry sums to zero in the company's currency, and in its own when it holds only one.
select entry_id::varchar as key, 'off by ' || sum(amount_minor) || ' minor units' as wrong
from postings
group by entry_id
having sum(amount_minor) <> 0
    or (count(distinct currency) = 1 and sum(amount_currency_minor) <> 0)
