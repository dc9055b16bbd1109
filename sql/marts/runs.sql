-- recon.runs: one row per finished run

create or replace view recon.runs as
select run_id, command, started_at, finished_at, status, records, entries, posted, exceptions, config_digest, ledger_digest
from main.runs
order by run_no;

comment on view recon.runs is 'one row per finished run';
comment on column recon.runs.run_id is 'names it, in order of time';
comment on column recon.runs.command is 'what was asked for';
comment on column recon.runs.started_at is 'UTC';
comment on column recon.runs.finished_at is 'UTC';
comment on column recon.runs.status is 'done, needs_a_person or failed';
comment on column recon.runs.records is 'archived answers and files that were new';
comment on column recon.runs.entries is 'ledger entries it added';
comment on column recon.runs.posted is 'vouchers it posted';
comment on column recon.runs.exceptions is 'open when it ended';
comment on column recon.runs.config_digest is 'SHA-256 of the settings it ran with';
comment on column recon.runs.ledger_digest is 'SHA-256 of the books when it ended';
