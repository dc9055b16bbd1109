package main

import (
	"context"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/kvitt/kvitt/fixtures/sandbox"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/fortnox"
)

// A tab is a page in a browser that runs no scripts: everything works without them.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string
}

func newTab(t *testing.T, url string) tab {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser is started")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
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
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	return tab{t, ctx, url}
}

func (b tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, 2*time.Minute)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v; the page says: %s", err, clip(b.body()))
	}
}

func (b tab) body() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Text("body"))
	return strings.Join(strings.Fields(text), " ")
}

func (b tab) at() string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b tab) sees(texts ...string) {
	b.t.Helper()
	body := b.body()
	for _, s := range texts {
		if !strings.Contains(body, s) {
			b.t.Fatalf("%s does not say %q: %s", b.at(), s, clip(body))
		}
	}
}

// has says whether the page has what a selector names.
func (b tab) has(sel string) bool {
	b.t.Helper()
	nodes, err := chromedp.Run(b.ctx, chromedp.Nodes(sel, chromedp.AtLeast(0)))
	if err != nil {
		b.t.Fatal(err)
	}
	return len(nodes) > 0
}

func (b tab) links(sel string) (out []string) {
	b.t.Helper()
	nodes, err := chromedp.Run(b.ctx, chromedp.Nodes(sel, chromedp.AtLeast(0)))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, n := range nodes {
		out = append(out, n.AttributeValue("href"))
	}
	return out
}

// job presses a button and waits until what it began is done.
func (b tab) job(button string) {
	b.t.Helper()
	b.do(chromedp.Click(button), chromedp.WaitVisible("[data-job=done]"))
	b.sees("Done.")
}

// TestTheWholeJourneyInABrowser: a new user, with the program's own wiring, from an empty folder to the first booked payout;
// an exception resolved with one click and the decision undone; a plan posted to an ERP, a voucher explained, a document reversed.
func TestTheWholeJourneyInABrowser(t *testing.T) {
	t.Parallel()
	m := sandbox.Month(sandbox.MonthConfig{Orders: 12, AdyenPayments: 8})
	klarna := serve(t, m, sandbox.Options{})
	books := fake.New(fake.Options{Prefix: "/fortnox", Now: time.Now})
	erp := httptest.NewServer(books.Handler())
	t.Cleanup(erp.Close)
	dir := t.TempDir()
	a := &app{env: func(string) (string, bool) { return "", false }, clock: func() time.Time { return monthEnd }, stdout: io.Discard, stderr: io.Discard,
		configPath: filepath.Join(dir, "kvitt.toml"), quiet: true}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	pages, err := a.console(ctx, filepath.Join(dir, "data"), nil, a.logger())
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(pages)
	t.Cleanup(site.Close)
	b := newTab(t, site.URL)

	b.do(chromedp.Navigate(site.URL + "/"))
	b.sees("Nothing is booked yet")
	b.do(chromedp.Click("main a.go"), chromedp.WaitVisible("ol.steps"))
	b.sees("The configuration cannot be used yet.")
	b.do(chromedp.Navigate(site.URL+"/setup/source"), chromedp.SendKeys("[name=company]", "Exempel Handel AB"), chromedp.Click("details button.go"))
	for range 100 {
		if strings.Contains(b.body(), "Provider") && !strings.Contains(b.body(), "Add the company") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.do(chromedp.Navigate(site.URL+"/setup/source?provider=klarna"), chromedp.SendKeys("[name=key_username]", sandbox.Username), chromedp.SendKeys("[name=secret_password]", sandbox.Password),
		chromedp.SendKeys("form.card [name=currency]", "SEK"), chromedp.SendKeys("[name=base_url]", klarna), chromedp.Click("form.card button.go"), chromedp.WaitVisible("ol.steps"))
	b.sees("kvitt.toml is read without a mistake.")
	// The ERP is written into the file: it is the user's.
	f, err := os.OpenFile(a.configPath, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\n[erp]\nprovider = \"fortnox\"\nmode = \"voucher\"\nclient_id = \"" + fake.ClientID + "\"\nclient_secret = \"" + fake.ClientSecret +
		"\"\ntenant_id = \"" + fake.TenantID + "\"\nbase_url = \"" + erp.URL + "/fortnox/3\"\nauth_url = \"" + erp.URL + "/fortnox/oauth-v1\"\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(site.URL + "/setup"))
	b.job("form[action='/setup/run'] button")
	b.do(chromedp.Navigate(site.URL+"/payouts?status=booked"), chromedp.Click("tbody tr:first-child a"), chromedp.WaitVisible("tfoot"))
	b.sees("proven")

	// One click, and back.
	b.do(chromedp.Navigate(site.URL + "/exceptions"))
	const oneClick = "form[action$='/resolve'] button[data-as=accept]"
	resolved := ""
	for _, link := range b.links("tbody a[href^='/exceptions/']") {
		b.do(chromedp.Navigate(site.URL + link))
		if b.has(oneClick) {
			resolved = link
			break
		}
	}
	if resolved == "" {
		t.Fatal("no exception of the month is settled by one click")
	}
	b.job(oneClick)
	b.do(chromedp.Navigate(site.URL + resolved))
	b.sees("decided by", "Undo, by correction")
	b.job("form[action$='/resolve'] button")
	b.do(chromedp.Navigate(site.URL + resolved))
	b.sees("Likely causes")
	b.do(chromedp.Navigate(site.URL + "/exceptions"))
	b.sees("Decided last", "undone")

	b.do(chromedp.Navigate(site.URL + "/plan"))
	b.job("form[action='/plan/post'] button")
	b.sees("vouchers posted")
	made := len(books.Vouchers())
	if made == 0 {
		t.Fatal("nothing reached the ERP")
	}
	b.do(chromedp.Navigate(site.URL+"/plan"), chromedp.Click("td:first-child a[href^='/explain']"), chromedp.WaitVisible("h2"))
	b.sees("rows booked, by account", "from these bytes", "in the ERP")

	b.do(chromedp.Navigate(site.URL + "/plan"))
	b.job("form[action='/plan/reverse'] button")
	if after := len(books.Vouchers()); after <= made {
		t.Errorf("%d vouchers before the document was reversed, %d after", made, after)
	}
	b.do(chromedp.Navigate(site.URL + "/plan"))
	b.sees("reversed")
	b.do(chromedp.Navigate(site.URL+"/runs"), chromedp.Click("form[action='/runs/diff'] button"), chromedp.WaitVisible("dl.facts"))
	b.sees("By account", "Exceptions")
	b.do(chromedp.Navigate(site.URL + "/audit"))
	b.sees("The chain of rows is whole.", "resolve", "reverse", "post")
	if strings.Contains(b.body(), sandbox.Password) {
		t.Error("the audit page shows the password")
	}
}
