package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/fixtures/sandbox"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/fortnox"
	"github.com/kvitt/kvitt/ledger"
)

// fortnoxWorld is a sample month whose ERP is a made-up Fortnox.
func fortnoxWorld(t *testing.T, w *fake.World, m *sandbox.Merchant, url, mode string, more ...string) *world {
	t.Helper()
	srv := httptest.NewServer(w.Handler())
	t.Cleanup(srv.Close)
	x := newWorld(t, m, url, monthEnd)
	b, err := os.ReadFile(x.path("kvitt.toml"))
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(b), "[erp]")
	signIn := "tenant_id = \"" + fake.TenantID + "\"\n"
	if len(more) > 0 {
		signIn = strings.Join(more, "\n") + "\n"
	}
	head = strings.Replace(head, `unmatched = "receivable"`, `unmatched = "suspense"`, 1)
	x.write("kvitt.toml", head+"[erp]\nprovider = \"fortnox\"\nmode = \""+mode+"\"\nclient_id = \""+fake.ClientID+"\"\nclient_secret = \"${FORTNOX_SECRET}\"\nbase_url = \""+srv.URL+"/fortnox/3\"\nauth_url = \""+srv.URL+"/fortnox/oauth-v1\"\n"+signIn)
	x.env["FORTNOX_SECRET"] = fake.ClientSecret
	return x
}

func fortnoxSums(w *fake.World) map[string]string {
	out := map[string]string{}
	for a, n := range w.Balances() {
		out[strconv.Itoa(a)] = ledger.Minor(n).Decimal(2)
	}
	return out
}

func nonZero(sums map[string]string) map[string]string {
	for a, n := range sums {
		if n == "0.00" {
			delete(sums, a)
		}
	}
	return sums
}

// The commands, in the order a person uses them.
func TestFortnoxByCommand(t *testing.T) {
	t.Parallel()
	m := sandbox.Month(sandbox.MonthConfig{Orders: 12, AdyenPayments: 8})
	url := serve(t, m, sandbox.Options{})
	w := fake.New(fake.Options{Prefix: "/fortnox", Now: time.Now, Trouble: fake.Trouble{Limit: true}})
	x := fortnoxWorld(t, w, m, url, "document")
	x.kvitt("check").want(t, 0, "green   fortnox company: Exempel Handel AB", "voucher series: K", "locked")
	x.kvitt("run", "--no-post").must(t, 0, 3)
	plan := x.kvitt("--format", "json", "plan").want(t, 0).out
	digest := regexp.MustCompile(`"digest": "([0-9a-f]{64})"`).FindStringSubmatch(plan)
	requests := regexp.MustCompile(`"requests": ([1-9]\d*), "seconds": ([1-9]\d*)`).FindStringSubmatch(plan)
	if digest == nil || requests == nil {
		t.Fatalf("the plan has no digest, requests or seconds: %s", clip(plan))
	}
	x.kvitt("post", "--plan", strings.Repeat("0", 64)).want(t, 1, "the plan has changed")
	if n := len(w.Invoices()); n != 0 {
		t.Fatalf("%d invoices were made of a plan that was not this one", n)
	}
	x.kvitt("post", "--plan", digest[1]).must(t, 0, 3)
	if diff := cmp.Diff(nonZero(ledgerSums(t, x.env)), fortnoxSums(w)); diff != "" {
		t.Errorf("Fortnox is not the ledger (-ledger +Fortnox):\n%s", diff)
	}
	before := len(w.Vouchers())
	x.kvitt("post").must(t, 0, 3)
	x.kvitt("run", "--post").must(t, 0, 3)
	if len(w.Vouchers()) != before {
		t.Errorf("%d vouchers more after posting again", len(w.Vouchers())-before)
	}
	x.kvitt("verify", "--erp").want(t, 0, "fortnox: documents", "fortnox: accounts")
	x.kvitt("rebuild", "--into", filepath.Join(t.TempDir(), "x")).want(t, 0)

	// Changed, deleted, and someone else's on our account.
	w.Change(func(e *fake.Editor) {
		v := e.Voucher("C", 1)
		v.Rows[0].Amount += 100
		v.Rows[1].Amount -= 100
		e.Drop("B", 2)
		e.Book("A", "2026-03-20", "By hand", fake.Entry{Account: 1585, Amount: 5000}, fake.Entry{Account: 1930, Amount: -5000})
	})
	x.kvitt("verify", "--erp").want(t, 1, "voucher C 1 2 has 1.00 more on account", "voucher B 2 2 is no longer there", `voucher A 1 2 of 2026-03-20, "By hand", books 50.00 on 1585`)
	if len(w.Twice) > 0 || w.Over > 0 {
		t.Errorf("made twice: %v; %d requests too many", w.Twice, w.Over)
	}
}

// Killed again and again while it posts, through trouble, in real time: each document is there once.
func TestFortnoxKilledWhilePosting(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a minute of Fortnox's rate limit")
	}
	m := sandbox.Month(sandbox.MonthConfig{Orders: 25, AdyenPayments: 8})
	url := serve(t, m, sandbox.Options{})
	w := fake.New(fake.Options{Prefix: "/fortnox", Now: time.Now, TokenLife: 75 * time.Second,
		Trouble: fake.Trouble{Seed: 3, TooMany: 20, Broken: 20, ResetAfter: 30, ErrorAfter: 30, Slow: 30, Delay: 300 * time.Millisecond, Limit: true}})
	x := fortnoxWorld(t, w, m, url, "document")
	x.kvitt("run", "--no-post").must(t, 0, 3)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for range 6 {
		cmd, both := x.process("post")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(1500+rnd.IntN(12000))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if cmd.ProcessState.ExitCode() < 0 {
			killed++
		} else if code := cmd.ProcessState.ExitCode(); code == 2 || code == 4 {
			t.Fatalf("exit status %d\n%s", code, both)
		}
	}
	for range 8 {
		if o := x.kvitt("post"); o.code == 0 || o.code == 3 {
			break
		}
	}
	x.kvitt("post").must(t, 0, 3)
	if killed < 3 {
		t.Errorf("only %d posts were killed", killed)
	}
	if diff := cmp.Diff(nonZero(ledgerSums(t, x.env)), fortnoxSums(w)); diff != "" {
		t.Errorf("Fortnox is not the ledger (-ledger +Fortnox):\n%s", diff)
	}
	if n := x.env.one(t, "select count(*) from recon.erp_documents where status <> 'posted' and amount > 0"); n != "0" {
		t.Errorf("%s documents are not posted", n)
	}
	if len(w.Twice) > 0 || w.Over > 0 {
		t.Errorf("made twice: %v; %d requests beyond the limit", w.Twice, w.Over)
	}
	x.kvitt("verify", "--erp").want(t, 0)
}

// What the company lacks is told before anything is sent, each with what to do.
func TestFortnoxPreflight(t *testing.T) {
	t.Parallel()
	m := sandbox.Month(sandbox.MonthConfig{Orders: 6, AdyenPayments: 4})
	url := serve(t, m, sandbox.Options{})
	for name, tt := range map[string]struct {
		o    fake.Options
		mode string
		says []string
	}{
		"another company":   {fake.Options{OrgNumber: "556999-0001"}, "voucher", []string{"red     fortnox company", "connect the right company"}},
		"inactive account":  {fake.Options{Inactive: []int{6064}}, "document", []string{"red     fortnox account 6064", "activate it in Fortnox"}},
		"series not manual": {fake.Options{Series: map[string]bool{"K": false}}, "voucher", []string{"is not manual", "mark it as manual"}},
		"no such series":    {fake.Options{Series: map[string]bool{"A": true}}, "voucher", []string{"K does not exist", "add it in Fortnox"}},
		"no invoice scope":  {fake.Options{Lacks: []string{"invoice"}}, "document", []string{"red     fortnox invoices", "lacks the licence or scope"}},
		"no payment scope":  {fake.Options{Lacks: []string{"payment"}}, "document", []string{"red     fortnox payments", "lacks the licence or scope"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Prefix, tt.o.Now = "/fortnox", time.Now
			w := fake.New(tt.o)
			x := fortnoxWorld(t, w, m, url, tt.mode)
			x.kvitt("check").want(t, 3, tt.says...)
			x.kvitt("run", "--no-post").must(t, 0, 3)
			o := x.kvitt("post")
			if o.code != 3 && o.code != 1 {
				t.Errorf("post ends with %d: %s", o.code, o.err)
			}
			if !strings.Contains(o.err, "nothing was sent") {
				t.Errorf("post does not say that nothing was sent: %s", clip(o.err))
			}
			if len(w.Vouchers())+len(w.Invoices()) > 0 {
				t.Error("something was sent")
			}
		})
	}
}

// connect, then posting by refresh tokens that are used once and live for a minute.
func TestFortnoxConnectAndRefresh(t *testing.T) {
	t.Parallel()
	m := sandbox.Month(sandbox.MonthConfig{Orders: 6, AdyenPayments: 4})
	url := serve(t, m, sandbox.Options{})
	w := fake.New(fake.Options{Prefix: "/fortnox", Now: time.Now, TokenLife: 62 * time.Second, Trouble: fake.Trouble{Limit: true}})
	x := fortnoxWorld(t, w, m, url, "voucher", "")
	x.kvitt("run", "--no-post").must(t, 0, 3)
	x.kvitt("post").want(t, 1, "kvitt connect fortnox")

	cfg := x.env
	reader, writer := io.Pipe()
	a := &app{env: func(k string) (string, bool) { v, ok := cfg[k]; return v, ok }, clock: time.Now, stdout: writer, stderr: io.Discard}
	done := make(chan int, 1)
	var said strings.Builder
	go func() {
		done <- a.main(context.Background(), []string{"connect", "fortnox", "--listen", "127.0.0.1:0"})
		writer.Close()
	}()
	buf := make([]byte, 4096)
	visited := false
	for {
		n, err := reader.Read(buf)
		said.Write(buf[:n])
		if i := strings.Index(said.String(), "/oauth-v1/auth?"); i >= 0 && !visited && strings.Contains(said.String(), "waiting on") {
			visited = true
			line := said.String()[strings.LastIndex(said.String()[:i], "http"):]
			line, _, _ = strings.Cut(line, "\n")
			forged, err := http.Get(regexp.MustCompile(`waiting on (\S+)`).FindStringSubmatch(said.String())[1] + "?code=stolen&state=guessed")
			if err != nil || forged.StatusCode != http.StatusBadRequest {
				t.Errorf("an answer with another state is taken: %v", forged)
			}
			resp, err := http.Get(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		if err != nil {
			break
		}
	}
	if code := <-done; code != 0 || !strings.Contains(said.String(), `tenant_id = "900001"`) {
		t.Fatalf("connect ends with %d: %s", code, said.String())
	}
	if strings.Contains(said.String(), "access-") || strings.Contains(said.String(), "refresh-") {
		t.Error("a token is shown")
	}
	filepath.WalkDir(x.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if b, _ := os.ReadFile(path); strings.Contains(string(b), "refresh-1") {
				t.Errorf("%s holds a token in the clear", path)
			}
		}
		return nil
	})
	x.kvitt("post").must(t, 0, 3)
	for range 3 {
		w.Change(func(e *fake.Editor) { e.Expire() })
		x.kvitt("check").want(t, 0)
	}
	if got := w.UsedTwice(); len(got) > 0 {
		t.Errorf("used twice: %v", got)
	}
	if diff := cmp.Diff(nonZero(ledgerSums(t, x.env)), fortnoxSums(w)); diff != "" {
		t.Errorf("Fortnox is not the ledger (-ledger +Fortnox):\n%s", diff)
	}
}
