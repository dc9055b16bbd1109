-- recon.provider_movements: what moved on the provider's own account of us, settled or not; nothing is booked from it

create or replace view recon.provider_movements as
select m.source, m.account_id, m.movement_id, m.provider_type, main.local_date(m.event_at, c.time_zone) as event_date, m.currency,
    main.major(m.initial_minor, m.currency) as amount,
    main.major(m.commission_minor + m.repayment_minor + m.reserve_minor - m.deducted_minor, m.currency) as fee,
    main.major(-m.commission_minor - m.repayment_minor - m.reserve_minor, m.currency) as other_deductions,
    main.major(m.result_minor, m.currency) as result,
    case when m.initial_minor + m.deducted_minor is distinct from m.result_minor then main.major(m.result_minor - m.initial_minor - m.deducted_minor, m.currency) end as off,
    m.order_key, m.event_key, coalesce(m.payout_id, l.payout_id) as payout_id, m.event_at
from main.provider_movements as m
cross join main.set_company as c
left join (select source, event_key, provider_type, min(payout_id) as payout_id from main.payout_lines where source in (select source from main.provider_movements) group by all) as l
    on l.source = m.source and l.event_key = m.event_key and l.provider_type = m.provider_type
order by m.source, m.account_id, m.event_at, m.movement_id;

comment on view recon.provider_movements is 'what moved on the provider''s own account of us (Mollie''s balance), settled or not; nothing is booked from it';
comment on column recon.provider_movements.source is 'the configured source';
comment on column recon.provider_movements.account_id is 'the provider''s account of us: a balance, one for each currency';
comment on column recon.provider_movements.movement_id is 'the provider''s ID of it';
comment on column recon.provider_movements.provider_type is 'the provider''s word for it';
comment on column recon.provider_movements.event_date is 'the company''s local date of it';
comment on column recon.provider_movements.currency is 'currency of the amounts';
comment on column recon.provider_movements.amount is 'what moved before anything was deducted; > 0: to us';
comment on column recon.provider_movements.fee is 'what was deducted as a fee; > 0: a cost';
comment on column recon.provider_movements.other_deductions is 'what was deducted and is no fee: commission, repayment of a loan, reserve';
comment on column recon.provider_movements.result is 'what it changed the balance by';
comment on column recon.provider_movements.off is 'by how much the provider''s own arithmetic is off; null: it is right';
comment on column recon.provider_movements.order_key is 'the payment it is of';
comment on column recon.provider_movements.event_key is 'the capture, refund, chargeback or payment it is of';
comment on column recon.provider_movements.payout_id is 'the payout that it is, or that settled it; null: the provider holds it, or it is in no payout''s rows';
comment on column recon.provider_movements.event_at is 'when, in UTC';
