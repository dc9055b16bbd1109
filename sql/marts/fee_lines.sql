-- recon.fee_lines: what each settled sale cost, with the fee rows that belong to it, against the contract's rate in [[source.fee]]

create or replace view recon.fee_lines as
with
rows as (
    select l.source, l.payout_id, coalesce(l.event_key, l.order_key, l.line_id::varchar) as sale, l.line_id, k.kind, l.method, l.currency,
        l.gross_minor, l.fee_minor, l.fee_vat_minor, l.order_reference, p.paid_date
    from main.payout_lines as l
    inner join main.payouts as p on p.source = l.source and p.payout_id = l.payout_id and p.status = 'booked'
    inner join main.line_words as k on k.source = l.source and k.kind in ('sale', 'fee')
        and k.provider_type is not distinct from l.provider_type and k.provider_detail is not distinct from l.provider_detail
        and p.booked_run between k.from_run and coalesce(k.to_run, 2147483647)
    union all
    -- A provider that settles its fees by the month says on its balance what each sale cost.
    select l.source, l.payout_id, m.event_key, l.line_id, 'fee', l.method, l.currency,
        0, m.commission_minor + m.repayment_minor + m.reserve_minor - m.deducted_minor, 0, l.order_reference, p.paid_date
    from main.provider_movements as m
    inner join main.payout_lines as l on l.source = m.source and l.event_key = m.event_key and l.provider_type = m.provider_type and l.currency = m.currency
    inner join main.payouts as p on p.source = l.source and p.payout_id = l.payout_id and p.status = 'booked'
    where m.deducted_minor <> 0
),
sales as (
    select source, payout_id, sale, currency, any_value(paid_date) as paid_date, any_value(order_reference) as order_reference,
        first(line_id) filter (kind = 'sale') as line_id, lower(any_value(method) filter (kind = 'sale')) as method,
        count(*) filter (kind = 'sale') as sales, sum(gross_minor) filter (kind = 'sale')::bigint as gross,
        sum(fee_minor - case when kind = 'fee' then gross_minor else 0 end)::bigint as fee, sum(fee_vat_minor)::bigint as fee_vat
    from rows
    group by source, payout_id, sale, currency
    having count(*) filter (kind = 'sale') > 0
),
rated as (
    select s.*, f.percent_e4, f.fixed_minor, (main.div_half_away(s.gross::hugeint * f.percent_e4, 1000000) + f.fixed_minor * s.sales)::bigint as due
    from sales as s
    left join main.set_fees as f on f.source = s.source and main.method_is(s.method, f.method) and (f.currency = s.currency or f.fixed_minor = 0)
        and s.paid_date >= coalesce(f.from_date, s.paid_date) and s.paid_date <= coalesce(f.to_date, s.paid_date)
    qualify row_number() over (partition by s.source, s.payout_id, s.sale, s.currency order by f.rank nulls last) = 1
)
select source, payout_id, line_id, order_reference, paid_date, method, currency, main.major(gross, currency) as gross, main.major(fee, currency) as fee,
    main.major(due, currency) as contract_fee, main.major(fee - due, currency) as overcharged,
    case when percent_e4 is not null then (percent_e4 * 0.0001::decimal(5, 4))::decimal(9, 4)::varchar || ' %' || case when fixed_minor <> 0 then ' + ' || main.money(fixed_minor, currency) else '' end end as contract,
    main.major(fee_vat, currency) as fee_vat, gross as gross_minor, fee as fee_minor, fee - due as overcharged_minor
from rated;

comment on view recon.fee_lines is 'what each settled sale cost, with the fee rows that belong to it, against the contract''s rate in [[source.fee]]';
comment on column recon.fee_lines.source is 'the configured source, e.g. klarna';
comment on column recon.fee_lines.payout_id is 'the payout it came in';
comment on column recon.fee_lines.line_id is 'its sale line';
comment on column recon.fee_lines.order_reference is 'the merchant''s reference of the order';
comment on column recon.fee_lines.paid_date is 'the company''s local date of the payout';
comment on column recon.fee_lines.method is 'the provider''s word for the payment method';
comment on column recon.fee_lines.currency is 'currency of the amounts';
comment on column recon.fee_lines.gross is 'major units: what was sold';
comment on column recon.fee_lines.fee is 'what it cost, without reported VAT; by the rows of payouts, or by what the provider''s balance was lowered by';
comment on column recon.fee_lines.contract_fee is 'what it should have cost; null: no [[source.fee]] fits';
comment on column recon.fee_lines.overcharged is 'fee - contract_fee; < 0: it cost less';
comment on column recon.fee_lines.contract is 'the rate it was compared with';
comment on column recon.fee_lines.fee_vat is 'reported VAT on the fee';
comment on column recon.fee_lines.gross_minor is 'gross in minor units';
comment on column recon.fee_lines.fee_minor is 'fee in minor units';
comment on column recon.fee_lines.overcharged_minor is 'overcharged in minor units';
