-- Proves each payout that is not booked by the provider's own arithmetic, and says what
-- stands in the way of booking it.
-- Source: posting_rules §5; the identities are in each provider's stg_…__payouts.sql.
--
-- {{since}} is the first run that read anything of these payouts: older lines need not be looked at.

create or replace temp table new_words as
select distinct l.source, l.provider_type, l.provider_detail
from payout_lines as l
inner join todo_payouts as t on t.source = l.source and t.payout_id = l.payout_id
where l.run_no >= {{since}};

create or replace temp table word_kinds as
select
    w.source, w.provider_type, w.provider_detail,
    coalesce((
        select a.to_kind from aliases as a
        where a.what = 'word' and a.forgotten_run is null and a.source = w.source
            and a.name is not distinct from w.provider_type and a.detail is not distinct from w.provider_detail limit 1), (
        select s.kind from set_words as s
        where s.source = w.source
            and coalesce(w.provider_type, '') glob s.type_glob and coalesce(w.provider_detail, '') glob s.detail_glob
        order by s.rank limit 1), 'unknown') as kind
from new_words as w;

-- A word keeps the kind that a booked payout was booked with; a new mapping counts from this run on.
update line_words as w set to_run = r.run_no - 1
from word_kinds as k, this_run as r
where w.to_run is null and w.source = k.source
    and w.provider_type is not distinct from k.provider_type and w.provider_detail is not distinct from k.provider_detail
    and w.kind <> k.kind;

insert into line_words by name
select k.*, r.run_no as from_run, null as to_run
from word_kinds as k
cross join this_run as r
where not exists (
    select 1 from line_words as w
    where w.to_run is null and w.source = k.source
        and w.provider_type is not distinct from k.provider_type and w.provider_detail is not distinct from k.provider_detail
);

create or replace temp table payout_sums as
select
    l.source, l.payout_id,
    count(*) as lines,
    sum(l.net_minor)::bigint as net,
    sum(case when k.kind = 'fee' then 0 else l.net_minor end)::bigint as net_without_fees,
    sum(case when k.kind = 'sale' then l.gross_minor else 0 end)::bigint as sales,
    sum(case when k.kind = 'refund' then l.gross_minor else 0 end)::bigint as refunds,
    sum(l.fee_minor - case when k.kind = 'fee' then l.gross_minor else 0 end)::bigint as fees,
    sum(l.fee_vat_minor)::bigint as fee_vat,
    sum(case when k.kind not in ('sale', 'refund', 'fee', 'payout') then l.gross_minor else 0 end)::bigint as other,
    sum(case when k.kind = 'payout' then -l.net_minor else 0 end)::bigint as paid,
    sum(case when k.kind = 'carried' then l.net_minor else 0 end)::bigint as carried,
    count(*) filter (k.kind in ('payout', 'carried')) as closing_rows,
    count(*) filter (l.net_minor is null or l.gross_minor is null or l.event_at is null or l.currency is null
        or l.net_minor <> l.gross_minor - l.fee_minor - l.fee_vat_minor) as bad_rows,
    coalesce(max(case when k.kind = 'payout' then l.event_at end), max(l.event_at)) as paid_at,
    string_agg(distinct case when k.kind = 'payout' then l.text end, '; ') as payout_text,
    list(distinct concat_ws('/', l.provider_type, l.provider_detail)) filter (k.kind = 'unknown') as unknown,
    min(l.currency) as currency, max(l.currency) as other_currency

from payout_lines as l
inner join todo_payouts as t on t.source = l.source and t.payout_id = l.payout_id
inner join line_words as k on k.source = l.source and k.to_run is null
    and k.provider_type is not distinct from l.provider_type and k.provider_detail is not distinct from l.provider_detail

where l.run_no >= {{since}}

group by l.source, l.payout_id;

-- A report without a header: the payout is what its payout rows say.
update payouts as p set
    amount_minor = s.paid, paid_at = s.paid_at, bank_reference = s.payout_text, currency = s.currency,
    rows_expected_minor = 0, formula_off_minor = 0,
    closing_minor = -s.carried
from payout_sums as s
where p.source = s.source and p.payout_id = s.payout_id and not p.has_header and p.booked_run is null;

create or replace temp table payout_facts as

with

rates as (

    select p.source, p.payout_id, max_by(r.price_e8, r.date) as price_e8
    from payouts as p
    inner join todo_payouts as t on t.source = p.source and t.payout_id = p.payout_id
    cross join set_company as c
    inner join set_rates as r on r.currency = p.currency
        and r.date <= local_date(p.paid_at, c.time_zone) and r.date > local_date(p.paid_at, c.time_zone) - 10
    where p.currency <> c.currency
    group by p.source, p.payout_id

),

parts as (

    select q.source, q.payout_id, sum(q.lines_here) as here, max(q.lines_total) as total
    from payout_parts as q
    inner join todo_payouts as t on t.source = q.source and t.payout_id = q.payout_id
    group by q.source, q.payout_id

),

-- A file's rows that could not be read belong to no payout in particular: they hold all of its payouts.
flags as (

    select f.source, f.payout_id, min_by(f.kind, f.kind) as kind, min_by(f.reason, f.kind) as reason,
        min_by(f.amount_minor, f.kind) as amount, min_by(f.evidence, f.kind) as evidence
    from payout_flags as f
    inner join todo_payouts as t on t.source = f.source and t.payout_id = f.payout_id
    -- A person decided which delivery is right, for what had been read by then.
    where not exists (
        select 1 from document_decisions as x
        where x.document_id = f.source || '/payout/' || f.payout_id and x.kind = f.kind and x.action in ('accept', 'keep') and f.blob_id <= x.through_blob)
        -- What was booked by its first delivery stays booked by it.
        and (f.kind <> 'payout_changed' or (f.source, f.payout_id) not in (select (source, payout_id) from todo_reopened where as_first))
    group by f.source, f.payout_id

),

-- What people decided about these payouts.
decisions_here as (

    select document_id, max(price_e8) as price_e8,
        max(amount_minor) filter (kind = 'payout_does_not_add_up' and action in ('accept', 'account')) as accepted_off,
        bool_or(kind = 'period_locked' and action = 'accept') as any_period
    from document_decisions
    group by document_id

),

-- A total of two meanings: the one that the rows add up to. Where they add up to neither to the öre, the one that the
-- source's other payouts were proven by; within the tolerance the one that fits, unless that speaks against it.
meanings as (

    select p.source, p.payout_id, c.tolerance,
        coalesce(s.net, 0) - p.rows_expected_minor as first_off,
        coalesce(s.net, 0) - p.other_amount_minor as other_off
    from payouts as p
    inner join todo_payouts as t on t.source = p.source and t.payout_id = p.payout_id
    cross join set_company as c
    left join payout_sums as s on s.source = p.source and s.payout_id = p.payout_id
    where p.other_amount_minor is not null and p.booked_run is null

),

habits as (

    select source, sum(speaks) as other
    from (
        select source, case when other_off = 0 and first_off <> 0 then 1 when first_off = 0 and other_off <> 0 then -1 else 0 end as speaks
        from meanings
        union all
        -- What was booked by the other meaning has the first one in its place.
        select source, case when reading_held = 'other' then 1 else -1 end
        from payouts
        where booked_run is not null and other_amount_minor is not null and reading_held is not null
    )
    group by source

),

others as (

    select m.source, m.payout_id,
        case
            when m.first_off = 0 then false
            when m.other_off = 0 then true
            when abs(m.other_off) <= m.tolerance and h.other >= 0 and (abs(m.first_off) > m.tolerance or h.other > 0) then true
            when abs(m.first_off) <= m.tolerance and h.other <= 0 then false
            else h.other > 0
        end as chosen
    from meanings as m
    inner join habits as h using (source)

),

joined as (

    select
        p.source, p.payout_id, p.document_id, p.currency, p.paid_at, p.fee_rows, p.has_header,
        case when o.chosen then p.other_amount_minor else p.amount_minor end as amount_minor,
        case when o.chosen then p.other_amount_minor else p.rows_expected_minor end as rows_expected_minor,
        p.formula_off_minor, p.stated, coalesce(o.chosen, false) as other_chosen,
        s.* exclude (source, payout_id, currency, paid_at),
        local_date(p.paid_at, c.time_zone) as paid_date,
        coalesce(q.here >= q.total, not p.has_header) as is_complete,
        coalesce(case when p.fee_rows = 'invoiced' then s.net_without_fees else s.net end, 0)
            - case when o.chosen then p.other_amount_minor else p.rows_expected_minor end as difference,
        coalesce(x.price_e8, v.price_e8) as price_e8, v.accepted_off, coalesce(v.any_period, false) as any_period,
        f.kind as flag_kind, f.reason as flag_reason, f.amount as flag_amount, f.evidence as flag_evidence,
        q.here, q.total,
        c.currency as home, c.tolerance, c.locked_through, c.period

    from payouts as p
    inner join todo_payouts as t on t.source = p.source and t.payout_id = p.payout_id
    cross join set_company as c
    left join payout_sums as s on s.source = p.source and s.payout_id = p.payout_id
    left join rates as x on x.source = p.source and x.payout_id = p.payout_id
    left join parts as q on q.source = p.source and q.payout_id = p.payout_id
    left join flags as f on f.source = p.source and f.payout_id = p.payout_id
    left join others as o on o.source = p.source and o.payout_id = p.payout_id
    left join decisions_here as v on v.document_id = p.document_id

    where p.booked_run is null

)

select
    *,
    coalesce(paid_date <= locked_through, false) as is_locked,
    case when paid_date <= locked_through then locked_through + 1 else paid_date end as book_date,
    case
        when not is_complete
            then {'status': 'pending', 'kind': null, 'text': coalesce(here, 0) || ' of ' || coalesce(total::varchar, 'an unknown number of') || ' rows are here',
                'minor': 0::bigint, 'evidence': null, 'suggestion': null}
        when coalesce(bad_rows, 0) > 0 or amount_minor is null or paid_at is null or currency is null or currency <> coalesce(other_currency, currency)
            or flag_kind = 'malformed_record'
            then {'status': 'held', 'kind': 'malformed_record',
                'text': coalesce(flag_reason, case when coalesce(bad_rows, 0) > 0 then bad_rows || ' of its rows cannot be read as amounts, dates and a currency'
                    when currency <> other_currency then 'its rows are in ' || currency || ' and ' || other_currency
                    else 'its amount, date or currency is missing' end),
                'minor': coalesce(flag_amount, 0), 'evidence': flag_evidence, 'suggestion': 'get the report from the provider again'}
        when flag_kind is not null
            then {'status': 'held', 'kind': flag_kind, 'text': flag_reason, 'minor': flag_amount, 'evidence': flag_evidence,
                'suggestion': case flag_kind when 'flow_conflict' then 'remove one of the two sources, or payouts from the flows of one of them'
                    else 'ask the provider which delivery of it is right' end}
        when len(unknown) > 0
            then {'status': 'held', 'kind': 'unknown_line_type', 'text': 'nobody mapped the type ' || array_to_string(list_sort(unknown), ', '),
                'minor': coalesce(amount_minor, 0), 'evidence': null,
                'suggestion': 'add [[source.line_type]] match = "' || list_sort(unknown)[1] || '", '
                    -- A payout that never reached the bank is no cost: the provider holds the money, and pays it another day.
                    || case when list_sort(unknown)[1] like '%/failed' then 'kind = "carried": the provider still holds what it settled; and ask it why the bank did not take the money'
                        else 'kind = "fee" (or sale, refund, chargeback, reserve, loan, decision)' end}
        -- A report that ends without saying what became of the money is cut short: that is no rounding.
        -- What a person accepted, to the öre, stands in nobody's way.
        when (abs(difference) > tolerance or (difference <> 0 and not has_header and closing_rows = 0)) and difference is distinct from accepted_off
            then {'status': 'held', 'kind': 'payout_does_not_add_up',
                'text': case when has_header then 'its rows add up to ' || money(rows_expected_minor + difference, currency) || ', its totals say ' || money(rows_expected_minor, currency)
                    else 'its rows add up to ' || money(difference, currency) || ' instead of 0.00' end || ': off by ' || money(difference, currency),
                'minor': difference, 'evidence': stated, 'suggestion': 'get the report from the provider again, or ask what the difference is'}
        when abs(formula_off_minor) > tolerance and formula_off_minor is distinct from accepted_off
            then {'status': 'held', 'kind': 'payout_does_not_add_up',
                'text': 'the provider''s own totals are off by ' || money(formula_off_minor, currency),
                'minor': formula_off_minor, 'evidence': stated, 'suggestion': 'ask the provider what the difference is'}
        when currency <> home and price_e8 is null
            then {'status': 'held', 'kind': 'currency_rate_missing', 'text': 'no rate for ' || currency || ' in ' || home || ' on ' || paid_date,
                'minor': amount_minor, 'evidence': null, 'suggestion': 'add [fx] rates_file with the rate of that day; the next run books it'}
        when paid_date <= locked_through and period = 'hold' and not any_period
            then {'status': 'held', 'kind': 'period_locked', 'text': paid_date || ' is in a locked period', 'minor': amount_minor,
                'evidence': null, 'suggestion': 'open the period, or set [erp] period = "first_open"'}
        else {'status': 'booked', 'kind': null, 'text': null, 'minor': 0::bigint, 'evidence': null, 'suggestion': null}
    end as verdict

from joined;

update payouts as p set
    status = f.verdict.status, why_kind = f.verdict.kind, why = f.verdict.text, difference_minor = f.difference,
    paid_date = f.paid_date, lines = coalesce(f.lines, 0), sales_minor = coalesce(f.sales, 0), refunds_minor = coalesce(f.refunds, 0),
    fees_minor = case when f.fee_rows = 'invoiced' then 0 else coalesce(f.fees, 0) end,
    fee_vat_minor = case when f.fee_rows = 'invoiced' then 0 else coalesce(f.fee_vat, 0) end,
    other_minor = coalesce(f.other, 0), carried_minor = f.carried,
    booked_run = case f.verdict.status when 'booked' then r.run_no end,
    booked_at = case f.verdict.status when 'booked' then r.began end,
    price_e8 = case when p.currency <> f.home then f.price_e8 end,
    -- Which meaning of the total held, once and for all.
    amount_minor = case when f.verdict.status = 'booked' and f.other_chosen then p.other_amount_minor else p.amount_minor end,
    rows_expected_minor = case when f.verdict.status = 'booked' and f.other_chosen then p.other_amount_minor else p.rows_expected_minor end,
    reading_held = case when f.verdict.status = 'booked' and p.other_amount_minor is not null then case when f.other_chosen then 'other' else 'first' end end,
    other_amount_minor = case when f.verdict.status = 'booked' and f.other_chosen then p.amount_minor else p.other_amount_minor end,
    stated = case when f.verdict.status = 'booked' and p.reading is not null
        then concat_ws(' | ', p.stated, 'the rows say: ' || case
            when p.other_amount_minor is null then p.reading || ' (there are no fees)'
            when f.other_chosen then p.other_reading else p.reading end) else p.stated end
from payout_facts as f, this_run as r
where p.source = f.source and p.payout_id = f.payout_id;
