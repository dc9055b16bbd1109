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

	"github.com/chromedp/chromedp"

	"github.com/kvitt/kvitt/pipeline"
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
		"plan": "/plan", "proof": "/proof", "open-items": "/open-items", "oss": "/oss", "runs": "/runs", "run": run, "sql": "/sql",
		"setup": "/setup", "setup-test": "/setup/test", "setup-sync": "/setup/sync", "setup-sales": "/setup/sales", "audit": "/audit",
	} {
		if path == "" {
			t.Errorf("no page for %s", name)
			continue
		}
		b.goTo(path)
		b.shoot(name)
	}
}

var _ = slog.DiscardHandler
var _ = strings.Contains
var _ pipeline.Project
