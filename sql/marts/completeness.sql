-- recon.completeness: what should be here and is not, or came without what it belongs to

create or replace view recon.completeness as
with
paid as (
    select p.source, p.payout_id, p.document_id, p.currency, p.paid_date, p.amount_minor, s.provider
    from main.payouts as p
    inner join main.set_sources as s using (source)
    where p.currency is not null
),
today as (select main.local_date(max(r.started_at), any_value(c.time_zone)) as day from main.runs as r, main.set_company as c),
-- Reports that are numbered one after another: account/number/currency.
numbered as (
    select distinct source, left(payout_id, length(payout_id) - length(regexp_extract(payout_id, '/([0-9]+)/[A-Z]{3}$', 1)) - 5) as account,
        regexp_extract(payout_id, '/([0-9]+)/[A-Z]{3}$', 1)::bigint as number, min(currency) over (partition by source) as currency, min(paid_date) over (partition by source, payout_id) as date
    from paid
    where regexp_full_match(payout_id, '.+/[0-9]{1,9}/[A-Z]{3}')
),
number_gaps as (
    select source, account, currency, number - before - 1 as missing, before + 1 as first_missing, number - 1 as last_missing, date
    from (select distinct on (source, account, number) *, lag(number) over (partition by source, account order by number, date) as before from (select distinct source, account, number, any_value(currency) as currency, min(date) as date from numbered group by source, account, number))
    where number - before > 1
),
-- Payouts that keep a rhythm: a pause of more than twice the usual one and four days.
rhythm as (
    select source, currency, paid_date, paid_date - lag(paid_date) over (partition by source, currency order by paid_date) as pause
    from (select distinct source, currency, paid_date from paid where paid_date is not null)
),
usual as (
    select source, currency, quantile_disc(pause, 0.5) as pause, max(paid_date) as last
    from rhythm where pause is not null group by source, currency having count(*) >= 4
),
covered as (
    select currency, min(from_date) as first, max(to_date) as last from main.bank_statements where from_date is not null group by currency
),
statements as (
    select *, lag(closing_minor) over w as before_minor, lag(to_date) over w as before_date
    from (select distinct on (account, currency, from_date, to_date, opening_minor, closing_minor) * from main.bank_statements where balanced)
    window w as (partition by account, currency order by from_date, to_date, statement_id)
)
select 'missing_report' as kind, source, currency, account || ' ' || first_missing || case when last_missing > first_missing then ' to ' || last_missing else '' end as what,
    date as since, missing::bigint as missing, null::decimal(18, 2) as amount,
    missing || ' reports are missing before the next one that is here' as reason, 'fetch them from the provider and put them in the inbox' as suggestion
from number_gaps
union all
select 'gap_in_days', r.source, r.currency, 'payouts between ' || (r.paid_date - r.pause::integer) || ' and ' || r.paid_date, r.paid_date, 0, null,
    'none for ' || r.pause || ' days, where every ' || u.pause || ' is usual', 'look at the provider''s own list of payouts for those days'
from rhythm as r
inner join usual as u on u.source = r.source and u.currency = r.currency
where r.pause > 2 * u.pause + 4
union all
select 'payout_overdue', u.source, u.currency, 'payouts since ' || u.last, u.last, 0, null,
    'none for ' || (t.day - u.last) || ' days, where every ' || u.pause || ' is usual', 'look at the provider''s own list of payouts; kvitt run --from ' || u.last || ' reads them again'
from usual as u
cross join today as t
where t.day - u.last > 2 * u.pause + 4
union all
select 'rows_missing', p.source, p.currency, p.payout_id, p.paid_date, 0, main.major(p.amount_minor, p.currency), p.why, 'kvitt run reads the rest'
from main.payouts as p where p.status = 'pending' and p.currency is not null
union all
select 'bank_line_without_report', coalesce((select min(s.source) from main.set_sources as s where s.provider = r.provider), '_bank'), r.currency,
    concat_ws(' ', r.party, r.text), r.booked_date, 1, main.major(r.amount_minor, r.currency),
    r.provider || ' moved ' || main.money(r.amount_minor, r.currency) || ' on ' || r.booked_date || ', and no payout that is here says so', 'fetch the report of that payout from the provider'
from main.bank_rows as r
where r.provider <> '' and r.line_id not in (select line_id from main.bank_matches)
union all
select 'payout_not_on_bank', p.source, p.currency, p.payout_id, p.paid_date, 0, main.major(p.amount_minor, p.currency),
    'the statements go to ' || v.last || ' and do not have it', 'ask the provider where the money went; look at other bank accounts of yours'
from paid as p
inner join covered as v on v.currency = p.currency and p.paid_date >= v.first and p.paid_date <= v.last - 5
where p.amount_minor <> 0 and (p.source, p.payout_id) not in (select (source, payout_id) from main.bank_matches)
union all
select 'amount_differs', m.source, r.currency, m.payout_id, r.booked_date, 0, main.major(m.difference_minor, r.currency),
    'the bank has ' || main.money(r.amount_minor, r.currency) || ', the payout is off by ' || main.money(m.difference_minor, r.currency), 'ask the provider, or the bank, what was taken off'
from main.bank_matches as m
inner join main.bank_rows as r using (line_id)
where m.difference_minor <> 0
union all
select 'missing_statement', '_bank', currency, account || ' after ' || before_date, from_date, 0, main.major(opening_minor - before_minor, currency),
    'it opens with ' || main.money(opening_minor, currency) || ', the one before closed with ' || main.money(before_minor, currency), 'fetch the statements between them from the bank'
from statements
where opening_minor <> before_minor and from_date >= before_date
union all
select 'statement_off', '_bank', currency, statement_id, from_date, 0, main.major(off_minor, currency),
    'its movements miss its balances by ' || main.money(off_minor, currency), 'fetch it from the bank again'
from statements
where off_minor <> 0;

comment on view recon.completeness is 'what should be here and is not, or came without what it belongs to; no rows: all is here';
comment on column recon.completeness.kind is 'missing_report, gap_in_days, payout_overdue, rows_missing, bank_line_without_report, payout_not_on_bank, amount_differs, missing_statement or statement_off';
comment on column recon.completeness.source is 'the configured source; _bank: the bank';
comment on column recon.completeness.currency is 'its currency';
comment on column recon.completeness.what is 'what it is about';
comment on column recon.completeness.since is 'the company''s local date it is known from';
comment on column recon.completeness.missing is 'how many payouts are known to be missing';
comment on column recon.completeness.amount is 'major units, where an amount is known';
comment on column recon.completeness.reason is 'what was found, in words';
comment on column recon.completeness.suggestion is 'what to do';
