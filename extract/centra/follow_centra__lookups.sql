-- Which references of payout lines to look up: of sales and refunds that no document answers to, whosever
-- payout it is. A reference is asked about once, and again when the user names a window.

with wanted as (

    select unnest([order_key, event_key, order_reference]) as id
    from lines_without_document($now)

)

select distinct trim(id) as id
from wanted
where nullif(trim(id), '') is not null and length(trim(id)) <= 255
    and ($reread or 'lookup/' || trim(id) not in (select key from blobs where source = $source and stream = 'lookups'))
order by id
