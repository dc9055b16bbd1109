package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	shop "github.com/kvitt/kvitt/fixtures/sandbox/woocommerce"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/metrics"
)

const shopConfig = `data_dir = "data"
[company]
name = "Exempel Handel AB"
country = "SE"
currency = "SEK"
[[source]]
name = "butik"
provider = "woocommerce"
consumer_key = "ck_sandbox"
consumer_secret = "${WOO_SECRET}"
webhook_secret = "${WOO_HOOK}"
base_url = "%s"
[[sales]]
country = "SE"
vat_rate = "25"
sales = 3001
vat = 2611
[erp]
auto_post = true
[schedule]
payouts = "0 4 1 1 *"
[serve]
listen = "127.0.0.1:0"
`

var shopNow = time.Date(2026, 3, 20, 11, 0, 0, 0, time.UTC)

// A butik is a shop that calls, and a folder with a configuration for it.
type butik struct {
	t    *testing.T
	dir  string
	env  env
	ids  []int64
	shop *shop.Shop
}

func newButik(t *testing.T, orders int, url string, edits ...string) *butik {
	t.Helper()
	b := &butik{t: t, dir: t.TempDir(), shop: shop.New(7, 1000)}
	for i := range orders {
		at := shopNow.Add(-time.Duration(200-i) * time.Hour)
		id := b.shop.Place(shop.Order{Created: at, Paid: at, Method: "kco", Lines: []shop.Line{{Kind: "item", Name: "Sak", SKU: "A", Quantity: 1, Gross: int64(10000 + 125*i), Rate: 2500}}})
		if err := b.shop.Complete(id, at.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		b.ids = append(b.ids, id)
	}
	if url == "" {
		srv := httptest.NewServer(shop.Serve(b.shop, shop.Options{Prefix: "/butik"}))
		t.Cleanup(srv.Close)
		url = srv.URL + "/butik"
	}
	text := fmt.Sprintf(shopConfig, url)
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("%q is not there", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	b.env = env{"KVITT_CONFIG": filepath.Join(b.dir, "kvitt.toml"), "KVITT_NOW": shopNow.Format(time.RFC3339), "WOO_SECRET": shop.Secret, "WOO_HOOK": "hook-secret"}
	if err := os.WriteFile(b.env["KVITT_CONFIG"], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// call makes the call that the shop makes when an order changed. It returns the status, 0 for no answer.
func (b *butik) call(url string, id int64) int {
	body := fmt.Sprintf(`{"id":%d,"status":"completed","total":"1.00","billing":{"first_name":"Vera","email":"vera@exempel.se"}}`, id)
	m := hmac.New(sha256.New, []byte("hook-secret"))
	m.Write([]byte(body))
	req, err := http.NewRequest("POST", url+"/hooks/butik", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("X-WC-Webhook-Topic", "order.updated")
	req.Header.Set("X-WC-Webhook-Signature", base64.StdEncoding.EncodeToString(m.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// eventually fails unless ok becomes true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// A buffer that is written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var listening = regexp.MustCompile(`listening on (https?://\S+)`)

// serving runs kvitt serve in this process until stop is called, which returns how it ended.
func serving(t *testing.T, e env, args ...string) (url string, log *buffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var both buffer
	ended := make(chan int, 1)
	go func() {
		a := &app{env: func(k string) (string, bool) { v, ok := e[k]; return v, ok }, clock: time.Now, stdout: &both, stderr: &both}
		ended <- a.main(ctx, append([]string{"serve"}, args...))
	}()
	once := sync.OnceValue(func() int { cancel(); code := <-ended; said.hear([]string{"serve"}, both.String()); return code })
	t.Cleanup(func() { once() })
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if m := listening.FindStringSubmatch(both.String()); m != nil {
			return m[1], &both, once
		}
		select {
		case code := <-ended:
			ended <- code
			t.Fatalf("it ended with %d:\n%s", code, both.String())
		default:
		}
	}
	t.Fatalf("it does not listen:\n%s", both.String())
	return "", nil, nil
}

// A call is followed: the order is fetched, booked and posted, its own words never believed. What was
// measured is shown, and someone is told.
func TestServeFollowsACallAndTells(t *testing.T) {
	t.Parallel()
	var told buffer
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Text string }
		_ = json.NewDecoder(r.Body).Decode(&m)
		fmt.Fprintln(&told, m.Text)
	}))
	defer chat.Close()
	b := newButik(t, 3, "", "[serve]\n", "[notify]\nwebhook = \""+chat.URL+"/secret-path\"\n[serve]\npublic_url = \"https://kvitt.exempel.se\"\n")
	url, log, stop := serving(t, b.env)
	if code, body := get(t, url+"/readyz"); code != 200 {
		t.Errorf("ready: %d %s", code, body)
	}
	if code, _ := get(t, url+"/healthz"); code != 200 {
		t.Errorf("healthy: %d", code)
	}
	if o := b.env.kvitt("serve"); o.code != 4 || !strings.Contains(o.err, "kvitt serve, since") {
		t.Errorf("a second one: %d %s", o.code, o.err)
	}
	// A run by hand is on: what is named waits for it.
	if err := os.MkdirAll(filepath.Join(b.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := pipeline.Hold(filepath.Join(b.dir, "data"), "lock", "run", shopNow)
	if err != nil {
		t.Fatal(err)
	}
	if code := b.call(url, b.ids[1]); code != 200 {
		t.Fatalf("%d\n%s", code, log)
	}
	if code := b.call(url, 424242); code != 200 { // an order that the shop does not have
		t.Fatalf("%d", code)
	}
	time.Sleep(hooksGather + time.Second)
	if _, err := os.Stat(filepath.Join(b.dir, "data", "published")); err == nil {
		t.Error("it did not wait for the run by hand")
	}
	held.Release()
	eventually(t, "the order is booked", func() bool {
		_, m := get(t, url+"/metrics")
		return strings.Contains(m, `kvitt_entries_total{kind="delivery"} 1`)
	})
	if got := b.env.rows(t, "select order_id, amount from recon.documents where kind = 'delivery'"); len(got) != 1 || got[0][0] != fmt.Sprint(b.ids[1]) || got[0][1] != "101.25" {
		t.Errorf("booked: %v", got)
	}
	if n := b.env.one(t, "select count(*) from recon.erp_documents where status = 'posted'"); n == "0" {
		t.Error("it was not posted")
	}
	eventually(t, "someone is told", func() bool { return told.String() != "" })
	if s := told.String(); !strings.Contains(s, "Booked: 1 entries") || !strings.Contains(s, "Exempel Handel AB") || strings.Contains(s, "Vera") {
		t.Errorf("told: %s", s)
	}
	_, m := get(t, url+"/metrics")
	for _, want := range []string{
		`kvitt_records_total{source="butik",stream="orders"} `, `kvitt_exceptions_open{kind="unmatched_line"} 0`, `kvitt_webhooks_total{result="kept",source="butik"} 2`,
		`kvitt_last_success_timestamp_seconds{source="butik"} 0`, `kvitt_run_duration_seconds{phase="book"} `, `kvitt_erp_requests_total{code="200"} 0`,
		`kvitt_webhooks_waiting 1`, `kvitt_next_run_timestamp_seconds{job="orders/butik"} `, `kvitt_runs_total{command="serve webhooks",status="`, "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(m, want) {
			t.Errorf("/metrics does not say %s", want)
		}
	}
	// A run by hand shows too.
	b.env.kvitt("run").must(t, 0, 3)
	_, m = get(t, url+"/metrics")
	for _, want := range []string{`kvitt_entries_total{kind="delivery"} 3`, `kvitt_last_success_timestamp_seconds{source="butik"} ` + strconv.FormatFloat(float64(shopNow.Unix()), 'g', -1, 64)} {
		if !strings.Contains(m, want) {
			t.Errorf("/metrics does not say %s after a run by hand", want)
		}
	}
	if code, _ := get(t, url+"/metrics", "X-Forwarded-For", "203.0.113.5"); code != http.StatusUnauthorized {
		t.Errorf("metrics through a proxy: %d", code)
	}
	if code := stop(); code != 0 {
		t.Errorf("it ended with %d:\n%s", code, log)
	}
	for _, secret := range []string{"Vera", "vera@", "hook-secret", "secret-path", "202.50", shop.Secret} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log says %q:\n%s", secret, log)
		}
	}
	if !strings.Contains(log.String(), "kvitt run, since") {
		t.Errorf("who was in the way is not said:\n%s", log)
	}
}

func TestServeRunsByTheSchedule(t *testing.T) {
	t.Parallel()
	b := newButik(t, 2, "", `payouts = "0 4 1 1 *"`, `orders = "* * * * *"`)
	b.env["KVITT_NOW"] = shopNow.Add(57 * time.Second).Format(time.RFC3339)
	url, log, stop := serving(t, b.env)
	eventually(t, "the orders are booked", func() bool {
		_, m := get(t, url+"/metrics")
		return strings.Contains(m, `kvitt_entries_total{kind="delivery"} 2`)
	})
	if code := stop(); code != 0 {
		t.Errorf("it ended with %d:\n%s", code, log)
	}
	if got := b.env.rows(t, "select command, entries from recon.runs order by run_id limit 1"); len(got) == 0 || got[0][0] != "serve" {
		t.Errorf("runs: %v", got)
	}
	b.env.kvitt("verify").want(t, 0)
}

func TestServeRefusesToListenInTheOpen(t *testing.T) {
	t.Parallel()
	user := "[[serve.user]]\nname = \"vera\"\npassword_hash = \"x\"\nroles = [\"viewer\"]\n"
	for listen, want := range map[string]string{
		`listen = "0.0.0.0:0"`:                                                       "tls_cert",
		"listen = \"0.0.0.0:0\"\nbehind_proxy = true":                                "who may sign in",
		"listen = \"0.0.0.0:0\"\ntls_cert = \"a\"\ntls_key = \"b\"":                  "who may sign in",
		"listen = \"127.0.0.1:0\"\ntls_cert = \"nowhere\"\ntls_key = \"b\"\n" + user: "tls_cert and tls_key",
	} {
		b := newButik(t, 0, "http://127.0.0.1:1/butik", `listen = "127.0.0.1:0"`, listen)
		b.env.kvitt("serve").want(t, 2, want)
	}
}

func TestWhatServePrints(t *testing.T) {
	for word, want := range map[string]string{"systemd": "ExecStart=", "timer": "OnCalendar=", "container": "ENTRYPOINT", "alerts": "alert: KvittSilent", "dashboard": `"panels"`} {
		env{}.kvitt("serve", "--print", word).want(t, 0, want)
	}
	env{}.kvitt("serve", "--print", "everything").want(t, 2, "systemd, timer, container, alerts, dashboard")
}

// Alerts and dashboard name metrics that exist, and every metric that exists is worth a place in one.
func TestAlertsAndDashboardNameMetricsThatExist(t *testing.T) {
	known := metrics.Names()
	used := map[string]bool{}
	for _, word := range []string{"alerts", "dashboard"} {
		text := env{}.kvitt("serve", "--print", word).must(t, 0).out
		if word == "dashboard" && !json.Valid([]byte(text)) {
			t.Error("the dashboard is no JSON")
		}
		found := regexp.MustCompile(`\bkvitt_[a-z_]+`).FindAllString(text, -1)
		if len(found) < 5 {
			t.Errorf("%s: only %v", word, found)
		}
		for _, name := range found {
			used[name] = true
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which does not exist", word, name)
			}
		}
	}
	for _, name := range known {
		if !used[name] {
			t.Errorf("%s is in neither alerts nor dashboard", name)
		}
	}
	for _, name := range []string{"kvitt_run_duration_seconds", "kvitt_records_total", "kvitt_entries_total", "kvitt_exceptions_open", "kvitt_payout_lines_total",
		"kvitt_proof_difference", "kvitt_erp_requests_total", "kvitt_last_success_timestamp_seconds"} {
		if !slices.Contains(known, name) {
			t.Errorf("the contract's %s does not exist", name)
		}
	}
}

// Killed at any moment, in a run or while it answers: what it answered is followed, once.
func TestServeKilledAtAnyMomentFollowsWhatItAnswered(t *testing.T) {
	t.Parallel()
	rounds := 5
	if testing.Short() {
		rounds = 3
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	b := newButik(t, 40, "")
	undisturbed := newButik(t, 40, "")
	want := digest(t, undisturbed.env.kvitt("run").must(t, 0, 3))

	start := func() (*exec.Cmd, string, *buffer) {
		cmd := exec.Command(binary(t), "serve")
		cmd.Env = []string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH")}
		for k, v := range b.env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		var log buffer
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it listens: "+log.String(), func() bool { return listening.MatchString(log.String()) })
		return cmd, listening.FindStringSubmatch(log.String())[1], &log
	}
	answered := map[int64]bool{}
	var mu sync.Mutex
	next := 0
	for range rounds {
		cmd, url, _ := start()
		go func() {
			time.Sleep(time.Duration(rnd.IntN(4500)) * time.Millisecond)
			_ = cmd.Process.Kill()
		}()
		var calls sync.WaitGroup
		for range 7 {
			id := b.ids[next%len(b.ids)]
			next++
			calls.Go(func() {
				if b.call(url, id) == 200 {
					mu.Lock()
					answered[id] = true
					mu.Unlock()
				}
			})
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
		}
		calls.Wait()
		_ = cmd.Wait()
	}
	cmd, url, log := start()
	eventually(t, "nothing waits any more", func() bool {
		_, m := get(t, url+"/metrics")
		return strings.Contains(m, "kvitt_webhooks_waiting 0") && strings.Contains(m, "kvitt_run_running 0")
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("asked to end: %v\n%s", err, log)
	}
	have := map[string]string{}
	for _, r := range b.env.rows(t, "select order_id, count(*) from recon.documents where kind = 'delivery' group by order_id") {
		have[r[0]] = r[1]
	}
	t.Logf("%d calls answered, %d orders booked", len(answered), len(have))
	if len(answered) == 0 {
		t.Fatal("none was answered")
	}
	for id := range answered {
		if have[fmt.Sprint(id)] != "1" {
			t.Errorf("order %d was answered for and is booked %s times", id, have[fmt.Sprint(id)])
		}
	}
	// The rest by polling; then the books are those of an undisturbed run.
	if got := digest(t, b.env.kvitt("run").must(t, 0, 3)); got != want {
		t.Errorf("digest %s, undisturbed %s", got, want)
	}
	if diff := cmp.Diff(ledgerSums(t, b.env), sieSums(t, filepath.Join(b.dir, "data", "sie"))); diff != "" {
		t.Errorf("posted is not what is booked (-ledger +SIE):\n%s", diff)
	}
	b.env.kvitt("verify").want(t, 0)
}

// Ten thousand calls while a run is on: the shop's answer to that run is held back until all of them were made.
// None is lost, none is booked twice, and the process is no larger for them.
func TestABurstWhileARunIsOn(t *testing.T) {
	t.Parallel()
	n, senders := 10_000, 50
	if testing.Short() {
		n = 2000
	}
	shopHas := newButik(t, 60, "http://127.0.0.1:1/butik")
	inner := shop.Serve(shopHas.shop, shop.Options{Prefix: "/butik"})
	var held, reached sync.Once
	open, on := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Do(func() { close(on) })
		select {
		case <-open:
		case <-r.Context().Done():
		}
		inner.ServeHTTP(w, r)
	}))
	release := func() { held.Do(func() { close(open) }) }
	t.Cleanup(srv.Close)
	t.Cleanup(release)
	text, err := os.ReadFile(shopHas.env["KVITT_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(shopHas.env["KVITT_CONFIG"], bytes.Replace(text, []byte("http://127.0.0.1:1/butik"), []byte(srv.URL+"/butik"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "serve")
	cmd.Env = []string{"HOME=" + shopHas.dir, "PATH=" + os.Getenv("PATH")}
	for k, v := range shopHas.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var log buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "it listens: "+log.String(), func() bool { return listening.MatchString(log.String()) })
	url := listening.FindStringSubmatch(log.String())[1]
	if code := shopHas.call(url, shopHas.ids[0]); code != http.StatusOK {
		t.Fatalf("the first call: %d", code)
	}
	<-on
	before := resident(t, cmd.Process.Pid)
	began := time.Now()
	var calls sync.WaitGroup
	for s := range senders {
		calls.Go(func() {
			for i := s; i < n; i += senders {
				if code := shopHas.call(url, shopHas.ids[i%len(shopHas.ids)]); code != http.StatusOK {
					t.Errorf("call %d: %d", i, code)
					return
				}
			}
		})
	}
	calls.Wait()
	took := time.Since(began)
	if _, m := get(t, url+"/metrics"); !strings.Contains(m, "kvitt_run_running 1") {
		t.Error("no run was on while they came")
	}
	grown := resident(t, cmd.Process.Pid) - before
	t.Logf("%d calls in %v, %d MB more", n, took, grown>>20)
	if grown > 64<<20 {
		t.Errorf("%d calls took %d MB", n, grown>>20)
	}
	release()
	eventually(t, "nothing waits any more", func() bool {
		_, m := get(t, url+"/metrics")
		return strings.Contains(m, "kvitt_webhooks_waiting 0") && strings.Contains(m, "kvitt_run_running 0")
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("asked to end: %v\n%s", err, &log)
	}
	once, twice := 0, 0
	for _, r := range shopHas.env.rows(t, "select order_id, count(*) from recon.documents where kind = 'delivery' group by order_id") {
		if r[1] == "1" {
			once++
		} else {
			twice++
		}
	}
	if once != len(shopHas.ids) || twice > 0 {
		t.Errorf("of %d orders %d are booked once, %d more than once", len(shopHas.ids), once, twice)
	}
	undisturbed := newButik(t, 60, "")
	want := digest(t, undisturbed.env.kvitt("run").must(t, 0, 3))
	if got := digest(t, shopHas.env.kvitt("run").must(t, 0, 3)); got != want {
		t.Errorf("digest %s, undisturbed %s", got, want)
	}
}

// resident is how much memory a process has, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// systemd itself says whether the unit and the timer are right.
func TestSystemdReadsTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here (Debian's package is systemd): the units are not verified")
	}
	dir := t.TempDir()
	unit := env{}.kvitt("serve", "--print", "systemd").want(t, 0).out
	timer, service, ok := strings.Cut(env{}.kvitt("serve", "--print", "timer").want(t, 0).out, "# ---- kvitt-run.service\n")
	if !ok {
		t.Fatal("the timer has no service")
	}
	var files []string
	for name, text := range map[string]string{"kvitt.service": unit, "kvitt-run.timer": timer, "kvitt-run.service": regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(service, "")} {
		// The program is where the unit says on the machine it is for, and not here.
		text = regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAllString(text, "ExecStart="+analyze)
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if out, err := exec.Command(analyze, append([]string{"verify"}, files...)...).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// With --setup it begins without a configuration, serves the pages that write one, and goes on with
// the rest as soon as there is one. A configuration that changes is served anew; a wrong one is not.
func TestServeBeginsWithoutAConfigurationAndFollowsIt(t *testing.T) {
	t.Parallel()
	b := newButik(t, 1, "")
	right, err := os.ReadFile(b.env["KVITT_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	b.env.kvitt("--config", filepath.Join(b.dir, "nowhere.toml"), "serve").want(t, 2, "there is no such file")
	if l, err := net.Listen("tcp", "127.0.0.1:8740"); err != nil {
		t.Skip("the usual port is taken: ", err)
	} else {
		l.Close()
	}
	if err := os.Remove(b.env["KVITT_CONFIG"]); err != nil {
		t.Fatal(err)
	}
	url, log, stop := serving(t, b.env, "--setup")
	if code, _ := get(t, url+"/setup"); code != 200 {
		t.Errorf("the set-up page: %d", code)
	}
	if code, _ := get(t, url+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready without a configuration: %d", code)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(b.env["KVITT_CONFIG"], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addresses := func() []string { return listening.FindAllString(log.String(), -1) }
	write(string(right))
	eventually(t, "it serves what was written", func() bool { return len(addresses()) == 2 })
	write(string(right) + "[nonsense]\n")
	eventually(t, "what is wrong is said", func() bool { return strings.Contains(log.String(), "unknown section [nonsense]") })
	write(string(right) + "metrics_token = \"${WOO_HOOK}\"\n")
	eventually(t, "it is served anew", func() bool { return len(addresses()) == 3 })
	url = strings.TrimPrefix(addresses()[2], "listening on ")
	if code, _ := get(t, url+"/metrics", "X-Forwarded-For", "203.0.113.5", "Authorization", "Bearer hook-secret"); code != 200 {
		t.Errorf("metrics with the token: %d", code)
	}
	if code, _ := get(t, url+"/metrics", "X-Forwarded-For", "203.0.113.5", "Authorization", "Bearer hook-secret2"); code != http.StatusUnauthorized {
		t.Errorf("metrics with another token: %d", code)
	}
	if code := stop(); code != 0 {
		t.Errorf("it ended with %d:\n%s", code, log)
	}
}
