-- Which payments to ask the shop for: what payout lines of any provider call a sale or refund that no
-- document answers to. A payment app knows the shop's payment ID and nothing else of the order (shops.md §1.7), or, of some
-- shops, the order's name: so with a reference goes what the line moved, for a name is counted in every shop. Klarna's own
-- IDs (UUIDs) are neither.

with unknown as (

    select trim(unnest(string_split(concat_ws('|', order_reference, other_references), '|'))) as id, '?minor=' || gross_minor || '&currency=' || currency as moved
    from lines_without_document($now)

    union

    select trim(order_key), '' from lines_without_document($now)

)

select id || moved as id
from unknown
where $source is not null
    and (regexp_full_match(id, '[A-Za-z0-9][A-Za-z0-9._-]{5,63}') or (moved <> '' and regexp_full_match(id, '#?[A-Za-z0-9._/-]{0,20}[0-9][A-Za-z0-9._/-]{0,10}')))
    and not regexp_full_match(lower(id), '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')

order by id
