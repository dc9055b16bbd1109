-- recon.postings: one row per posting; the amounts of an entry sum to zero

create or replace view recon.postings as
select p.entry_id, p.line, p.book_date, p.account, p.role,
    main.major(p.amount_minor, c.currency) as amount, p.currency, main.major(p.amount_currency_minor, p.currency) as amount_currency,
    p.source, p.document_id, p.country, (p.rate_bp * 0.01::decimal(3, 2))::decimal(9, 2) as vat_rate,
    p.amount_minor, p.amount_currency_minor, p.run_no
from main.postings as p
cross join main.set_company as c;

comment on view recon.postings is 'one row per posting; the amounts of an entry sum to zero';
comment on column recon.postings.entry_id is 'the entry it belongs to';
comment on column recon.postings.line is 'its place in the entry';
comment on column recon.postings.book_date is 'the company''s local date';
comment on column recon.postings.account is 'account number';
comment on column recon.postings.role is 'why this account: receivable, clearing, bank, fee, fee_vat, sales, vat, suspense, ...';
comment on column recon.postings.amount is 'company currency, major units; debit > 0, credit < 0';
comment on column recon.postings.currency is 'the document''s own currency';
comment on column recon.postings.amount_currency is 'the document''s own currency, major units; debit > 0';
comment on column recon.postings.source is 'the configured source, e.g. klarna';
comment on column recon.postings.document_id is 'the document whose balance it moves: of a receivable, the delivery or refund it settles';
comment on column recon.postings.country is 'where the VAT is due; sales and VAT rows only';
comment on column recon.postings.vat_rate is 'percent; sales and VAT rows only';
comment on column recon.postings.amount_minor is 'amount in minor units of the company currency';
comment on column recon.postings.amount_currency_minor is 'amount_currency in minor units';
comment on column recon.postings.run_no is 'number of the run that added it, in order of time';
