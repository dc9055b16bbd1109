-- recon.top_unexplained: what is not explained, missing or waits for a person, the largest first

create or replace view recon.top_unexplained as
select row_number() over (order by abs(amount) desc nulls last, kind, source, document_id) as rank, kind, source, document_id, currency, amount, since, reason, suggestion
from (
    select kind, source, document_id, currency, amount, opened_at::date as since, reason, suggestion from recon.exceptions where status = 'open'
    union all
    -- As the last run found it; recon.proof has it by day.
    select 'proof_unexplained', s.source, null, s.currency, main.major(s.unexplained_minor, s.currency), r.started_at::date,
        'the ledger is off by this, and nothing has a name for it', 'kvitt verify says more; kvitt rebuild makes the ledger anew'
    from main.run_scores as s
    inner join main.runs as r using (run_no)
    where s.unexplained_minor <> 0 and s.run_no = (select max(run_no) from main.run_scores)
    union all
    select kind, source, what, currency, amount, since, reason, suggestion from recon.completeness
)
order by rank;

comment on view recon.top_unexplained is 'what is not explained, missing or waits for a person, the largest first';
comment on column recon.top_unexplained.rank is '1 is the largest';
comment on column recon.top_unexplained.kind is 'of exception, of what is missing, or proof_unexplained';
comment on column recon.top_unexplained.source is 'the configured source; _bank: the bank';
comment on column recon.top_unexplained.document_id is 'what it is about';
comment on column recon.top_unexplained.currency is 'of the amount';
comment on column recon.top_unexplained.amount is 'major units';
comment on column recon.top_unexplained.since is 'known from';
comment on column recon.top_unexplained.reason is 'what was found, in words';
comment on column recon.top_unexplained.suggestion is 'what to do';
