-- recon.oss_by_country: sales whose VAT is declared in the One Stop Shop, per quarter and country; recon.oss has them by rate

create or replace view recon.oss_by_country as
select quarter, country, sum(base)::decimal(18, 2) as base, sum(vat)::decimal(18, 2) as vat, sum(documents)::bigint as documents
from recon.oss
group by quarter, country
order by quarter, country;

comment on view recon.oss_by_country is 'sales whose VAT is declared in the One Stop Shop, per quarter and country; recon.oss has them by rate';
comment on column recon.oss_by_country.quarter is '2026Q1';
comment on column recon.oss_by_country.country is 'where the VAT is due';
comment on column recon.oss_by_country.base is 'company currency, major units, without VAT';
comment on column recon.oss_by_country.vat is 'company currency, major units';
comment on column recon.oss_by_country.documents is 'documents with such sales, counted once per rate';
