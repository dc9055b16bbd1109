-- A document is there once.
select document_id as key, 'the same document ' || count(*) || ' times' as wrong
from documents
group by document_id
having count(*) > 1
