package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

// The plan that was looked at is posted, live; another one is not.
func TestPostPlan(t *testing.T) {
	dir := copied(t)
	b := open(t, withUsers(t, options(dir)))
	b.signIn("anna", password)
	page := b.page("/plan")
	mustHave(t, page, "New vouchers", "Post this plan")
	digest := first(page, `name="digest" value="([0-9a-f]{64})"`)
	want, err := project(dir, "").Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if digest != want.Digest {
		t.Errorf("the page shows plan %s, the command %s", digest, want.Digest)
	}
	code, to := b.post("/plan/post", url.Values{"digest": {strings.Repeat("0", 64)}})
	if code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, to)
	}
	mustHave(t, b.finish(to), "It failed.", "the plan has changed")
	if code, to = b.post("/plan/post", url.Values{"digest": {digest}}); code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, to)
	}
	mustHave(t, b.finish(to), "Done.", fmt.Sprintf("%d vouchers posted", len(want.Vouchers)))
	mustHave(t, b.page("/plan"), "Nothing to post: everything booked is posted.", "posted")
	files, _ := filepath.Glob(filepath.Join(dir, "data", "sie", "*", "*.si"))
	if len(files) == 0 {
		t.Error("no SIE file was written")
	}
	rows := auditOf(t, b)
	if rows[0].Who != "anna" || rows[0].Action != "post" || !strings.HasPrefix(rows[0].Outcome, "done: ") || rows[0].With["digest"] != digest {
		t.Errorf("the audit file says %+v", rows[0])
	}
	if rows[1].Outcome != "asked for" {
		t.Errorf("nothing was written before: %+v", rows[1])
	}
}

// order is the ID of an order that Klarna knows.
func (b *browser) order() string {
	b.t.Helper()
	_, body := b.post("/sql", url.Values{"sql": {"select order_id from recon.documents where source = 'klarna' and kind = 'delivery' and status = 'settled' order by order_number limit 1"}})
	id := first(body, `data-label="order id" class="">([0-9a-f-]{36})<`)
	if id == "" {
		b.t.Fatalf("no order to try: %s", short(plain(body), 500))
	}
	return id
}

func TestTryingOneOrder(t *testing.T) {
	dir := copied(t)
	b := open(t, options(dir))
	order := b.order()
	code, body := b.post("/setup/test", url.Values{"source": {"klarna"}, "id": {order}})
	if code != 200 {
		t.Fatalf("%d %s", code, short(plain(body), 600))
	}
	mustHave(t, body, "would be booked", "decided by [[sales]]", "Would be posted to sie", "Nothing was written.", "1510")
	if code, body = b.post("/setup/test", url.Values{"source": {"klarna"}, "id": {"00000000-0000-0000-0000-000000000000"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("an ID nobody knows: %d", code)
	}
	mustHave(t, body, "does not know")
	if code, _ = b.post("/setup/test", url.Values{"source": {"adyen"}, "id": {"x"}}); code != 400 {
		t.Errorf("a source of report files: %d", code)
	}
}

func TestRetroactiveSync(t *testing.T) {
	dir := copied(t)
	b := open(t, options(dir))
	order := b.order()
	code, to := b.post("/setup/sync", url.Values{"source": {"klarna"}, "ids": {order + "\n00000000-0000-0000-0000-000000000000"}})
	if code != http.StatusSeeOther {
		t.Fatalf("%d %s", code, short(to, 300))
	}
	mustHave(t, b.finish(to), "Done.", "The source does not know 00000000-0000-0000-0000-000000000000", "0 of 2 IDs")
	mustHave(t, b.page("/runs"), "backfill")
	if body := plain(b.page("/runs")); strings.Contains(body, "does not know "+order) {
		t.Error("the order itself was not found")
	}
}

// While a run holds the data directory, nothing else begins, and the page says who holds it.
func TestOneJobAtATime(t *testing.T) {
	o := options(copied(t))
	wait, begun := make(chan struct{}), make(chan struct{})
	o.Reverse = func(ctx context.Context, _ *pipeline.Project, document, by string) (pipeline.Result, error) {
		close(begun)
		<-wait
		return pipeline.Result{}, errors.New("it was " + document + " by " + by)
	}
	b := open(t, o)
	code, first := b.post("/plan/reverse", url.Values{"document": {"abc"}})
	if code != http.StatusSeeOther {
		t.Fatalf("%d", code)
	}
	<-begun
	mustHave(t, b.page(first), "It is running")
	code, body := b.post("/setup/run", nil)
	if code != http.StatusConflict {
		t.Errorf("a second job: %d", code)
	}
	mustHave(t, body, "Another run holds the data directory", "Reversing abc")
	b.page("/payouts")
	close(wait)
	mustHave(t, b.finish(first), "It failed.", "it was abc by local")
}

// A resolver as the command would hand it in.
type resolver struct {
	causes []Cause
	got    []Decision
}

func (r *resolver) Causes(context.Context, *duck.DB, pipeline.KnownException) ([]Cause, error) {
	return r.causes, nil
}

func (r *resolver) Resolve(_ context.Context, _ *pipeline.Project, _ string, d Decision) (pipeline.Result, error) {
	r.got = append(r.got, d)
	return pipeline.Result{Entries: 1}, nil
}

func TestResolving(t *testing.T) {
	o := withUsers(t, options(copied(t)))
	b := open(t, o)
	b.signIn("both", password)
	at := first(b.page("/exceptions"), `href="(/exceptions/[0-9a-f-]{36})"`)
	mustHave(t, b.page(at), "cannot resolve")
	if code, _ := b.post(at+"/resolve", url.Values{"as": {"match"}}); code != 400 {
		t.Errorf("without a resolver: %d", code)
	}
	r := &resolver{causes: []Cause{{Says: "It was paid twice", Evidence: []string{"same reference, same day"}, Decision: &Decision{As: "account", To: "6570"}}}}
	b.c.Resolve = r
	page := b.page(at)
	mustHave(t, page, "It was paid twice", "same reference, same day", "6570")
	if code, _ := b.post(at+"/resolve", url.Values{"as": {"ignore"}}); code != 400 {
		t.Errorf("ignored without a reason: %d", code)
	}
	if code, _ := b.post(at+"/resolve", url.Values{"as": {"delete"}}); code != 400 {
		t.Errorf("a decision nobody knows: %d", code)
	}
	code, to := b.post(at+"/resolve", url.Values{"as": {"account"}, "to": {"6570"}})
	if code != 303 {
		t.Fatalf("%d %s", code, to)
	}
	b.finish(to)
	if len(r.got) != 1 || r.got[0] != (Decision{As: "account", To: "6570", By: "both"}) {
		t.Errorf("decided: %+v", r.got)
	}
	mustHave(t, b.page(at), "Who did what", "both: done")
}

// A configuration that cannot be read is said, and the pages of the books stay.
func TestBrokenConfiguration(t *testing.T) {
	o := options(booked(t))
	o.Load = func() (*pipeline.Project, error) { return nil, errors.New("kvitt.toml:3:1: unknown key") }
	b := open(t, o)
	mustHave(t, b.page("/setup"), "The configuration cannot be used yet.", "kvitt.toml:3:1: unknown key")
	b.page("/")
	b.page("/payouts")
	if code, body := b.get("/plan"); code != 400 || !strings.Contains(body, "unknown key") {
		t.Errorf("the plan: %d", code)
	}
}

func TestNothingPublished(t *testing.T) {
	b := open(t, options(t.TempDir()))
	for _, p := range []string{"/", "/payouts", "/exceptions", "/plan", "/proof", "/open-items", "/oss", "/runs", "/sql", "/explain?q=x"} {
		mustHave(t, b.page(p), "Nothing is booked yet")
	}
	mustHave(t, b.page("/setup"), "A first run has read and booked")
	b.page("/audit")
}

// What was published last is what pages read, and a copy that was replaced is let go.
func TestANewCopyIsRead(t *testing.T) {
	dir := copied(t)
	b := open(t, options(dir))
	mustHave(t, b.page("/runs"), "Posted")
	old := b.c.books.cur
	if _, err := project(dir, world.klarna).Post(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	b.c.books.fresh(context.Background())
	mustHave(t, b.page("/runs"), "post")
	if b.c.books.cur == old {
		t.Error("the old copy is still read")
	}
	b.c.books.background.Wait()
	left, err := os.ReadDir(filepath.Join(dir, "data", "published"))
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range left {
		if strings.HasPrefix(it.Name(), ".reader") {
			t.Errorf("%s is left behind", it.Name())
		}
	}
}

func TestAmounts(t *testing.T) {
	en, sv := &view{Lang: "en"}, &view{Lang: "sv"}
	for in, want := range map[string][2]string{
		"1234567.80": {"1,234,567.80", "1\u00a0234\u00a0567,80"}, "-12.50": {"−12.50", "−12,50"}, "0.00": {"0.00", "0,00"}, "999": {"999", "999"}, "": {"", ""}, "1e5": {"1e5", "1e5"},
	} {
		if got := [2]string{en.Amount(in), sv.Amount(in)}; got != want {
			t.Errorf("%s is %q", in, got)
		}
	}
	for in, want := range map[string]string{"1 234,50": "123450", "1234.50": "123450", "-12,00": "-1200", "10001": "", "1.5": "", "12,345": "", "−1\u00a0234,50": "-123450"} {
		got, ok := amountAsked(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q is %q, %t", in, got, ok)
		}
	}
	if got := en.Percent("1296", "1297"); got != "99.9 %" {
		t.Errorf("nearly all is %s", got)
	}
}

func TestSalesTOML(t *testing.T) {
	got, err := salesTOML("country;vat_rate;sales;vat;oss\nFI;25,5 %;3106;2670;ja\n*;0;3105;;\n")
	want := "[[sales]]\ncountry  = \"FI\"\nvat_rate = \"25.5\"\nsales    = 3106\nvat      = 2670\noss      = true\n\n[[sales]]\ncountry  = \"*\"\nvat_rate = \"0\"\nsales    = 3105\n\n"
	if err != nil || got != want {
		t.Errorf("%v:\n%s", err, got)
	}
	for _, bad := range []string{"", "country\n", "land,sats\nSE,25\n", "country,sales\nSE,\"3001\n[erp]\nauto_post = true\"\n", "country,sales\n\"SE\"\"\",3001\n"} {
		if got, err := salesTOML(bad); err == nil {
			t.Errorf("%q is taken: %s", bad, got)
		}
	}
}
