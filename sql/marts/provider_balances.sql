-- recon.provider_balances: what the provider held for us each time it was asked, and whether what moved since the time before explains it

create or replace view recon.provider_balances as
with
asked as (
    select *, available_minor + pending_minor as total_minor,
        lag(asked_at) over w as since, lag(available_minor + pending_minor) over w as before_minor
    from main.provider_balances
    window w as (partition by source, account_id order by asked_at, blob_id)
),
moved as (
    select a.source, a.account_id, a.blob_id, sum(m.result_minor)::bigint as minor
    from asked as a
    inner join main.provider_movements as m on m.source = a.source and m.account_id = a.account_id and m.event_at > a.since and m.event_at <= a.asked_at
    group by a.source, a.account_id, a.blob_id
)
select a.source, a.account_id, a.currency, a.asked_at, main.major(a.available_minor, a.currency) as available, main.major(a.pending_minor, a.currency) as pending,
    main.major(a.total_minor, a.currency) as total, a.since, main.major(case when a.since is not null then coalesce(m.minor, 0) end, a.currency) as moved,
    main.major(a.total_minor - a.before_minor - coalesce(m.minor, 0), a.currency) as unexplained
from asked as a
left join moved as m on m.source = a.source and m.account_id = a.account_id and m.blob_id = a.blob_id
order by a.source, a.account_id, a.asked_at;

comment on view recon.provider_balances is 'what the provider held for us (Mollie''s balance) each time it was asked, and whether what moved since the time before explains it';
comment on column recon.provider_balances.source is 'the configured source';
comment on column recon.provider_balances.account_id is 'the provider''s account of us: a balance, one for each currency';
comment on column recon.provider_balances.currency is 'currency of the amounts';
comment on column recon.provider_balances.asked_at is 'when it was asked, in UTC';
comment on column recon.provider_balances.available is 'what it may pay out';
comment on column recon.provider_balances.pending is 'what it holds a while yet';
comment on column recon.provider_balances.total is 'available + pending';
comment on column recon.provider_balances.since is 'when it was asked before; null: never';
comment on column recon.provider_balances.moved is 'what recon.provider_movements add up to since then';
comment on column recon.provider_balances.unexplained is 'by how much the balance moved otherwise: 0.00, unless something moved that was not listed yet';
