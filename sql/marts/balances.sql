-- recon.balances: one row per account

create or replace view recon.balances as
select b.account, coalesce(a.name, '') as name, main.major(b.minor, c.currency) as balance, b.postings, b.minor as balance_minor
from (
    select account, sum(minor)::bigint as minor, sum(postings)::bigint as postings
    from (
        select account, sum(amount_minor) as minor, count(*) as postings from main.posting_rows group by account
        union all
        select account, sum(amount_minor), sum(postings) from main.class_sums group by account
    )
    group by account
) as b
cross join main.set_company as c
left join main.set_accounts as a using (account)
order by b.account;

comment on view recon.balances is 'one row per account';
comment on column recon.balances.account is 'account number';
comment on column recon.balances.name is 'what it is called';
comment on column recon.balances.balance is 'company currency, major units; debit > 0';
comment on column recon.balances.postings is 'how many postings it holds';
comment on column recon.balances.balance_minor is 'balance in minor units';
