-- What to ask the shop for: the names of sales and refunds that some provider settles and no document answers to, most telling
-- first, once a day while they are unknown, and what they moved: another shop's order may have the same number. Not of
-- providers whose sales are booked elsewhere.

with

unknown as (

    select distinct
        array_to_string(list_distinct(list_filter(
            string_split(concat_ws('|', l.order_reference, l.other_references, l.order_key), '|'), r -> trim(r) <> '')), '|') as names,
        '?minor=' || l.gross_minor || '&currency=' || l.currency as moved
    from lines_without_document($now) as l
    inner join set_sources as s on s.source = l.source
    inner join payout_lines as p on p.line_id = l.line_id
    left join set_words as w on w.source = l.source and p.provider_type glob w.type_glob and coalesce(p.provider_detail, '') glob w.detail_glob
    where l.source <> $source and s.unmatched <> 'receivable'
    group by all
    having bool_or(w.kind in ('sale', 'refund'))

)

select names || moved as id
from unknown
where names <> '' and not exists (
    select 1 from blobs as b
    where b.source = $source and b.stream = 'lookup' and b.key = 'lookup/' || unknown.names || unknown.moved || '&on=' || strftime($now::timestamp, '%Y-%m-%d')
)

order by id
