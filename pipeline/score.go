package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/sql/duck"
)

// scoreNames are the scores of a source and currency, as columns of run_scores and as the last
// part of a count's name in the manifest: a rebuild takes them from there.
var scoreNames = []string{"payouts", "missing", "completeness_bp", "settled", "p50_days", "p99_days", "cleared_bp", "unexplained_minor"}

// score says how complete the books are at the end of a run: of the payouts that should be here how
// many are; how long what this run settled had been open; how much of what payouts settle found its
// document; and what the proof cannot explain.
func (w *work) score(ctx context.Context) (map[string]int64, error) {
	settled := "select null::varchar as source, null::varchar as currency, 0::bigint as settled, null::bigint as p50_days, null::bigint as p99_days where false"
	if w.booked {
		since, err := w.touchedSince(ctx)
		if err != nil {
			return nil, err
		}
		settled = `select l.source, l.currency, count(*) as settled,
				quantile_disc(p.paid_date - d.event_date, 0.5)::bigint as p50_days, quantile_disc(p.paid_date - d.event_date, 0.99)::bigint as p99_days
			from line_matches as m
			inner join payout_lines as l on l.line_id = m.line_id
			inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
			inner join documents as d on d.document_id = m.document_id and d.kind = 'delivery'
			where m.run_no = (select run_no from this_run) and m.state = 'matched' and l.run_no >= ` + fmt.Sprint(since) + `
			group by l.source, l.currency`
	}
	if err := w.db.Exec(ctx, `
		delete from run_scores where run_no = (select run_no from this_run);
		insert into run_scores by name
		with paid as (
			select source, currency, count(*) as payouts, count(*) filter (status = 'pending') as pending,
				sum(coalesce(matched, 0))::bigint as matched, sum(coalesce(unmatched, 0))::bigint as unmatched
			from payouts where currency is not null group by source, currency
		),
		absent as (select source, currency, sum(missing)::bigint as missing from recon.completeness where missing > 0 group by source, currency),
		settled as (`+settled+`),
		proof as (select source, currency, arg_max(unexplained_minor, date) as unexplained from recon.proof group by source, currency)
		select r.run_no, k.source, k.currency, coalesce(p.payouts, 0) as payouts, coalesce(a.missing, 0) + coalesce(p.pending, 0) as missing,
			case when coalesce(p.payouts, 0) + coalesce(a.missing, 0) > 0
				then (p.payouts - p.pending) * 10000 // (p.payouts + coalesce(a.missing, 0)) end as completeness_bp,
			coalesce(s.settled, 0) as settled, s.p50_days, s.p99_days,
			case when p.matched + p.unmatched > 0 then p.matched * 10000 // (p.matched + p.unmatched) end as cleared_bp,
			x.unexplained as unexplained_minor
		from (select source, currency from paid union select source, currency from proof) as k
		cross join this_run as r
		left join paid as p on p.source = k.source and p.currency = k.currency
		left join absent as a on a.source = k.source and a.currency = k.currency
		left join settled as s on s.source = k.source and s.currency = k.currency
		left join proof as x on x.source = k.source and x.currency = k.currency`); err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, name := range scoreNames {
		if err := w.db.Each(ctx, "select source, currency, "+name+" from run_scores where run_no = (select run_no from this_run) and "+name+" is not null", func(scan func(...any) error) error {
			var source, currency string
			var n int64
			if err := scan(&source, &currency, &n); err != nil {
				return err
			}
			out[fmt.Sprintf("score/%s/%s/%s", source, currency, name)] = n
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// restoreScores puts back what a run's manifest says of its scores.
func (w *work) restoreScores(ctx context.Context, counts map[string]int64) error {
	type key struct{ source, currency string }
	rows := map[key]map[string]any{}
	for name, n := range counts {
		part := strings.Split(name, "/")
		if len(part) != 4 || part[0] != "score" {
			continue
		}
		k := key{part[1], part[2]}
		if rows[k] == nil {
			rows[k] = map[string]any{}
		}
		rows[k][part[3]] = n
	}
	for k, row := range rows {
		values := []string{strconv.FormatInt(w.runNo, 10), duck.Quote(k.source), duck.Quote(k.currency)}
		for _, name := range scoreNames {
			v := "null"
			if n, ok := row[name]; ok {
				v = fmt.Sprint(n)
			}
			values = append(values, v)
		}
		if err := w.db.Exec(ctx, "insert into run_scores (run_no, source, currency, "+strings.Join(scoreNames, ", ")+") values ("+strings.Join(values, ", ")+")"); err != nil {
			return err
		}
	}
	return nil
}
