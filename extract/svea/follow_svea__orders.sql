-- Which orders to read. Svea has no list, so an order is discovered from the report rows that name it, and
-- once known it is followed until nothing more can happen to it. After follow_days without a
-- change only a report row wakes it: one of a delivery that is not known, or of more credited than is known.
-- Rows that came more than a month ago have had their chance. An order that Svea does not know is asked
-- for during a week: it may be missing shortly after it was placed.

with

gone as (

    select key
    from blobs
    where source = $source and stream = 'orders'
    group by key
    having bool_and(gone) and max(fetched_at) - min(fetched_at) > interval 7 days

),

named as (

    select order_key, event_key, provider_type, gross_minor, run_no
    from payout_lines
    where source = $source and order_key is not null

),

known as (

    select order_id, sum(amount_minor) filter (kind = 'refund') as refunded
    from documents
    where source = $source
    group by order_id

),

credited as (

    select order_key, -sum(gross_minor) as amount, max(run_no) as run_no
    from named
    where provider_type = 'Credit'
    group by order_key

),

recent as (

    select coalesce(max(run_no), 0) as after_run from runs where started_at < $now::timestamp - interval 30 days

)

select distinct order_key as id
from named
where order_key not in (select order_id from known where order_id is not null)

union

select n.order_key
from named as n
cross join recent as r
where n.run_no > r.after_run and n.event_key is not null
    and n.event_key not in (select doc_ref from documents where source = $source and kind = 'delivery')

union

select c.order_key
from credited as c
inner join known as k on k.order_id = c.order_key
cross join recent as r
where c.run_no > r.after_run and c.amount > coalesce(k.refunded, 0)

union

select d.order_id
from documents as d
where d.source = $source and d.kind = 'order' and not d.is_final
    and d.changed_at >= $now::timestamp - to_days((select follow_days from set_sources where source = $source))

except

select substr(key, length('order/') + 1) from gone

order by id
