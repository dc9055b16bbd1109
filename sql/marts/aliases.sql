-- recon.aliases: one row per thing that a decision taught and later runs use: a reference that means an order, a word that means a kind

create or replace view recon.aliases as
select a.alias_id, a.what, a.source, a.name || coalesce('/' || a.detail, '') as name,
    case a.what when 'word' then a.to_kind else a.to_source || '/order/' || a.to_order end as means,
    a.decision_id, a.learned_by, a.learned_at, a.forgotten_by, a.forgotten_at,
    case when a.forgotten_run is null then 'in force' else 'forgotten' end as status,
    case a.what when 'word' then 0 else (select count(*) from main.line_matches as m where m.evidence = 'alias ' || a.alias_id || ' ' || a.name) end as used
from main.aliases as a
order by a.alias_id;

comment on view recon.aliases is 'one row per thing that a decision taught and later runs use: a reference that means an order, a word that means a kind';
comment on column recon.aliases.alias_id is 'names it for good; kvitt resolve --forget removes it';
comment on column recon.aliases.what is 'reference or word';
comment on column recon.aliases.source is 'whose payout lines it is for';
comment on column recon.aliases.name is 'the reference as it is compared (upper case, without leading # and zeros), or the provider''s word';
comment on column recon.aliases.means is 'the order whose documents it leads to, or the kind of the word';
comment on column recon.aliases.decision_id is 'the decision that taught it';
comment on column recon.aliases.learned_by is 'who decided';
comment on column recon.aliases.learned_at is 'UTC';
comment on column recon.aliases.forgotten_by is 'who removed it';
comment on column recon.aliases.forgotten_at is 'UTC';
comment on column recon.aliases.status is 'in force or forgotten';
comment on column recon.aliases.used is 'payout lines that found their document by it; of a word 0';
