-- recon.ageing: what the providers have not settled, by source and age class: a row for each that has any

create or replace view recon.ageing as
select source, currency, age_class, count(*) as items, main.major(sum(amount_minor)::bigint, currency) as amount, min(event_date) as oldest,
    sum(amount_minor)::bigint as amount_minor
from (
    select *, case when age_days <= 7 then '0-7' when age_days <= 30 then '8-30' when age_days <= 60 then '31-60' when age_days <= 90 then '61-90' else 'over 90' end as age_class
    from recon.open_items
)
group by source, currency, age_class
order by source, currency, oldest desc;

comment on view recon.ageing is 'what the providers have not settled, by source and age class: a row for each that has any';
comment on column recon.ageing.source is 'the configured source, e.g. klarna';
comment on column recon.ageing.currency is 'its currency';
comment on column recon.ageing.age_class is 'days from the event to the last run: 0-7, 8-30, 31-60, 61-90, over 90';
comment on column recon.ageing.items is 'open deliveries, refunds and orders';
comment on column recon.ageing.amount is 'major units; > 0 the provider owes us';
comment on column recon.ageing.oldest is 'the company''s local date of the oldest';
comment on column recon.ageing.amount_minor is 'amount in minor units';
