-- recon.exceptions: one row per thing that needs a person, or did

create or replace view recon.exceptions as
select x.exception_id, x.kind, x.source, x.document_id, x.reason, x.currency, main.major(x.amount_minor, x.currency) as amount,
    x.opened_at, x.suggestion, x.status, x.evidence, null::uuid as line_id, null as order_reference, x.amount_minor, x.run_no
from main.exceptions as x
union all
-- A line on suspense is its own exception, for as long as it stands there.
select l.line_id, case when coalesce(l.row_off_minor, 0) <> 0 then 'document_does_not_add_up' else coalesce(i.kind, 'unmatched_line') end, l.source, l.document_id,
    case when coalesce(l.row_off_minor, 0) <> 0 then 'the row''s gross less its fees misses its net by ' || main.money(l.row_off_minor, l.currency)
        when l.kind in ('decision', 'loan') then l.provider_type || coalesce('/' || l.provider_detail, '') || ': which account it belongs on is for a person to say'
        else coalesce(i.reason, case when l.order_reference is null then 'no order reference, and no document carries its IDs'
            else 'no ' || case l.kind when 'refund' then 'refund' else 'delivery' end || ' known for order ' || l.order_reference end) end,
    l.currency, main.major(l.gross_minor, l.currency), l.booked_at,
    case when l.kind in ('decision', 'loan') then 'map the type with [[source.line_type]], or move it from suspense by hand'
        else coalesce(i.suggestion, case when s.invoices and l.order_key is not null then 'kvitt backfill --source ' || l.source || ' --ids ' || l.order_key || ' reads the order again'
            else 'find the sale and move the amount from suspense; set unmatched = "receivable" on the source if its sales are booked elsewhere' end) end,
    case when l.action in ('ignore', 'account') then 'resolved' else 'open' end, coalesce(i.evidence, concat_ws(', ', 'order_id ' || l.order_key, 'event_id ' || l.event_key, 'reference ' || l.order_reference)),
    l.line_id, l.order_reference, l.gross_minor, l.run_no
from (
    select l.*, coalesce(x.line_kind, w.kind) as kind, x.action, p.document_id, p.booked_at
    from main.payout_lines as l
    inner join main.payouts as p on p.source = l.source and p.payout_id = l.payout_id and p.status = 'booked'
    inner join main.line_words as w on w.source = l.source
        and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
        and p.booked_run between w.from_run and coalesce(w.to_run, 2147483647)
    left join main.decided as x on x.line_id = l.line_id
    where l.gross_minor <> 0 and coalesce(x.line_kind, w.kind) in ('sale', 'refund', 'decision', 'loan')
) as l
inner join main.set_sources as s on s.source = l.source
left join main.line_issues as i on i.line_id = l.line_id
where case
        when l.kind in ('sale', 'refund')
            then (s.unmatched = 'suspense' or coalesce(l.row_off_minor, 0) <> 0) and not exists (select 1 from main.line_matches as m where m.line_id = l.line_id)
        when l.action = 'match' then not exists (select 1 from main.line_matches as m where m.line_id = l.line_id)
        when l.kind = 'loan' then coalesce(s.loan, 0) = 0
        else true
    end;

comment on view recon.exceptions is 'one row per thing that needs a person, or did';
comment on column recon.exceptions.exception_id is 'names it for good';
comment on column recon.exceptions.kind is 'what is the matter';
comment on column recon.exceptions.source is 'the configured source, e.g. klarna';
comment on column recon.exceptions.document_id is 'the document or payout';
comment on column recon.exceptions.reason is 'what was found, in words';
comment on column recon.exceptions.currency is 'currency of the amount';
comment on column recon.exceptions.amount is 'major units: what it is about';
comment on column recon.exceptions.opened_at is 'UTC';
comment on column recon.exceptions.suggestion is 'what to do';
comment on column recon.exceptions.status is 'open or resolved';
comment on column recon.exceptions.evidence is 'what speaks for what: keys, near documents, the provider''s own figures';
comment on column recon.exceptions.line_id is 'the payout line, where it is about one';
comment on column recon.exceptions.order_reference is 'the merchant''s reference on that line';
comment on column recon.exceptions.amount_minor is 'amount in minor units';
comment on column recon.exceptions.run_no is 'number of the run that raised it, or that the line arrived in';
