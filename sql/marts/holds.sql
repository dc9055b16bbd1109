-- recon.holds: one row per legal hold: what may not be erased, who said so and why, and whether it still stands

create or replace view recon.holds as
select h.hold_id, h.held_at, h.held_by, h.what, h.source, h.from_date, h.to_date, h.reason,
    case when h.released_at is null then 'in force' else 'released' end as status, h.released_by, h.released_at, h.released_reason, r.run_id
from main.holds as h
left join main.runs as r on r.run_no = h.run_no
order by h.run_no, h.hold_id;

comment on view recon.holds is 'one row per legal hold: what may not be erased, who said so and why, and whether it still stands';
comment on column recon.holds.hold_id is 'names it for good; kvitt hold --release lifts it';
comment on column recon.holds.held_at is 'UTC';
comment on column recon.holds.held_by is 'who said so';
comment on column recon.holds.what is 'a person, a source, a period, or what they have in common';
comment on column recon.holds.source is 'the configured source, where it is about one';
comment on column recon.holds.from_date is 'first day, where it is about a period';
comment on column recon.holds.to_date is 'last day, where it is about a period';
comment on column recon.holds.reason is 'why, in their words';
comment on column recon.holds.status is 'in force or released';
comment on column recon.holds.released_by is 'who lifted it';
comment on column recon.holds.released_at is 'UTC';
comment on column recon.holds.released_reason is 'why it was lifted';
comment on column recon.holds.run_id is 'the run that took it in';
