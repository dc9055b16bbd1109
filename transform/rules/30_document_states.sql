-- Decides for each document to be looked at whether it can be booked, and if not, why.
-- Holds that the splits found (document_holds, from Go) come first, and adoptions (20_adoptions.sql) before them.
-- Source: posting_rules §3, §6.

create or replace temp table document_sales as
-- Which accounts a group's country, customer and rate lead to. The closest row of [[sales]] wins:
-- a business buyer falls back to the consumer row where VAT is charged, at home, and outside the EU, where rate 0 is everyone's.
select
    g.document_id, g.class, g.country, g.rate_bp,
    arg_min({'sales': s.sales, 'vat': s.vat},
        case when s.country = '*' then 2 else 0 end + case when s.customer = d.customer then 0 else 1 end) as accounts

from document_groups as g
inner join todo_documents using (document_id)
inner join documents as d using (document_id)
inner join set_sales as s on
    s.rate_bp = g.rate_bp
    and (s.country = g.country or (s.country = '*' and not is_eu(g.country)))
    and (s.customer = d.customer
        or (s.customer = 'consumer' and (g.rate_bp > 0 or g.country = (select country from set_company) or not is_eu(g.country))))

where g.class = 'goods'

group by all;

-- Where no row leads: the accounts that a person named for this document.
insert into document_sales
select g.document_id, g.class, g.country, g.rate_bp, {'sales': x.account, 'vat': coalesce(x.vat_account, 0::smallint)} as accounts
from document_groups as g
inner join todo_documents using (document_id)
inner join document_decisions as x on x.document_id = g.document_id and x.kind = 'sales_account_missing' and x.action = 'account'
where g.class = 'goods' and (g.vat_minor = 0 or x.vat_account is not null)
    and (g.document_id, g.country, g.rate_bp) not in (select (document_id, country, rate_bp) from document_sales);

create or replace temp table document_rates as
-- The price of a foreign currency on the document's date: the latest one not older than ten days.
select
    d.document_id,
    max_by(r.price_e8, r.date) as price_e8

from documents as d
inner join todo_documents using (document_id)
inner join set_rates as r on r.currency = d.currency and r.date <= d.event_date and r.date > d.event_date - 10

where d.currency <> (select currency from set_company)

group by d.document_id;

create or replace temp table document_facts as
select
    d.*,
    s.invoices, s.refunds,
    coalesce(
        (select m.receivable from set_methods as m where m.source = d.source and m.receivable > 0
            and method_is(d.method, m.match) order by m.rank limit 1), s.receivable) as receivable,
    d.currency = c.currency as is_home,
    coalesce(x.price_e8, v.price_e8) as price_e8,
    v.is_duplicate,
    v.any_period,
    v.any_account,
    v.is_separate,
    c.tolerance,
    coalesce(d.event_date <= c.locked_through, false) as is_locked,
    case when d.event_date <= c.locked_through then c.locked_through + 1 else d.event_date end as book_date,
    c.period as period,
    coalesce(g.gross, 0) as groups_gross,
    g.groups,
    g.unknown,
    g.missing

from documents as d
inner join todo_documents using (document_id)
inner join set_sources as s using (source)
cross join set_company as c
left join document_rates as x using (document_id)
left join (
    select document_id, max(price_e8) as price_e8, bool_or(action = 'duplicate') as is_duplicate,
        bool_or(kind = 'period_locked' and action = 'accept') as any_period,
        bool_or(kind = 'sales_account_missing' and action = 'account') as any_account,
        bool_or(kind = 'duplicate_sale' and action = 'accept') as is_separate
    from document_decisions
    group by document_id
) as v using (document_id)
left join (
    select
        g.document_id,
        count(*) as groups,
        sum(g.gross_minor) as gross,
        bool_or(g.class = 'unknown') as unknown,
        list(distinct g.country || ' ' || rate_text(g.rate_bp) || ' %') filter (g.class = 'goods' and t.accounts is null) as missing
    from document_groups as g
    inner join todo_documents using (document_id)
    left join document_sales as t on t.document_id = g.document_id and t.country = g.country and t.rate_bp = g.rate_bp and g.class = 'goods'
    group by g.document_id
) as g using (document_id);

-- Two versions of one document cannot stand side by side.
delete from document_states where document_id in (select document_id from todo_documents);

insert into document_states by name
select
    f.document_id,
    case
        when f.kind = 'order' then 'known'
        when f.kind = 'delivery' and not f.invoices then 'not_ours'
        when f.kind = 'refund' and not f.refunds then 'not_ours'
        when f.is_duplicate then 'not_ours'
        when f.same_as is not null then 'adopted'
        when f.why.kind is not null then 'held'
        else 'booked'
    end as state,
    f.receivable,
    f.same_as,
    f.why.kind as why_kind,
    f.why.text as why,
    f.why.minor as why_minor,
    f.why.evidence as evidence,
    f.why.suggestion as suggestion

from (
    select
        f.*, a.same_as,
        case
            when f.amount_minor is null or f.event_date is null or f.currency is null or not regexp_full_match(f.currency, '[A-Z]{3}') or f.country is null
                then {'kind': 'malformed_record',
                    'text': 'the ' || f.kind || ' lacks ' || concat_ws(', ', case when f.amount_minor is null then 'an amount' end,
                        case when f.event_date is null then 'a date' end, case when f.currency is null then 'a currency' end, case when f.country is null then 'a country' end),
                    'minor': 0::bigint, 'evidence': null, 'suggestion': 'ask the provider; kvitt explain ' || f.document_id || ' shows what it sent'}
            when a.resembles is not null and a.same_as is null and f.is_separate is distinct from true
                then {'kind': 'duplicate_sale',
                    'text': 'it shares ' || a.evidence || ' with ' || a.resembles || case when a.same_amount then ', amount and hour' else ', which has another amount' end || ': one of the two would be a second sale',
                    'minor': f.amount_minor, 'evidence': a.evidence,
                    'suggestion': 'say which it is: kvitt resolve, duplicate:' || a.resembles || ' or accept (two sales); or take the flow off one of the two sources'}
            when h.kind is not null
                then {'kind': h.kind, 'text': h.text, 'minor': h.minor, 'evidence': h.evidence, 'suggestion': h.suggestion}
            when f.unknown and f.any_account is distinct from true
                then {'kind': 'sales_account_missing', 'text': 'a row of sales tax, duty or an unknown kind: kvitt has no rule for the account it belongs on', 'minor': f.amount_minor,
                    'evidence': null, 'suggestion': 'such a sale must be booked by hand'}
            when abs(f.amount_minor - f.groups_gross) > 0
                then {'kind': 'document_does_not_add_up',
                    'text': 'its lines add up to ' || money(f.groups_gross, f.currency) || ', its total says ' || money(f.amount_minor, f.currency),
                    'minor': f.amount_minor - f.groups_gross, 'evidence': null, 'suggestion': 'correct the order at the provider; it is read again on every run'}
            when not f.is_home and f.price_e8 is null
                then {'kind': 'currency_rate_missing', 'text': 'no rate for ' || f.currency || ' on ' || f.event_date, 'minor': f.amount_minor,
                    'evidence': null, 'suggestion': 'add the rate to the file named in [fx] rates_file'}
            when len(f.missing) > 0
                then {'kind': 'sales_account_missing',
                    'text': 'no [[sales]] row for ' || array_to_string(list_sort(f.missing), ', ') || ' (' || f.customer || ')', 'minor': f.amount_minor,
                    'evidence': null, 'suggestion': 'add a [[sales]] block with country, vat_rate, sales and vat; the next run books it'}
            when f.is_locked and f.period = 'hold' and f.any_period is distinct from true
                then {'kind': 'period_locked', 'text': f.event_date || ' is in a locked period', 'minor': f.amount_minor,
                    'evidence': null, 'suggestion': 'open the period, or set [erp] period = "first_open"'}
        end as why

    from document_facts as f
    left join document_holds as h using (document_id)
    left join adoptions as a using (document_id)
) as f;
