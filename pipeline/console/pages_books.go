package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// listLimit is how many rows a page of a list has.
const listLimit = 50

// Queries of the pages. Those that look at every line of the ledger are in slowQueries as well.
const (
	overviewQuery = `
		select source, currency, sum(amount) as paid_out,
			coalesce(sum(amount) filter (status = 'booked'), 0) as booked, coalesce(sum(amount) filter (status <> 'booked'), 0) as held,
			count(*) as payouts, count(*) filter (status = 'booked') as payouts_booked, count(*) filter (status <> 'booked') as payouts_held,
			sum(lines)::bigint as lines, sum(matched)::bigint as matched, sum(matched + unmatched)::bigint as to_match, sum(unmatched)::bigint as unmatched,
			sum(sales) as sales, sum(fees) as fees, sum(fee_vat) as fee_vat,
			-- In thousandths of the sales: DuckDB's own division of decimals makes a double.
			case when sum(sales) > 0 then (((sum(fees) * 100)::bigint * 10000) // (sum(sales) * 100)::bigint) end as fee_share,
			max(paid_date) as last_paid
		from recon.payouts group by source, currency order by source, currency`
	daysQuery = `
		with d as (select source, days, sum(lines) as n from main.sale_days group by source, days),
		c as (select *, sum(n) over (partition by source order by days) as upto, sum(n) over (partition by source) as total from d)
		select source, min(days) filter (upto * 2 >= total) as middle, min(days) filter (upto * 100 >= total * 95) as late from c group by source order by source`
	proofNowQuery = `
		select source, currency, date, ledger_balance, provider_balance, difference, explained, difference - explained as unexplained, held
		from main.kept_proof qualify row_number() over (partition by source, currency order by date desc) = 1 order by source, currency`
	exceptionKindsQuery = `
		select kind, source, sum(n)::bigint as n, min(opened_at)::date as since, currency, sum(amount) as amount
		from (
			select kind, source, currency, opened_at, 1 as n, abs(main.major(amount_minor, currency)) as amount from main.exceptions where status = 'open'
			union all
			select kind, source, currency, opened_at, n, amount from main.exception_sums)
		group by kind, source, currency order by n desc, kind, source`
	// Exceptions are listed by when they were opened, those of documents before those of a payout's lines, and
	// payout by payout. How many each payout has is kept: where a page begins is found without reading a line,
	// and only the lines of the payouts on that page are read.
	exceptionGroupsQuery = `
		with g as (
			select opened_at, '' as document_id, count(*) as n from main.exceptions
			where status = 'open' and ($kind = '' or kind = $kind) and ($source = '' or source = $source) group by opened_at
			union all
			select opened_at, document_id, sum(n) from main.exception_sums
			where ($kind = '' or kind = $kind) and ($source = '' or source = $source) group by opened_at, document_id
		),
		c as (select *, sum(n) over (order by opened_at, document_id) as upto from g)
		select opened_at::varchar as opened_at, document_id, n::bigint as n, (upto - n)::bigint as before, (select max(upto) from c)::bigint as total
		from c where upto > $offset::bigint and upto - n < $offset::bigint + 50 order by c.opened_at, document_id`
	exceptionsQuery = `
		select exception_id, kind, source, document_id, reason, currency, amount, opened_at::date as since, suggestion, order_reference,
			date_diff('day', opened_at, (select max(started_at) from main.runs)) as age
		from (%s)
		where status = 'open' and ($kind = '' or kind = $kind) and ($source = '' or source = $source)
		order by opened_at, case when line_id is null then '' else document_id end, abs(amount_minor) desc, exception_id limit 50 offset $offset::bigint`
	lastRunsQuery = `select run_id, command, status, started_at, finished_at, records, entries, posted, exceptions, left(ledger_digest, 12) as digest
		from recon.runs order by run_id desc limit 200`
	agesQuery = `
		with items as (select *, case when age_days < 8 then 1 when age_days < 31 then 2 when age_days < 61 then 3 when age_days < 91 then 4 else 5 end as band from main.kept_open_items)
		select source, currency, band, count(*) as items, sum(amount) as amount from items group by all order by source, currency, band`
	openItemsQuery = `
		select document_id, source, kind, order_number, event_date, currency, amount, age_days from main.kept_open_items
		where ($source = '' or source = $source) and age_days >= $from::integer and age_days < $until::integer
		order by age_days desc, abs(amount_minor) desc, document_id limit 50 offset $offset::bigint`
	payoutsQuery = `
		select source, payout_id, bank_reference, paid_date, currency, amount, sales, refunds, fees, fee_vat, other, difference, lines, matched, unmatched, status, reason
		from recon.payouts where ($source = '' or source = $source) and ($status = '' or status = $status)
		order by paid_date desc nulls first, source, payout_id limit 50 offset $offset::bigint`
	ossQuery   = "select * from main.kept_oss order by quarter desc, country, vat_rate"
	byDayQuery = `
		select strftime(paid_date, '%Y-%m-%d') as day, sum(amount) as amount from recon.payouts
		where paid_date is not null and currency = (select currency from main.set_company) group by 1 order by 1 desc limit 31`
	feesByMonthQuery = `
		select strftime(paid_date, '%Y-%m') as month, source, sum(fees) as fees from recon.payouts
		where paid_date is not null and currency = (select currency from main.set_company) group by 1, 2 order by 1, 2`
)

// A question is a query as a page asks it: the answer is remembered under all of it.
type question struct {
	query string
	limit int
	args  []string
}

// slowQueries are asked of a newly published ledger before pages are switched to it.
var slowQueries = []question{
	{overviewQuery, listLimit, nil}, {daysQuery, listLimit, nil}, {proofNowQuery, listLimit, nil}, {exceptionKindsQuery, listLimit, nil}, {lastRunsQuery, listLimit, nil},
	{agesQuery, listLimit, nil}, {byDayQuery, listLimit, nil}, {feesByMonthQuery, listLimit, nil}, {ossQuery, 0, nil},
	{payoutsQuery, 0, []string{"source", "", "status", "", "offset", "0"}},
	{exceptionGroupsQuery, 0, []string{"kind", "", "source", "", "offset", "0"}},
	{openItemsQuery, 0, []string{"source", "", "from", "-100000", "until", "1000000", "offset", "0"}},
}

// offset is where a page of a list begins.
func (v *view) offset() int {
	n, err := strconv.Atoi(v.Query.Get("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 0
	}
	return (n - 1) * listLimit
}

// A pager leads through a list.
type pager struct {
	V     *view
	Page  int
	More  bool
	First int
	Last  int
	Total int // 0: not counted
}

func (v *view) pager(shown int, more bool) pager {
	off := v.offset()
	return pager{V: v, Page: off/listLimit + 1, More: more, First: off + 1, Last: off + shown}
}

type overviewData struct {
	Sources []row
	Days    map[string]row
	Proof   []row
	Kinds   []row
	Runs    []row
	Chart   string // changes with the books
	HasDays bool
}

func (c *console) overview(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Overview")
	var d overviewData
	err := c.read(r.Context(), func(s *shelf) (err error) {
		ctx := r.Context()
		if d.Sources, _, err = s.rows(ctx, overviewQuery, listLimit); err != nil {
			return err
		}
		days, _, err := s.rows(ctx, daysQuery, listLimit)
		if err != nil {
			return err
		}
		d.Days = map[string]row{}
		for _, x := range days {
			d.Days[x["source"]] = x
		}
		if d.Proof, _, err = s.rows(ctx, proofNowQuery, listLimit); err != nil {
			return err
		}
		if d.Kinds, _, err = s.rows(ctx, exceptionKindsQuery, listLimit); err != nil {
			return err
		}
		runs, _, err := s.rows(ctx, lastRunsQuery, listLimit)
		if len(runs) > 5 {
			runs = runs[:5]
		}
		d.Runs = runs
		d.Chart = s.stamp.text()
		return err
	})
	if err != nil {
		return err
	}
	c.render(w, v, "overview", d)
	return nil
}

func (s stamp) text() string { return strconv.FormatInt(s.modified, 36) }

type payoutsData struct {
	Rows    []row
	Pager   pager
	Sources []string
	Source  string
	Status  string
}

func (c *console) payouts(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Payouts")
	d := payoutsData{Source: v.Query.Get("source"), Status: v.Query.Get("status")}
	err := c.read(r.Context(), func(s *shelf) error {
		rows, _, err := s.rows(r.Context(), payoutsQuery, 0, "source", d.Source, "status", d.Status, "offset", fmt.Sprint(v.offset()))
		if err != nil {
			return err
		}
		d.Rows, d.Pager = rows, v.pager(len(rows), len(rows) == listLimit)
		d.Sources, err = s.sources(r.Context())
		return err
	})
	if err != nil {
		return err
	}
	c.render(w, v, "payouts", d)
	return nil
}

// sources are the names of the configured sources at the last run.
func (s *shelf) sources(ctx context.Context) ([]string, error) {
	rows, _, err := s.rows(ctx, "select source from main.set_sources order by source", 0)
	out := make([]string, len(rows))
	for i, x := range rows {
		out[i] = x["source"]
	}
	return out, err
}

type payoutData struct {
	Payout   row
	Sums     row
	Lines    []row
	Pager    pager
	Vouchers []row
	Held     []row
	Verdict  string
	Verdicts []row
}

const payoutQuery = `
	select p.*, q.stated, q.why as held_why, q.why_kind, q.evidence, q.has_header, q.booked_at, q.fee_rows,
		main.major(q.rows_expected_minor, q.currency) as rows_expected, main.major(q.formula_off_minor, q.currency) as formula_off
	from recon.payouts as p inner join main.payouts as q on q.source = p.source and q.payout_id = p.payout_id
	where p.source = $source and p.payout_id = $id`

const payoutSumsQuery = `
	select sum(lines)::bigint as lines, sum(gross) as gross, sum(fee) as fee, sum(fee_vat) as fee_vat, sum(net) as net,
		coalesce(sum(gross) filter (kind = 'sale'), 0) as sales, coalesce(sum(gross) filter (kind = 'refund'), 0) as refunds,
		coalesce(sum(gross) filter (kind is null or kind not in ('sale', 'refund', 'fee', 'payout')), 0) as other,
		coalesce(sum(net) filter (kind <> 'payout' or kind is null), 0) as net_without_payout, sum(net) - $expected::decimal(18, 2) as off
	from main.verdict_sums where source = $source and payout_id = $id`

const verdictsQuery = `
	select verdict, sum(lines)::bigint as n, sum(net) as net from main.verdict_sums
	where source = $source and payout_id = $id group by verdict order by n desc, verdict`

// A payout's lines, by day. Which of them are on a page is asked of four columns of the table, and only what the view says of those
// fifty is worked out; what a line's verdict is, the view alone knows. Names are written out, for only that narrows what is read,
// and the source is compared, as another text, where the payout is the one: that spares reading it of all lines about.
const (
	placesQuery = `
		select l.rowid as place from main.payout_lines as l cross join main.set_company as c
		where l.payout_id = %s and l.source || '' = %s order by main.local_date(l.event_at, c.time_zone), l.line_id limit 50 offset %d`
	verdictLinesQuery = `select * from recon.payout_lines where payout_id = %s and source = %s and verdict = %s order by event_date, line_id limit 50 offset %d`
	payoutLinesQuery  = `
		select a.*, d.kind as document_kind, d.order_number, d.event_date as document_date,
			main.major(case d.kind when 'refund' then -d.amount_minor else d.amount_minor end, d.currency) as document_amount, d.currency as document_currency,
			i.reason as issue, i.suggestion as issue_do
		from (%s) as a
		left join main.documents as d on d.document_id = a.matched_document
		left join main.line_issues as i on i.line_id = a.line_id
		order by a.event_date, a.line_id`
)

// linesOf returns a page of the lines of a payout, those with a verdict if it is not empty.
func (s *shelf) linesOf(ctx context.Context, source, id, verdict string, offset int) ([]row, error) {
	page := fmt.Sprintf(verdictLinesQuery, duck.Quote(id), duck.Quote(source), duck.Quote(verdict), offset)
	if verdict == "" {
		places, _, err := s.rows(ctx, fmt.Sprintf(placesQuery, duck.Quote(id), duck.Quote(source), offset), 0)
		if err != nil || len(places) == 0 {
			return nil, err
		}
		var list []string
		for _, x := range places {
			list = append(list, x["place"])
		}
		// As a table of places, not a list of them: for a list of rowids DuckDB reads every row.
		page = sql.ViewOf("payout_lines", "payout_lines", "(select * from main.payout_lines where rowid in (select unnest(["+strings.Join(list, ", ")+"])))")
	}
	rows, _, err := s.rows(ctx, fmt.Sprintf(payoutLinesQuery, page), 0)
	return rows, err
}

func (c *console) payout(w http.ResponseWriter, r *http.Request, v *view) error {
	source, id := r.PathValue("source"), r.PathValue("id")
	v.Title = v.T("Payout") + " " + id
	d := payoutData{Verdict: v.Query.Get("verdict")}
	err := c.read(r.Context(), func(s *shelf) (err error) {
		ctx := r.Context()
		// Its lines take more than half of the time: they are asked for beside the rest.
		var lines sync.WaitGroup
		var failed error
		lines.Go(func() { d.Lines, failed = s.linesOf(ctx, source, id, d.Verdict, v.offset()) })
		defer func() {
			lines.Wait()
			if err == nil {
				err = failed
			}
		}()
		if d.Payout, err = s.one(ctx, payoutQuery, "source", source, "id", id); err != nil {
			return err
		}
		if d.Payout == nil {
			return notFound(v.T("There is no payout %s of %s.", id, source))
		}
		expected := d.Payout["rows_expected"]
		if expected == "" {
			expected = "0"
		}
		if d.Sums, err = s.one(ctx, payoutSumsQuery, "source", source, "id", id, "expected", expected); err != nil {
			return err
		}
		if d.Verdicts, _, err = s.rows(ctx, verdictsQuery, 0, "source", source, "id", id); err != nil {
			return err
		}
		doc := d.Payout["document_id"]
		if d.Vouchers, _, err = s.rows(ctx, "select erp_document_id, status, erp_number, amount, posted_at from recon.erp_documents where document_id = $doc order by posted_at", 0, "doc", doc); err != nil {
			return err
		}
		d.Held, _, err = s.rows(ctx, `select kind, reason, suggestion, evidence, x.exception_id from main.exceptions as x where document_id = $doc and status = 'open' order by kind`, 0, "doc", doc)
		return err
	})
	if err != nil {
		return err
	}
	d.Pager = v.pager(len(d.Lines), len(d.Lines) == listLimit)
	c.render(w, v, "payout", d)
	return nil
}

type exceptionsData struct {
	Kinds        []row
	Rows         []row
	Decided      []row
	Pager        pager
	Kind, Source string
}

func (c *console) exceptions(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Exceptions")
	d := exceptionsData{Kind: v.Query.Get("kind"), Source: v.Query.Get("source")}
	err := c.read(r.Context(), func(s *shelf) (err error) {
		if d.Kinds, _, err = s.rows(r.Context(), exceptionKindsQuery, listLimit); err != nil {
			return err
		}
		var total int
		if d.Rows, total, err = s.exceptionsFrom(r.Context(), d.Kind, d.Source, v.offset()); err != nil {
			return err
		}
		d.Pager = v.pager(len(d.Rows), v.offset()+len(d.Rows) < total)
		d.Pager.Total = total
		if v.offset() == 0 {
			d.Decided, _, err = s.rows(r.Context(), "select exception_id, exception_kind, action, answer, reason, document_id, decided_by, decided_at, status, undone_by from recon.decisions where action <> 'retry' order by decided_at desc, decision_id desc limit 20", 0)
		}
		return err
	})
	if err != nil {
		return err
	}
	c.render(w, v, "exceptions", d)
	return nil
}

// exceptionsFrom returns a page of the open exceptions, from the offset-th, and how many there are.
func (s *shelf) exceptionsFrom(ctx context.Context, kind, source string, offset int) ([]row, int, error) {
	groups, _, err := s.rows(ctx, exceptionGroupsQuery, 0, "kind", kind, "source", source, "offset", fmt.Sprint(offset))
	if err != nil || len(groups) == 0 {
		return nil, 0, err
	}
	before, err := strconv.Atoi(groups[0]["before"])
	if err != nil {
		return nil, 0, err
	}
	total, err := strconv.Atoi(groups[0]["total"])
	if err != nil {
		return nil, 0, err
	}
	// Written out, not as parameters: only what stands in the text narrows what DuckDB reads.
	var times, payouts, parts []string
	for _, g := range groups {
		if g["document_id"] == "" {
			times = append(times, duck.Quote(g["opened_at"])+"::timestamp")
		} else {
			payouts = append(payouts, duck.Quote(g["document_id"]))
		}
	}
	if len(times) > 0 {
		parts = append(parts, "select * from recon.exceptions where line_id is null and opened_at in ("+strings.Join(times, ", ")+")")
	}
	if len(payouts) > 0 {
		parts = append(parts, "select * from recon.exceptions where line_id is not null and document_id in ("+strings.Join(payouts, ", ")+")")
	}
	rows, _, err := s.rows(ctx, fmt.Sprintf(exceptionsQuery, strings.Join(parts, " union all ")), 0, "kind", kind, "source", source, "offset", fmt.Sprint(offset-before))
	return rows, total, err
}

type exceptionData struct {
	X         row
	Causes    []Cause
	CanDecide bool
	Wrong     string
	History   []auditRow
	PayoutURL string
	Decided   row // the decision that is in force
	// What it can be decided as: with one click, and with something to fill in.
	Clicks, Answers []string
}

// The newest decision on an exception, with what the exception was about.
const decidedQuery = `
	select d.decision_id, d.exception_id, d.exception_kind, d.source, d.document_id, d.line_id, d.decided_at, d.decided_by, d.action, d.answer, d.reason as why, d.status, d.undone_by, d.undone_at,
		p.currency, main.major(d.amount_minor, p.currency) as amount, d.decided_at::date as since, '0' as age
	from recon.decisions as d left join (select document_id, currency from main.documents union all select document_id, currency from main.payouts) as p using (document_id)
	where d.exception_id = $id order by d.decided_at desc, d.decision_id desc limit 1`

const exceptionQuery = `select x.*, opened_at::date as since, date_diff('day', opened_at, (select max(started_at) from main.runs)) as age from (%s) as x where exception_id = %s::uuid`

// decided is the newest decision on an exception, nil where nobody has decided it: nearly always, and sooner known than what it says.
func (s *shelf) decided(ctx context.Context, id string) (row, error) {
	if has, err := s.one(ctx, "select 1 from main.decisions where exception_id = $id", "id", id); has == nil {
		return nil, err
	}
	return s.one(ctx, decidedQuery, "id", id)
}

// lineAt finds a payout line by its ID, nil if there is none. Looking for one among all costs milliseconds: what is asked of it
// after that is asked of the row at place.
func (s *shelf) lineAt(ctx context.Context, id string) (row, error) {
	return s.one(ctx, "select rowid as place, source, payout_id from main.payout_lines where line_id = "+duck.Quote(id)+"::uuid")
}

// exceptionAt is an exception, nil if there is none; line is the payout line that has its ID.
func (s *shelf) exceptionAt(ctx context.Context, id string, line row) (row, error) {
	place := "-1"
	if line != nil {
		place = line["place"]
	}
	q := duck.Quote(id)
	return s.one(ctx, fmt.Sprintf(exceptionQuery, sql.ViewOf("exceptions", "payout_lines", "(select * from main.payout_lines where rowid = "+place+")",
		"line_matches", "(select * from main.line_matches where line_id = "+q+"::uuid)"), q))
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func (c *console) exception(w http.ResponseWriter, r *http.Request, v *view) error {
	id := r.PathValue("id")
	none := notFound(v.T("There is no such exception: it may have gone away with a later run."))
	if !uuidForm.MatchString(id) {
		return none
	}
	d := exceptionData{CanDecide: c.Resolve != nil}
	var line row
	err := c.read(r.Context(), func(s *shelf) (err error) {
		// An exception of a payout line is named like the line.
		if line, err = s.lineAt(r.Context(), id); err != nil {
			return err
		}
		if d.X, err = s.exceptionAt(r.Context(), id, line); err != nil {
			return err
		}
		// What a decision settled is an exception no longer, and can be undone all the same.
		decided, err := s.decided(r.Context(), id)
		if err != nil {
			return err
		}
		if decided != nil && decided["status"] == "in force" {
			d.Decided = decided
		}
		if d.X == nil && decided != nil {
			d.X = decided
			d.X["kind"], d.X["reason"], d.X["status"] = decided["exception_kind"], "", "resolved"
			if decided["status"] != "in force" {
				d.X["status"] = decided["status"]
			}
		}
		if d.X == nil {
			return none
		}
		if d.X["status"] != "open" && d.Decided == nil {
			// Raised again, after a decision was taken back or the matter came back, it has an ID of its own.
			again, err := s.one(r.Context(), "select exception_id from main.exceptions where status = 'open' and kind = $kind and document_id = $doc limit 1", "kind", d.X["kind"], "doc", d.X["document_id"])
			if err != nil {
				return err
			}
			if again != nil && d.X["line_id"] == "" {
				http.Redirect(w, r, "/exceptions/"+again["exception_id"], http.StatusSeeOther)
				return errShown
			}
		}
		if of := d.X["line_id"]; of != "" {
			p, err := s.lineAt(r.Context(), of)
			if err != nil {
				return err
			}
			if p != nil {
				d.PayoutURL = pathOf(p["source"], p["payout_id"])
			}
		} else if p, err := s.one(r.Context(), "select source, payout_id from main.payouts where document_id = $doc", "doc", d.X["document_id"]); err == nil && p != nil {
			d.PayoutURL = pathOf(p["source"], p["payout_id"])
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.Title = v.Word(d.X["kind"])
	for _, a := range pipeline.ActionsFor(d.X["kind"], d.X["line_id"] != "") {
		switch a {
		case "accept", "keep", "retry":
			d.Clicks = append(d.Clicks, a)
		default:
			d.Answers = append(d.Answers, a)
		}
	}
	if c.Resolve != nil && d.X["status"] == "open" {
		if err := c.read(r.Context(), func(s *shelf) error {
			return s.with(r.Context(), func(db *duck.DB) (err error) {
				d.Causes, err = c.Resolve.Causes(r.Context(), db, pipeline.KnownException{ID: id, Kind: d.X["kind"], Document: d.X["document_id"], Reason: d.X["reason"],
					Evidence: d.X["evidence"], Suggestion: d.X["suggestion"], IsLine: d.X["line_id"] != "", Place: line["place"]})
				return err
			})
		}); err != nil {
			d.Wrong = err.Error()
		}
	}
	rows, _, err := c.audit.rows(5000)
	if err != nil {
		return err
	}
	for _, x := range rows {
		if strings.HasPrefix(x.Path, "/exceptions/"+id+"/") {
			d.History = append(d.History, x)
		}
	}
	c.render(w, v, "exception", d)
	return nil
}

type explainData struct {
	Asked    string
	Chapters []chapter
	None     bool
	Amounts  []row
}

type chapter struct {
	Title   string
	Grid    grid
	LeftOut bool // it is read when it is asked for
}

// explain tells the story of a reference. A text that is an amount lists what has that amount.
func (c *console) explain(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Explain")
	d := explainData{Asked: strings.TrimSpace(short(v.Query.Get("q"), 200))}
	if d.Asked == "" {
		c.render(w, v, "explain", d)
		return nil
	}
	large := int64(largeFile)
	if v.Query.Get("sent") == "1" {
		large = 0
	}
	var story []pipeline.Chapter
	err := c.read(r.Context(), func(s *shelf) (err error) {
		story, err = s.story(r.Context(), c, d.Asked, large)
		return err
	})
	switch {
	case err == nil:
		for _, x := range story {
			says := told
			if x.Title == "on the bank statement" {
				says = nil // its words are the bank's
			}
			d.Chapters = append(d.Chapters, chapter{Title: x.Title, Grid: grid{V: v, Table: x.Table, More: x.More, Links: explained, Words: wordy, Says: says}, LeftOut: x.LeftOut})
		}
	case errors.Is(err, pipeline.ErrUnknownRef):
		d.None = true
	default:
		return err
	}
	if minor, ok := amountAsked(d.Asked); ok {
		err := c.read(r.Context(), func(s *shelf) (err error) {
			d.Amounts, _, err = s.rows(r.Context(), amountQuery, 0, "minor", minor)
			return err
		})
		if err != nil {
			return err
		}
	}
	d.None = d.None && len(d.Amounts) == 0
	if d.None {
		w.WriteHeader(http.StatusNotFound)
	}
	c.render(w, v, "explain", d)
	return nil
}

// amountQuery finds what is of an amount, whatever its sign.
const amountQuery = `
	select 'document' as what, kind, document_id as ref, event_date as date, currency, main.major(amount_minor, currency) as amount
	from main.documents where amount_minor = abs($minor::bigint)
	union all
	select 'payout', status, payout_id, paid_date, currency, main.major(amount_minor, currency) from main.payouts where amount_minor = $minor::bigint
	union all
	select 'payout_line', provider_type, coalesce(order_reference, order_key, event_key, left(line_id::varchar, 13)), event_at::date, currency, main.major(net_minor, currency)
	from main.payout_lines where abs(net_minor) = abs($minor::bigint) or abs(gross_minor) = abs($minor::bigint)
	order by 4 desc, 1, 3 limit 50`

var amountForm = regexp.MustCompile(`^[-−]?\d{1,3}([ \x{a0}]?\d{3})*([.,]\d{2})$`)

// amountAsked reads "1 234,50" as 123450 minor units. A text without decimals is a reference, not an amount.
func amountAsked(s string) (string, bool) {
	if !amountForm.MatchString(s) {
		return "", false
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	if len(digits) > 17 {
		return "", false
	}
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "−") {
		digits = "-" + digits
	}
	return digits, true
}

// largeFile is how much a file holds that a page does not read through for one row; it has a link to do so.
const largeFile = 4 << 20

// storyCauses is how many exceptions of a story are looked into: each has a page of its own as well.
const storyCauses = 3

// story tells what a reference is, once for each copy of the ledger.
func (s *shelf) story(ctx context.Context, c *console, ref string, large int64) ([]pipeline.Chapter, error) {
	p := &pipeline.Project{DataDir: c.DataDir, Memory: readerMemory, Now: c.Now}
	known, err := c.project()
	if err != nil {
		large = 1 // nobody says what is personal in what was sent: none of it is shown
	} else {
		p.Sources = known.Sources
	}
	var out []pipeline.Chapter
	err = s.with(ctx, func(db *duck.DB) (err error) {
		beside, back := s.another()
		defer back()
		out, err = p.ExplainFrom(ctx, db, beside, ref, pipeline.StoryLimits{Rows: listLimit, Causes: storyCauses, Large: large})
		return err
	})
	return out, err
}

type proofData struct {
	Now    []row
	Days   []row
	Source string
	Chart  string
}

func (c *console) proof(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Proof")
	d := proofData{Source: v.Query.Get("source")}
	err := c.read(r.Context(), func(s *shelf) (err error) {
		if d.Now, _, err = s.rows(r.Context(), proofNowQuery, listLimit); err != nil {
			return err
		}
		d.Days, _, err = s.rows(r.Context(), `select *, difference - explained as unexplained from main.kept_proof where ($source = '' or source = $source)
			order by date desc, source, currency limit 100`, 0, "source", d.Source)
		return err
	})
	if err != nil {
		return err
	}
	c.render(w, v, "proof", d)
	return nil
}

type openItemsData struct {
	Ages    []ageRow
	Rows    []row
	Pager   pager
	Source  string
	Band    int
	Sources []string
}

// An ageRow is one source's open items by age.
type ageRow struct {
	Source, Currency string
	Bands            [5]row
}

var bands = []struct {
	name        string
	from, until int
}{{"0–7", -100000, 8}, {"8–30", 8, 31}, {"31–60", 31, 61}, {"61–90", 61, 91}, {"> 90", 91, 1_000_000}}

func (c *console) openItems(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Open items")
	d := openItemsData{Source: v.Query.Get("source")}
	d.Band, _ = strconv.Atoi(v.Query.Get("band"))
	from, until := -100000, 1_000_000
	if d.Band >= 1 && d.Band <= len(bands) {
		from, until = bands[d.Band-1].from, bands[d.Band-1].until
	}
	err := c.read(r.Context(), func(s *shelf) (err error) {
		ages, _, err := s.rows(r.Context(), agesQuery, listLimit)
		if err != nil {
			return err
		}
		for _, a := range ages {
			n := len(d.Ages)
			if n == 0 || d.Ages[n-1].Source != a["source"] || d.Ages[n-1].Currency != a["currency"] {
				d.Ages = append(d.Ages, ageRow{Source: a["source"], Currency: a["currency"]})
				n++
			}
			if b, err := strconv.Atoi(a["band"]); err == nil && b >= 1 && b <= 5 {
				d.Ages[n-1].Bands[b-1] = a
			}
		}
		d.Rows, _, err = s.rows(r.Context(), openItemsQuery, 0, "source", d.Source, "from", fmt.Sprint(from), "until", fmt.Sprint(until), "offset", fmt.Sprint(v.offset()))
		if err != nil {
			return err
		}
		d.Pager = v.pager(len(d.Rows), len(d.Rows) == listLimit)
		d.Sources, err = s.sources(r.Context())
		return err
	})
	if err != nil {
		return err
	}
	c.render(w, v, "open_items", d)
	return nil
}

type ossData struct {
	Quarters []string
	Quarter  string
	Rows     []row
	Sums     row
	Missing  bool
}

var quarterForm = regexp.MustCompile(`^\d{4}Q[1-4]$`)

func (c *console) oss(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("OSS return")
	d := ossData{Quarter: v.Query.Get("quarter")}
	if d.Quarter != "" && !quarterForm.MatchString(d.Quarter) {
		return fmt.Errorf("%w: %s", errAsked, v.T("a quarter is written 2026Q3"))
	}
	err := c.read(r.Context(), func(s *shelf) error {
		all, _, err := s.rows(r.Context(), ossQuery, 0)
		if err != nil {
			return err
		}
		for _, x := range all {
			q := x["quarter"]
			if len(d.Quarters) == 0 || d.Quarters[len(d.Quarters)-1] != q {
				d.Quarters = append(d.Quarters, q)
			}
			if d.Quarter == "" {
				d.Quarter = q
			}
			if q == d.Quarter {
				d.Rows = append(d.Rows, x)
				d.Missing = d.Missing || x["base_eur"] == "" || x["vat_eur"] == ""
			}
		}
		d.Sums, err = s.one(r.Context(), "select sum(base) as base, sum(vat) as vat, sum(base_eur) as base_eur, sum(vat_eur) as vat_eur, sum(documents)::bigint as documents from main.kept_oss where quarter = $quarter", "quarter", d.Quarter)
		return err
	})
	if err != nil {
		return err
	}
	if v.Query.Get("format") == "csv" {
		var t duck.Table
		err := c.read(r.Context(), func(s *shelf) (err error) {
			t, _, err = s.table(r.Context(), "select * from main.kept_oss where quarter = $quarter order by country, vat_rate", 0, "quarter", d.Quarter)
			return err
		})
		if err != nil {
			return err
		}
		return writeCSV(w, "oss-"+d.Quarter+".csv", t)
	}
	c.render(w, v, "oss", d)
	return nil
}

type runsData struct{ Rows []row }

func (c *console) runs(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Runs")
	var d runsData
	err := c.read(r.Context(), func(s *shelf) (err error) {
		d.Rows, _, err = s.rows(r.Context(), lastRunsQuery, listLimit)
		return err
	})
	if err != nil {
		return err
	}
	c.render(w, v, "runs", d)
	return nil
}

type diffData struct {
	Runs       []row
	Of, Until  string // as asked
	Diff       pipeline.RunDiff
	Accounts   grid
	Exceptions grid
	Payouts    grid
	Decisions  grid
}

// diffRuns compares two runs as kvitt diff does.
func (c *console) diffRuns(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("What changed between two runs")
	d := diffData{Of: v.Query.Get("from"), Until: v.Query.Get("to")}
	err := c.read(r.Context(), func(s *shelf) (err error) {
		if d.Runs, _, err = s.rows(r.Context(), lastRunsQuery, listLimit); err != nil {
			return err
		}
		var refs []string
		for _, ref := range []string{d.Of, d.Until} {
			if ref != "" {
				refs = append(refs, ref)
			}
		}
		if len(refs) == 0 && len(d.Runs) > 0 {
			d.Until = d.Runs[0]["run_id"]
			refs = []string{d.Until}
		}
		return s.with(r.Context(), func(db *duck.DB) (err error) {
			d.Diff, err = pipeline.DiffRuns(r.Context(), db, refs...)
			return err
		})
	})
	if err != nil {
		return err
	}
	d.Of, d.Until = d.Diff.From.ID, d.Diff.To.ID
	table := func(t duck.Table) grid {
		g := grid{V: v, Table: t, Links: explained, Words: wordy, Says: told, More: len(t.Rows) > 200}
		g.Table.Rows = t.Rows[:min(len(t.Rows), 200)]
		return g
	}
	d.Accounts, d.Exceptions, d.Payouts, d.Decisions = table(d.Diff.Accounts), table(d.Diff.Exceptions), table(d.Diff.Payouts), table(d.Diff.Decisions)
	c.render(w, v, "runs_diff", d)
	return nil
}

type runData struct {
	Run         row
	Accounts    []row
	Kinds       []row
	Corrections []row
	Payouts     []row
	Posted      []row
}

// What a run added, by account. Sums of payout lines are kept by class.
const runAccountsQuery = `
	with added as (
		select account, sum(case when amount_minor > 0 then amount_minor else 0 end)::bigint as debit, sum(case when amount_minor < 0 then amount_minor else 0 end)::bigint as credit, count(*)::bigint as postings
		from main.posting_rows where run_no = $run::integer group by account
		union all
		select account, sum(case when amount_minor > 0 then amount_minor else 0 end)::bigint, sum(case when amount_minor < 0 then amount_minor else 0 end)::bigint, sum(postings)::bigint
		from main.class_sums where run_no = $run::integer group by account
	)
	select a.account, coalesce(n.name, '') as name, main.major(sum(a.debit)::bigint, c.currency) as debit, main.major(-sum(a.credit)::bigint, c.currency) as credit,
		main.major(sum(a.debit + a.credit)::bigint, c.currency) as net, sum(a.postings)::bigint as postings
	from added as a left join main.set_accounts as n using (account) cross join main.set_company as c
	group by a.account, n.name, c.currency order by a.account`

func (c *console) run(w http.ResponseWriter, r *http.Request, v *view) error {
	id := r.PathValue("id")
	v.Title = v.T("Run") + " " + id
	var d runData
	err := c.read(r.Context(), func(s *shelf) (err error) {
		ctx := r.Context()
		if d.Run, err = s.one(ctx, "select * from main.runs where run_id = $id", "id", id); err != nil {
			return err
		}
		if d.Run == nil {
			return notFound(v.T("There is no run %s.", id))
		}
		no := d.Run["run_no"]
		if d.Accounts, _, err = s.rows(ctx, runAccountsQuery, 0, "run", no); err != nil {
			return err
		}
		if d.Kinds, _, err = s.rows(ctx, `select kind, source, count(*) as entries from (
				select kind, source from main.entry_rows where run_no = $run::integer
				union all select case when c.kind = 'payout' then 'payout' else 'payout_line' end, c.source
				from main.booked_lines as b inner join main.line_classes as c using (class_no) where b.run_no = $run::integer)
			group by kind, source order by source, kind`, 0, "run", no); err != nil {
			return err
		}
		if d.Corrections, _, err = s.rows(ctx, "select book_date, source, document_id, text, left(entry_id::varchar, 13) as entry from main.entry_rows where run_no = $run::integer and corrects is not null order by book_date, document_id limit 100", 0, "run", no); err != nil {
			return err
		}
		d.Payouts, _, err = s.rows(ctx, "select source, payout_id, paid_date, currency, main.major(amount_minor, currency) as amount, status from main.payouts where booked_run = $run::integer order by paid_date limit 100", 0, "run", no)
		return err
	})
	if err != nil {
		return err
	}
	c.render(w, v, "run", d)
	return nil
}

type auditData struct {
	Rows  []auditRow
	Whole bool
}

func (c *console) auditPage(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Who did what")
	rows, whole, err := c.audit.rows(200)
	if err != nil {
		return err
	}
	c.render(w, v, "audit", auditData{rows, whole})
	return nil
}
