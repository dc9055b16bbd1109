-- recon.refund_rate: refunds in percent of deliveries, per source and month of the event

create or replace view recon.refund_rate as
select source, strftime(event_date, '%Y-%m') as month, currency,
    count(*) filter (kind = 'delivery') as deliveries, count(*) filter (kind = 'refund') as refunds,
    main.major(coalesce(sum(amount_minor) filter (kind = 'delivery'), 0)::bigint, currency) as delivered,
    main.major(coalesce(sum(amount_minor) filter (kind = 'refund'), 0)::bigint, currency) as refunded,
    case when sum(amount_minor) filter (kind = 'delivery') > 0
        then (main.div_half_away(coalesce(sum(amount_minor) filter (kind = 'refund'), 0)::hugeint * 10000, (sum(amount_minor) filter (kind = 'delivery'))::hugeint) * 0.01::decimal(3, 2))::decimal(9, 2) end as rate
from main.documents
where kind in ('delivery', 'refund') and event_date is not null and currency is not null
group by source, month, currency
order by source, month, currency;

comment on view recon.refund_rate is 'refunds in percent of deliveries, per source and month of the event';
comment on column recon.refund_rate.source is 'the configured source, e.g. klarna';
comment on column recon.refund_rate.month is 'of the event, 2026-03';
comment on column recon.refund_rate.currency is 'currency of the amounts';
comment on column recon.refund_rate.deliveries is 'how many';
comment on column recon.refund_rate.refunds is 'how many';
comment on column recon.refund_rate.delivered is 'major units';
comment on column recon.refund_rate.refunded is 'major units, > 0';
comment on column recon.refund_rate.rate is 'refunded in percent of delivered';
