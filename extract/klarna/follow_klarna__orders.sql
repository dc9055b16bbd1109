-- Which orders to read. Order Management has no list, so an order is discovered from the
-- settlement rows that name it, and once known it is followed until nothing more can
-- happen to it. After follow_days without a change only a settlement row wakes it.
-- An order that Klarna does not know is asked for during a week.

with

gone as (

    select key
    from blobs
    where source = $source and stream = 'orders'
    group by key
    having bool_and(gone) and max(fetched_at) - min(fetched_at) > interval 7 days

),

named as (

    select distinct l.order_key as id
    from payout_lines as l
    where l.source = $source and l.order_key is not null
        and l.provider_type in ('SALE', 'RETURN', 'REVERSAL', 'REVERSAL_MERCHANT_PROTECTION')
        and not exists (
            select 1 from documents as d
            where d.source = $source and d.order_id = l.order_key
                and d.doc_ref = coalesce(l.event_key, l.order_key)
        )

),

open_orders as (

    select d.order_id as id
    from documents as d
    where d.source = $source and d.kind = 'order' and not d.is_final
        and d.changed_at >= $now::timestamp - to_days((select follow_days from set_sources where source = $source))

)

select id from named
union
select id from open_orders
except
select substr(key, length('order/') + 1) from gone

order by id
