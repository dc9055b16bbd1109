package transform

import (
	"fmt"
	"time"

	"github.com/kvitt/kvitt/sql/duck"
)

// A matchRow is a row of line_matches.
type matchRow struct {
	LineID     string `json:"line_id"`
	Source     string `json:"source"`
	PayoutID   string `json:"payout_id"`
	DocumentID string `json:"document_id"`
	Rung       string `json:"rung"`
	State      string `json:"state"`
	Amount     int64  `json:"amount_minor"`
	Before     int64  `json:"before_minor"`
	Rounding   int64  `json:"rounding_minor"`
	Evidence   string `json:"evidence"`
	RunNo      int64  `json:"run_no"`
}

// An issueRow is a row of line_issues.
type issueRow struct {
	LineID     string `json:"line_id"`
	Source     string `json:"source"`
	PayoutID   string `json:"payout_id"`
	Kind       string `json:"kind"`
	Reason     string `json:"reason"`
	Evidence   string `json:"evidence"`
	Suggestion string `json:"suggestion"`
}

// match decides which document each line of work_lines settles: the plain cases in SQL,
// the rest on the ladder.
func (b *booking) match() {
	b.exec("forget what is decided anew", `
		delete from line_matches where line_id in (select line_id from work_lines);
		delete from line_issues where line_id in (select line_id from work_lines);
		insert into line_matches by name
		select line_id, source, payout_id, document_id, 'event_id' as rung,
			case state when 'held' then 'held_document' else 'matched' end as state,
			amount as amount_minor, 0 as before_minor, 0 as rounding_minor, evidence, (select run_no from this_run) as run_no
		from plain_matches;
		insert into line_matches by name
		select line_id, source, payout_id, document_id, 'decision' as rung,
			case when state = 'held' then 'held_document' when document_kind = 'order' then 'not_delivered' else 'matched' end as state,
			amount - rounds as amount_minor, before as before_minor, case document_kind when 'refund' then -rounds else rounds end as rounding_minor,
			'decision ' || decision_id as evidence, (select run_no from this_run) as run_no
		from (
			select d.*, case when d.state <> 'held' and d.document_kind <> 'order' and abs(d.amount - (d.document_amount - d.before)) <= (select tolerance from set_company)
				then d.amount - (d.document_amount - d.before) else 0 end as rounds
			from (
				select d.*, coalesce(s.amount, 0) + coalesce(sum(d.amount) over (partition by d.document_id order by d.paid_date, d.line_id rows between unbounded preceding and 1 preceding), 0) as before
				from decided_matches as d
				left join settled as s using (document_id)
			) as d
		)`)
	if b.err != nil {
		return
	}
	book := &OpenItems{Amount: map[string]int64{}, Settled: map[string]int64{}, Delivered: map[string]int64{}}
	var lines []Line
	err := b.db.Each(b.ctx, `
		select c.line_id::varchar, c.source, c.payout_id, coalesce(c.settles, ''), c.amount, coalesce(c.event_at, timestamp '1970-01-01'), c.row_off,
			c.rung, c.evidence, c.document_id, c.document_kind, c.state, coalesce(c.document_amount, 0), coalesce(c.document_at, timestamp '1970-01-01'), coalesce(c.order_id, ''), c.same_currency, c.is_shop, c.is_converted
		from candidates as c
		where c.line_id not in (select line_id from plain_matches)
		order by c.paid_date, c.source, c.payout_id, c.line_id, c.rung, c.document_id`,
		func(scan func(...any) error) error {
			var l Line
			var c Candidate
			var at, docAt time.Time
			var amount, lineAmount int64
			if err := scan(&l.ID, &l.Source, &l.Payout, &l.Settles, &lineAmount, &at, &l.RowOff,
				&c.Rung, &c.Evidence, &c.Document, &c.Kind, &c.State, &amount, &docAt, &c.OrderID, &c.SameCurrency, &c.Shop, &c.Converted); err != nil {
				return err
			}
			l.Amount, l.At, c.At = lineAmount, at, docAt
			book.Amount[c.Document] = amount
			if len(lines) == 0 || lines[len(lines)-1].ID != l.ID {
				lines = append(lines, l)
			}
			last := &lines[len(lines)-1]
			if c.Converted {
				last.Amount, last.Converted = lineAmount, true
			}
			last.Candidates = append(last.Candidates, c)
			return nil
		})
	if err == nil && len(lines) > 0 {
		err = b.db.Each(b.ctx, `
			select document_id, amount from settled
			union all
			select document_id, amount from plain_matches where state <> 'held'
			union all
			select document_id, amount from decided_matches where state <> 'held'`,
			func(scan func(...any) error) error {
				var id string
				var n int64
				if err := scan(&id, &n); err != nil {
					return err
				}
				book.Settled[id] += n
				return nil
			})
	}
	if err == nil && len(lines) > 0 {
		err = b.db.Each(b.ctx, `
			select d.source || '/' || d.order_id, sum(d.amount_minor)::bigint
			from documents as d
			where d.kind = 'delivery' and d.source || '/' || d.order_id in (select order_id from candidates where document_kind = 'order')
			group by all`,
			func(scan func(...any) error) error {
				var id string
				var n duck.NullInt64
				if err := scan(&id, &n); err != nil {
					return err
				}
				book.Delivered[id] = n.Int64
				return nil
			})
	}
	if err != nil {
		b.err = fmt.Errorf("transform: match: %w", err)
		return
	}
	run := b.count("select run_no from this_run")
	matches, issues := Climb(lines, book, b.tolerance)
	var rows []matchRow
	for _, m := range matches {
		rows = append(rows, matchRow{m.Line, m.Source, m.Payout, m.Document, m.Rung, m.State, m.Amount, m.Before, m.Rounding, m.Evidence, run})
	}
	var whys []issueRow
	for _, i := range issues {
		whys = append(whys, issueRow{i.Line, i.Source, i.Payout, i.Kind, i.Reason, i.Evidence, i.Suggestion})
	}
	b.insert("line_matches", rows)
	b.insert("line_issues", whys)
	// A document of the same amount about the same day is a hint, never a match.
	b.exec("near candidates", `
		insert into line_issues by name
		select w.line_id, w.source, w.payout_id, 'unmatched_line' as kind,
			'no document carries any of its references' as reason,
			'same amount within 14 days: ' || string_agg(d.document_id, '; ' order by d.document_id) as evidence,
			'look at the documents listed; match by hand if one of them is meant' as suggestion
		from work_lines as w
		inner join documents as d on d.kind = w.settles and d.amount_minor = w.amount and d.currency = w.currency and d.source = w.source
			and d.event_at between w.event_at - interval 14 days and w.event_at + interval 14 days
		inner join document_states as s on s.document_id = d.document_id and s.state = 'booked'
		where w.line_id not in (select line_id from line_matches)
			and w.line_id not in (select line_id from line_issues)
			and d.document_id not in (select document_id from line_matches where state = 'matched')
		group by w.line_id, w.source, w.payout_id
		having count(*) <= 5`)
}
