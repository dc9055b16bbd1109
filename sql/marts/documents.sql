-- recon.documents: one row per order, delivery, refund, payout and chargeback

create or replace view recon.documents as
with receivable as (
    select document_id, sum(amount_currency_minor)::bigint as minor from main.postings where role = 'receivable' group by document_id
)
select d.document_id, d.kind, d.source, d.order_id, d.order_number, d.event_date, d.currency,
    main.major(case d.kind when 'refund' then -d.amount_minor else d.amount_minor end, d.currency) as amount,
    main.major(coalesce(r.minor, 0), d.currency) as open_amount,
    case when d.kind = 'order' then lower(d.status) when s.state = 'booked' then case when coalesce(r.minor, 0) = 0 then 'settled' else 'open' end else s.state end as status,
    case d.kind when 'refund' then -d.amount_minor else d.amount_minor end as amount_minor, coalesce(r.minor, 0) as open_amount_minor
from main.documents as d
left join main.document_states as s using (document_id)
left join receivable as r using (document_id)
union all
select p.document_id, 'payout', p.source, null, null, p.paid_date, p.currency, main.major(p.amount_minor, p.currency), main.major(coalesce(r.minor, 0), p.currency), p.status,
    p.amount_minor, coalesce(r.minor, 0)
from main.payouts as p
left join receivable as r using (document_id)
union all
select l.source || '/chargeback/' || coalesce(l.event_key, l.line_id::varchar), 'chargeback', l.source, l.order_key, l.order_reference,
    main.local_date(l.event_at, c.time_zone), l.currency, main.major(l.gross_minor, l.currency), 0::decimal(18, 2), p.status, l.gross_minor, 0
from main.payout_lines as l
inner join main.payouts as p on p.source = l.source and p.payout_id = l.payout_id
inner join main.line_words as w on w.source = l.source and w.kind in ('chargeback', 'chargeback_reversed')
    and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
    and coalesce(p.booked_run, 2147483647) between w.from_run and coalesce(w.to_run, 2147483647)
cross join main.set_company as c;

comment on view recon.documents is 'one row per order, delivery, refund, payout and chargeback';
comment on column recon.documents.document_id is 'source/kind/the source''s own ID';
comment on column recon.documents.kind is 'order, delivery, refund, payout or chargeback';
comment on column recon.documents.source is 'the configured source, e.g. klarna';
comment on column recon.documents.order_id is 'the provider''s ID of the order';
comment on column recon.documents.order_number is 'the shop''s number of the order';
comment on column recon.documents.event_date is 'the company''s local date it happened';
comment on column recon.documents.currency is 'its currency';
comment on column recon.documents.amount is 'major units, as it moves what the provider owes: a delivery > 0, a refund or chargeback < 0; a payout > 0 reached the bank';
comment on column recon.documents.open_amount is 'major units: what the receivable account holds of it; < 0 on an order that is paid, not delivered';
comment on column recon.documents.status is 'open, settled, held, not_ours (its flow is off), adopted (another source delivered it first), the provider''s word for an order, or the payout''s status';
comment on column recon.documents.amount_minor is 'amount in minor units';
comment on column recon.documents.open_amount_minor is 'open_amount in minor units';
