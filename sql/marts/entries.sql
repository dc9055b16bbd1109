-- recon.entries: one row per ledger entry; entries are added, never changed

create or replace view recon.entries as
select e.entry_id, e.book_date, e.event_date, e.kind, e.source, e.document_id, e.text, r.run_id,
    e.corrects, e.run_no
from main.entries as e
left join main.runs as r using (run_no);

comment on view recon.entries is 'one row per ledger entry; entries are added, never changed';
comment on column recon.entries.entry_id is 'derived from what the entry books; the same event always has the same one';
comment on column recon.entries.book_date is 'the company''s local date it is booked on';
comment on column recon.entries.event_date is 'the company''s local date it happened';
comment on column recon.entries.kind is 'delivery, refund, payout_line, payout, payout_residual or correction';
comment on column recon.entries.source is 'the configured source, e.g. klarna';
comment on column recon.entries.document_id is 'the document it books; of a payout line, its payout';
comment on column recon.entries.text is 'what it is, in words';
comment on column recon.entries.run_id is 'the run that added it';
comment on column recon.entries.corrects is 'the entry it corrects; null for a first booking';
comment on column recon.entries.run_no is 'number of the run that added it, in order of time';
