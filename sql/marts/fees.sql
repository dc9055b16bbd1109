-- recon.fees: fees of settled sales per source, method and month, against the contract

create or replace view recon.fees as
select source, method, strftime(paid_date, '%Y-%m') as month, currency, count(*) as sales, main.major(sum(gross_minor)::bigint, currency) as gross,
    main.major(sum(fee_minor)::bigint, currency) as fee,
    case when sum(gross_minor) > 0 then (main.div_half_away(sum(fee_minor)::hugeint * 10000, sum(gross_minor)::hugeint) * 0.01::decimal(3, 2))::decimal(9, 2) end as fee_percent,
    main.major(sum(fee_minor - overcharged_minor)::bigint, currency) as contract_fee, main.major(sum(overcharged_minor)::bigint, currency) as overcharged,
    count(*) filter (overcharged_minor > 0) as overcharged_sales
from recon.fee_lines
group by source, method, month, currency
order by source, month, method, currency;

comment on view recon.fees is 'fees of settled sales per source, method and month, against the contract';
comment on column recon.fees.source is 'the configured source, e.g. klarna';
comment on column recon.fees.method is 'the provider''s word for the payment method';
comment on column recon.fees.month is 'of the payout, 2026-03';
comment on column recon.fees.currency is 'currency of the amounts';
comment on column recon.fees.sales is 'settled sales';
comment on column recon.fees.gross is 'major units: what was sold';
comment on column recon.fees.fee is 'what it cost, without reported VAT';
comment on column recon.fees.fee_percent is 'fee in percent of gross';
comment on column recon.fees.contract_fee is 'what the sales with a contract rate should have cost';
comment on column recon.fees.overcharged is 'what they cost beyond that; < 0: less';
comment on column recon.fees.overcharged_sales is 'sales that cost more than the contract says';
