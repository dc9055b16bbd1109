-- recon.payout_lines: one row per row of a payout

create or replace view recon.payout_lines as
select l.source, l.payout_id, l.line_id, coalesce(x.line_kind, w.kind) as kind, l.provider_type, main.local_date(l.event_at, c.time_zone) as event_date,
    l.order_reference, l.currency,
    main.major(case when coalesce(x.line_kind, w.kind) = 'fee' and x.account is null then 0 else l.gross_minor end, l.currency) as gross,
    main.major(case when coalesce(x.line_kind, w.kind) = 'fee' and x.account is null then l.fee_minor - l.gross_minor else l.fee_minor end, l.currency) as fee,
    main.major(l.fee_vat_minor, l.currency) as fee_vat, main.major(l.net_minor, l.currency) as net,
    m.document_id as matched_document, m.rung as match_rule,
    case
        when p.status <> 'booked' then p.status
        when x.account is not null then 'decided'
        when coalesce(x.line_kind, w.kind) in ('sale', 'refund') or m.rung = 'decision' then case
            when m.state = 'matched' then 'matched' when m.state = 'not_delivered' then 'paid_not_delivered' when m.state = 'held_document' then 'document_held'
            when i.kind = 'ambiguous_match' then 'ambiguous'
            when s.unmatched = 'receivable' and coalesce(l.row_off_minor, 0) = 0 then 'not_checked' else 'unmatched' end
        when w.kind = 'carried' then 'carried'
        when w.kind = 'fee' and p.fee_rows = 'invoiced' then 'invoiced'
        when x.action = 'ignore' then 'ignored'
        when coalesce(x.line_kind, w.kind) = 'decision' or (coalesce(x.line_kind, w.kind) = 'loan' and coalesce(s.loan, 0) = 0) then 'needs_decision'
        else 'booked'
    end as verdict,
    l.provider_detail, l.method, m.evidence, l.net_minor, l.run_no
from main.payout_lines as l
inner join main.payouts as p on p.source = l.source and p.payout_id = l.payout_id
left join main.line_words as w on w.source = l.source
    and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
    and coalesce(p.booked_run, 2147483647) between w.from_run and coalesce(w.to_run, 2147483647)
left join main.decided as x on x.line_id = l.line_id
left join main.set_sources as s on s.source = l.source
left join main.line_matches as m on m.line_id = l.line_id
left join main.line_issues as i on i.line_id = l.line_id
cross join main.set_company as c;

comment on view recon.payout_lines is 'one row per row of a payout';
comment on column recon.payout_lines.source is 'the configured source, e.g. klarna';
comment on column recon.payout_lines.payout_id is 'the payout it belongs to';
comment on column recon.payout_lines.line_id is 'derived from what the row says; equal rows are numbered';
comment on column recon.payout_lines.kind is 'sale, refund, chargeback, chargeback_reversed, fee, reserve, loan, carried, payout, decision or unknown';
comment on column recon.payout_lines.provider_type is 'the provider''s own word';
comment on column recon.payout_lines.event_date is 'the company''s local date of the event';
comment on column recon.payout_lines.order_reference is 'the merchant''s reference of the order';
comment on column recon.payout_lines.currency is 'currency of the amounts';
comment on column recon.payout_lines.gross is 'major units; to us > 0';
comment on column recon.payout_lines.fee is 'cost > 0';
comment on column recon.payout_lines.fee_vat is 'reported VAT on the fee';
comment on column recon.payout_lines.net is 'gross - fee - fee_vat: what it adds to the payout';
comment on column recon.payout_lines.matched_document is 'the document it settles';
comment on column recon.payout_lines.match_rule is 'the rung of the ladder that found it';
comment on column recon.payout_lines.verdict is 'matched, unmatched, ambiguous, paid_not_delivered, document_held, not_checked, needs_decision, decided (on the account a person named), ignored, booked, carried, invoiced, held or pending';
comment on column recon.payout_lines.provider_detail is 'the provider''s detailed word';
comment on column recon.payout_lines.method is 'the provider''s word for the payment method';
comment on column recon.payout_lines.evidence is 'the key that line and document share';
comment on column recon.payout_lines.net_minor is 'net in minor units';
comment on column recon.payout_lines.run_no is 'number of the run it arrived in, in order of time';
