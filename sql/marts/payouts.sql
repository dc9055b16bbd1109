-- recon.payouts: one row per payout and currency

create or replace view recon.payouts as
select p.source, p.payout_id, p.bank_reference, p.paid_date, p.currency, main.major(p.amount_minor, p.currency) as amount,
    main.major(p.sales_minor, p.currency) as sales, main.major(p.refunds_minor, p.currency) as refunds,
    main.major(p.fees_minor, p.currency) as fees, main.major(p.fee_vat_minor, p.currency) as fee_vat,
    main.major(p.other_minor, p.currency) as other, main.major(p.difference_minor, p.currency) as difference,
    p.lines, coalesce(p.matched, 0) as matched, coalesce(p.unmatched, 0) as unmatched, p.status, p.why as reason,
    p.document_id, main.major(p.opening_minor, p.currency) as opening, main.major(p.closing_minor, p.currency) as closing, p.amount_minor
from main.payouts as p
order by p.paid_date, p.source, p.payout_id;

comment on view recon.payouts is 'one row per payout and currency';
comment on column recon.payouts.source is 'the configured source, e.g. klarna';
comment on column recon.payouts.payout_id is 'the provider''s ID; Adyen: merchant account/batch/currency';
comment on column recon.payouts.bank_reference is 'what the bank statement shows';
comment on column recon.payouts.paid_date is 'the company''s local date';
comment on column recon.payouts.currency is 'its currency';
comment on column recon.payouts.amount is 'major units; > 0 reached the bank';
comment on column recon.payouts.sales is 'gross of its sale lines';
comment on column recon.payouts.refunds is 'gross of its refund lines, < 0';
comment on column recon.payouts.fees is 'cost > 0, without reported VAT';
comment on column recon.payouts.fee_vat is 'VAT reported on the fees';
comment on column recon.payouts.other is 'gross of all other lines: chargebacks, reserves, loans, carried balances';
comment on column recon.payouts.difference is 'by how much its rows miss its totals; 0.00 adds up';
comment on column recon.payouts.lines is 'how many rows it has';
comment on column recon.payouts.matched is 'sale and refund lines with their document';
comment on column recon.payouts.unmatched is 'sale and refund lines of a booked payout without one; those of a source with unmatched = "receivable" are not checked and not counted';
comment on column recon.payouts.status is 'booked, held or pending (not all its rows are here)';
comment on column recon.payouts.reason is 'why it is held or pending';
comment on column recon.payouts.document_id is 'its document';
comment on column recon.payouts.opening is 'what the provider carried in; a debt to it < 0';
comment on column recon.payouts.closing is 'what it carried on';
comment on column recon.payouts.amount_minor is 'amount in minor units';
