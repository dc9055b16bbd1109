-- recon.erasures: one row per time that data about persons was erased: how much, who, when, why

create or replace view recon.erasures as
select e.erasure_id, e.erased_at, e.erased_by, e.kind, nullif(e.what, '') as what, e.persons, e.orders, e.reason, r.run_id
from main.erasures as e
left join main.runs as r on r.run_no = e.run_no
order by e.run_no, e.erasure_id;

comment on view recon.erasures is 'one row per time that data about persons was erased: how much, who, when, why; never whose';
comment on column recon.erasures.erasure_id is 'names it for good';
comment on column recon.erasures.erased_at is 'UTC';
comment on column recon.erasures.erased_by is 'who did it';
comment on column recon.erasures.kind is 'erase (a person was named) or retention (the time was over)';
comment on column recon.erasures.what is 'of retention: what came when';
comment on column recon.erasures.persons is 'how many keys were destroyed: one for each person and year';
comment on column recon.erasures.orders is 'how many orders had named the person; they stay booked';
comment on column recon.erasures.reason is 'why, in their words';
comment on column recon.erasures.run_id is 'the run that took it in';
