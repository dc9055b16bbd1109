-- recon.bank_lines: one row per movement of a bank statement that is a payout or names a provider

create or replace view recon.bank_lines as
with found as (
    select line_id, min(source) as source, string_agg(payout_id, ', ' order by payout_id) as payout_id, min(how) as how, sum(difference_minor)::bigint as difference
    from main.bank_matches
    group by line_id
)
select r.line_id, r.account, r.booked_date, r.value_date, r.currency, main.major(r.amount_minor, r.currency) as amount,
    nullif(r.provider, '') as provider, m.source, m.payout_id, m.how as match_rule, main.major(m.difference, r.currency) as difference,
    case when m.line_id is null then 'no_report' when m.difference <> 0 then 'amount_differs' else 'matched' end as verdict,
    r.reference, r.text, r.party, b.sha256 as archive_sha256, r.locator, r.amount_minor
from main.bank_rows as r
left join found as m using (line_id)
left join main.blobs as b on b.blob_id = r.blob_id
where m.line_id is not null or r.provider <> ''
order by r.booked_date, r.line_id;

comment on view recon.bank_lines is 'one row per movement of a bank statement that is a payout or names a provider';
comment on column recon.bank_lines.line_id is 'derived from what the bank says of it; equal movements of a statement are numbered';
comment on column recon.bank_lines.account is 'the bank account: IBAN, or the bank''s own number';
comment on column recon.bank_lines.booked_date is 'the day the bank booked it';
comment on column recon.bank_lines.value_date is 'the day it bears interest from';
comment on column recon.bank_lines.currency is 'its currency';
comment on column recon.bank_lines.amount is 'major units; > 0 came in';
comment on column recon.bank_lines.provider is 'the provider that its text or payer names; null: none';
comment on column recon.bank_lines.source is 'the configured source whose payout it is';
comment on column recon.bank_lines.payout_id is 'the payout, or payouts, that it is';
comment on column recon.bank_lines.match_rule is 'reference, or amount_date: amount, date and the provider''s name';
comment on column recon.bank_lines.difference is 'the line less its payouts';
comment on column recon.bank_lines.verdict is 'matched, amount_differs, or no_report: the provider paid, and no report says so';
comment on column recon.bank_lines.reference is 'the bank''s own reference';
comment on column recon.bank_lines.text is 'what was said with it';
comment on column recon.bank_lines.party is 'who paid, or was paid';
comment on column recon.bank_lines.archive_sha256 is 'the statement, by SHA-256';
comment on column recon.bank_lines.locator is 'where in it';
comment on column recon.bank_lines.amount_minor is 'amount in minor units';
