-- recon.oss: one row per quarter, country and rate of sales whose VAT is declared in the One Stop Shop; from the documents' own lines

create or replace view recon.oss as
with standard (country, rate_bp) as (values
    ('AT', 2000), ('BE', 2100), ('BG', 2000), ('CY', 1900), ('CZ', 2100), ('DE', 1900), ('DK', 2500), ('EE', 2400), ('ES', 2100), ('FI', 2550),
    ('FR', 2000), ('GR', 2400), ('HR', 2500), ('HU', 2700), ('IE', 2300), ('IT', 2200), ('LT', 2100), ('LU', 1700), ('LV', 2100), ('MT', 1800),
    ('NL', 2100), ('PL', 2300), ('PT', 2300), ('RO', 2100), ('SE', 2500), ('SI', 2200), ('SK', 2300))
select year(p.book_date) || 'Q' || quarter(p.book_date) as quarter, p.country, (p.rate_bp * 0.01::decimal(3, 2))::decimal(9, 2) as vat_rate,
    case when p.rate_bp = t.rate_bp then 'standard' else 'reduced' end as rate_type, 'goods' as supply,
    main.major(-sum(p.amount_minor) filter (p.role = 'sales')::bigint, any_value(c.currency)) as base,
    main.major(-coalesce(sum(p.amount_minor) filter (p.role = 'vat'), 0)::bigint, any_value(c.currency)) as vat,
    count(distinct p.document_id) as documents
from main.postings as p
cross join main.set_company as c
left join standard as t on t.country = p.country
where p.role in ('sales', 'vat')
    and exists (select 1 from main.set_sales as s where s.oss and s.country = p.country and s.rate_bp = p.rate_bp and (s.sales = p.account or s.vat = p.account))
group by 1, 2, 3, 4
order by 1, 2, 3;

comment on view recon.oss is 'one row per quarter, country and rate of sales whose VAT is declared in the One Stop Shop; from the documents'' own lines';
comment on column recon.oss.quarter is '2026Q1';
comment on column recon.oss.country is 'where the VAT is due';
comment on column recon.oss.vat_rate is 'percent';
comment on column recon.oss.rate_type is 'standard or reduced';
comment on column recon.oss.supply is 'goods';
comment on column recon.oss.base is 'company currency, major units, without VAT; refunds taken off';
comment on column recon.oss.vat is 'company currency, major units';
comment on column recon.oss.documents is 'how many deliveries and refunds';
