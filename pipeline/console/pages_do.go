package console

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

// Limits of the SQL desk.
const (
	deskRows   = 1000    // shown on a page
	deskCSV    = 200_000 // in a file
	deskWait   = 20 * time.Second
	deskMemory = "256MB"
	deskText   = 20_000
	deskCell   = 2000 // characters of a value that a page shows
)

type sqlData struct {
	SQL   string
	Grid  *grid
	Wrong string
	Took  time.Duration
	Views []row
}

func (c *console) sqlDesk(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("SQL desk")
	d := sqlData{SQL: "select source, paid_date, amount, fees, status\nfrom recon.payouts\norder by paid_date desc\nlimit 20"}
	if err := c.describeViews(r.Context(), &d); err != nil {
		return err
	}
	c.render(w, v, "sql", d)
	return nil
}

func (c *console) describeViews(ctx context.Context, d *sqlData) error {
	return c.read(ctx, func(s *shelf) (err error) {
		d.Views, _, err = s.rows(ctx, `select v.view_name as name, coalesce(v.comment, '') as says,
				(select string_agg(column_name, ', ' order by column_index) from duckdb_columns() as k where k.schema_name = 'recon' and k.table_name = v.view_name) as columns
			from duckdb_views() as v where v.schema_name = 'recon' order by v.view_name`, 0)
		return err
	})
}

// sqlRun runs one query on a reader of its own: sealed, read only, with its own memory, and
// closed when the answer is written, so that nothing of it stays.
func (c *console) sqlRun(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("SQL desk")
	d := sqlData{SQL: r.PostForm.Get("sql")}
	asCSV := r.PostForm.Get("format") == "csv"
	limit := deskRows
	if asCSV {
		limit = deskCSV
	}
	select {
	case c.desk <- struct{}{}:
		defer func() { <-c.desk }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	began := c.Wall()
	t, more, err := c.query(r.Context(), d.SQL, limit)
	d.Took = c.Wall().Sub(began).Round(time.Millisecond)
	if err == nil && asCSV {
		if more {
			err = fmt.Errorf("%w: %s", errAsked, v.T("a file has at most %d rows; narrow the query down, or use kvitt query", deskCSV))
		} else {
			return writeCSV(w, "kvitt.csv", t)
		}
	}
	if err != nil {
		v.row.Outcome = "failed: " + short(err.Error(), 300)
		d.Wrong = err.Error()
		w.WriteHeader(http.StatusBadRequest)
	} else {
		for _, x := range t.Rows {
			for i := range x {
				x[i].Text = short(x[i].Text, deskCell)
			}
		}
		d.Grid = &grid{V: v, Table: t, More: more}
	}
	if err := c.describeViews(r.Context(), &d); err != nil && !errors.Is(err, errNothingPublished) {
		return err
	}
	c.render(w, v, "sql", d)
	return nil
}

// query runs one reading statement on the published copy.
func (c *console) query(ctx context.Context, text string, limit int) (duck.Table, bool, error) {
	if len(text) > deskText {
		return duck.Table{}, false, fmt.Errorf("%w: a query has at most %d characters", errAsked, deskText)
	}
	p := &pipeline.Project{DataDir: c.DataDir, Memory: deskMemory}
	db, err := p.Reader(ctx)
	if err != nil {
		return duck.Table{}, false, err
	}
	defer db.Close()
	if err := db.OnlyQuery(ctx, text); err != nil {
		return duck.Table{}, false, err
	}
	ctx, stop := context.WithTimeout(ctx, c.deskTime)
	defer stop()
	t, more, err := db.Table(ctx, text, limit)
	if ctx.Err() == context.DeadlineExceeded {
		return t, more, fmt.Errorf("%w: it took more than %s and was stopped", errAsked, c.deskTime)
	}
	return t, more, err
}

// writeCSV writes a result as a file. A text that a spreadsheet would run as a formula is made a
// text for it; numbers are numbers.
func writeCSV(w http.ResponseWriter, name string, t duck.Table) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	out := csv.NewWriter(w)
	_ = out.Write(t.Columns)
	cells := make([]string, len(t.Columns))
	for _, r := range t.Rows {
		for i, x := range r {
			cells[i] = x.Text
			if !t.Numeric[i] && x.Text != "" && strings.ContainsRune("=+-@\t\r", rune(x.Text[0])) {
				cells[i] = "'" + x.Text
			}
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return nil // the browser has most of it: there is nobody to tell
}

type planData struct {
	Plan       *pipeline.Plan
	Exp        int
	Currency   string
	Target     string
	Vouchers   []load.Voucher // at most listLimit
	More       int
	Posted     []row
	CanReverse bool
	Sent       int
}

// Debit is the sum of a voucher's debits.
func (planData) Debit(x load.Voucher) (sum ledger.Minor) {
	for _, r := range x.Rows {
		if r.Amount > 0 {
			sum += r.Amount
		}
	}
	return sum
}

func (c *console) plan(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Plan and post")
	p, err := c.project()
	if err != nil {
		return fmt.Errorf("%w: %w", errAsked, err)
	}
	d := planData{CanReverse: c.Reverse != nil && p.Outbox != nil, Exp: exponent(p), Currency: p.Settings.Company.Currency, Target: p.TargetName}
	err = c.read(r.Context(), func(s *shelf) (err error) {
		if d.Plan, err = s.plan(r.Context(), p); err != nil {
			return err
		}
		d.Posted, _, err = s.rows(r.Context(), `select erp_document_id, reference, document_id, erp_number, status, amount, currency, posted_at
			from recon.erp_documents where status <> 'planned' order by posted_at desc nulls first, erp_document_id limit 100`, 0)
		return err
	})
	if err != nil {
		return err
	}
	d.Vouchers = d.Plan.Vouchers
	if len(d.Vouchers) > listLimit {
		d.More = len(d.Vouchers) - listLimit
		d.Vouchers = d.Vouchers[:listLimit]
	}
	c.render(w, v, "plan", d)
	return nil
}

// postPlan posts the plan that was looked at, and no other.
func (c *console) postPlan(w http.ResponseWriter, r *http.Request, v *view) error {
	digest := r.PostForm.Get("digest")
	if len(digest) != 64 {
		return fmt.Errorf("%w: %s", errAsked, v.T("look at the plan first"))
	}
	return c.start(w, r, v, v.T("Posting the plan"), "/plan", func(ctx context.Context, p *pipeline.Project, j *job) (string, error) {
		res, err := p.Post(ctx, digest)
		if err != nil {
			return "", err
		}
		return ran(v, res), nil
	})
}

func (c *console) reverse(w http.ResponseWriter, r *http.Request, v *view) error {
	document := r.PostForm.Get("document")
	if c.Reverse == nil {
		return fmt.Errorf("%w: %s", errAsked, v.T("this build cannot reverse yet"))
	}
	if document == "" {
		return fmt.Errorf("%w: %s", errAsked, v.T("say which document"))
	}
	return c.start(w, r, v, v.T("Reversing %s", document), "/plan", func(ctx context.Context, p *pipeline.Project, j *job) (string, error) {
		res, err := c.Reverse(ctx, p, document, v.Who.Name)
		if err != nil {
			return "", err
		}
		return ran(v, res), nil
	})
}

var decisions = []string{"match", "account", "ignore", "line_type", "kind", "accept", "keep", "duplicate", "rate", "retry", "undo"}

func (c *console) resolve(w http.ResponseWriter, r *http.Request, v *view) error {
	id := r.PathValue("id")
	d := Decision{As: r.PostForm.Get("as"), To: strings.TrimSpace(r.PostForm.Get("to")), Note: strings.TrimSpace(r.PostForm.Get("note")), By: v.Who.Name}
	switch {
	case c.Resolve == nil:
		return fmt.Errorf("%w: %s", errAsked, v.T("this build cannot resolve yet"))
	case !uuidForm.MatchString(id):
		return notFound(v.T("There is no such exception: it may have gone away with a later run."))
	case !slices.Contains(decisions, d.As):
		return fmt.Errorf("%w: %s", errAsked, v.T("say what to do, of what the list offers"))
	case d.As == "ignore" && d.Note == "":
		return fmt.Errorf("%w: %s", errAsked, v.T("say why it is ignored"))
	}
	return c.start(w, r, v, v.T("Resolving an exception"), "/exceptions/"+id, func(ctx context.Context, p *pipeline.Project, j *job) (string, error) {
		res, err := c.Resolve.Resolve(ctx, p, id, d)
		if err != nil {
			return "", err
		}
		return ran(v, res), nil
	})
}

// A step is one line of the set-up's checklist.
type step struct {
	Done       bool
	Title      string
	Says       string
	Do, DoText string // a link
}

type setupData struct {
	Steps      []step
	Lights     []Light
	Problem    string
	Project    *pipeline.Project
	Path       string
	Checked    bool
	Sources    []setupSource
	Conflicts  []string
	Stage      map[string]bool
	HasConfig  bool
	Sales      int
	Currencies []string
}

// A setupSource is one [[source]] with its flows.
type setupSource struct {
	Name, Provider, Inbox string
	Shop                  bool
	Flows                 [4]bool
	Can                   [4]bool
	Start                 string
	Accounts              [7]int
}

var flowNames = [4]string{"orders", "invoices", "refunds", "payouts"}

func (c *console) setup(w http.ResponseWriter, r *http.Request, v *view) error {
	return c.setupWith(w, r, v, true)
}

// checkOnline asks every source, as kvitt check does.
func (c *console) checkOnline(w http.ResponseWriter, r *http.Request, v *view) error {
	return c.setupWith(w, r, v, false)
}

func (c *console) setupWith(w http.ResponseWriter, r *http.Request, v *view, offline bool) error {
	v.Title = v.T("Set-up")
	d := setupData{Checked: !offline, HasConfig: c.Config != nil}
	if c.Config != nil {
		d.Path = filepath.Base(c.Config.Path())
	}
	p, err := c.project()
	if err != nil {
		d.Problem = err.Error()
	}
	d.Project = p
	if p != nil {
		d.Sales = len(p.Settings.Sales)
		d.Sources, d.Conflicts = flowsOf(v, p)
		if c.Check != nil {
			ctx, stop := context.WithTimeout(r.Context(), actionLimit)
			defer stop()
			lights, err := c.Check(ctx, offline)
			if err != nil {
				d.Lights = append(d.Lights, Light{"red", "check", err.Error()})
			}
			d.Lights = append(d.Lights, lights...)
		}
	}
	counts := row{}
	err = c.read(r.Context(), func(s *shelf) error {
		x, err := s.one(r.Context(), `select (select count(*) from main.runs) as runs, (select count(*) from main.documents) as documents,
			(select count(*) from main.payouts where status = 'booked') as booked, (select count(*) from main.erp_documents where status = 'posted') as posted,
			(select count(*) from main.payouts) as payouts`)
		if x != nil {
			counts = x
		}
		return err
	})
	if err != nil && !errors.Is(err, errNothingPublished) {
		return err
	}
	red := slices.ContainsFunc(d.Lights, func(l Light) bool { return l.Light == "red" })
	some := func(k string) bool { return counts[k] != "" && counts[k] != "0" }
	tested := c.hasDone("test")
	d.Steps = []step{
		{p != nil, v.T("Company, sources and accounts are configured"), v.T("kvitt.toml is read without a mistake."), "/setup/source", v.T("Add a source")},
		{p != nil && len(d.Conflicts) == 0, v.T("Each sale has one owner"), v.T("Exactly one source brings the orders and invoices of a sale; the provider beside it brings payouts."), "#flows", v.T("Flows")},
		{p != nil && d.Sales > 0, v.T("Sales accounts and VAT are mapped"), v.T("Every country and VAT rate you sell at has its accounts."), "/setup/sales", v.T("Mapping")},
		{p != nil && c.Check != nil && !red && (d.Checked || some("runs")), v.T("Every connection answers"), v.T("Each source knows its key, and the folder of data can be written."), "#check", v.T("Check now")},
		{tested || some("booked"), v.T("One order is tried"), v.T("See what one checkout ID would book and post. Nothing is written."), "/setup/test", v.T("Test panel")},
		{some("runs"), v.T("A first run has read and booked"), v.T("It reads from the start date on and posts nothing."), "#activate", v.T("Run now")},
		{some("booked"), v.T("A first payout is booked"), v.T("Its lines have met their documents, and its sums are proven."), "/payouts", v.T("Payouts")},
		{some("posted"), v.T("A first plan is posted"), v.T("The ERP has what the plan showed."), "/plan", v.T("Plan and post")},
		{p != nil && p.AutoPost, v.T("Posting goes by itself"), v.T("auto_post = true in [erp]: every run posts its plan. Until then a person does."), "#activate", v.T("Activation")},
	}
	c.render(w, v, "setup", d)
	return nil
}

// hasDone reports whether an action was ever done here.
func (c *console) hasDone(action string) bool {
	rows, _, err := c.audit.rows(5000)
	return err == nil && slices.ContainsFunc(rows, func(r auditRow) bool { return r.Action == action && strings.HasPrefix(r.Outcome, "done") })
}

// flowsOf lists the sources with their flows, and the sales that two of them would bring.
func flowsOf(v *view, p *pipeline.Project) ([]setupSource, []string) {
	var out []setupSource
	var owners []string
	shops := false
	for i, s := range p.Sources {
		x := setupSource{Name: s.Name, Provider: s.Connector.Title, Inbox: s.Inbox, Shop: s.Connector.Shop, Start: s.StartDate}
		for k, f := range flowNames {
			x.Flows[k], x.Can[k] = slices.Contains(s.Flows, f), slices.Contains(s.Connector.Flows, f)
		}
		if i < len(p.Settings.Sources) {
			a := p.Settings.Sources[i].Accounts
			x.Accounts = [7]int{a.Receivable, a.Clearing, a.Bank, a.Fee, a.FeeVAT, a.Reserve, a.Dispute}
		}
		if x.Flows[1] {
			owners = append(owners, s.Name)
			shops = shops || x.Shop
		}
		out = append(out, x)
	}
	var conflicts []string
	if shops {
		for _, x := range out {
			if !x.Shop && x.Flows[1] {
				conflicts = append(conflicts, v.T("%s brings invoices, and so does a shop: a sale that both know would be booked twice unless they can be told apart by data. Usually the provider runs payouts only.", x.Name))
			}
		}
	}
	if len(owners) == 0 && len(out) > 0 {
		conflicts = append(conflicts, v.T("No source brings invoices: payouts are booked against open items that nobody books."))
	}
	return out, conflicts
}

type testData struct {
	Sources    []string
	Source, ID string
	Chapters   []chapter
	Trial      *pipeline.Trial
	Exp        int
	Currency   string
	Target     string
	Wrong      string
}

func (c *console) testPanel(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Test panel")
	p, err := c.project()
	if err != nil {
		return fmt.Errorf("%w: %w", errAsked, err)
	}
	c.render(w, v, "test", testData{Sources: spokenTo(p), Source: v.Query.Get("source")})
	return nil
}

// spokenTo are the sources that single documents can be asked of.
func spokenTo(p *pipeline.Project) []string {
	var out []string
	for _, s := range p.Sources {
		if s.Inbox == "" {
			out = append(out, s.Name)
		}
	}
	return out
}

func (c *console) testID(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Test panel")
	p, err := c.project()
	if err != nil {
		return fmt.Errorf("%w: %w", errAsked, err)
	}
	d := testData{Sources: spokenTo(p), Source: r.PostForm.Get("source"), ID: strings.TrimSpace(r.PostForm.Get("id")), Exp: exponent(p), Currency: p.Settings.Company.Currency, Target: p.TargetName}
	if !slices.Contains(d.Sources, d.Source) || d.ID == "" || len(d.ID) > 200 {
		return fmt.Errorf("%w: %s", errAsked, v.T("choose a source and write one checkout ID"))
	}
	ctx, stop := context.WithTimeout(r.Context(), actionLimit)
	defer stop()
	q := asReader(p)
	q.Progress = nil
	d.Trial, err = q.Test(ctx, d.Source, d.ID)
	if err != nil {
		v.row.Outcome = "failed: " + short(err.Error(), 300)
		d.Wrong = err.Error()
		w.WriteHeader(http.StatusUnprocessableEntity)
	} else {
		for _, x := range d.Trial.Chapters {
			if len(x.Table.Rows) > 0 {
				d.Chapters = append(d.Chapters, chapter{Title: x.Title, Grid: grid{V: v, Table: x.Table, Words: wordy, Says: told}})
			}
		}
	}
	c.render(w, v, "test", d)
	return nil
}

// runNow is kvitt run --no-post.
func (c *console) runNow(w http.ResponseWriter, r *http.Request, v *view) error {
	return c.start(w, r, v, v.T("A run, without posting"), "/", func(ctx context.Context, p *pipeline.Project, j *job) (string, error) {
		res, err := p.Run(ctx, "run", pipeline.Selection{}, false)
		if err != nil {
			return "", err
		}
		return ran(v, res), nil
	})
}

type syncData struct {
	Sources []string
	Source  string
}

func (c *console) syncPage(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Retroactive sync")
	p, err := c.project()
	if err != nil {
		return fmt.Errorf("%w: %w", errAsked, err)
	}
	c.render(w, v, "sync", syncData{Sources: spokenTo(p), Source: v.Query.Get("source")})
	return nil
}

// backfill is kvitt backfill with the IDs that were pasted. They are read in portions, so that the
// page can say how far it is and a portion that fails does not cost the others.
func (c *console) backfill(w http.ResponseWriter, r *http.Request, v *view) error {
	p, err := c.project()
	if err != nil {
		return fmt.Errorf("%w: %w", errAsked, err)
	}
	source := r.PostForm.Get("source")
	ids := idsOf(r.PostForm.Get("ids"))
	switch {
	case !slices.Contains(spokenTo(p), source):
		return fmt.Errorf("%w: %s", errAsked, v.T("choose a source that single orders can be asked of"))
	case len(ids) == 0:
		return fmt.Errorf("%w: %s", errAsked, v.T("paste at least one checkout ID"))
	case len(ids) > maxIDs:
		return fmt.Errorf("%w: %s", errAsked, v.T("at most %d IDs at once", maxIDs))
	}
	v.row.With = map[string]string{"source": source, "ids": short(strings.Join(ids, ","), 2000), "count": fmt.Sprint(len(ids))}
	return c.start(w, r, v, v.T("Retroactive sync of %d orders of %s", len(ids), source), "/setup/sync", func(ctx context.Context, p *pipeline.Project, j *job) (string, error) {
		var sum pipeline.Result
		var failed []error
		for i := 0; i < len(ids); i += portion {
			part := ids[i:min(i+portion, len(ids))]
			j.say(v.T("%d of %d IDs", i, len(ids)))
			res, err := p.Run(ctx, "backfill", pipeline.Selection{Source: source, IDs: part}, false)
			if errors.Is(err, pipeline.ErrLocked) || ctx.Err() != nil || pipeline.IsFull(err) {
				return "", errors.Join(append(failed, err)...)
			}
			if err != nil {
				failed = append(failed, err)
				j.say(v.Says(err.Error()))
			}
			sum.Records += res.Records
			sum.Entries += res.Entries
			sum.Posted += res.Posted
			sum.Gone = append(sum.Gone, res.Gone...)
			sum.Exceptions, sum.Held = res.Exceptions, res.Held
		}
		return ran(v, sum), errors.Join(failed...)
	})
}

// portion is how many orders a retroactive sync reads before it books and says how far it is.
const portion = 500

// idsOf reads IDs with blanks, commas, semicolons or line feeds between them, each once; # begins a remark.
func idsOf(text string) []string {
	var out []string
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for id := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;\"'", r) }) {
			if len(id) <= 200 && !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	return out
}

type salesData struct {
	Rows   []salesRow
	Path   string
	Toml   string
	Wrong  string
	Body   string
	Source []setupSource
	Done   string
	Known  bool
}

type salesRow struct {
	Country, Customer, Rate string
	Sales, VAT              int
	OSS                     bool
}

// sales shows the mapping tables.
func (c *console) sales(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Accounts and VAT")
	var d salesData
	if n := v.Query.Get("rows"); n != "" {
		d.Done = v.T("The table was written: %s rows. It counts from the next run on.", short(n, 6))
	}
	c.fillSales(v, &d)
	c.render(w, v, "sales", d)
	return nil
}

func (c *console) fillSales(v *view, d *salesData) {
	if c.Config != nil {
		d.Known = true
		path, body, err := c.Config.SalesFile()
		d.Path = path
		if d.Body == "" {
			d.Body = string(body)
		}
		if err != nil && d.Wrong == "" {
			d.Wrong = err.Error()
		}
	}
	p, err := c.project()
	if err != nil {
		if d.Wrong == "" {
			d.Wrong = err.Error()
		}
		return
	}
	d.Source, _ = flowsOf(v, p)
	for _, s := range p.Settings.Sales {
		rate := fmt.Sprintf("%d", s.Rate/100)
		if s.Rate%100 != 0 {
			rate += "." + strings.TrimRight(fmt.Sprintf("%02d", s.Rate%100), "0")
		}
		d.Rows = append(d.Rows, salesRow{s.Country, s.Customer, rate, s.Sales, s.VAT, s.OSS})
	}
}

// importSales takes a table as CSV. Where the configuration names sales_file, that file is
// replaced, if the whole configuration is valid with it; else the rows are shown as TOML to paste:
// kvitt.toml holds a person's own words and remarks, and is not rewritten by a program.
func (c *console) importSales(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Accounts and VAT")
	d := salesData{Body: r.PostForm.Get("csv")}
	if r.MultipartForm != nil {
		if f, _, err := r.FormFile("file"); err == nil {
			b, err := readAll(f)
			f.Close()
			if err != nil {
				return err
			}
			if len(b) > 0 {
				d.Body = string(b)
			}
		}
	}
	if strings.TrimSpace(d.Body) == "" {
		return fmt.Errorf("%w: %s", errAsked, v.T("paste a table, or choose a file"))
	}
	if c.Config == nil {
		return fmt.Errorf("%w: %s", errAsked, v.T("this console was started without a configuration file"))
	}
	path, _, err := c.Config.SalesFile()
	if err == nil && path != "" {
		n, err := c.Config.WriteSales([]byte(d.Body))
		if err == nil {
			http.Redirect(w, r, fmt.Sprintf("/setup/sales?rows=%d", n), http.StatusSeeOther)
			return nil
		}
		v.row.Outcome = "failed: " + short(err.Error(), 300)
		d.Wrong = err.Error()
		w.WriteHeader(http.StatusUnprocessableEntity)
	} else if d.Toml, err = salesTOML(d.Body); err != nil {
		v.row.Outcome = "failed: " + short(err.Error(), 300)
		d.Wrong = err.Error()
		w.WriteHeader(http.StatusUnprocessableEntity)
	} else {
		v.row.Outcome = "done: shown as TOML, nothing written"
	}
	c.fillSales(v, &d)
	c.render(w, v, "sales", d)
	return nil
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9.,%* -]{0,40}$`)

// salesTOML turns a table of sales accounts into [[sales]] blocks. What the values mean is
// checked where all configuration is: when it is read.
func salesTOML(text string) (string, error) {
	in := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	first, _, _ := strings.Cut(text, "\n")
	if strings.Count(first, ";") > strings.Count(first, ",") {
		in.Comma = ';'
	}
	in.FieldsPerRecord = -1
	in.TrimLeadingSpace = true
	all, err := in.ReadAll()
	if err != nil {
		return "", err
	}
	if len(all) < 2 {
		return "", errors.New("the table has a header and at least one row: country,vat_rate,sales,vat,oss,customer")
	}
	known := []string{"country", "customer", "vat_rate", "sales", "vat", "oss"}
	for i, h := range all[0] {
		all[0][i] = strings.ToLower(strings.TrimSpace(h))
		if !slices.Contains(known, all[0][i]) {
			return "", fmt.Errorf("column %q is not known: %s", h, strings.Join(known, ", "))
		}
	}
	var b strings.Builder
	for n, r := range all[1:] {
		b.WriteString("[[sales]]\n")
		for i, val := range r {
			if i >= len(all[0]) || strings.TrimSpace(val) == "" {
				continue
			}
			val = strings.TrimSpace(val)
			if !plainValue.MatchString(val) {
				return "", fmt.Errorf("row %d: %q does not belong in a table of accounts", n+2, short(val, 60))
			}
			switch h := all[0][i]; h {
			case "sales", "vat":
				fmt.Fprintf(&b, "%-8s = %s\n", h, val)
			case "oss":
				fmt.Fprintf(&b, "%-8s = %t\n", h, slices.Contains([]string{"true", "yes", "ja", "1", "x"}, strings.ToLower(val)))
			case "vat_rate":
				fmt.Fprintf(&b, "%-8s = %q\n", h, strings.TrimSpace(strings.TrimSuffix(strings.Replace(val, ",", ".", 1), "%")))
			default:
				fmt.Fprintf(&b, "%-8s = %q\n", h, val)
			}
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

type sourceData struct {
	Providers  []extract.Source
	Provider   *extract.Source
	Values     url.Values
	Wrong      string
	HasCompany bool
	Done       string
	Path       string
	FlowNames  [4]string
}

// sourcePage is where a source is added to kvitt.toml.
func (c *console) sourcePage(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Add a source")
	d := sourceData{Values: v.Query}
	if v.Query.Get("done") != "" {
		d.Done = v.T("It was added to the configuration.")
	}
	return c.showSource(w, v, d, http.StatusOK)
}

func (c *console) showSource(w http.ResponseWriter, v *view, d sourceData, code int) error {
	if c.Config == nil {
		return fmt.Errorf("%w: %s", errAsked, v.T("this console was started without a configuration file"))
	}
	d.Providers, d.Path, d.FlowNames = c.Config.Providers(), filepath.Base(c.Config.Path()), flowNames
	if i := slices.IndexFunc(d.Providers, func(p extract.Source) bool { return p.Name == d.Values.Get("provider") }); i >= 0 {
		d.Provider = &d.Providers[i]
	}
	_, err := c.project()
	d.HasCompany = err == nil
	w.WriteHeader(code)
	c.render(w, v, "source", d)
	return nil
}

var (
	sourceName  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	orgNumber   = regexp.MustCompile(`^\d{6}-?\d{4}$`)
	upperCode   = regexp.MustCompile(`^[A-Z]{2,3}$`)
	dateForm    = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	controlText = regexp.MustCompile(`[\x00-\x1f\x7f]`)
)

// toml writes a text as TOML does: a basic string.
func toml(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(controlText.ReplaceAllString(s, "")) + `"`
}

// addSource adds a [[source]] block. Secrets go into files of their own beside kvitt.toml; they are never shown again.
func (c *console) addSource(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Add a source")
	if c.Config == nil {
		return fmt.Errorf("%w: %s", errAsked, v.T("this console was started without a configuration file"))
	}
	f := r.PostForm
	d := sourceData{Values: url.Values{}}
	for k, vs := range f {
		if !strings.HasPrefix(k, "secret_") {
			d.Values[k] = vs
		}
	}
	all := c.Config.Providers()
	i := slices.IndexFunc(all, func(p extract.Source) bool { return p.Name == f.Get("provider") })
	refuse := func(err error) error {
		v.row.Outcome = "failed: " + short(err.Error(), 300)
		d.Wrong = err.Error()
		return c.showSource(w, v, d, http.StatusUnprocessableEntity)
	}
	if i < 0 {
		return refuse(errors.New(v.T("choose a provider")))
	}
	name := f.Get("name")
	if !sourceName.MatchString(name) {
		return refuse(errors.New(v.T("a name has lower-case letters, digits, - and _")))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n# Added in the console by %s, %s.\n[[source]]\nname     = %s\nprovider = %s\n", controlText.ReplaceAllString(v.Who.Name, ""), c.Now().UTC().Format("2006-01-02"), toml(name), toml(all[i].Name))
	var flows []string
	for _, fl := range f["flow"] {
		if slices.Contains(all[i].Flows, fl) {
			flows = append(flows, toml(fl))
		}
	}
	if len(flows) > 0 {
		fmt.Fprintf(&b, "flows    = [%s]\n", strings.Join(flows, ", "))
	}
	for _, k := range []string{"base_url", "inbox", "currency", "start_date", "unmatched"} {
		val := strings.TrimSpace(f.Get(k))
		if val == "" || k == "inbox" && all[i].Inbox == nil {
			continue
		}
		if k == "start_date" && !dateForm.MatchString(val) {
			return refuse(errors.New(v.T("a date is written 2026-03-31")))
		}
		fmt.Fprintf(&b, "%s = %s\n", k, toml(val))
	}
	secrets := map[string]string{}
	for _, k := range all[i].Keys {
		if !k.Secret {
			if val := strings.TrimSpace(f.Get("key_" + k.Name)); val != "" {
				fmt.Fprintf(&b, "%s = %s\n", k.Name, toml(val))
			}
			continue
		}
		if val := f.Get("secret_" + k.Name); val != "" {
			if strings.ContainsAny(val, "\r\n\x00") || len(val) > 8<<10 {
				return refuse(errors.New(v.T("%s is one line of text", k.Name)))
			}
			file := "secrets/" + name + "-" + k.Name
			secrets[file] = val
			fmt.Fprintf(&b, "%s = %s\n", k.Name, toml("file:"+file))
		}
	}
	if err := c.Config.Add(b.String(), secrets); err != nil {
		return refuse(err)
	}
	http.Redirect(w, r, "/setup", http.StatusSeeOther)
	return nil
}

// addCompany writes the company into an empty configuration, with the accounts that a Swedish shop begins with.
func (c *console) addCompany(w http.ResponseWriter, r *http.Request, v *view) error {
	v.Title = v.T("Add a source")
	if c.Config == nil {
		return fmt.Errorf("%w: %s", errAsked, v.T("this console was started without a configuration file"))
	}
	f := r.PostForm
	d := sourceData{Values: f}
	refuse := func(err error) error {
		v.row.Outcome = "failed: " + short(err.Error(), 300)
		d.Wrong = err.Error()
		return c.showSource(w, v, d, http.StatusUnprocessableEntity)
	}
	switch {
	case strings.TrimSpace(f.Get("company")) == "":
		return refuse(errors.New(v.T("write the company's name")))
	case f.Get("org_number") != "" && !orgNumber.MatchString(f.Get("org_number")):
		return refuse(errors.New(v.T("an organisation number is written 556000-0167")))
	case len(f.Get("country")) != 2 || !upperCode.MatchString(f.Get("country")), len(f.Get("home")) != 3 || !upperCode.MatchString(f.Get("home")):
		return refuse(errors.New(v.T("country and currency are written SE and SEK")))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[company]\nname        = %s\n", toml(short(f.Get("company"), 120)))
	if f.Get("org_number") != "" {
		fmt.Fprintf(&b, "org_number  = %s\n", toml(f.Get("org_number")))
	}
	fmt.Fprintf(&b, "country     = %s\ncurrency    = %s\n", toml(f.Get("country")), toml(f.Get("home")))
	if f.Get("country") == "SE" {
		b.WriteString(swedishSales)
	}
	if err := c.Config.Add(b.String(), nil); err != nil {
		return refuse(err)
	}
	http.Redirect(w, r, "/setup/source", http.StatusSeeOther)
	return nil
}

// swedishSales are the accounts of the BAS chart for goods sold in Sweden.
const swedishSales = `
[[sales]]
country  = "SE"
vat_rate = "25"
sales    = 3001
vat      = 2611

[[sales]]
country  = "SE"
vat_rate = "12"
sales    = 3002
vat      = 2621

[[sales]]
country  = "SE"
vat_rate = "6"
sales    = 3003
vat      = 2631

[[sales]]
country  = "SE"
vat_rate = "0"
sales    = 3004
`

// verify is kvitt verify.
func (c *console) verify(w http.ResponseWriter, r *http.Request, v *view) error {
	return c.start(w, r, v, v.T("Verifying archive and books"), "/proof", func(ctx context.Context, p *pipeline.Project, j *job) (string, error) {
		found, err := p.Verify(ctx)
		wrong := 0
		for _, f := range found {
			mark := "✓"
			if len(f.Wrong) > 0 {
				mark, wrong = "✗", wrong+1
			}
			j.say(mark + " " + f.What + ": " + v.Says(f.Says))
			for _, x := range f.Wrong {
				j.say("    " + v.Says(x))
			}
		}
		if err != nil {
			return "", err
		}
		if wrong > 0 {
			return "", errors.New(v.T("%d of %d checks found something wrong.", wrong, len(found)))
		}
		return v.T("All %d checks hold.", len(found)), nil
	})
}
