-- Which reports to read: what follows the last batch read; batches between and before
-- those read that have none yet; reports that are held because they may be broken or cut
-- short, on every run; and, when a window is read again, those of payouts in it.
--
-- A key is "ACCOUNT/BATCH", or "ACCOUNT/FILE.csv" for a report without a batch number (see
-- client.Extract). Reports that came through an inbox have other keys: they count for nothing here.

with

read as (

    select distinct key, regexp_extract(key, '^(.+)/[0-9]{1,8}$', 1) as account,
        try_cast(nullif(regexp_extract(key, '^.+/([0-9]{1,8})$', 1), '') as bigint) as batch
    from blobs
    where source = $source and stream = 'settlement_reports' and not gone and contains(key, '/')

),

bounds as (
    select account, min(batch) as lowest, max(batch) as highest
    from read
    where batch is not null
    group by account
),

between_them as (
    select account, unnest(range(lowest, highest + 1)) as batch
    from bounds
),

broken as (

    select b.key
    from payouts as p
    inner join blobs as b using (blob_id)
    where p.source = $source and b.stream = 'settlement_reports'
        and (
            p.status = 'held' and p.why_kind in ('malformed_record', 'payout_does_not_add_up')
            or ($reread and p.paid_at >= $since and p.paid_at < $until)
        )

    union

    -- a file that no payout could be read from
    select substr(document_id, length($source || '/file/') + 1)
    from exceptions
    where source = $source and status = 'open' and kind = 'malformed_record' and starts_with(document_id, $source || '/file/')

)

select id
from (
    select 1 as place, 0 as batch, account || '/..' || (lowest - 1) as id from bounds
    union all
    select 2, batch, account || '/' || batch from between_them
    where (account, batch) not in (select (account, batch) from read where batch is not null)
        or account || '/' || batch in (select key from broken)
    union all
    select 3, 0, key from read where batch is null and key in (select key from broken)
    union all
    select 4, 0, account || '/' || (highest + 1) || '..' from bounds
    union all
    select 5, 0, '..' where not exists (select 1 from bounds)
)
order by place, batch, id
