-- The classes of the payout lines that {{which}} wants: what all lines of one payout, type, method and fate are
-- booked by alike. Amounts are the business of 72_booked_lines.sql.
-- Source: posting_rules §2, entries 3 to 10.

create or replace temp table class_facts as

with

classes as (

    select
        l.source, l.payout_id, l.provider_type, l.provider_detail, l.method, l.currency, l.blob_id,
        coalesce(l.row_off_minor, 0) <> 0 as is_off, m.state as match_state, t.receivable as document_receivable,
        case when m.state in ('matched', 'not_delivered') and d.currency = l.sold_currency then nullif(d.currency, l.currency) end as counter_currency,
        coalesce(m.rung = 'decision', false) as by_decision, x.account as decided_account, x.line_kind as decided_kind

    from payout_lines as l
    inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
    left join line_matches as m on m.line_id = l.line_id
    left join documents as d on d.document_id = m.document_id
    left join document_states as t on t.document_id = m.document_id
    left join decided as x on x.line_id = l.line_id and x.action in ('account', 'kind')

    where p.booked_run is not null and {{which}}

    group by all

),

facts as (

    select
        g.*, p.document_id as payout_document, p.paid_date as event_date,
        case when p.paid_date <= c.locked_through then c.locked_through + 1 else p.paid_date end as book_date,
        coalesce(p.paid_date <= c.locked_through, false) as is_locked,
        coalesce(g.decided_kind, k.kind) as kind, p.price_e8, c.exponent as home_exp, exponent(g.currency) as exp, s.fee_vat as fee_vat_rule, s.unmatched, s.loan,
        coalesce(x.receivable, s.receivable) as receivable, coalesce(x.clearing, s.clearing) as clearing,
        coalesce(x.bank, s.bank) as bank, coalesce(x.fee, s.fee) as fee_account,
        coalesce(x.fee_vat_account, s.fee_vat_account) as fee_vat_account, coalesce(x.reserve, s.reserve) as reserve,
        coalesce(x.dispute, s.dispute) as dispute,
        c.rounding as rounding_account, c.fx_gain, c.fx_loss, c.suspense, c.reverse_in, c.reverse_out, b.first_rowid

    from classes as g
    inner join payouts as p on p.source = g.source and p.payout_id = g.payout_id
    inner join line_words as k on k.source = g.source
        and k.provider_type is not distinct from g.provider_type and k.provider_detail is not distinct from g.provider_detail
        and p.booked_run between k.from_run and coalesce(k.to_run, 2147483647)
    inner join set_sources as s on s.source = g.source
    inner join blobs as b on b.blob_id = g.blob_id
    cross join set_company as c
    left join method_accounts as x on x.source = g.source and x.method is not distinct from g.method

    where k.kind <> 'carried' and not (k.kind = 'fee' and p.fee_rows = 'invoiced')

),

counters as (

    select
        *,
        case
            when decided_account is not null then 'decided'
            when by_decision and match_state in ('matched', 'not_delivered') then 'receivable'
            when kind = 'fee' then null
            when kind = 'payout' then 'bank'
            when kind in ('chargeback', 'chargeback_reversed') then 'dispute'
            when kind = 'reserve' then 'reserve'
            when kind = 'loan' then case when loan > 0 then 'loan' else 'suspense' end
            when kind in ('sale', 'refund') and not is_off and match_state in ('matched', 'not_delivered') then 'receivable'
            when kind in ('sale', 'refund') and not is_off and match_state is null and unmatched = 'receivable' then 'receivable'
            else 'suspense'
        end as counter_role

    from facts

)

select
    (row_number() over (order by source, payout_id, provider_type, provider_detail, method, currency, blob_id, is_off, match_state, document_receivable, by_decision, decided_account, decided_kind, counter_currency)
        + (select coalesce(max(class_no), 0) from {{classes}}))::integer as class_no,
    *,
    case counter_role
        when 'bank' then bank when 'dispute' then dispute when 'reserve' then reserve when 'loan' then loan
        when 'decided' then decided_account
        when 'receivable' then coalesce(document_receivable, receivable) when 'suspense' then suspense
    end as counter_account,
    provider_type || ', payout ' || payout_id || case when is_locked then ' (event ' || event_date || ', period locked)' else '' end as text,
    case when counter_role = 'decided' then 'decided' else case kind
        when 'payout' then 'entry 10' when 'fee' then 'entry 6' when 'reserve' then 'entry 7' when 'loan' then 'entry 9'
        when 'chargeback' then 'entry 8' when 'chargeback_reversed' then 'entry 8' when 'decision' then 'entry 9'
        else case when counter_role = 'suspense' then 'entry 5' when match_state = 'not_delivered' then 'entry 5b'
            when kind = 'refund' then 'entry 4' else 'entry 3' end
    end end as rule

from counters;

insert into {{classes}} by name
select
    class_no, source, payout_document, kind, currency, event_date, book_date, text, rule, counter_role, counter_account, counter_currency,
    clearing, fee_account, fee_vat_account, reverse_in, reverse_out, rounding_account, fx_gain, fx_loss, blob_id, r.run_no
from class_facts
cross join this_run as r;
