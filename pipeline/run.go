package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// A Result says what one command did.
type Result struct {
	RunID      string   `json:"run_id"`
	Records    int64    `json:"records"` // answers and files that were new
	Entries    int64    `json:"entries"`
	Postings   int64    `json:"postings"`
	Posted     int64    `json:"posted"`
	Exceptions int64    `json:"exceptions"` // open
	Held       int64    `json:"held"`       // payouts
	Digest     string   `json:"ledger_digest"`
	Gone       []string `json:"gone,omitempty"` // IDs that the source does not know
	Unread     []Unread `json:"-"`              // hints that are worth another try
}

// NeedsPerson reports whether something is left for a person to do.
func (r Result) NeedsPerson() bool { return r.Exceptions > 0 || r.Held > 0 || len(r.Gone) > 0 }

// Run takes what sel asks for from the sources to the published ledger, and posts it when
// post is set. What was read is booked and published even if a source failed; the error
// then says which, and running again continues.
func (p *Project) Run(ctx context.Context, command string, sel Selection, post bool) (Result, error) {
	w, err := p.open(ctx, command)
	if err != nil {
		return Result{}, err
	}
	defer w.close()
	if err := w.askLock(ctx, post); err != nil {
		return Result{}, err
	}
	if err := w.begin(ctx, command); err != nil {
		return Result{}, err
	}
	if p.StepBack {
		watch, stop := context.WithCancel(ctx)
		defer stop()
		go w.stepBack(watch)
	}
	res := Result{RunID: w.runID}
	fetched, fetchErr := w.extractSelected(ctx, sel, &res)
	res.Records = fetched
	if ctx.Err() != nil {
		return res, fmt.Errorf("stopped: %w; what was fetched is kept, run again to continue", ctx.Err())
	}
	if isFatal(fetchErr) {
		return res, fetchErr
	}
	if err := w.bookAndPublish(ctx, command, post, &res, fetchErr); err != nil {
		return res, errors.Join(fetchErr, err)
	}
	return res, fetchErr
}

func (w *work) bookAndPublish(ctx context.Context, command string, post bool, res *Result, fetchErr error) error {
	if err := w.commit(); err != nil {
		return err
	}
	staged := w.phase("stage")
	_, err := w.stage(ctx)
	staged()
	if err != nil {
		return err
	}
	st, err := w.book(ctx, command)
	if err != nil {
		return err
	}
	res.Entries, res.Postings, res.Digest = st.Entries, st.Postings, st.Digest
	var postErr error
	if post {
		res.Posted, postErr = w.post(ctx, "")
	}
	if err := w.finish(ctx, command, res, errors.Join(fetchErr, postErr)); err != nil {
		return errors.Join(postErr, err)
	}
	return errors.Join(postErr, w.followERP(ctx, res))
}

// followERP books, in a run of its own, what the ERP made of what was posted: VAT rounded otherwise. A run that is
// killed before leaves it to the next one.
func (w *work) followERP(ctx context.Context, res *Result) error {
	if !w.behind {
		return nil
	}
	w.writeTally()
	w.lock.release()
	w.lock = nil
	took := w.took
	w, err := w.Project.open(ctx, "post")
	if errors.Is(err, ErrLocked) {
		return nil // whoever holds it now books it
	}
	if err != nil {
		return err
	}
	defer w.close()
	w.took = took
	if err := w.begin(ctx, "post"); err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		return err
	}
	if _, err := w.stage(ctx); err != nil {
		return err
	}
	st, err := w.book(ctx, "post")
	if err != nil {
		return err
	}
	next := *res
	next.RunID, next.Records, next.Posted = w.runID, 0, 0
	next.Entries, next.Postings, next.Digest = st.Entries, st.Postings, st.Digest
	if err := w.finish(ctx, "post", &next, nil); err != nil {
		return err
	}
	res.Entries, res.Postings, res.Digest = res.Entries+next.Entries, res.Postings+next.Postings, next.Digest
	res.Exceptions, res.Held = next.Exceptions, next.Held
	return nil
}

// book books what is staged, in one transaction with the row of this run.
func (w *work) book(ctx context.Context, command string) (transform.Stats, error) {
	defer w.phase("book")()
	var st transform.Stats
	start := w.Wall()
	if err := w.unpublished(); err != nil {
		return st, err
	}
	// Only a report's rows must stay in order: lineage counts them.
	if err := w.db.Ordered(ctx, false); err != nil {
		return st, err
	}
	err := w.db.Tx(ctx, func() (err error) {
		if st, err = transform.Book(ctx, w.Log, w.Wall, w.db, w.Settings.Tolerance); err != nil {
			return err
		}
		if err := w.db.Exec(ctx, "create or replace temp table pages as select book, book_date, since from touched_books"); err != nil {
			return err
		}
		if err := w.noticeScheme(ctx); err != nil {
			return err
		}
		// Booked is planned, in one step: what a kill leaves booked and unplanned would never be posted.
		w.Log.Debug("ruled", "took", w.Wall().Sub(start))
		if err := w.replan(ctx); err != nil {
			return err
		}
		w.Log.Debug("planned", "took", w.Wall().Sub(start))
		journal, err := w.db.Texts(ctx, fmt.Sprintf("select hash from journal_hashes where run_no = %d", w.runNo))
		if err != nil {
			return err
		}
		w.Log.Debug("hashed", "took", w.Wall().Sub(start))
		hash := "0"
		if len(journal) == 1 {
			hash = journal[0]
		}
		return w.db.Exec(ctx, `
			insert into runs by name
			select r.run_no, $id as run_id, $command as command, r.began as started_at, 'booked' as status, 0 as records,
				$entries::bigint as entries, $postings::bigint as postings, 0 as posted, 0 as exceptions,
				$config as config_digest, $digest as ledger_digest,
				coalesce($journal, '0') as journal_hash
			from this_run as r`,
			duck.Named("id", w.runID), duck.Named("command", command), duck.Named("entries", st.Entries), duck.Named("postings", st.Postings),
			duck.Named("config", w.ConfigDigest), duck.Named("digest", st.Digest), duck.Named("journal", hash))
	})
	if err != nil {
		return st, fmt.Errorf("book: %w", err)
	}
	w.booked = true
	w.Log.Info("booked", "entries", st.Entries, "postings", st.Postings, "took", w.Wall().Sub(start).Round(time.Millisecond))
	return st, nil
}

// noticeScheme plans everything anew that is not posted when the ERP, its mode or the aggregation is another than before:
// what was planned for the old one would never be sent.
func (w *work) noticeScheme(ctx context.Context) error {
	now := w.TargetName
	if w.Outbox != nil {
		now += " " + w.scheme()
	}
	before, err := w.db.Texts(ctx, "select value from meta where name = 'erp_scheme'")
	if err != nil || len(before) == 1 && before[0] == now {
		return err
	}
	if err := w.db.Exec(ctx, "delete from meta where name = 'erp_scheme'"); err != nil {
		return err
	}
	if err := w.db.Exec(ctx, "insert into meta values ('erp_scheme', $v)", duck.Named("v", now)); err != nil || len(before) == 0 {
		return err
	}
	w.Log.Info("the ERP or its mode was changed: everything that is not posted is planned anew", "from", before[0], "to", now)
	return w.db.Exec(ctx, `delete from erp_documents where status in ('planned', 'failed');
		create or replace temp table pages as select distinct book, book_date, 0 as since from postings`)
}

// finish publishes the ledger and closes the run in the archive.
func (w *work) finish(ctx context.Context, command string, res *Result, failed error) error {
	var err error
	if w.Outbox != nil {
		n, err := w.db.Count(ctx, "select count(*) from todo_documents")
		if err != nil {
			return err
		}
		w.behind = n > 0
	}
	if w.booked {
		// What a killed run booked was never counted, and nothing says which payouts it touched.
		// Another setting for lines without a document, or for loans, changes what every line reads as.
		anew, err := w.readsAnew(ctx)
		if err != nil {
			return err
		}
		if anew || !w.wasComplete {
			if err := w.lookAtEverything(ctx); err != nil {
				return err
			}
		}
		if err := w.countLines(ctx, touchedPayouts); err != nil {
			return err
		}
	}
	if err := w.matchBank(ctx); err != nil {
		return fmt.Errorf("bank: %w", err)
	}
	scores, err := w.score(ctx)
	if err != nil {
		return fmt.Errorf("score: %w", err)
	}
	if res.Exceptions, err = w.db.Count(ctx, `select (select count(*) from exceptions where status = 'open')
		+ (select coalesce(sum(line_exceptions), 0) from payouts)`); err != nil {
		return err
	}
	// A held payout that a person said to leave is nobody's business any more.
	if res.Held, err = w.db.Count(ctx, `select count(*) from payouts as p where p.status = 'held'
		and not exists (select 1 from decided as x where x.document_id = p.document_id and x.line_id is null and x.action = 'ignore' and x.kind = p.why_kind)`); err != nil {
		return err
	}
	debit, err := w.db.Count(ctx, `select (
			select coalesce(sum(amount_minor), 0) from posting_rows where amount_minor > 0 and run_no = (select run_no from this_run)
		)::bigint + (select coalesce(sum(amount_minor), 0) from class_sums where amount_minor > 0 and run_no = (select run_no from this_run))::bigint`)
	if err != nil {
		return err
	}
	w.Log.Debug("counted")
	status := "done"
	switch {
	case failed != nil:
		status = "failed"
	case res.NeedsPerson():
		status = "needs_a_person"
	}
	finished := w.Now().UTC()
	if err := w.db.Exec(ctx, `update runs set finished_at = $at::timestamp, status = $status, records = $records::bigint, posted = $posted::bigint, exceptions = $exceptions::bigint
		where run_no = $n::integer`, duck.Named("at", finished.Format(timestamp)), duck.Named("status", status), duck.Named("records", res.Records),
		duck.Named("posted", res.Posted), duck.Named("exceptions", res.Exceptions), duck.Named("n", w.runNo)); err != nil {
		return err
	}
	if err := w.publish(ctx, false); err != nil {
		return fmt.Errorf("publish: %w; the ledger itself is safe, run again to publish it", err)
	}
	m := archive.Manifest{RunID: w.runID, Command: command, By: w.By, DebitMinor: debit, StartedAt: w.began, FinishedAt: finished, CodeVersion: w.Version,
		ConfigDigest: w.ConfigDigest, LedgerDigest: res.Digest, JournalDigest: w.journal, Entries: res.Entries, Postings: res.Postings, Status: status,
		Counts: map[string]int64{"records": res.Records, "posted": res.Posted, "exceptions": res.Exceptions, "held": res.Held}}
	maps.Copy(m.Counts, scores)
	if _, err := w.run.Finish(m); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	w.run = nil
	return nil
}

// countLines counts, for the payouts that touched makes a table of, the lines that found their document and
// those that need a person; the other payouts have what they had.
func (w *work) countLines(ctx context.Context, touched string) error {
	if err := w.db.Exec(ctx, touched); err != nil {
		return err
	}
	since, err := w.touchedSince(ctx)
	if err != nil {
		return err
	}
	return w.db.Exec(ctx, strings.ReplaceAll(`
		delete from exception_sums where (source, payout_id) in (select (source, payout_id) from touched);
		insert into exception_sums by name
			select t.source, t.payout_id, x.*
			from (
				select x.document_id, x.kind, x.currency, x.opened_at, count(*) as n, sum(abs(x.amount)) as amount
				from recon.exceptions as x
				where x.line_id is not null and x.status = 'open' and x.run_no >= {{since}}
					and x.document_id in (select document_id from touched)
				group by x.document_id, x.kind, x.currency, x.opened_at
			) as x
			inner join touched as t on t.document_id = x.document_id;
		delete from verdict_sums where (source, payout_id) in (select (source, payout_id) from touched);
		insert into verdict_sums by name
			select source, payout_id, kind, verdict, count(*) as lines, sum(gross) as gross, sum(fee) as fee, sum(fee_vat) as fee_vat, sum(net) as net
			from recon.payout_lines
			where run_no >= {{since}} and (source, payout_id) in (select (source, payout_id) from touched)
			group by source, payout_id, kind, verdict;
		delete from sale_days where (source, payout_id) in (select (source, payout_id) from touched);
		insert into sale_days by name
			select l.source, l.payout_id, date_diff('day', l.event_at, p.paid_at)::integer as days, count(*) as lines
			from payout_lines as l
			inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
			inner join line_words as w on w.source = l.source and w.kind = 'sale' and w.to_run is null
				and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
			where l.run_no >= {{since}} and p.document_id in (select document_id from touched) and p.paid_at is not null and l.event_at is not null
			group by l.source, l.payout_id, days;
		create or replace temp table matches as
			select p.document_id,
				count(*) filter (m.state = 'matched') as matched,
				count(*) filter (m.state is distinct from 'matched' and p.status = 'booked' and s.unmatched = 'suspense') as unmatched
			from payout_lines as l
			inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
			inner join set_sources as s on s.source = l.source
			inner join line_words as w on w.source = l.source and w.kind in ('sale', 'refund') and w.to_run is null
				and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
			left join line_matches as m on m.line_id = l.line_id
			where l.run_no >= {{since}} and p.document_id in (select document_id from touched)
			group by p.document_id;
		update payouts as p set matched = coalesce(m.matched, 0), unmatched = coalesce(m.unmatched, 0)
			from touched as t left join matches as m using (document_id) where t.document_id = p.document_id;
		delete from payout_settles where (source, payout_id) in (select (source, payout_id) from touched);
		insert into payout_settles by name
			select l.source, l.payout_id,
				case when m.state in ('matched', 'not_delivered') and coalesce(l.row_off_minor, 0) = 0 then split_part(m.document_id, '/', 1) end as document_source,
				case when coalesce(l.row_off_minor, 0) <> 0 then 'suspense' when m.state in ('matched', 'not_delivered') then 'receivable'
					when m.state is null and s.unmatched = 'receivable' then 'receivable' else 'suspense' end as fate,
				case when m.state in ('matched', 'not_delivered') and d.currency = l.sold_currency and coalesce(l.row_off_minor, 0) = 0 then d.currency else l.currency end as currency,
				sum(case when m.state in ('matched', 'not_delivered') and d.currency = l.sold_currency and d.currency <> l.currency and coalesce(l.row_off_minor, 0) = 0
					then sign(l.gross_minor)::bigint * m.amount_minor else l.gross_minor end)::bigint as gross_minor,
				coalesce(sum(m.rounding_minor), 0)::bigint as rounding_minor, count(*) as lines
			from payout_lines as l
			inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
			inner join set_sources as s on s.source = l.source
			inner join line_words as w on w.source = l.source and w.kind in ('sale', 'refund') and p.booked_run between w.from_run and coalesce(w.to_run, 2147483647)
				and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
			left join line_matches as m on m.line_id = l.line_id
			left join documents as d on d.document_id = m.document_id and l.sold_currency is not null
			where l.run_no >= {{since}} and p.document_id in (select document_id from touched)
				and p.status = 'booked' and l.gross_minor <> 0
			group by l.source, l.payout_id, document_source, fate, 5;
		update payouts as p set line_exceptions = coalesce((select sum(x.n) from exception_sums as x where x.source = p.source and x.payout_id = p.payout_id), 0)
		where p.document_id in (select document_id from touched)`, "{{since}}", fmt.Sprint(since)))
}

// readsAnew reports whether settings that the views of lines read are others than when lines were counted last.
func (w *work) readsAnew(ctx context.Context) (bool, error) {
	const name = "counted_with"
	now, err := w.db.Texts(ctx, "select coalesce(string_agg(concat_ws(' ', source, unmatched, coalesce(loan, 0) = 0), ', ' order by source), '') from set_sources")
	if err != nil {
		return false, err
	}
	before, err := w.db.Texts(ctx, "select value from meta where name = $name", duck.Named("name", name))
	if err != nil || slices.Equal(before, now) {
		return false, err
	}
	if err := w.db.Exec(ctx, "delete from meta where name = $name", duck.Named("name", name)); err != nil {
		return false, err
	}
	return len(before) > 0, w.db.Exec(ctx, "insert into meta values ($name, $value)", duck.Named("name", name), duck.Named("value", now[0]))
}

// touchedSince is the first run that read anything of the touched payouts. As a number in a query, unlike a
// subquery, it lets DuckDB pass over what is older without reading it.
func (w *work) touchedSince(ctx context.Context) (int64, error) {
	return w.db.Count(ctx, "select coalesce(min(run_no), 2147483647) from touched")
}

// takeNote applies a note of the archive to the tables. Notes of the ERP are applied when
// they are read back, live as in a replay, so that both end in the same state.
func (w *work) takeNote(ctx context.Context, n *archive.Note) error {
	switch n.Kind {
	case "settings":
		if err := w.db.Exec(ctx, "delete from meta where name = 'settings'"); err != nil {
			return err
		}
		if err := w.db.Exec(ctx, "insert into meta values ('settings', $v)", duck.Named("v", digestOf(n.Body))); err != nil {
			return err
		}
		if !w.replaying || w.fixed {
			return nil
		}
		var s transform.Settings
		if err := json.Unmarshal(n.Body, &s); err != nil {
			return fmt.Errorf("settings in the archive: %w", err)
		}
		w.Settings = s
		return w.putSettings(ctx, s)
	case "read":
		return w.takeReadNote(ctx, n.Body)
	case "personal_keys":
		return w.takeKeysNote(ctx, n.Body)
	case "erasure":
		return w.takeErasure(ctx, n.Body)
	case "hold":
		return w.takeHold(ctx, n.Body)
	case "erp_intent", "erp_receipt", "erp_abandoned":
		return w.takeERPNote(ctx, n)
	case "erp_out", "erp_answers":
		return w.takeOutboxNote(ctx, n)
	}
	return nil
}
