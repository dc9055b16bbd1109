-- Which orders to read again one by one: those with a return that is not done yet. Nothing in Centra's lists tells
-- when it is: a return has no time of update. Given up after follow_days without another change.

select order_number as id
from documents
where source = $source and kind = 'order' and status like '%, return open' and order_number is not null
    and changed_at >= $now::timestamp - to_days((select follow_days from set_sources where source = $source))
order by id
