-- recon.days_to_payout: days from delivery to payout of what is settled, per source that pays, method and month of the delivery

create or replace view recon.days_to_payout as
select l.source, l.method, strftime(d.event_date, '%Y-%m') as month, l.currency, count(*) as deliveries,
    quantile_disc(p.paid_date - d.event_date, 0.5)::integer as p50_days, quantile_disc(p.paid_date - d.event_date, 0.9)::integer as p90_days,
    quantile_disc(p.paid_date - d.event_date, 0.99)::integer as p99_days, max(p.paid_date - d.event_date)::integer as longest_days
from main.line_matches as m
inner join main.payout_lines as l on l.line_id = m.line_id
inner join main.payouts as p on p.source = l.source and p.payout_id = l.payout_id
inner join main.documents as d on d.document_id = m.document_id and d.kind = 'delivery'
where m.state = 'matched'
group by l.source, l.method, month, l.currency
order by l.source, month, l.method, l.currency;

comment on view recon.days_to_payout is 'days from delivery to payout of what is settled, per source that pays, method and month of the delivery';
comment on column recon.days_to_payout.source is 'the source that pays';
comment on column recon.days_to_payout.method is 'the provider''s word for the payment method';
comment on column recon.days_to_payout.month is 'of the delivery, 2026-03';
comment on column recon.days_to_payout.currency is 'currency settled in';
comment on column recon.days_to_payout.deliveries is 'settled deliveries';
comment on column recon.days_to_payout.p50_days is 'half of them took no longer';
comment on column recon.days_to_payout.p90_days is '90 % of them took no longer';
comment on column recon.days_to_payout.p99_days is '99 % of them took no longer';
comment on column recon.days_to_payout.longest_days is 'the longest';
