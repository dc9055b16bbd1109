-- recon.erp_documents: one row per thing the ERP got or is to get

create or replace view recon.erp_documents as
select d.erp_document_id, d.kind, d.target, d.document_id, d.erp_number, d.reference, d.currency, main.major(d.amount_minor, c.currency) as amount,
    d.status, d.posted_at, d.amount_minor
from main.erp_documents as d
cross join main.set_company as c;

comment on view recon.erp_documents is 'one row per thing the ERP got or is to get';
comment on column recon.erp_documents.erp_document_id is 'derived from what it books';
comment on column recon.erp_documents.kind is 'order, invoice, credit_invoice, payment or voucher';
comment on column recon.erp_documents.target is 'sie or fortnox';
comment on column recon.erp_documents.document_id is 'the document it stands for; null when it gathers a day';
comment on column recon.erp_documents.erp_number is 'the ERP''s number; of SIE the file and the place in it';
comment on column recon.erp_documents.reference is 'what it gathers: source, kind, date and currency, or the payout';
comment on column recon.erp_documents.currency is 'currency of the documents';
comment on column recon.erp_documents.amount is 'company currency, major units: the sum of its debits';
comment on column recon.erp_documents.status is 'planned, sent, posted, failed (refused, tried again on every post) or reversed';
comment on column recon.erp_documents.posted_at is 'UTC';
comment on column recon.erp_documents.amount_minor is 'amount in minor units';
