-- recon.proof: per source, currency and day with a payout: what the ledger's clearing account holds against what the provider says it carries

create or replace view recon.proof as
with days as (
    select source, currency, paid_date as date,
        sum(case when has_header then coalesce(closing_minor, 0) - coalesce(opening_minor, 0) else coalesce(closing_minor, 0) end)::bigint as change,
        sum(case when status <> 'booked' then case when has_header then coalesce(closing_minor, 0) - coalesce(opening_minor, 0) else coalesce(closing_minor, 0) end else 0 end)::bigint as held_change,
        count(*) filter (status <> 'booked') as held,
        arg_min(case when has_header then coalesce(opening_minor, 0) else 0 end, paid_at) as opening
    from main.payouts
    where paid_date is not null and currency is not null
    group by source, currency, paid_date
),
booked as (
    select p.source, p.currency, o.paid_date as date, sum(p.amount_currency_minor)::bigint as change
    from (
        select source, currency, book, amount_currency_minor from main.posting_rows where role = 'clearing'
        union all
        select c.source, c.currency, c.payout_document, s.amount_currency_minor
        from main.class_sums as s inner join main.line_classes as c using (class_no) where s.role = 'clearing'
    ) as p
    inner join main.payouts as o on o.document_id = p.book
    group by p.source, p.currency, o.paid_date
),
running as (
    select d.source, d.currency, d.date,
        sum(d.change) over w as change, sum(d.held_change) over w as held_change, sum(d.held) over w as held,
        first_value(d.opening) over w as opening,
        sum(coalesce(b.change, 0)) over w as ledger
    from days as d
    left join booked as b on b.source = d.source and b.currency = d.currency and b.date = d.date
    window w as (partition by d.source, d.currency order by d.date rows between unbounded preceding and current row)
)
select source, currency, date, main.major(ledger, currency) as ledger_balance, main.major(opening + change, currency) as provider_balance,
    main.major(ledger - opening - change, currency) as difference, main.major(-opening - held_change, currency) as explained, held::bigint as held
from running
order by source, currency, date;

comment on view recon.proof is 'per source, currency and day with a payout: what the ledger''s clearing account holds against what the provider says it carries';
comment on column recon.proof.source is 'the configured source, e.g. klarna';
comment on column recon.proof.currency is 'the currency settled in';
comment on column recon.proof.date is 'the company''s local date';
comment on column recon.proof.ledger_balance is 'major units: the clearing account after that day, in the currency';
comment on column recon.proof.provider_balance is 'major units: what the provider carries after that day; a debt to it < 0';
comment on column recon.proof.difference is 'ledger - provider';
comment on column recon.proof.explained is 'the part of the difference that held payouts and the balance before the first payout account for; difference - explained is unexplained';
comment on column recon.proof.held is 'how many payouts up to that day are held';
