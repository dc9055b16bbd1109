-- Every posting is on an account of four digits, in a currency, from a line of the archive.
select entry_id::varchar as key, 'line ' || line || ' on account ' || coalesce(account::varchar, '(none)') as wrong
from postings
where account is null or account not between 1000 and 9999 or currency is null or amount_minor is null
    or blob_id not in (select blob_id from blobs)
