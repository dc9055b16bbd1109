-- recon.scores: how complete the books of a source were at the end of a run

create or replace view recon.scores as
select r.run_id, r.finished_at, s.source, s.currency, s.payouts, s.missing,
    (s.completeness_bp * 0.01::decimal(3, 2))::decimal(9, 2) as completeness, s.settled, s.p50_days, s.p99_days,
    (s.cleared_bp * 0.01::decimal(3, 2))::decimal(9, 2) as cleared, main.major(s.unexplained_minor, s.currency) as unexplained, s.run_no
from main.run_scores as s
inner join main.runs as r using (run_no)
order by s.run_no, s.source, s.currency;

comment on view recon.scores is 'how complete the books of a source were at the end of a run';
comment on column recon.scores.run_id is 'the run';
comment on column recon.scores.finished_at is 'UTC';
comment on column recon.scores.source is 'the configured source, e.g. klarna';
comment on column recon.scores.currency is 'the currency settled in';
comment on column recon.scores.payouts is 'payouts that were here';
comment on column recon.scores.missing is 'payouts known to be missing, wholly or in part';
comment on column recon.scores.completeness is 'percent of the payouts known of that were here, with all their rows';
comment on column recon.scores.settled is 'deliveries that the run found settled';
comment on column recon.scores.p50_days is 'days from delivery to payout: half of them took no longer';
comment on column recon.scores.p99_days is 'days from delivery to payout: 99 % of them took no longer';
comment on column recon.scores.cleared is 'percent of the sale and refund lines of all payouts that found their document';
comment on column recon.scores.unexplained is 'major units: what recon.proof could not explain; anything but 0.00 is wrong';
comment on column recon.scores.run_no is 'number of the run, in order of time';
