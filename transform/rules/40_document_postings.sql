-- The desired postings of deliveries and refunds.
-- Source: posting_rules §2, entries 1, 2, 11 and the rounding row of §3.

create or replace temp table desired as

with

facts as (

    select f.*, case f.kind when 'delivery' then 1 else -1 end as s, c.exponent as home_exp, c.rounding, c.gift_cards, c.currency as home
    from document_facts as f
    inner join document_states as t using (document_id)
    cross join set_company as c
    where t.state = 'booked'

),

rows as (

    select document_id, 'sales' as role, accounts.sales as account, s * -(gross_minor - vat_minor) as amount, g.country, g.rate_bp, '1 sales' as rank
    from facts inner join document_groups as g using (document_id)
    inner join document_sales as t using (document_id, class)
    where g.class = 'goods' and t.country = g.country and t.rate_bp = g.rate_bp

    union all

    select document_id, 'vat', accounts.vat, s * -vat_minor, g.country, g.rate_bp, '2 vat'
    from facts inner join document_groups as g using (document_id)
    inner join document_sales as t using (document_id, class)
    where g.class = 'goods' and t.country = g.country and t.rate_bp = g.rate_bp

    union all

    select document_id, 'gift_cards', gift_cards, s * -gross_minor, null, null, '3 gift cards'
    from facts inner join document_groups as g using (document_id)
    where g.class = 'gift_card'

    union all

    -- A difference that a person accepted is on the account they named, if they named one.
    select f.document_id, case when x.account is null then 'rounding' else 'decided' end, coalesce(x.account, f.rounding), f.s * -g.gross_minor, null, null, '4 rounding'
    from facts as f inner join document_groups as g using (document_id)
    left join document_decisions as x on x.document_id = f.document_id and x.kind in ('document_does_not_add_up', 'refund_exceeds_remaining') and x.action = 'account'
    where g.class = 'rounding'

    union all

    -- What no rule has an account for, on the one a person named.
    select f.document_id, 'decided', x.account, f.s * -g.gross_minor, null, null, '5 decided'
    from facts as f inner join document_groups as g using (document_id)
    inner join document_decisions as x on x.document_id = f.document_id and x.kind = 'sales_account_missing' and x.action = 'account'
    where g.class = 'unknown'

),

converted_rows as (

    select
        f.*, r.role, r.account, r.rank, r.country as row_country, r.rate_bp,
        r.amount as in_currency,
        case when f.is_home then r.amount else converted(r.amount, f.price_e8, exponent(f.currency), f.home_exp) end as in_home

    from rows as r
    inner join facts as f using (document_id)

    union all by name

    -- What the ERP's own VAT made of it (35_erp_roundings books it).
    select
        f.*, r.role, r.account, case r.role when 'sales' then '1 sales' else '2 vat' end as rank, r.country as row_country, r.rate_bp,
        case when f.is_home then r.amount_minor else 0 end as in_currency, r.amount_minor as in_home
    from (
        select document_id, role, account, country, rate_bp, sum(amount_minor)::bigint as amount_minor
        from erp_roundings group by document_id, role, account, country, rate_bp having sum(amount_minor) <> 0
    ) as r
    inner join facts as f using (document_id)

),

with_receivable as (

    select * from converted_rows

    union all by name

    -- The receivable is what the rows say it is: it takes the öre that converting leaves.
    select
        f.*, 'receivable' as role, f.receivable as account, '0 receivable' as rank, null::varchar as row_country, null::integer as rate_bp,
        r.in_currency, r.in_home
    from (select document_id, -sum(in_currency) as in_currency, -sum(in_home) as in_home from converted_rows group by document_id) as r
    inner join facts as f using (document_id)

)

select
    name_of(document_id) as subject,
    kind,
    source,
    document_id as entry_document,
    event_date,
    book_date,
    case kind when 'delivery' then 'Delivery' else 'Refund' end || ', order ' || coalesce(order_number, order_id)
        || case when is_locked then ' (event ' || event_date || ', period locked)' else '' end as text,
    source || '/' || kind as book,
    (row_number() over (partition by document_id order by rank, row_country, rate_bp))::utinyint as line,
    role,
    account::smallint as account,
    in_home as amount_minor,
    currency,
    in_currency as amount_currency_minor,
    document_id as document_id,
    row_country as country,
    rate_bp,
    'entry ' || case kind when 'delivery' then '1' else '2' end || case role when 'gift_cards' then ', 11' when 'rounding' then ', 12' when 'decided' then ', decided' else '' end as rule,
    blob_id,
    null::bigint as row_no,
    locator

from with_receivable

where in_home <> 0 or in_currency <> 0;

update document_states as t set company_minor = abs(d.amount_minor)
from desired as d
where d.role = 'receivable' and d.document_id = t.document_id;

create or replace temp table work_subjects as
-- Documents that cannot be booked keep what they are booked with: a mapping that went
-- missing touches nothing that is booked already (posting_rules §7).
select name_of(t.document_id) as subject
from todo_documents as t
left join document_states as s using (document_id)
where coalesce(s.state, 'gone') in ('booked', 'gone')
    -- Said to be the same as another one: what it was booked by is taken back.
    or t.document_id in (select document_id from document_decisions where action = 'duplicate')
union
-- Booked on the strength of a decision that was taken back.
select name_of(document_id) from undone_documents;
