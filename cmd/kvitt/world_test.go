package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitt/kvitt/fixtures/sandbox"
	fakeadyen "github.com/kvitt/kvitt/fixtures/sandbox/adyen"
	"github.com/kvitt/kvitt/sql/duck"
)

// The helpers of this package's tests: kvitt in this process or as one of its own, and a
// small sample world for it to work on.

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range []string{binDir, demoDir} {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
	if leak := said.secret(); leak != "" {
		fmt.Printf("FAIL: a command said a secret:\n%s\n", leak)
		code = 1
	}
	os.Exit(code)
}

// said is the first output of any command that held a secret.
var said transcript

type transcript struct {
	mu   sync.Mutex
	leak string
}

// secrets are what must never be seen: the password, and name and password as HTTP sends them.
func secrets() []string {
	return []string{sandbox.Password, base64.StdEncoding.EncodeToString([]byte(sandbox.Username + ":" + sandbox.Password)),
		fakeadyen.Password, base64.StdEncoding.EncodeToString([]byte(fakeadyen.User + ":" + fakeadyen.Password)), fakeadyen.HMACKey}
}

func (s *transcript) hear(args []string, text string) {
	for _, x := range secrets() {
		if strings.Contains(text, x) {
			s.mu.Lock()
			s.leak = fmt.Sprintf("kvitt %q: %s", args, clip(text))
			s.mu.Unlock()
		}
	}
}

func (s *transcript) secret() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leak
}

// An outcome is what one command left behind.
type outcome struct {
	code     int
	out, err string
}

// env is the environment of a command in this process; nothing else is seen.
type env map[string]string

// kvitt runs one command in this process. A panic is an outcome with code -1.
func (e env) kvitt(args ...string) (o outcome) {
	var out, errs bytes.Buffer
	defer func() {
		if p := recover(); p != nil {
			o = outcome{-1, out.String(), fmt.Sprintf("%spanic: %v\n%s", errs.String(), p, debug.Stack())}
		}
	}()
	a := &app{env: func(k string) (string, bool) { v, ok := e[k]; return v, ok }, clock: time.Now, stdout: &out, stderr: &errs}
	code := a.main(context.Background(), args)
	said.hear(args, out.String()+errs.String())
	return outcome{code, out.String(), errs.String()}
}

// want fails the test unless the command ended with code and said every one of texts.
func (o outcome) want(t *testing.T, code int, texts ...string) outcome {
	t.Helper()
	if o.code != code {
		t.Errorf("exit status %d, want %d\nstdout: %s\nstderr: %s", o.code, code, clip(o.out), clip(o.err))
	}
	for _, s := range texts {
		if !strings.Contains(o.out+o.err, s) {
			t.Errorf("it does not say %q\nstdout: %s\nstderr: %s", s, clip(o.out), clip(o.err))
		}
	}
	return o
}

// must is want for what the rest of a test builds on.
func (o outcome) must(t *testing.T, codes ...int) outcome {
	t.Helper()
	for _, c := range codes {
		if o.code == c {
			return o
		}
	}
	t.Fatalf("exit status %d, want one of %v\nstdout: %s\nstderr: %s", o.code, codes, clip(o.out), clip(o.err))
	return o
}

func clip(s string) string {
	if len(s) > 3000 {
		return s[:3000] + "…"
	}
	return s
}

var (
	demoDir string
	demo    = sync.OnceValues(func() (outcome, error) {
		dir, err := os.MkdirTemp("", "kvitt-demo-")
		if err != nil {
			return outcome{}, err
		}
		demoDir = dir
		return env{}.kvitt("demo", filepath.Join(dir, "shop")), nil
	})
)

// demoWorld returns the environment of a demo that has run, and its folder.
func demoWorld(t *testing.T) (env, string, outcome) {
	t.Helper()
	o, err := demo()
	if err != nil {
		t.Fatal(err)
	}
	o.must(t, 0)
	dir := filepath.Join(demoDir, "shop")
	return env{"KVITT_CONFIG": filepath.Join(dir, "kvitt.toml"), "KVITT_NOW": demoNow.Format(time.RFC3339)}, dir, o
}

var (
	binDir string
	build  = sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "kvitt-bin-")
		if err != nil {
			return "", err
		}
		binDir = dir
		path := filepath.Join(dir, "kvitt")
		if b, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, b)
		}
		return path, nil
	})
)

// binary returns the path of kvitt, built once.
func binary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A world is a sample merchant that is served, and a folder with a configuration for it.
type world struct {
	t     *testing.T
	dir   string
	url   string
	month *sandbox.Merchant
	now   time.Time
	env   env
}

var monthEnd = time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)

func smallMonth() *sandbox.Merchant {
	return sandbox.Month(sandbox.MonthConfig{Orders: 50, AdyenPayments: 40})
}

// serve serves m until the test ends.
func serve(t *testing.T, m *sandbox.Merchant, o sandbox.Options) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s, err := sandbox.Start(ctx, m, o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Klarna
}

// newWorld makes a folder for m as it was at now.
func newWorld(t *testing.T, m *sandbox.Merchant, url string, now time.Time) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), url: url, month: m, env: env{}}
	w.write("kvitt.toml", fmt.Sprintf(demoConfig, sandbox.Username, "${KLARNA_PASSWORD}", url))
	if err := os.Mkdir(w.path("inbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.env["KLARNA_PASSWORD"] = sandbox.Password
	w.env["KVITT_CONFIG"] = w.path("kvitt.toml")
	w.at(now)
	return w
}

// at moves the clock and puts the reports there that exist by then.
func (w *world) at(now time.Time) {
	w.t.Helper()
	w.now = now
	w.env["KVITT_NOW"] = now.Format(time.RFC3339)
	if err := w.month.WriteAdyen(w.path("inbox"), now); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(elem ...string) string {
	return filepath.Join(append([]string{w.dir}, elem...)...)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) kvitt(args ...string) outcome { return w.env.kvitt(args...) }

// process prepares a command as a process of its own.
func (w *world) process(args ...string) (*exec.Cmd, *bytes.Buffer) {
	w.t.Helper()
	cmd := exec.Command(binary(w.t), args...)
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH")}
	for k, v := range w.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	return cmd, &both
}

// query returns the rows of a statement on the published ledger, without the header.
func (w *world) query(statement string) [][]string {
	w.t.Helper()
	return w.env.rows(w.t, statement)
}

func (e env) rows(t *testing.T, statement string) [][]string {
	t.Helper()
	o := e.kvitt("--format", "csv", "query", statement).must(t, 0)
	rows, err := csv.NewReader(strings.NewReader(o.out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// one returns the first cell of a statement.
func (e env) one(t *testing.T, statement string) string {
	t.Helper()
	rows := e.rows(t, statement)
	if len(rows) == 0 {
		t.Fatalf("no row: %s", statement)
	}
	return rows[0][0]
}

// digest returns the digest that a run printed.
func digest(t *testing.T, o outcome) string {
	t.Helper()
	_, s, found := strings.Cut(o.out, "ledger digest ")
	if !found {
		t.Fatalf("no ledger digest in %s\nstderr: %s", clip(o.out), clip(o.err))
	}
	return strings.TrimSpace(strings.SplitN(s, "\n", 2)[0])
}

// sameBooks fails unless the ledger can be verified and rebuilt, and has digest want.
func (w *world) sameBooks(want string) {
	w.t.Helper()
	if got := w.env.one(w.t, "select ledger_digest from recon.runs order by run_id desc limit 1"); got != want {
		w.t.Errorf("ledger digest %s, want %s", got, want)
	}
	w.kvitt("verify").want(w.t, 0)
	w.kvitt("rebuild", "--into", filepath.Join(w.t.TempDir(), "rebuilt")).want(w.t, 0, "reached  "+want)
}

// sameParquet fails unless the Parquet files beside the published ledger hold what its
// views show.
func (w *world) sameParquet() {
	w.t.Helper()
	sameParquet(w.t, w.path("data", "published"))
}

func sameParquet(t *testing.T, published string) {
	t.Helper()
	ctx := context.Background()
	db, err := duck.Open(ctx, filepath.Join(published, "ledger.duckdb"), duck.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, v := range views {
		files := duck.Quote(filepath.Join(published, v.name, "**", "*.parquet"))
		rows := "select * from read_parquet(" + files + ", union_by_name = true, hive_partitioning = false)"
		if slices.Contains([]string{"entries", "postings", "lineage", "payout_lines", "documents"}, v.name) {
			// Each file says its month itself too, and lies where it says.
			rows = "select * exclude (month) from read_parquet(" + files + ", union_by_name = true, hive_partitioning = false)"
			lost, err := db.Texts(ctx, fmt.Sprintf(`select filename from read_parquet(%s, union_by_name = true, hive_partitioning = false, filename = true)
				where not contains(filename, '/source=' || source || '/month=' || coalesce(month, '__HIVE_DEFAULT_PARTITION__') || '/') limit 1`, files))
			if err != nil || len(lost) > 0 {
				t.Errorf("%s: a row in the wrong partition: %v, %v", v.name, lost, err)
			}
		}
		got, err := db.Texts(ctx, fmt.Sprintf(`
			select (select count(*) from (select * from recon.%[1]s except all %[2]s))
				|| ' rows of the view are in no file, '
				|| (select count(*) from (%[2]s except all select * from recon.%[1]s))
				|| ' rows of the files are not in the view'`, v.name, rows))
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
		} else if got[0] != "0 rows of the view are in no file, 0 rows of the files are not in the view" {
			t.Errorf("published/%s: %s", v.name, got[0])
		}
	}
}

// under lists every file below dir, relative to it.
func under(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const demoConfig = `# A sample merchant. The Klarna it speaks to ends with the demo; what was read is in data/.
data_dir = "data"

[company]
name        = "Exempel Handel AB"
org_number  = "556000-0167"
country     = "SE"
currency    = "SEK"
time_zone   = "Europe/Stockholm"
fiscal_year = "01-01"

[[source]]
name     = "klarna"
provider = "klarna"
flows    = ["orders", "invoices", "refunds", "payouts"]
username = %q
password = %q
base_url = %q
currency = "SEK"

[[source]]
name      = "adyen"
provider  = "adyen"
flows     = ["payouts"]
inbox     = "inbox"
unmatched = "receivable" # its sales are booked by the shop's own connector

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

[[sales]]
country  = "FI"
vat_rate = "25.5"
sales    = 3106
vat      = 2670
oss      = true

[[sales]]
country  = "DE"
vat_rate = "19"
sales    = 3106
vat      = 2670
oss      = true

[[sales]]
country  = "DK"
vat_rate = "25"
sales    = 3106
vat      = 2670
oss      = true

[[sales]]
country  = "*"
vat_rate = "0"
sales    = 3105

[erp]
provider  = "sie"
mode      = "voucher"
aggregate = "day"
series    = "K"
auto_post = false
period    = "first_open"
`
