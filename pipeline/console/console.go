// Package console is kvitt in a browser: what was paid, booked and held, why, and what a
// person decides about it.
//
// The entry point is [New], which returns one http.Handler for everything at and below "/".
// Pages are rendered on the server and work without JavaScript. They read the published
// ledger, never the working one, so a run never waits for a reader nor a reader for a run.
// Whatever changes something is an action: it is asked for with POST, from this site only,
// by someone with the role for it, and leaves a row in the audit file before it begins and
// another when it has ended. An action does what a command of kvitt does, by the same code.
package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

// Options are everything the console is handed. Only DataDir, Load, Now, Wall and Log must be set.
type Options struct {
	DataDir string
	// Load reads the configuration anew and builds the project of it, as a command does. Its
	// error is shown on the set-up page: the console works while the configuration does not.
	Load func() (*pipeline.Project, error)
	Now  func() time.Time // the date of everything
	Wall func() time.Time // how long a session or a job lasts
	Log  *slog.Logger
	// Context ends the jobs that run in the background; nil is never.
	Context context.Context
	// Eager opens the published ledger before anyone asks for a page, and each newer one as soon as it is
	// there, until Context ends.
	Eager bool

	// Open lets everyone in who reaches the console over the loopback interface by its own name,
	// with every role. It is refused together with Users or OIDC.
	Open   bool
	Users  []User
	OIDC   *OIDC
	Secure bool // the browser speaks TLS to us or to the proxy before us
	// TrustForwarded takes the client's address from the last X-Forwarded-For: a stated proxy writes it.
	TrustForwarded bool

	// What the command knows and the pipeline does not. A nil one is said to be missing on the page.
	Check   func(ctx context.Context, offline bool) ([]Light, error) // kvitt check
	Config  ConfigFile                                               // kvitt.toml
	Resolve Resolver                                                 // kvitt resolve
	Reverse func(ctx context.Context, p *pipeline.Project, document, by string) (pipeline.Result, error)
}

// A Light is one line of kvitt check.
type Light struct {
	Light string // green, yellow, red
	What  string
	Says  string
}

// A Resolver decides exceptions. Both methods are what kvitt resolve does.
type Resolver interface {
	// Causes returns what may be behind an exception of the published ledger db, the likeliest first.
	Causes(ctx context.Context, db *duck.DB, x pipeline.KnownException) ([]Cause, error)
	// Resolve keeps a decision and books it. Undo is a decision too: As is "undo".
	Resolve(ctx context.Context, p *pipeline.Project, exceptionID string, d Decision) (pipeline.Result, error)
}

// A Cause is one explanation of an exception, with what speaks for it.
type Cause struct {
	Says     string
	Evidence []string
	Decision *Decision // what one click would decide; nil when there is nothing to click
}

// A Decision is what a person made of an exception.
type Decision struct {
	As   string // match | account | ignore | line_type | undo
	To   string // the document, account or kind
	Note string
	By   string
}

// A ConfigFile is kvitt.toml as the console sees it: it never shows a secret and never
// rewrites what a person wrote; it adds blocks at the end.
type ConfigFile interface {
	Path() string
	// Providers lists what a new [[source]] may be.
	Providers() []extract.Source
	// Add adds blocks to the end of the file, if the whole of it is then a valid configuration or, while
	// it was not one before, if what was added is not what is wrong. Secrets go into files beside it, by key.
	Add(block string, secrets map[string]string) error
	// SalesFile returns the path of sales_file and what it holds; "" when the configuration names none.
	SalesFile() (path string, body []byte, err error)
	// WriteSales replaces the file of sales_file, if the whole configuration is valid with it.
	WriteSales(body []byte) (rows int, err error)
}

// Limits on what a browser may ask for.
const (
	maxBody     = 4 << 20 // the largest form: a table of sales accounts
	maxQuery    = 4 << 10 // of a URL
	maxIDs      = 100_000 // of one retroactive sync
	maxRunning  = 64      // requests at a time
	actionLimit = 2 * time.Minute
)

type console struct {
	Options
	books    *books
	audit    *auditFile
	sessions *sessions
	jobs     *jobs
	mux      *http.ServeMux
	actions  []action
	slots    chan struct{}
	desk     chan struct{} // how many queries of the SQL desk run at a time
	deskTime time.Duration // how long one may take
	charts   *chartCache
	oidc     *oidcClient
}

// New returns the console. It reads no configuration and opens no ledger before it is asked for a page.
//
// Errors: options that contradict each other, an audit file that cannot be written.
func New(o Options) (http.Handler, error) {
	c, err := newConsole(o)
	if err != nil {
		return nil, err
	}
	return c.handler(), nil
}

func newConsole(o Options) (*console, error) {
	switch {
	case o.Load == nil || o.DataDir == "" || o.Now == nil || o.Wall == nil || o.Log == nil:
		return nil, errors.New("console: DataDir, Load, Now, Wall and Log must be set")
	case o.Open && (len(o.Users) > 0 || o.OIDC != nil):
		return nil, errors.New("console: Open lets everyone in, and there are users: one or the other")
	case !o.Open && len(o.Users) == 0 && o.OIDC == nil:
		return nil, errors.New("console: nobody could sign in: no users and no OIDC")
	}
	for _, u := range o.Users {
		if err := u.check(); err != nil {
			return nil, fmt.Errorf("console: user %q: %w", u.Name, err)
		}
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	c := &console{Options: o, mux: http.NewServeMux(), slots: make(chan struct{}, maxRunning), desk: make(chan struct{}, 2), deskTime: deskWait}
	var err error
	if c.audit, err = openAudit(filepath.Join(o.DataDir, "audit.jsonl")); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c.books = newBooks(c)
	c.sessions = newSessions(o.Wall, rand.Reader)
	c.jobs = newJobs(c)
	c.charts = &chartCache{}
	if o.OIDC != nil {
		if c.oidc, err = newOIDC(c, *o.OIDC); err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
	}
	if err := parsePages(); err != nil {
		return nil, err
	}
	c.routes()
	if o.Eager {
		go c.books.follow(o.Context)
	}
	return c, nil
}

func (c *console) routes() {
	c.mux.HandleFunc("GET /assets/{name}", c.asset)
	c.mux.HandleFunc("GET /sign-in", c.signInPage)
	c.mux.HandleFunc("POST /sign-in", c.signIn)
	c.mux.HandleFunc("GET /sign-in/oidc", c.oidcStart)
	c.mux.HandleFunc("GET /sign-in/oidc/back", c.oidcBack)
	c.mux.HandleFunc("POST /sign-out", c.signOut)
	c.mux.HandleFunc("POST /language", c.setLanguage)

	c.page("GET /{$}", c.overview)
	c.page("GET /payouts", c.payouts)
	c.page("GET /payouts/{source}/{id...}", c.payout)
	c.page("GET /exceptions", c.exceptions)
	c.page("GET /exceptions/{id}", c.exception)
	c.page("GET /explain", c.explain)
	c.page("GET /plan", c.plan)
	c.page("GET /proof", c.proof)
	c.page("GET /open-items", c.openItems)
	c.page("GET /oss", c.oss)
	c.page("GET /runs", c.runs)
	c.page("GET /runs/diff", c.diffRuns)
	c.page("GET /runs/{id}", c.run)
	c.page("GET /sql", c.sqlDesk)
	c.page("GET /setup", c.setup)
	c.page("GET /setup/sales", c.sales)
	c.page("GET /setup/test", c.testPanel)
	c.page("GET /setup/sync", c.syncPage)
	c.page("GET /setup/source", c.sourcePage)
	c.page("GET /audit", c.auditPage)
	c.page("GET /jobs/{id}", c.job)
	c.mux.HandleFunc("GET /chart/{name}", c.chart)

	// A query may be longer than an address, and its text belongs in no log: it is sent as a form.
	c.action("query", "POST /sql", []Role{Viewer, Accountant, Operator}, c.sqlRun)
	c.action("post", "POST /plan/post", []Role{Accountant}, c.postPlan)
	c.action("reverse", "POST /plan/reverse", []Role{Accountant}, c.reverse)
	c.action("resolve", "POST /exceptions/{id}/resolve", []Role{Accountant}, c.resolve)
	c.action("test", "POST /setup/test", []Role{Accountant, Operator}, c.testID)
	c.action("run", "POST /setup/run", []Role{Operator}, c.runNow)
	c.action("backfill", "POST /setup/sync", []Role{Operator}, c.backfill)
	c.action("check", "POST /setup/check", []Role{Operator}, c.checkOnline)
	c.action("add_source", "POST /setup/source", []Role{Operator}, c.addSource)
	c.action("add_company", "POST /setup/company", []Role{Operator}, c.addCompany)
	c.action("import_sales", "POST /setup/sales", []Role{Operator}, c.importSales)
	c.action("verify", "POST /proof/verify", []Role{Accountant, Operator}, c.verify)
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		v, ok := c.enter(w, r)
		if !ok {
			return
		}
		c.fail(w, r, v, http.StatusNotFound, v.T("There is no such page."))
	})
}

// page serves a page to everyone who is signed in: every role may read everything.
func (c *console) page(pattern string, serve func(http.ResponseWriter, *http.Request, *view) error) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v, ok := c.enter(w, r)
		if !ok {
			return
		}
		if err := serve(w, r, v); err != nil {
			c.trouble(w, r, v, err)
		}
	})
}

// An action is something that changes something, or costs something: who may, and what it is called in the audit file.
type action struct {
	name, pattern string
	roles         []Role
}

// action serves an action to those who have one of roles. What was asked for is in the audit
// file before it begins: an action that cannot be written down does not happen.
func (c *console) action(name, pattern string, roles []Role, do func(http.ResponseWriter, *http.Request, *view) error) {
	c.actions = append(c.actions, action{name, pattern, roles})
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v, ok := c.enter(w, r)
		if !ok {
			return
		}
		row := auditRow{Action: name, Who: v.Who.Name, Roles: v.Who.Roles, From: c.address(r), Path: r.URL.Path}
		if !v.Who.hasAny(roles) {
			row.Outcome = "refused: it takes the role " + joinRoles(roles, " or ")
			c.note(row)
			c.fail(w, r, v, http.StatusForbidden, v.T("Your account does not have the role for this: %s.", joinRoles(roles, ", ")))
			return
		}
		if err := parseForm(w, r); err != nil {
			c.fail(w, r, v, http.StatusRequestEntityTooLarge, v.T("That is more than the console takes at once."))
			return
		}
		row.With = shownForm(name, r.PostForm)
		row.Outcome = "asked for"
		if err := c.audit.add(c.Now(), row); err != nil {
			c.Log.Error("the audit file cannot be written", "error", err)
			c.fail(w, r, v, http.StatusServiceUnavailable, v.T("Nothing was done: the audit file cannot be written."))
			return
		}
		v.row = row
		err := do(w, r, v)
		if v.row.Outcome == "asked for" && err == nil {
			v.row.Outcome = "done"
		}
		if err != nil {
			v.row.Outcome = "failed: " + short(err.Error(), 300)
		}
		if v.row.Outcome != "begun" { // a job writes its own end
			c.note(v.row)
		}
		if err != nil {
			c.trouble(w, r, v, err)
		}
	})
}

// note adds a row that cannot be waited for.
func (c *console) note(row auditRow) {
	if err := c.audit.add(c.Now(), row); err != nil {
		c.Log.Error("the audit file cannot be written", "error", err, "action", row.Action, "outcome", row.Outcome)
	}
}

// hidden are the fields of a form that no audit row shows.
var hidden = []string{"password", "secret_"}

// shownForm is a form as the audit file keeps it: without secrets, and long values cut.
func shownForm(action string, f url.Values) map[string]string {
	out := map[string]string{}
	for k, vs := range f {
		if k == "csrf" || len(out) == 40 {
			continue
		}
		text := short(strings.Join(vs, ", "), 2000)
		if slices.ContainsFunc(hidden, func(h string) bool { return strings.HasPrefix(k, h) }) {
			text = "(not shown)"
		}
		out[k] = text
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func parseForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return r.ParseMultipartForm(maxBody)
	}
	return r.ParseForm()
}

// handler wraps the pages in what holds for all of them.
func (c *console) handler() http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.note(auditRow{Action: "cross_site", From: c.address(r), Path: short(r.URL.Path, 200), Outcome: "refused: the request came from another site"})
		http.Error(w, "refused: the request came from another site", http.StatusForbidden)
	}))
	inner := cross.Handler(c.mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cache-Control", "no-store")
		if c.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if len(r.URL.RawQuery) > maxQuery || len(r.URL.Path) > maxQuery {
			http.Error(w, "the address is too long", http.StatusRequestURITooLong)
			return
		}
		// Without sign-in the loopback interface is the guard, and another site's name that was made
		// to point at it would get past: only our own names are answered to.
		if c.Open && !isLoopbackHost(r.Host) {
			http.Error(w, "refused: without sign-in the console answers to localhost only", http.StatusForbidden)
			return
		}
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		default:
			h.Set("Retry-After", "1")
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		defer func() {
			if x := recover(); x != nil {
				c.Log.Error("a page failed", "path", r.URL.Path, "panic", fmt.Sprint(x))
				http.Error(w, "something went wrong; the log says what", http.StatusInternalServerError)
			}
		}()
		inner.ServeHTTP(w, r)
	})
}

func isLoopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// address is where a request came from.
func (c *console) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if f := r.Header.Values("X-Forwarded-For"); c.TrustForwarded && len(f) > 0 {
		all := strings.Split(f[len(f)-1], ",")
		if ip := net.ParseIP(strings.TrimSpace(all[len(all)-1])); ip != nil {
			return ip.String()
		}
	}
	return host
}

// trouble shows an error as a page that says what to do.
func (c *console) trouble(w http.ResponseWriter, r *http.Request, v *view, err error) {
	var nf notFound
	switch {
	case errors.Is(err, errShown):
		return // the page is written
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return // nobody is waiting
	case errors.As(err, &nf):
		c.fail(w, r, v, http.StatusNotFound, string(nf))
	case errors.Is(err, pipeline.ErrUnknownRef):
		c.fail(w, r, v, http.StatusNotFound, v.T("Nothing in the books has this reference."))
	case errors.Is(err, errNothingPublished):
		v.Title = v.T("Nothing is booked yet")
		w.WriteHeader(http.StatusOK)
		c.render(w, v, "empty", nil)
	case errors.Is(err, pipeline.ErrLocked):
		c.fail(w, r, v, http.StatusConflict, v.T("Another run holds the data directory. Wait for it to finish, and try again.")+" "+err.Error())
	case errors.Is(err, pipeline.ErrPlanChanged):
		c.fail(w, r, v, http.StatusConflict, v.T("The plan has changed since you looked at it: nothing was posted. Look at it again."))
	case errors.Is(err, pipeline.ErrUsage), errors.Is(err, errAsked):
		c.fail(w, r, v, http.StatusBadRequest, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		c.fail(w, r, v, http.StatusGatewayTimeout, v.T("This took too long and was stopped."))
	default:
		c.Log.Error("a page failed", "path", r.URL.Path, "error", err)
		c.fail(w, r, v, http.StatusInternalServerError, err.Error())
	}
}

var (
	errAsked = errors.New("cannot be done")
	errShown = errors.New("shown already")
)

// A notFound says which thing there is none of.
type notFound string

func (n notFound) Error() string { return string(n) }

func (c *console) fail(w http.ResponseWriter, r *http.Request, v *view, code int, says string) {
	v.Title = v.T(http.StatusText(code))
	w.WriteHeader(code)
	c.render(w, v, "error", says)
}

// project reads the configuration.
func (c *console) project() (*pipeline.Project, error) { return c.Load() }

// exponent is how many decimals the company's currency has.
func exponent(p *pipeline.Project) int { return ledger.Exponent(p.Settings.Company.Currency) }

func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}

func readAll(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, maxBody)) }
