package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
	"github.com/kvitt/kvitt/fixtures/sandbox"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load/sie"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/transport"
)

// shots is where a browser's pictures go, to be looked at: bin is in no commit.
const shots = "../../bin/screenshots"

// chromium starts a browser, or skips the test and says why.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser is started")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no browser here: Debian's package is chromium; make tools installs it where it may")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-gpu", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Skipf("the browser does not start: %v", err)
	}
	return ctx
}

// A tab is a page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string
}

func (b tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, 90*time.Second)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Text("body"))
		b.t.Fatalf("%v; the page says: %s", err, short(text, 1500))
	}
}

func (b tab) goTo(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.url + path)) }

func (b tab) text(sel string) string {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, 60*time.Second)
	defer stop()
	s, err := chromedp.Run(ctx, chromedp.Text(sel))
	if err != nil {
		b.t.Fatalf("%s: %v", sel, err)
	}
	return s
}

// shoot writes a picture of the whole page at the widths of a desk and a telephone.
func (b tab) shoot(name string) {
	b.t.Helper()
	for _, width := range []int64{1280, 390} {
		b.do(chromedp.EmulateViewport(width, 900))
		wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth"))
		if err != nil {
			b.t.Fatal(err)
		}
		if int64(wide) > width {
			b.t.Errorf("%s is %d wide at %d: it would have to be scrolled sideways", name, wide, width)
		}
		png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(shots, fmt.Sprintf("%s-%d.png", name, width)), png, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}

// Every page, as a browser draws it.
func TestScreenshots(t *testing.T) {
	ctx := chromium(t)
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := booked(t)
	c, err := newConsole(options(dir))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.handler())
	t.Cleanup(srv.Close)
	b := tab{t, ctx, srv.URL}
	some := visit(t, c, srv.URL)
	payout := first(some.page("/payouts"), `href="(/payouts/klarna/[^"]+)"`)
	exception := first(some.page("/exceptions"), `href="(/exceptions/[0-9a-f-]{36})"`)
	run := first(some.page("/runs"), `href="(/runs/[^"]+)"`)
	for name, path := range map[string]string{
		"overview": "/", "payouts": "/payouts", "payout": payout, "exceptions": "/exceptions", "exception": exception, "explain": "/explain?q=10001",
		"plan": "/plan", "proof": "/proof", "open-items": "/open-items", "oss": "/oss", "runs": "/runs", "run": run, "runs-diff": "/runs/diff", "sql": "/sql",
		"setup": "/setup", "setup-test": "/setup/test", "setup-sync": "/setup/sync", "setup-sales": "/setup/sales", "audit": "/audit",
	} {
		if path == "" {
			t.Errorf("no page for %s", name)
			continue
		}
		b.goTo(path)
		b.shoot(name)
	}
	// Swedish says the same in more letters.
	if _, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": "sv"}}); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"payout": payout, "exception": exception, "plan": "/plan", "proof": "/proof", "runs": "/runs", "setup": "/setup", "exceptions": "/exceptions", "overview": "/"} {
		b.goTo(path)
		b.shoot(name + "-sv")
	}
	dark := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, dark); err != nil {
		t.Fatal(err)
	}
	b.goTo("/")
	b.shoot("overview-dark")
	b.goTo(payout)
	b.shoot("payout-dark")
	b.goTo(exception)
	b.shoot("exception-dark")
}

// projectOf is what the command makes of a configuration.
func projectOf(cfg *config.Config) *pipeline.Project {
	p := &pipeline.Project{
		DataDir: cfg.DataDir, Settings: cfg.Settings, TargetName: cfg.ERP.Provider, Aggregate: cfg.ERP.Aggregate, AutoPost: cfg.ERP.AutoPost, AccountName: ledger.AccountName,
		ConfigDigest: cfg.Digest, Config: cfg.Redacted(), Version: "test", Now: func() time.Time { return afterMarch }, Wall: time.Now, Log: slog.New(slog.DiscardHandler), Memory: "400MB",
	}
	for _, s := range cfg.Sources {
		src := pipeline.Source{Name: s.Name, Config: s.Extract, Flows: s.Flows, Inbox: s.Inbox, StartDate: s.StartDate, FollowDays: s.FollowDays}
		src.Config.Now = p.Now
		src.Config.Client = transport.New(transport.Options{Now: time.Now, MaxTries: 4, FirstWait: time.Millisecond, MaxWait: 10 * time.Millisecond, TryTimeout: 10 * time.Second})
		for _, c := range all.Sources() {
			if c.Name == s.Provider {
				src.Connector = c
			}
		}
		p.Sources = append(p.Sources, src)
	}
	p.Target = &sie.Target{Dir: p.SIEDir(), Company: cfg.Settings.Company.Name, Currency: "SEK", FiscalYear: cfg.Settings.Company.FiscalYear, Series: cfg.ERP.Series, Program: "kvitt", Version: "test", AccountName: ledger.AccountName}
	return p
}

// A new user, from an empty configuration to a posted plan and its explanation, in a browser
// that runs no scripts: everything works without them.
func TestNewUser(t *testing.T) {
	ctx := chromium(t)
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	booked(t) // the sandbox is served
	dir := t.TempDir()
	path := filepath.Join(dir, "kvitt.toml")
	o := options(dir)
	o.Config = config.NewFile(path, func(string) (string, bool) { return "", false }, all.Sources())
	o.Load = func() (*pipeline.Project, error) {
		cfg, err := config.Load(path, func(string) (string, bool) { return "", false }, all.Sources())
		if err != nil {
			return nil, err
		}
		return projectOf(cfg), nil
	}
	o = withUsers(t, o)
	c, err := newConsole(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.handler())
	t.Cleanup(srv.Close)
	b := tab{t, ctx, srv.URL}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}

	b.goTo("/")
	b.shoot("sign-in")
	b.do(chromedp.SendKeys("[name=name]", "both"), chromedp.SendKeys("[name=password]", password), chromedp.Click("main button"), chromedp.WaitVisible("nav.menu"))
	b.sees("Nothing is booked yet")
	b.do(chromedp.Click("main a.go"), chromedp.WaitVisible("ol.steps"))
	b.sees("The configuration cannot be used yet.")
	b.shoot("setup-empty")
	b.goTo("/setup/source")
	// The list of providers is there before the company is added too: going on at once would break its form off.
	b.do(chromedp.SendKeys("[name=company]", "Exempel Handel AB"), chromedp.Click("details button.go"), chromedp.Sleep(2*time.Second), chromedp.WaitVisible("select[name=provider]"))
	b.goTo("/setup/source?provider=klarna")
	b.do(chromedp.SendKeys("[name=key_username]", sandbox.Username), chromedp.SendKeys("[name=secret_password]", sandbox.Password), chromedp.SendKeys("form.card [name=currency]", "SEK"), chromedp.SendKeys("[name=base_url]", world.klarna))
	b.shoot("setup-source")
	b.do(chromedp.Click("form.card button.go"), chromedp.WaitVisible("ol.steps"))
	b.sees("kvitt.toml is read without a mistake.")
	if written, err := os.ReadFile(path); err != nil || strings.Contains(string(written), sandbox.Password) {
		t.Errorf("the configuration holds the password, or is not there: %v", err)
	}
	b.do(chromedp.Click("form[action='/setup/run'] button"), chromedp.WaitVisible("[data-job]"))
	b.shoot("job")
	// Without scripts the page refreshes itself.
	b.do(chromedp.WaitVisible("[data-job=done]"))
	b.sees("Done.")

	b.goTo("/payouts?status=booked")
	b.do(chromedp.Click("tbody tr:first-child a"), chromedp.WaitVisible("tfoot"))
	b.sees("proven")
	b.goTo("/setup")
	b.sees("A first payout is booked done")
	b.goTo("/exceptions")
	b.do(chromedp.Click("tbody tr:first-child a"), chromedp.WaitVisible("dl.facts"))
	b.sees("Likely causes")

	b.goTo("/plan")
	b.do(chromedp.Click("form[action='/plan/post'] button"), chromedp.WaitVisible("[data-job=done]"))
	b.sees("vouchers posted")
	b.do(chromedp.Click("main a.go"), chromedp.WaitVisible("table"))
	b.sees("Nothing to post")
	b.do(chromedp.Click("table tbody tr:first-child td:first-child a"), chromedp.WaitVisible("h2"))
	b.sees("booked by", "from these bytes", "in the ERP")
	b.shoot("explain-voucher")
	b.goTo("/audit")
	b.sees("The chain of rows is whole.", "(not shown)")
	if strings.Contains(b.text("body"), sandbox.Password) {
		t.Error("the audit page shows the password")
	}
}

// With scripts: keys lead through the pages, and what cannot be taken back is asked about.
func TestKeys(t *testing.T) {
	ctx := chromium(t)
	c, err := newConsole(options(booked(t)))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.handler())
	t.Cleanup(srv.Close)
	b := tab{t, ctx, srv.URL}
	b.goTo("/")
	b.do(chromedp.KeyEvent("g"), chromedp.KeyEvent("p"), chromedp.WaitVisible("select[name=status]"))
	b.do(chromedp.KeyEvent("/"))
	focused, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.activeElement.matches('[data-search]')"))
	if err != nil || !focused {
		t.Errorf("/ does not lead to the search box: %v", err)
	}
	b.goTo("/explain?q=10001")
	b.sees("booked by")
	// The strict policy lets our own script and sheet through and is broken by nothing of ours.
	loaded, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("getComputedStyle(document.querySelector('header.top')).borderBottomStyle === 'solid'"))
	if err != nil || !loaded {
		t.Errorf("the sheet is not applied: %v", err)
	}
}

func (b tab) sees(texts ...string) {
	b.t.Helper()
	body := strings.Join(strings.Fields(b.text("body")), " ")
	for _, s := range texts {
		if !strings.Contains(body, s) {
			b.t.Fatalf("the page does not say %q: %s", s, short(body, 1500))
		}
	}
}
