package pipeline

import (
	"context"
	"fmt"

	"github.com/kvitt/kvitt/sql/duck"
)

// A RunDiff is what the books gained between two runs.
type RunDiff struct {
	From, To   DiffEnd
	Accounts   duck.Table // account, name, debit, credit, amount, postings
	Exceptions duck.Table // change (opened, resolved), kind, source, currency, n, amount
	Payouts    duck.Table // source, payout_id, paid_date, currency, amount, status
	Decisions  duck.Table // what people decided or took back
}

// A DiffEnd is the last run that is counted, or not counted any more. The zero value is before every run.
type DiffEnd struct {
	No     int64
	ID     string
	Open   int64 // exceptions, when it ended
	Digest string
}

// FindRun finds a run by its ID, the beginning of one, or its number.
//
// Errors: ErrUsage: there is none.
func FindRun(ctx context.Context, db *duck.DB, ref string) (DiffEnd, error) {
	var e DiffEnd
	found, err := db.One(ctx, `select run_no, run_id, coalesce(exceptions, 0), coalesce(ledger_digest, '') from main.runs
		where run_id = $ref or starts_with(run_id, $ref) or run_no::varchar = $ref order by run_id <> $ref, run_no limit 1`,
		[]any{duck.Named("ref", ref)}, &e.No, &e.ID, &e.Open, &e.Digest)
	if err == nil && (!found || ref == "") {
		err = fmt.Errorf("%w: no run %q; kvitt status lists the last ones", ErrUsage, ref)
	}
	return e, err
}

// DiffRuns says what the runs after from, through to, changed. With one ref, what that run changed.
//
// Errors: ErrUsage.
func DiffRuns(ctx context.Context, db *duck.DB, refs ...string) (RunDiff, error) {
	var d RunDiff
	var ends []DiffEnd
	for _, ref := range refs {
		e, err := FindRun(ctx, db, ref)
		if err != nil {
			return d, err
		}
		ends = append(ends, e)
	}
	switch len(ends) {
	case 1:
		before, err := db.Texts(ctx, "select run_id from main.runs where run_no < $n order by run_no desc limit 1", duck.Named("n", ends[0].No))
		if err != nil {
			return d, err
		}
		if d.To = ends[0]; len(before) == 1 {
			if d.From, err = FindRun(ctx, db, before[0]); err != nil {
				return d, err
			}
		}
	case 2:
		d.From, d.To = ends[0], ends[1]
		if d.From.No > d.To.No {
			d.From, d.To = d.To, d.From
		}
	default:
		return d, fmt.Errorf("%w: one run or two", ErrUsage)
	}
	for _, q := range []struct {
		into  *duck.Table
		query string
	}{
		// Sums of payout lines are kept by class: no line is read.
		{&d.Accounts, `
			select a.account, coalesce(n.name, '') as name, main.major(sum(a.debit)::bigint, c.currency) as debit, main.major(-sum(a.credit)::bigint, c.currency) as credit,
				main.major(sum(a.debit + a.credit)::bigint, c.currency) as amount, sum(a.postings)::bigint as postings
			from (
				select account, sum(greatest(amount_minor, 0)) as debit, sum(least(amount_minor, 0)) as credit, count(*) as postings
				from main.posting_rows where run_no > %[1]d and run_no <= %[2]d group by account
				union all
				select account, sum(greatest(amount_minor, 0)), sum(least(amount_minor, 0)), sum(postings)
				from main.class_sums where run_no > %[1]d and run_no <= %[2]d group by account
			) as a
			left join main.set_accounts as n using (account)
			cross join main.set_company as c
			group by a.account, n.name, c.currency order by a.account`},
		// A line on suspense is an exception from when its payout is booked until it finds its document.
		{&d.Exceptions, `
			with span as (
				select coalesce((select started_at from main.runs where run_no = %[1]d), timestamp '1970-01-01') as since, (select started_at from main.runs where run_no = %[2]d) as until
			),
			changed as (
				select 'opened' as change, kind, source, currency, 1 as n, abs(main.major(amount_minor, currency)) as amount
				from main.exceptions where run_no > %[1]d and run_no <= %[2]d
				union all
				select 'resolved', kind, source, currency, 1, abs(main.major(amount_minor, currency))
				from main.exceptions, span where closed_at > since and closed_at <= until
				union all
				select 'opened', x.kind, x.source, x.currency, x.n, x.amount
				from main.exception_sums as x inner join main.payouts as p on p.source = x.source and p.payout_id = x.payout_id
				where p.booked_run > %[1]d and p.booked_run <= %[2]d
				union all
				select 'resolved', 'unmatched_line', m.source, p.currency, 1, main.major(m.amount_minor, p.currency)
				from main.line_matches as m inner join main.payouts as p on p.source = m.source and p.payout_id = m.payout_id
				where m.run_no > %[1]d and m.run_no <= %[2]d and p.booked_run <= %[1]d and m.state = 'matched'
			)
			select change, kind, source, currency, sum(n)::bigint as n, sum(amount) as amount from changed group by all order by change, n desc, kind, source`},
		{&d.Payouts, `
			select source, payout_id, paid_date, currency, main.major(amount_minor, currency) as amount, status
			from main.payouts
			where booked_run > %[1]d and booked_run <= %[2]d or booked_run is null and run_no > %[1]d and run_no <= %[2]d
			order by paid_date, source, payout_id`},
		{&d.Decisions, `
			select decision_id, decided_at, decided_by, action, kind as exception_kind, document_id, reason, case when undone_run is null then 'in force' else 'undone' end as status
			from main.decisions where run_no > %[1]d and run_no <= %[2]d or undone_run > %[1]d and undone_run <= %[2]d order by decided_at`},
	} {
		var err error
		if *q.into, _, err = db.Table(ctx, fmt.Sprintf(q.query, d.From.No, d.To.No), 0); err != nil {
			return d, err
		}
	}
	return d, nil
}
