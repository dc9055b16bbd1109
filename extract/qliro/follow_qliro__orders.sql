-- Which orders to read. Qliro has no list, so an order is discovered from the settlement
-- lines that name it, and once known it is followed until nothing more can happen to it. After follow_days
-- without a change only a settlement line wakes it.
-- An order that Qliro does not know is asked for during a week, and one that lacks the transaction a line names
-- during follow_days.

with

followed as (select $now::timestamp - to_days(follow_days) as since_ from set_sources where source = $source),

gone as (

    select key
    from blobs
    where source = $source and stream = 'orders'
    group by key
    having bool_and(gone) and max(fetched_at) - min(fetched_at) > interval 7 days

),

known as (select distinct order_id from documents where source = $source),

events as (

    select distinct k.value
    from document_keys as k
    inner join documents as d using (document_id)
    where d.source = $source and k.key_type = 'event_id'

),

named as (

    select distinct l.order_key as id
    from payout_lines as l
    inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
    where l.source = $source and l.order_key is not null and l.provider_type <> 'Fee'
        and (
            l.order_key not in (select order_id from known where order_id is not null)
            or (l.event_key not in (select value from events) and p.paid_at >= (select since_ from followed))
        )

),

open_orders as (

    select d.order_id as id
    from documents as d
    where d.source = $source and d.kind = 'order' and not d.is_final
        and d.changed_at >= (select since_ from followed)

)

select id from named
union
select id from open_orders
except
select substr(key, length('order/') + 1) from gone

order by id
