-- The entries and postings of every run are row for row what that run wrote.
select r.run_id as key, 'its entries or postings were altered, added to or removed' as wrong
from runs as r
left join journal_hashes as j on j.run_no = r.run_no
where r.journal_hash is distinct from coalesce(j.hash, '0')
