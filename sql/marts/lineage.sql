-- recon.lineage: one row per posting: which bytes of the archive it comes from and which rule made it

create or replace view recon.lineage as
select p.entry_id, p.line, p.source, p.document_id, b.sha256 as archive_sha256,
    coalesce(p.locator, 'row ' || p.row_no) as locator, p.rule, p.book_date, p.run_no
from main.postings as p
left join main.blobs as b using (blob_id);

comment on view recon.lineage is 'one row per posting: which bytes of the archive it comes from and which rule made it';
comment on column recon.lineage.entry_id is 'the entry';
comment on column recon.lineage.line is 'the posting''s place in it';
comment on column recon.lineage.source is 'the configured source, e.g. klarna';
comment on column recon.lineage.document_id is 'the document whose balance it moves';
comment on column recon.lineage.archive_sha256 is 'the bytes the source sent, by SHA-256';
comment on column recon.lineage.locator is 'where in them: a row (the header is row 1) or a JSON path';
comment on column recon.lineage.rule is 'the entry of the posting rules';
comment on column recon.lineage.book_date is 'the company''s local date it is booked on';
comment on column recon.lineage.run_no is 'number of the run that added it, in order of time';
