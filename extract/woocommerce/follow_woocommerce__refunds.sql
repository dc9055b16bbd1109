-- Which orders' refunds to read: those of each version of an order once, and, when a window is read again, those of the
-- orders that changed in it. The list of orders cannot be trusted to name refunds, so every order that
-- money may have come in for is asked about. What a refund's answer lacks follows the question mark.

with

orders as (

    select d.*
    from documents as d
    where d.source = $source and d.kind = 'order' and d.currency is not null and d.changed_at is not null
        and (d.status not in ('checkout-draft', 'auto-draft', 'pending', 'failed', 'trash')
            or d.document_id in (select document_id from document_keys where key_type = 'refund'))

),

named as (

    select
        k.document_id,
        string_agg(distinct substr(k.value, 8), '-' order by substr(k.value, 8)) filter (k.key_type = 'refund') as refunds,
        string_agg(distinct substr(k.value, 6), ',' order by substr(k.value, 6)) filter (k.key_type = 'rate') as rates,
        string_agg(distinct url_encode(k.value), ',' order by url_encode(k.value)) filter (k.key_type = 'payment_id') as payments
    from document_keys as k
    semi join orders as o on o.document_id = k.document_id
    group by k.document_id

),

versions as (

    select
        d.changed_at,
        d.order_id || '?modified=' || strftime(d.changed_at, '%Y-%m-%dT%H:%M:%S')
            || coalesce('&refunds=' || n.refunds, '')
            || '&currency=' || url_encode(d.currency) || coalesce('&country=' || url_encode(d.country), '') || '&customer=' || d.customer
            || coalesce('&method=' || url_encode(d.method), '') || coalesce('&number=' || url_encode(d.order_number), '')
            || coalesce('&rates=' || n.rates, '') || coalesce('&payments=' || n.payments, '') as id
    from orders as d
    left join named as n using (document_id)

)

select v.id
from versions as v
where ($reread and v.changed_at >= $since and v.changed_at < $until)
    or not exists (
        select 1 from blobs as b
        where b.source = $source and b.stream = 'refunds' and b.key = 'refunds/' || v.id
    )

order by try_cast(split_part(v.id, '?', 1) as bigint), v.id
