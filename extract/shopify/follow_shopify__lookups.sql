-- Which payments to ask the shop for: what payout lines of any provider call a sale or refund that no
-- document answers to. A payment app knows the shop's payment ID and nothing else of the order
-- (shops.md §1.7), so that is what is asked for. Klarna's own IDs (UUIDs) are never payment IDs.

select distinct id
from (
    select trim(unnest(string_split(concat_ws('|', order_reference, other_references, order_key), '|'))) as id
    from lines_without_document($now)
)
where $source is not null
    and length(id) between 6 and 64
    and regexp_full_match(id, '[A-Za-z0-9][A-Za-z0-9._-]*')
    and not regexp_full_match(lower(id), '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')

order by id
