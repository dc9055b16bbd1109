-- recon.decisions: one row per decision of a person: what, who, when, why, and whether it still stands

create or replace view recon.decisions as
select d.decision_id, d.decided_at, d.decided_by, d.action,
    concat_ws(' ', d.target, case when d.action = 'kind' then '= ' || d.line_kind else d.line_kind end, 'account ' || d.account, 'VAT account ' || d.vat_account,
        'rate ' || (d.price_e8 * 0.00000001::decimal(9, 8))::decimal(18, 8)::varchar) as answer,
    d.reason, d.kind as exception_kind, d.exception_id, d.source, d.document_id, d.line_id, d.amount_minor,
    case when d.action = 'retry' then 'done' when d.undone_run is null then 'in force' else 'undone' end as status,
    d.undone_by, d.undone_at, d.undone_reason,
    (select string_agg(a.alias_id, ', ' order by a.alias_id) from main.aliases as a where a.decision_id = d.decision_id) as taught, r.run_id
from main.decisions as d
left join main.runs as r on r.run_no = d.run_no
order by d.run_no, d.decision_id;

comment on view recon.decisions is 'one row per decision of a person: what, who, when, why, and whether it still stands';
comment on column recon.decisions.decision_id is 'names it for good; kvitt resolve --undo takes it back';
comment on column recon.decisions.decided_at is 'UTC';
comment on column recon.decisions.decided_by is 'who decided';
comment on column recon.decisions.action is 'match, account, kind, accept, keep, duplicate, rate, ignore or retry';
comment on column recon.decisions.answer is 'the document, account, kind or rate decided for';
comment on column recon.decisions.reason is 'why, in their words';
comment on column recon.decisions.exception_kind is 'kind of the exception it answers';
comment on column recon.decisions.exception_id is 'the exception it answers';
comment on column recon.decisions.source is 'the configured source, e.g. klarna';
comment on column recon.decisions.document_id is 'the document or payout';
comment on column recon.decisions.line_id is 'the payout line, where it is about one';
comment on column recon.decisions.amount_minor is 'what the exception was about, minor units of its currency';
comment on column recon.decisions.status is 'in force, undone, or done (a retry)';
comment on column recon.decisions.undone_by is 'who took it back';
comment on column recon.decisions.undone_at is 'UTC';
comment on column recon.decisions.undone_reason is 'why it was taken back';
comment on column recon.decisions.taught is 'the aliases it taught';
comment on column recon.decisions.run_id is 'the run that took it in';
