-- The wide form of what payout lines are booked by: one row per line, an amount per role.
-- Source: posting_rules §2, entries 3 to 10 and 13.
--
-- net + fee + fee VAT − gross = 0 holds on every line, so clearing, fee, fee_vat and the
-- counter account balance by construction. {{which}} is replaced by the lines wanted.

create or replace temp table line_work as

with

lines as (

    select
        l.line_id, l.source, l.payout_id, p.document_id as payout_document, p.paid_date as event_date,
        case when p.paid_date <= c.locked_through then c.locked_through + 1 else p.paid_date end as book_date,
        coalesce(p.paid_date <= c.locked_through, false) as is_locked,
        l.provider_type, k.kind, l.currency, l.gross_minor as gross, l.net_minor as net,
        case when k.kind = 'fee' then l.fee_minor - l.gross_minor else l.fee_minor end as fee, l.fee_vat_minor as fee_vat,
        m.document_id as settles, m.state as match_state, coalesce(m.rounding_minor, 0) as rounding,
        m.amount_minor as settled, m.before_minor as settled_before,
        d.amount_minor as document_amount, t.company_minor as document_company, t.receivable as document_receivable,
        p.price_e8, c.exponent as home_exp, exponent(l.currency) as exp,
        s.fee_vat as fee_vat_rule, s.unmatched,
        coalesce(x.receivable, s.receivable) as receivable, coalesce(x.clearing, s.clearing) as clearing,
        coalesce(x.bank, s.bank) as bank, coalesce(x.fee, s.fee) as fee_account,
        coalesce(x.fee_vat_account, s.fee_vat_account) as fee_vat_account, coalesce(x.reserve, s.reserve) as reserve,
        coalesce(x.dispute, s.dispute) as dispute, s.loan,
        c.rounding as rounding_account, c.fx_gain, c.fx_loss, c.suspense, c.reverse_in, c.reverse_out,
        l.row_off_minor, l.blob_id, l.locator,
        coalesce(l.row_no, case when b.first_rowid is not null then l.rowid - b.first_rowid + 2 end) as row_no

    from payout_lines as l
    inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
    inner join line_words as k on k.source = l.source
        and k.provider_type is not distinct from l.provider_type and k.provider_detail is not distinct from l.provider_detail
        and p.booked_run between k.from_run and coalesce(k.to_run, 2147483647)
    inner join set_sources as s on s.source = l.source
    inner join blobs as b on b.blob_id = l.blob_id
    cross join set_company as c
    left join method_accounts as x on x.source = l.source and x.method is not distinct from l.method
    left join line_matches as m on m.line_id = l.line_id
    left join documents as d on d.document_id = m.document_id
    left join document_states as t on t.document_id = m.document_id

    where p.booked_run is not null and k.kind <> 'carried'
        and not (k.kind = 'fee' and p.fee_rows = 'invoiced')
        and {{which}}

),

accounts as (

    select
        * exclude (fee, fee_vat),
        case fee_vat_rule when 'reported' then fee else fee + fee_vat end as fee,
        case fee_vat_rule when 'reported' then fee_vat else 0 end as fee_vat,
        case
            when kind = 'fee' then null
            when kind = 'payout' then 'bank'
            when kind in ('chargeback', 'chargeback_reversed') then 'dispute'
            when kind = 'reserve' then 'reserve'
            when kind = 'loan' then case when loan > 0 then 'loan' else 'suspense' end
            when kind in ('sale', 'refund') and coalesce(row_off_minor, 0) = 0 and match_state in ('matched', 'not_delivered') then 'receivable'
            when kind in ('sale', 'refund') and coalesce(row_off_minor, 0) = 0 and match_state is null and unmatched = 'receivable' then 'receivable'
            else 'suspense'
        end as counter_role,
        case when kind = 'fee' then 0 else gross end as counter

    from lines

),

home as (

    select
        *,
        case when price_e8 is null then net else converted(net, price_e8, exp, home_exp) end as net_home,
        -- A fee row has no counter account: what converting leaves is part of the fee.
        case when price_e8 is null then fee
            when kind = 'fee' then -converted(net, price_e8, exp, home_exp) - converted(fee_vat, price_e8, exp, home_exp)
            else converted(fee, price_e8, exp, home_exp) end as fee_home,
        case when price_e8 is null then fee_vat else converted(fee_vat, price_e8, exp, home_exp) end as fee_vat_home,
        case when price_e8 is null then rounding else converted(rounding, price_e8, exp, home_exp) end as rounding_home,
        case
            when counter_role = 'receivable' and match_state = 'matched' and document_company is not null and price_e8 is not null
                -- Cleared at its booked rate: shares of the booked amount that leave nothing over.
                then (case when gross < 0 then 1 else -1 end)
                    * (div_half_away(document_company::hugeint * (settled_before + settled), document_amount)
                        - div_half_away(document_company::hugeint * settled_before, document_amount))
        end as receivable_home

    from accounts

),

named as (

    select
        *,
        case when fee_vat_rule = 'reverse_charge' then div_half_away(fee_home::hugeint, 4) else 0 end as reverse_home,
        case when receivable_home is null then -(net_home + fee_home + fee_vat_home) + rounding_home else receivable_home end as counter_home,
        case when receivable_home is null then 0 else -(net_home + fee_home + fee_vat_home - rounding_home + receivable_home) end as fx_home

    from home

    where net <> 0 or fee <> 0 or fee_vat <> 0 or counter <> 0

)

-- Only what the postings need: this table stands in memory.
select
    line_id, source, payout_document, event_date, book_date, kind, currency, blob_id, row_no, locator,
    net, fee, fee_vat, -counter + rounding as counter, rounding,
    net_home, fee_home, fee_vat_home, counter_home, rounding_home, reverse_home, fx_home,
    clearing, fee_account, fee_vat_account, reverse_in, reverse_out, rounding_account,
    case when fx_home > 0 then fx_loss else fx_gain end as fx_account,
    counter_role,
    case counter_role
        when 'bank' then bank when 'dispute' then dispute when 'reserve' then reserve when 'loan' then loan
        when 'receivable' then coalesce(document_receivable, receivable) when 'suspense' then suspense
    end as counter_account,
    case when counter_role = 'receivable' and settles is not null then settles else payout_document end as counter_document,
    provider_type || ', payout ' || payout_id || case when is_locked then ' (event ' || event_date || ', period locked)' else '' end as text,
    case kind
        when 'payout' then 'entry 10' when 'fee' then 'entry 6' when 'reserve' then 'entry 7' when 'loan' then 'entry 9'
        when 'chargeback' then 'entry 8' when 'chargeback_reversed' then 'entry 8' when 'decision' then 'entry 9'
        else case when counter_role = 'suspense' then 'entry 5' when match_state = 'not_delivered' then 'entry 5b'
            when kind = 'refund' then 'entry 4' else 'entry 3' end
    end as rule

from named;

create or replace temp view line_postings as


select line_id as subject, 1::utinyint as line, 'clearing' as role, clearing::smallint as account, net_home as amount_minor, net as amount_currency_minor,
    payout_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where net <> 0 or net_home <> 0

union all

select line_id as subject, 2::utinyint as line, 'fee' as role, fee_account::smallint as account, fee_home as amount_minor, fee as amount_currency_minor,
    payout_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where fee <> 0 or fee_home <> 0

union all

select line_id as subject, 3::utinyint as line, 'fee_vat' as role, fee_vat_account::smallint as account, fee_vat_home as amount_minor, fee_vat as amount_currency_minor,
    payout_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where fee_vat <> 0 or fee_vat_home <> 0

union all

select line_id as subject, 4::utinyint as line, 'reverse_in' as role, reverse_in::smallint as account, reverse_home as amount_minor, 0 as amount_currency_minor,
    payout_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where reverse_home <> 0

union all

select line_id as subject, 5::utinyint as line, 'reverse_out' as role, reverse_out::smallint as account, -reverse_home as amount_minor, 0 as amount_currency_minor,
    payout_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where reverse_home <> 0

union all

select line_id as subject, 6::utinyint as line, counter_role as role, counter_account::smallint as account, counter_home as amount_minor, counter as amount_currency_minor,
    counter_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where counter_role is not null and (counter <> 0 or counter_home <> 0)

union all

select line_id as subject, 7::utinyint as line, 'rounding' as role, rounding_account::smallint as account, -rounding_home as amount_minor, -rounding as amount_currency_minor,
    payout_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where rounding <> 0

union all

select line_id as subject, 8::utinyint as line, case when fx_home > 0 then 'fx_loss' else 'fx_gain' end as role, fx_account::smallint as account, fx_home as amount_minor, 0 as amount_currency_minor,
    payout_document as document_id, source, payout_document, event_date, book_date, kind, currency, text, rule, blob_id, row_no, locator
from line_work where fx_home <> 0;
