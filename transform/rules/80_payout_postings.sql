-- The desired postings of payouts themselves: the money that reached the bank, where a
-- header says so (a report's payout row is a line like any other), and what is left over.
-- Source: posting_rules §2, entries 10, 12 and 13.

create or replace temp table desired as

with

booked as (

    select
        p.*, s.clearing, s.bank, coalesce(x.account, c.rounding) as rounding, case when x.account is null then 'rounding' else 'decided' end as residual_role, c.fx_gain, c.fx_loss, c.exponent as home_exp, exponent(p.currency) as exp,
        case when p.paid_date <= c.locked_through then c.locked_through + 1 else p.paid_date end as book_date,
        coalesce(p.paid_date <= c.locked_through, false) as is_locked

    from payouts as p
    cross join this_run as r
    cross join set_company as c
    inner join set_sources as s using (source)
    left join document_decisions as x on x.document_id = p.document_id and x.kind = 'payout_does_not_add_up' and x.action = 'account'

    where p.booked_run = r.run_no

),

-- What the lines left on clearing, in both currencies. A payout whose rows all net out must leave nothing
-- in company currency either: the rest is what converting row by row gained or lost.
clearing_left as (

    select c.payout_document as book, sum(coalesce(b.net_home, b.net))::bigint as home, sum(b.net)::bigint as in_currency
    from booked_lines as b
    inner join line_classes as c using (class_no)
    cross join this_run as r
    where b.run_no = r.run_no and c.payout_document in (select document_id from booked where price_e8 is not null and document_id not in (select document_id from reopened))
    group by c.payout_document
    union all
    select book, sum(amount_minor)::bigint, sum(amount_currency_minor)::bigint
    from postings
    where role = 'clearing' and book in (select document_id from booked where price_e8 is not null)
        and entry_id in (
            select e.entry_id from entries as e
            where e.document_id in (select document_id from reopened)
                and coalesce(e.corrects, e.entry_id) not in (select name_of(document_id || part) from reopened, (values ('#paid'), ('#residual'), ('#fx')) as v (part)))
    group by book

),

paid as (

    select
        b.*,
        case when b.has_header then b.amount_minor else 0 end as paid,
        case when not b.has_header then 0
            when b.price_e8 is null then b.amount_minor
            else converted(b.amount_minor, b.price_e8, b.exp, b.home_exp) end as paid_home,
        b.difference_minor as residual,
        case when b.price_e8 is null then b.difference_minor
            else converted(b.difference_minor, b.price_e8, b.exp, b.home_exp) end as residual_home,
        l.home as left_home, l.in_currency as left_in_currency

    from booked as b
    left join clearing_left as l on l.book = b.document_id

),

rounded as (

    select *,
        case when left_in_currency = paid + residual then left_home - paid_home - residual_home else 0 end as fx
    from paid

),

rows as (

    select document_id || '#paid' as subject_text, 'payout' as kind, 'Payout to the bank' as what, 1 as line, 'bank' as role, bank as account, paid_home as home, paid as in_currency, 'entry 10' as rule, * from rounded where has_header and amount_minor <> 0
    union all by name
    select document_id || '#paid' as subject_text, 'payout' as kind, 'Payout to the bank' as what, 2 as line, 'clearing' as role, clearing as account, -paid_home as home, -paid as in_currency, 'entry 10' as rule, * from rounded where has_header and amount_minor <> 0
    union all by name
    select document_id || '#residual' as subject_text, 'payout_residual' as kind, 'Residual' as what, 1 as line, residual_role as role, rounding as account, residual_home as home, residual as in_currency, 'entry 12' as rule, * from rounded where residual <> 0
    union all by name
    select document_id || '#residual' as subject_text, 'payout_residual' as kind, 'Residual' as what, 2 as line, 'clearing' as role, clearing as account, -residual_home as home, -residual as in_currency, 'entry 12' as rule, * from rounded where residual <> 0
    union all by name
    select document_id || '#fx' as subject_text, 'payout_residual' as kind, 'Exchange difference' as what, 1 as line, case when fx > 0 then 'fx_gain' else 'fx_loss' end as role,
        case when fx > 0 then fx_gain else fx_loss end as account, fx as home, 0 as in_currency, 'entry 13' as rule, * from rounded where fx <> 0
    union all by name
    select document_id || '#fx' as subject_text, 'payout_residual' as kind, 'Exchange difference' as what, 2 as line, 'clearing' as role, clearing as account, -fx as home, 0 as in_currency, 'entry 13' as rule, * from rounded where fx <> 0

)

select
    name_of(subject_text) as subject, kind, source, document_id as entry_document, paid_date as event_date, book_date,
    what || ', payout ' || payout_id || case when is_locked then ' (event ' || paid_date || ', period locked)' else '' end as text,
    document_id as book, line::utinyint as line, role, account::smallint as account, home as amount_minor, currency,
    in_currency as amount_currency_minor, document_id, null::varchar as country, null::integer as rate_bp, rule,
    blob_id, null::bigint as row_no, locator

from rows;

create or replace temp table work_subjects as
select subject from desired
union
select name_of(document_id || part) from reopened, (values ('#paid'), ('#residual'), ('#fx')) as v (part);
