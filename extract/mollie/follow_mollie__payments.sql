-- Which payments to read: those that a settlement's lines name and nothing is known of, and those
-- that are known until nothing more can happen to them. After follow_days without a change only a
-- settlement wakes one. A payment that Mollie does not know is asked for during a week.

with

gone as (

    select key
    from blobs
    where source = $source and stream = 'payments'
    group by key
    having bool_and(gone) and max(fetched_at) - min(fetched_at) > interval 7 days

),

named as (

    select distinct l.order_key as id
    from payout_lines as l
    where l.source = $source and l.order_key like 'tr\_%' escape '\'
        and l.provider_type in ('payment', 'capture', 'refund', 'chargeback')
        and not exists (
            select 1 from documents as d
            where d.source = $source and d.doc_ref = case l.provider_type when 'chargeback' then l.order_key else l.event_key end
                and (l.provider_type = 'chargeback' or d.kind <> 'order')
        )
        -- Read as part of its order, it is not read again by itself.
        and not exists (
            select 1 from document_keys as k inner join documents as d using (document_id)
            where d.source = $source and d.order_id like 'ord\_%' escape '\' and k.key_type = 'order_id' and k.value = l.order_key
        )

),

unfinished as (

    select d.order_id as id
    from documents as d
    where d.source = $source and d.kind = 'order' and not d.is_final
        and d.changed_at >= $now::timestamp - to_days((select follow_days from set_sources where source = $source))

)

select id from named
union
select id from unfinished
except
select substr(key, length('order/') + 1) from gone

order by id
