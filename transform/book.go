// Package transform holds the rules: what documents and payout lines are booked by.
//
// What is set-based is SQL (rules/*.sql, run in the order of their numbers); what needs
// judgement on single documents is Go: splits (split.go) and the match ladder (ladder.go).
// For each document and line the rules give the desired postings; minus what is booked, that
// is the new entries. Running it twice is running it once.
//
// The path of one order: staging put it into documents and document_lines and its ID into
// todo_documents; 10 gathers its lines by VAT rate; 20 finds out whether another source delivered it
// before; the splits add what has no lines; 30
// decides whether it can be booked; 40 gives its postings; 90 books what differs. Then the
// payout that pays it: 50 proves it; 60 and the ladder find the document of each line; 70
// gives the lines' postings; 80 those of the payout itself; 91 lists what needs a person;
// 95 takes the digest.
package transform

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

//go:embed rules/*.sql
var rules embed.FS

func rule(name string) string {
	b, err := rules.ReadFile("rules/" + name + ".sql")
	if err != nil {
		panic(err) // the files are in the binary
	}
	return string(b)
}

// Stats says what one booking did.
type Stats struct {
	Entries, Postings int64
	Documents         int64 // looked at
	Payouts           int64 // looked at
	Digest            string
}

// Book books everything in todo_documents and todo_payouts, and tries again whatever is
// held. It runs inside the caller's transaction; table this_run names the run.
//
// Errors: *duck's. Bad data is no error: it becomes an exception.
func Book(ctx context.Context, lg *slog.Logger, wall func() time.Time, db *duck.DB, tolerance int64) (Stats, error) {
	var st Stats
	b := &booking{ctx: ctx, db: db, lg: lg, wall: wall, tolerance: tolerance}
	b.exec("try held ones again", `
		insert into todo_documents
			select document_id from document_states where state = 'held'
			except select document_id from todo_documents;
		insert into todo_payouts
			select source, payout_id from payouts where booked_run is null
			except select source, payout_id from todo_payouts;
		-- A split depends on everything else that happened to its order.
		insert into todo_documents
			select d.document_id from documents as d
			where (d.source, d.order_id) in (
				select (t.source, t.order_id) from documents as t inner join todo_documents using (document_id))
			except select document_id from todo_documents;
	`)
	st.Documents = b.count("select count(*) from todo_documents")
	st.Payouts = b.count("select count(*) from todo_payouts")

	b.exec("decisions", `
		create or replace temp table document_decisions as select * from decided where line_id is null;
		create or replace temp table undone_documents as
			select document_id from decisions where line_id is null and undone_run = (select run_no from this_run) and action not in ('retry', 'ignore');
		create or replace temp table decided_reasons as
			select subject, any_value(reason) as reason
			from (
				select coalesce(line_id, name_of(document_id)) as subject, 'decided by ' || decided_by || ' (' || decision_id || ')' || coalesce(': ' || nullif(reason, ''), '') as reason
				from decisions where run_no = (select run_no from this_run) and action <> 'retry'
				union all
				select coalesce(line_id, name_of(document_id)), 'decision ' || decision_id || ' taken back by ' || undone_by || coalesce(': ' || nullif(undone_reason, ''), '')
				from decisions where undone_run = (select run_no from this_run)
			)
			group by subject`)
	b.exec("work tables", `
		create or replace temp table reopened (source varchar, payout_id varchar, document_id varchar);
		create or replace temp table touched_payouts (source varchar, payout_id varchar);
		create or replace temp table chunked (document_id varchar, run_no integer);
		create or replace temp table document_holds
		(document_id varchar, kind varchar, text varchar, minor bigint, evidence varchar, suggestion varchar)`)
	if st.Documents > 0 {
		b.rule("10_document_groups")
		if b.count("select count(*) from set_sources where invoices or refunds") > 1 {
			b.rule("20_adoptions")
		} else {
			b.exec("no adoptions", "create or replace temp table adoptions (document_id varchar, same_as varchar, resembles varchar, evidence varchar, same_amount boolean)")
		}
		b.splits()
		b.rule("30_document_states")
		b.rule("35_erp_roundings")
		b.rule("40_document_postings")
		b.apply()
	}
	since := b.count("select coalesce(min(p.run_no), 0) from payouts as p inner join todo_payouts as t on t.source = p.source and t.payout_id = p.payout_id")
	b.exec("50_payout_proof", strings.ReplaceAll(rule("50_payout_proof"), "{{since}}", fmt.Sprint(since)))
	b.exec("payouts that are proven again", `
		insert into reopened
		select p.source, p.payout_id, p.document_id from payouts as p
		where (p.source, p.payout_id) in (select (source, payout_id) from todo_reopened)
			or p.booked_run = (select run_no from this_run) and p.document_id in (select payout_document from line_classes);
		-- Its parts are booked for the reason that it is.
		insert into decided_reasons
		select coalesce(l.line_id, name_of(o.document_id || l.part)), w.reason
		from reopened as o
		inner join decided_reasons as w on w.subject = name_of(o.document_id)
		inner join (
			select c.payout_document as document_id, b.line_id, null as part from booked_lines as b inner join line_classes as c using (class_no)
			where c.payout_document in (select document_id from reopened)
			union all
			select e.document_id, e.entry_id, null from entry_rows as e where e.kind = 'payout_line' and e.document_id in (select document_id from reopened)
			union all
			select r.document_id, null, v.part from reopened as r, (values ('#paid'), ('#residual'), ('#fx')) as v (part)
		) as l on l.document_id = o.document_id`)
	again := b.count("select count(*) from reopened")
	b.lines(st.Documents > 0, again > 0)
	if again > 0 || b.count("select count(*) from payouts where booked_run = (select run_no from this_run)") > 0 {
		b.rule("80_payout_postings")
		b.apply()
	}
	b.rule("91_exceptions")
	b.linePostings("95_digest", "summed_lines", "line_classes")
	b.exec("done looking", "delete from todo_documents; delete from todo_payouts; delete from todo_lines; delete from todo_reopened;")
	if b.err != nil {
		return st, b.err
	}
	start := wall()
	st.Entries = b.count("select count(*) from entries where run_no = (select run_no from this_run)")
	st.Postings = b.count("select count(*) from postings where run_no = (select run_no from this_run)")
	lg.Debug("counted", "took", wall().Sub(start))
	st.Digest = b.digest()
	return st, b.err
}

// Digest returns the digest of the whole ledger: SHA-256 over the digests of its pages.
func Digest(ctx context.Context, db *duck.DB) (string, error) {
	b := &booking{ctx: ctx, db: db}
	return b.digest(), b.err
}

func (b *booking) digest() string {
	var s duck.NullString
	b.one("select sha256(coalesce(string_agg(book || '|' || book_date || '|' || digest, chr(10) order by book, book_date), '')) from book_digests", nil, &s)
	return s.String
}

// booking runs steps until one fails.
type booking struct {
	ctx       context.Context
	db        *duck.DB
	lg        *slog.Logger
	wall      func() time.Time // to say how long a rule took
	tolerance int64
	err       error
}

func (b *booking) exec(what, query string, args ...any) {
	if b.err != nil {
		return
	}
	start := b.wall()
	if err := b.db.Exec(b.ctx, query, args...); err != nil {
		b.err = fmt.Errorf("transform: %s: %w", what, err)
	}
	b.lg.Debug("rule", "name", what, "took", b.wall().Sub(start).Round(time.Millisecond))
}

func (b *booking) rule(name string) { b.exec(name, rule(name)) }

func (b *booking) one(query string, args []any, dst ...any) {
	if b.err != nil {
		return
	}
	if _, err := b.db.One(b.ctx, query, args, dst...); err != nil {
		b.err = fmt.Errorf("transform: %w", err)
	}
}

func (b *booking) count(query string) int64 {
	var n duck.NullInt64
	b.one(query, nil, &n)
	return n.Int64
}

func (b *booking) insert(table string, rows any) {
	if b.err != nil {
		return
	}
	if err := b.db.Insert(b.ctx, table, rows); err != nil {
		b.err = fmt.Errorf("transform: %w", err)
	}
}

// lines matches and books payout lines: first those of newly proven payouts, then those
// that found their document late.
func (b *booking) lines(documents, again bool) {
	fresh := b.count("select count(*) from payouts where booked_run = (select run_no from this_run)")
	decided := b.count("select count(*) from todo_lines") > 0
	if fresh == 0 && !documents && !decided && !again {
		return
	}
	late := "false"
	arrived := fmt.Sprintf("l.run_no >= %d", b.count("select coalesce(min(run_no), 0) from payouts where booked_run = (select run_no from this_run)"))
	if documents || decided {
		late, arrived = "exists (select 1 from known_keys)", "true"
	}
	b.exec("60_match_candidates", strings.NewReplacer("{{late}}", late, "{{arrived}}", arrived).Replace(rule("60_match_candidates")))
	b.match()
	b.exec("touched payouts", `
		insert into touched_payouts
		select source, payout_id from work_lines
		union
		select source, payout_id from payout_lines where line_id in (select line_id from todo_lines)`)
	b.exec("method accounts", `
		create or replace temp table method_accounts as
		select m.source, m.method,
			first(x.receivable order by x.rank) filter (x.receivable > 0) as receivable,
			first(x.clearing order by x.rank) filter (x.clearing > 0) as clearing,
			first(x.bank order by x.rank) filter (x.bank > 0) as bank,
			first(x.fee order by x.rank) filter (x.fee > 0) as fee,
			first(x.fee_vat_account order by x.rank) filter (x.fee_vat_account > 0) as fee_vat_account,
			first(x.reserve order by x.rank) filter (x.reserve > 0) as reserve,
			first(x.dispute order by x.rank) filter (x.dispute > 0) as dispute
		from (select distinct source, method from payout_lines
			where source in (select source from set_methods)) as m
		inner join set_methods as x on x.source = m.source and method_is(m.method, x.match)
		group by m.source, m.method`)
	for fresh > 0 && b.nextChunk() {
		b.bookLines(fmt.Sprintf("p.document_id in (select document_id from chunk) and l.run_no >= %d", b.count("select min(run_no) from chunk")),
			"line_classes", "booked_lines")
	}
	if fresh > 0 {
		b.linePostings("78_class_sums", "new_lines", "line_classes")
	}
	b.exec("again lines", `
		create or replace temp table again_lines as
		select line_id from work_lines where booked_run < (select run_no from this_run)
		union
		select l.line_id from payout_lines as l
		inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
		where l.line_id in (select line_id from todo_lines) and p.booked_run < (select run_no from this_run)
		union
		select l.line_id from payout_lines as l
		inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
		where (l.source, l.payout_id) in (select (source, payout_id) from reopened) and p.booked_run is not null`)
	if again || b.count("select count(*) from again_lines") > 0 {
		b.exec("late lines", `
			create or replace temp table late_classes as select * from line_classes where false;
			create or replace temp table late_lines as select * from booked_lines where false`)
		b.bookLines("l.line_id in (select line_id from again_lines)", "late_classes", "late_lines")
		b.linePostings("75_line_desired", "late_lines", "late_classes")
		b.apply()
	}
}

// bookLines fills two tables, shaped like line_classes and booked_lines, with what the lines
// wanted are booked by. Wanted is a condition on payout_lines l and payouts p.
func (b *booking) bookLines(wanted, classes, lines string) {
	fill := strings.NewReplacer("{{which}}", wanted, "{{classes}}", classes, "{{lines}}", lines)
	for _, name := range []string{"70_line_classes", "72_booked_lines"} {
		b.exec(name, fill.Replace(rule(name)))
	}
}

// linePostings runs a rule that reads the postings of booked lines out of two tables.
func (b *booking) linePostings(name, lines, classes string) {
	b.exec(name, strings.ReplaceAll(rule(name), "{{line_postings}}", sql.LinePostings(lines, classes)))
}

// apply books what is desired and not booked yet.
func (b *booking) apply() { b.linePostings("90_apply", "subject_lines", "line_classes") }

// chunkLines bounds how many lines are booked by one statement, so that memory follows the
// largest payout and not the backlog.
const chunkLines = 300_000

// nextChunk puts into table chunk the next payouts whose lines are to be booked.
func (b *booking) nextChunk() bool {
	b.exec("next chunk", fmt.Sprintf(`
		create or replace temp table chunk as
			select document_id, run_no from (
				select document_id, run_no, sum(lines) over (order by paid_date, source, payout_id rows unbounded preceding) - lines as before
				from payouts
				where booked_run = (select run_no from this_run) and document_id not in (select document_id from chunked)
					and document_id not in (select document_id from reopened)
			)
			where before < %d;
		insert into chunked select * from chunk`, chunkLines))
	return b.count("select count(*) from chunk") > 0
}

// A Rule is one step of the rules and what it says of itself.
type Rule struct{ Name, Says string }

// Rules returns every step in the order they run, each with its own first comment.
func Rules() []Rule {
	items, err := rules.ReadDir("rules")
	if err != nil {
		panic(err) // the files are in the binary
	}
	var out []Rule
	for _, it := range items {
		var says []string
		for line := range strings.Lines(rule(strings.TrimSuffix(it.Name(), ".sql"))) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "--") || strings.Contains(line, "{{") || line == "--" {
				break
			}
			says = append(says, strings.TrimSpace(strings.TrimLeft(line, "- ")))
		}
		out = append(out, Rule{it.Name(), strings.Join(says, " ")})
	}
	return out
}
