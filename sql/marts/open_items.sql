-- recon.open_items: one row per document that the provider has not settled, or has paid before its delivery

create or replace view recon.open_items as
with receivable as (
    select document_id, any_value(source) as source, any_value(currency) as currency, min(book_date) as book_date, sum(amount_currency_minor)::bigint as minor
    from main.postings where role = 'receivable' group by document_id having sum(amount_currency_minor) <> 0
),
today as (select main.local_date(max(started_at), any_value(c.time_zone)) as day from main.runs, main.set_company as c)
select r.source, r.document_id, coalesce(d.kind, 'payout') as kind, coalesce(d.event_date, r.book_date) as event_date, r.currency,
    main.major(r.minor, r.currency) as amount, (t.day - coalesce(d.event_date, r.book_date))::integer as age_days, d.order_number, r.minor as amount_minor
from receivable as r
left join main.documents as d using (document_id)
cross join today as t
order by event_date, r.document_id;

comment on view recon.open_items is 'one row per document that the provider has not settled, or has paid before its delivery';
comment on column recon.open_items.source is 'the configured source, e.g. klarna';
comment on column recon.open_items.document_id is 'the document';
comment on column recon.open_items.kind is 'delivery, refund, or order (paid, not delivered)';
comment on column recon.open_items.event_date is 'the company''s local date';
comment on column recon.open_items.currency is 'its currency';
comment on column recon.open_items.amount is 'major units; > 0 the provider owes us';
comment on column recon.open_items.age_days is 'days from the event to the last run';
comment on column recon.open_items.order_number is 'the shop''s number of the order';
comment on column recon.open_items.amount_minor is 'amount in minor units';
