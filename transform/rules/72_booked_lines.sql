-- What each line of the classes in class_facts is booked by: one row per line, a column per role.
-- Source: posting_rules §2, entries 3 to 10 and 13.
--
-- net + fee + fee VAT − gross = 0 holds on every line, so clearing, fee, fee_vat and the
-- counter account balance by construction.

insert into {{lines}} by name

with

lines as (

    select
        l.line_id, f.class_no, f.kind, f.fee_vat_rule, f.counter_role, f.match_state, f.price_e8, f.exp, f.home_exp,
        l.gross_minor as gross, l.net_minor as net, f.counter_currency is not null as is_converted,
        case when f.kind = 'fee' and f.decided_account is null then l.fee_minor - l.gross_minor else l.fee_minor end
            + case f.fee_vat_rule when 'reported' then 0 else l.fee_vat_minor end as fee,
        case f.fee_vat_rule when 'reported' then l.fee_vat_minor else 0 end as fee_vat,
        -- What the provider converted stands on the receivable in the currency it was sold in (entry 13).
        case when f.kind = 'fee' and f.decided_account is null then 0 when f.counter_currency is not null then sign(l.gross_minor)::bigint * m.amount_minor else l.gross_minor end as counter,
        case when f.counter_currency is null then coalesce(m.rounding_minor, 0) else 0 end as rounding,
        m.document_id as settles, m.amount_minor as settled, m.before_minor as settled_before,
        d.amount_minor as document_amount, t.company_minor as document_company,
        coalesce(l.row_no, l.rowid - f.first_rowid + 2) as row_no, l.locator

    from payout_lines as l
    inner join class_facts as f on f.source = l.source and f.payout_id = l.payout_id and f.blob_id = l.blob_id
        and f.provider_type is not distinct from l.provider_type and f.provider_detail is not distinct from l.provider_detail
        and f.method is not distinct from l.method and f.currency is not distinct from l.currency
        and f.is_off = (coalesce(l.row_off_minor, 0) <> 0)
    left join decided as x on x.line_id = l.line_id and x.action in ('account', 'kind')
    inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
    left join line_matches as m on m.line_id = l.line_id
    left join documents as d on d.document_id = m.document_id
    left join document_states as t on t.document_id = m.document_id

    where f.by_decision = coalesce(m.rung = 'decision', false)
        and f.counter_currency is not distinct from case when m.state in ('matched', 'not_delivered') and d.currency = l.sold_currency then nullif(d.currency, l.currency) end
        and f.decided_account is not distinct from x.account and f.decided_kind is not distinct from x.line_kind
        and f.match_state is not distinct from m.state and f.document_receivable is not distinct from t.receivable
        and {{which}}

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
            when counter_role = 'receivable' and match_state = 'matched' and document_company is not null and (price_e8 is not null or is_converted)
                -- Cleared at its booked rate: shares of the booked amount that leave nothing over.
                then (case when gross < 0 then 1 else -1 end)
                    * (div_half_away(document_company::hugeint * (settled_before + settled), document_amount)
                        - div_half_away(document_company::hugeint * settled_before, document_amount))
        end as receivable_home

    from lines

    where net <> 0 or fee <> 0 or fee_vat <> 0 or counter <> 0

)

select
    line_id, class_no, net, fee, fee_vat, -counter + rounding as counter, rounding,
    nullif(net_home, net) as net_home, nullif(fee_home, fee) as fee_home, nullif(fee_vat_home, fee_vat) as fee_vat_home,
    nullif(coalesce(receivable_home, -(net_home + fee_home + fee_vat_home) + rounding_home), -counter + rounding) as counter_home,
    nullif(rounding_home, rounding) as rounding_home,
    case when fee_vat_rule = 'reverse_charge' then nullif(div_half_away(fee_home, 4), 0) end as reverse_home,
    nullif(-(net_home + fee_home + fee_vat_home - rounding_home + receivable_home), 0) as fx_home,
    case when counter_role = 'receivable' then settles end as settles,
    row_no, locator, r.run_no

from home
cross join this_run as r;
