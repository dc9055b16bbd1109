package console

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/adyen"
	"github.com/kvitt/kvitt/extract/klarna"
	"github.com/kvitt/kvitt/fixtures/sandbox"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load/sie"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/transport"
	"github.com/kvitt/kvitt/transform"
)

var afterMarch = time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)

// TestMain books the sandbox's March once; tests that change something work on a copy.
func TestMain(m *testing.M) {
	code := m.Run()
	if world.dir != "" {
		os.RemoveAll(world.dir)
	}
	os.Exit(code)
}

var world struct {
	once   sync.Once
	dir    string
	klarna string
	err    error
}

// booked returns a folder with the booked month, to be read.
func booked(t *testing.T) string {
	t.Helper()
	world.once.Do(func() {
		world.dir, world.err = os.MkdirTemp("", "kvitt-console-")
		if world.err != nil {
			return
		}
		month := sandbox.Month(sandbox.MonthConfig{})
		srv, err := sandbox.Start(context.Background(), month, sandbox.Options{})
		if err != nil {
			world.err = err
			return
		}
		world.klarna = srv.Klarna
		inbox := filepath.Join(world.dir, "inbox")
		if world.err = os.MkdirAll(inbox, 0o700); world.err != nil {
			return
		}
		if world.err = month.WriteAdyen(inbox, afterMarch); world.err != nil {
			return
		}
		_, world.err = project(world.dir, world.klarna).Run(context.Background(), "run", pipeline.Selection{}, false)
	})
	if world.err != nil {
		t.Fatal(world.err)
	}
	return world.dir
}

// copied is a folder with the booked month, to be changed.
func copied(t *testing.T) string {
	t.Helper()
	from, to := booked(t), t.TempDir()
	if err := os.CopyFS(filepath.Join(to), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func project(dir, klarnaURL string) *pipeline.Project {
	accounts := transform.SourceAccounts{Receivable: 1510, Clearing: 1585, Bank: 1930, Fee: 6064, FeeVAT: 2641, Reserve: 1689, Dispute: 1516}
	other := accounts
	other.Clearing, other.Fee = 1583, 6040
	consumer := func(country string, rate, sales, vat int, oss bool) transform.Sale {
		return transform.Sale{Country: country, Customer: "consumer", Rate: rate, Sales: sales, VAT: vat, OSS: oss}
	}
	now := func() time.Time { return afterMarch }
	p := &pipeline.Project{
		DataDir: filepath.Join(dir, "data"), TargetName: "sie", Aggregate: "day", Version: "test", AccountName: ledger.AccountName, ConfigDigest: "digest",
		Now: now, Wall: time.Now, Memory: "400MB", Log: slog.New(slog.DiscardHandler),
		Settings: transform.Settings{
			Company:  transform.Company{Name: "Exempel Handel AB", OrgNumber: "556000-0167", Country: "SE", Currency: "SEK", TimeZone: "Europe/Stockholm", FiscalYear: "01-01"},
			Accounts: transform.Accounts{Rounding: 3740, FXGain: 3960, FXLoss: 7960, Suspense: 2999, GiftCards: 2421, ReverseOut: 2614, ReverseIn: 2645},
			Period:   transform.Period{Policy: "first_open"}, Tolerance: 100, Number: "{order_number}",
			Sales: []transform.Sale{
				consumer("SE", 2500, 3001, 2611, false), consumer("SE", 1200, 3002, 2621, false), consumer("SE", 600, 3003, 2631, false), consumer("SE", 0, 3004, 0, false),
				consumer("FI", 2550, 3106, 2670, true), consumer("DE", 1900, 3106, 2670, true), consumer("DK", 2500, 3106, 2670, true), consumer("*", 0, 3105, 0, false),
			},
			Sources: []transform.Source{
				{Name: "klarna", Provider: "klarna", Flows: []string{"orders", "invoices", "refunds", "payouts"}, FeeVAT: "reported", Unmatched: "suspense", Currency: "SEK", Accounts: accounts},
				{Name: "adyen", Provider: "adyen", Flows: []string{"payouts"}, FeeVAT: "none", Unmatched: "suspense", Accounts: other},
			},
		},
		Sources: []pipeline.Source{
			{Name: "klarna", Connector: klarna.Source(), Flows: []string{"orders", "invoices", "refunds", "payouts"}, Config: extract.Config{Name: "klarna", BaseURL: klarnaURL, Now: now,
				Client: transport.New(transport.Options{Now: time.Now, MaxTries: 4, FirstWait: time.Millisecond, MaxWait: 10 * time.Millisecond, TryTimeout: 10 * time.Second}),
				Keys:   map[string]string{"username": sandbox.Username, "password": sandbox.Password}}},
			{Name: "adyen", Connector: adyen.Source(), Flows: []string{"payouts"}, Inbox: filepath.Join(dir, "inbox"), Config: extract.Config{Name: "adyen", Now: now}},
		},
	}
	p.Target = &sie.Target{Dir: p.SIEDir(), Company: p.Settings.Company.Name, OrgNumber: p.Settings.Company.OrgNumber, Currency: "SEK", FiscalYear: "01-01", Series: "K", Program: "kvitt", Version: "test", AccountName: ledger.AccountName}
	return p
}

// A wallClock moves when a test says so.
type wallClock struct{ nanos atomic.Int64 }

func newWall() *wallClock                    { w := &wallClock{}; w.nanos.Store(time.Now().UnixNano()); return w }
func (w *wallClock) now() time.Time          { return time.Unix(0, w.nanos.Load()) }
func (w *wallClock) advance(d time.Duration) { w.nanos.Add(int64(d)) }

// options are those of a console on the folder dir that lets everyone in.
func options(dir string) Options {
	return Options{
		DataDir: filepath.Join(dir, "data"), Load: func() (*pipeline.Project, error) { return project(dir, world.klarna), nil },
		Now: func() time.Time { return afterMarch }, Wall: time.Now, Log: slog.New(slog.DiscardHandler), Open: true,
		Check: func(context.Context, bool) ([]Light, error) {
			return []Light{{"green", "company", "Exempel Handel AB"}}, nil
		},
	}
}

// A browser is a client that keeps cookies and says where it comes from, as browsers do.
type browser struct {
	t   *testing.T
	url string
	*http.Client
	c *console
}

func open(t *testing.T, o Options) *browser {
	t.Helper()
	c, err := newConsole(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.handler())
	t.Cleanup(srv.Close)
	t.Cleanup(c.books.background.Wait)
	t.Cleanup(func() {
		// A job that is still at work would write into a folder that is taken away.
		for range 600 {
			c.jobs.mu.Lock()
			busy := false
			for _, j := range c.jobs.all {
				busy = busy || j.running()
			}
			c.jobs.mu.Unlock()
			if !busy {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return visit(t, c, srv.URL)
}

func visit(t *testing.T, c *console, at string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, at, &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, c}
}

// get returns status and body of a page, following no redirect.
func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	res, err := b.Get(b.url + path)
	return b.read(res, err)
}

func (b *browser) read(res *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if loc := res.Header.Get("Location"); loc != "" {
		return res.StatusCode, loc
	}
	return res.StatusCode, string(body)
}

// post sends a form as a browser does from one of our own pages.
func (b *browser) post(path string, form url.Values) (int, string) {
	b.t.Helper()
	req, err := http.NewRequest("POST", b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := b.Do(req)
	return b.read(res, err)
}

// page is get of a page that must be there.
func (b *browser) page(path string) string {
	b.t.Helper()
	code, body := b.get(path)
	if code != 200 {
		b.t.Fatalf("GET %s: %d: %s", path, code, short(plain(body), 600))
	}
	return body
}

// finish waits until the job at path has ended and returns its page.
func (b *browser) finish(path string) string {
	b.t.Helper()
	for range 1200 {
		body := b.page(path)
		if !strings.Contains(body, `data-job="running"`) {
			return body
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("%s does not end", path)
	return ""
}

var tags = regexp.MustCompile(`(?s)<script.*?</script>|<[^>]*>`)

// plain is the text of a page, blanks squeezed.
func plain(html string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(html, " ")), " ")
}

func mustHave(t *testing.T, body string, texts ...string) {
	t.Helper()
	text := plain(body)
	for _, s := range texts {
		if !strings.Contains(text, s) {
			t.Errorf("the page does not say %q: %s", s, short(text, 1500))
		}
	}
}

func auditOf(t *testing.T, b *browser) []auditRow {
	t.Helper()
	rows, whole, err := b.c.audit.rows(1000)
	if err != nil {
		t.Fatal(err)
	}
	if !whole {
		t.Error("the audit file's chain is broken")
	}
	return rows
}

// first is the first group of the first match of pattern in body.
func first(body, pattern string) string {
	m := regexp.MustCompile(pattern).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}
