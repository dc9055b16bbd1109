-- recon.oss: one row per quarter, country and rate of sales whose VAT is declared in the One Stop Shop; from the documents' own lines

create or replace view recon.oss as
with lines as (
    select year(p.book_date) || 'Q' || quarter(p.book_date) as quarter, last_day(make_date(year(p.book_date), quarter(p.book_date) * 3, 1)) as last_date,
        p.country, p.rate_bp, p.currency, c.currency as home,
        -sum(p.amount_minor) filter (p.role = 'sales')::bigint as base, -coalesce(sum(p.amount_minor) filter (p.role = 'vat'), 0)::bigint as vat,
        -sum(p.amount_currency_minor) filter (p.role = 'sales')::bigint as base_currency, -coalesce(sum(p.amount_currency_minor) filter (p.role = 'vat'), 0)::bigint as vat_currency,
        count(distinct p.document_id) as documents
    -- Sales and their VAT are booked by documents, never by payout lines.
    from main.posting_rows as p
    cross join main.set_company as c
    where p.role in ('sales', 'vat')
        and exists (select 1 from main.set_sales as s where s.oss and s.country = p.country and s.rate_bp = p.rate_bp and (s.sales = p.account or s.vat = p.account))
    group by all
),
-- The ECB's rate of the quarter's last day, or of the next day it sets one (Directive 2006/112/EC, article 369h).
days as (
    select q.last_date, r.currency, min_by(r.price_e8, r.date) as price_e8, min(r.date) as rate_date
    from (select distinct last_date from lines) as q
    inner join main.set_rates as r on r.date >= q.last_date and r.date < q.last_date + 10
    group by q.last_date, r.currency
),
in_euro as (
    select l.*, e.rate_date,
        case when l.currency = 'EUR' then 100000000 when l.currency = l.home then 100000000 else x.price_e8 end as up,
        case when l.currency = 'EUR' then 100000000 when l.home = 'EUR' then 100000000 else e.price_e8 end as down
    from lines as l
    left join days as e on e.last_date = l.last_date and e.currency = 'EUR'
    left join days as x on x.last_date = l.last_date and x.currency = l.currency
)
select l.quarter, l.country, (l.rate_bp * 0.01::decimal(3, 2))::decimal(9, 2) as vat_rate,
    case when exists (select 1 from main.vat_rates as t where t.country = l.country and t.rate_bp = l.rate_bp and t.kind = 'standard'
            and t.valid_from <= l.last_date and coalesce(t.valid_to, l.last_date) >= last_day(l.last_date) - interval 3 months) then 'standard'
        when exists (select 1 from main.vat_rates as t where t.country = l.country and t.rate_bp = l.rate_bp
            and t.valid_from <= l.last_date and coalesce(t.valid_to, l.last_date) >= last_day(l.last_date) - interval 3 months) then 'reduced'
        else 'unknown' end as rate_type,
    'goods' as supply,
    main.major(sum(l.base)::bigint, any_value(l.home)) as base, main.major(sum(l.vat)::bigint, any_value(l.home)) as vat,
    sum(l.documents)::bigint as documents,
    case when count(*) = count(l.up) and count(*) = count(l.down)
        then main.major(sum(main.in_ratio(l.base_currency, l.up, l.down, main.exponent(l.currency), 2))::bigint, 'EUR') end as base_eur,
    case when count(*) = count(l.up) and count(*) = count(l.down)
        then main.major(sum(main.in_ratio(l.vat_currency, l.up, l.down, main.exponent(l.currency), 2))::bigint, 'EUR') end as vat_eur,
    any_value(l.rate_date) as rate_date
from in_euro as l
group by l.quarter, l.last_date, l.country, l.rate_bp
order by 1, 2, 3;

comment on view recon.oss is 'one row per quarter, country and rate of sales whose VAT is declared in the One Stop Shop; from the documents'' own lines';
comment on column recon.oss.quarter is '2026Q1';
comment on column recon.oss.country is 'where the VAT is due';
comment on column recon.oss.vat_rate is 'percent';
comment on column recon.oss.rate_type is 'standard or reduced, by the rates in force in that country and quarter; unknown: it had no such rate';
comment on column recon.oss.supply is 'goods';
comment on column recon.oss.base is 'company currency, major units, without VAT; refunds taken off';
comment on column recon.oss.vat is 'company currency, major units';
comment on column recon.oss.documents is 'how many deliveries and refunds';
comment on column recon.oss.base_eur is 'euro, major units, at the ECB''s rate of the quarter''s last day; null: no rate in [fx] rates_file';
comment on column recon.oss.vat_eur is 'euro, major units, as base_eur';
comment on column recon.oss.rate_date is 'the day whose rate was used; null in a company whose currency is the euro';
