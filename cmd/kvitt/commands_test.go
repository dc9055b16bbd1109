package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/kvitt/kvitt/fixtures/sandbox"
)

func TestDemoTellsWhatWasBookedHeldAndWhatToTryNext(t *testing.T) {
	_, dir, o := demoWorld(t)
	o.want(t, 0, "booked", "held", "balances", "proof", "vouchers posted", "try next", filepath.Join(dir, "kvitt.toml"))
	_, next, _ := strings.Cut(o.out, "try next\n")
	commands := strings.Split(strings.TrimSpace(next), "\n")
	if len(commands) != 3 {
		t.Errorf("it names %d commands to try next, not three:\n%s", len(commands), next)
	}
	for _, c := range commands {
		words, err := csv.NewReader(strings.NewReader(strings.TrimSpace(c))).Read() // no commas; only to see it is one line
		if err != nil && !strings.Contains(c, `"`) {
			t.Fatal(words, err)
		}
		args := strings.SplitN(strings.TrimSpace(c), " ", 5) // kvitt --config PATH COMMAND [REST]
		if args[0] != "kvitt" {
			t.Fatalf("%q is no kvitt command", c)
		}
		if len(args) == 5 {
			args[4] = strings.Trim(args[4], `"`)
		}
		env{}.kvitt(args[1:]...).want(t, 0)
	}
}

// reportCommands are the tables a person reads.
var reportCommands = [][]string{
	{"payouts"}, {"exceptions"}, {"open-items"}, {"balances"}, {"proof"}, {"status"}, {"plan"}, {"oss", "--quarter", "2026Q1"},
}

func TestReportsFitATerminalOfHundredColumns(t *testing.T) {
	e, _, _ := demoWorld(t)
	for _, args := range reportCommands {
		t.Run(args[0], func(t *testing.T) { fitsHundred(t, e.kvitt(args...).want(t, 0)) })
	}
	w := newWorld(t, smallMonth(), serve(t, smallMonth(), sandbox.Options{}), monthEnd)
	w.kvitt("run", "--no-post").must(t, 0, 3)
	t.Run("plan of a month", func(t *testing.T) { fitsHundred(t, w.kvitt("plan").want(t, 0)) })
}

func fitsHundred(t *testing.T, o outcome) {
	t.Helper()
	wide, longest := 0, ""
	for line := range strings.Lines(o.out) {
		line = strings.TrimRight(line, "\n")
		if utf8.RuneCountInString(line) > 100 {
			wide++
			if utf8.RuneCountInString(line) > utf8.RuneCountInString(longest) {
				longest = line
			}
		}
	}
	if wide > 0 {
		t.Errorf("%d lines are wider than 100 columns; the widest has %d:\n%s", wide, utf8.RuneCountInString(longest), longest)
	}
}

func TestEveryReportIsValidJSONAndCSV(t *testing.T) {
	e, _, _ := demoWorld(t)
	for _, args := range append(slices.Clone(reportCommands), []string{"verify"}, []string{"check", "--offline"}, []string{"version"}, []string{"explain", "10002"}, []string{"rebuild", "--into", filepath.Join(t.TempDir(), "x")}) {
		t.Run(args[0], func(t *testing.T) {
			o := e.kvitt(append([]string{"--format", "json"}, args...)...).want(t, 0)
			var v any
			if err := json.Unmarshal([]byte(o.out), &v); err != nil {
				t.Errorf("no JSON: %v\n%s", err, clip(o.out))
			}
			if rows, ok := v.([]any); ok && len(rows) == 0 {
				t.Error("no rows")
			}
			if slices.Contains([]string{"rebuild", "version", "explain"}, args[0]) {
				return // no table
			}
			o = e.kvitt(append([]string{"--format", "csv"}, args...)...).want(t, 0)
			rows, err := csv.NewReader(strings.NewReader(o.out)).ReadAll()
			if err != nil || len(rows) == 0 {
				t.Errorf("no CSV: %v\n%s", err, clip(o.out))
			}
		})
	}
}

func TestQueryReadsInEveryFormat(t *testing.T) {
	e, _, _ := demoWorld(t)
	const q = `select 1::decimal(18, 2) as amount, null as nothing, 'a "b", c' as text, date '2026-03-31' as day`
	for _, tt := range []struct{ format, want string }{
		{"table", "amount  nothing  text      day\n  1.00           a \"b\", c  2026-03-31\n"},
		{"json", "[\n  {\"amount\": 1.00, \"nothing\": null, \"text\": \"a \\\"b\\\", c\", \"day\": \"2026-03-31\"}\n]\n"},
		{"csv", "amount,nothing,text,day\n1.00,,\"a \"\"b\"\", c\",2026-03-31\n"},
	} {
		o := e.kvitt("--format", tt.format, "query", q).want(t, 0)
		if diff := cmp.Diff(tt.want, o.out); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", tt.format, diff)
		}
	}
	if o := e.kvitt("--format", "json", "query", "select 1 as a where false").want(t, 0); o.out != "[\n]\n" {
		t.Errorf("no rows are %q", o.out)
	}
	o := e.kvitt("--format", "json", "query", "select 'nan'::double as a, 'infinity'::double as b, '-infinity'::float as c, [1.5, 'nan'::double] as d").want(t, 0)
	if !json.Valid([]byte(o.out)) {
		t.Errorf("a number that is none makes invalid JSON: %s", o.out)
	}
}

func TestQueryRefusesWhatIsNotReading(t *testing.T) {
	e, dir, _ := demoWorld(t)
	before, ledgerBefore := under(t, dir), e.one(t, "select count(*) from recon.entries")
	out := filepath.Join(t.TempDir(), "out")
	for _, q := range []string{
		"create table x (a integer)", "insert into main.meta values ('a', 'b')", "delete from main.entries", "update main.entries set text = ''",
		"drop view recon.balances", "truncate main.entries", "alter table main.entries add column x integer",
		"select 1; drop table main.entries",
		"copy (select 1) to '" + out + "'", "copy recon.balances to '" + out + ".parquet' (format parquet)", "export database '" + out + "'",
		"attach '" + out + ".db'", "attach ':memory:' as m",
		"select * from read_csv('/etc/passwd')", "select * from read_text('/etc/passwd')", "select * from read_blob('/etc/passwd')",
		"select * from '/etc/passwd'", "select * from glob('/*')", "copy main.meta from '/etc/passwd'",
		"install httpfs", "load httpfs", "set memory_limit = '10GB'", "pragma memory_limit = '10GB'", "set enable_external_access = true",
		"set lock_configuration = false", "reset memory_limit", "select getenv('HOME')",
		"selekt 1", "select", "select * from recon.nix", "select nix from recon.balances", "", " ", ";",
	} {
		t.Run(q, func(t *testing.T) {
			if o := e.kvitt("query", q).want(t, 2, "kvitt: "); o.out != "" {
				t.Errorf("it printed %q", clip(o.out))
			}
		})
	}
	if diff := cmp.Diff(before, under(t, dir)); diff != "" {
		t.Errorf("something was made (-before +after):\n%s", diff)
	}
	if _, err := os.Stat(out); err == nil {
		t.Errorf("%s was written", out)
	}
	if got := e.one(t, "select count(*) from recon.entries"); got != ledgerBefore {
		t.Errorf("%s entries, before %s", got, ledgerBefore)
	}
}

func TestQueryTakesAStatementThatBeginsWithAComment(t *testing.T) {
	e, _, _ := demoWorld(t)
	e.kvitt("query", "/* open */ select 1 as a").want(t, 0, "1")
	e.kvitt("query", "--", "-- open\nselect 1 as a").want(t, 0, "1")
}

func TestExplainFindsEverythingByItsName(t *testing.T) {
	e, _, _ := demoWorld(t)
	entry := e.one(t, "select entry_id from recon.entries where kind = 'delivery' order by 1")
	for _, tt := range []struct {
		name, ref string
		chapters  []string
	}{
		{"order number", e.one(t, "select order_number from recon.documents where kind = 'refund' order by 1"), []string{"documents", "booked by", "from these bytes", "in the ERP"}},
		{"order ID", e.one(t, "select order_id from recon.documents where kind = 'delivery' order by 1"), []string{"documents", "booked by", "from these bytes"}},
		{"document", e.one(t, "select document_id from recon.documents where kind = 'refund' order by 1"), []string{"documents", "booked by"}},
		{"payout of Klarna", e.one(t, "select payout_id from recon.payouts where source = 'klarna' and status = 'booked' order by 1"), []string{"payouts", "booked by", "from these bytes", "in the ERP"}},
		{"payout of Adyen", e.one(t, "select payout_id from recon.payouts where source = 'adyen' and status = 'booked' order by 1"), []string{"payouts", "booked by", "from these bytes", "in the ERP"}},
		{"payout that is held", e.one(t, "select document_id from recon.payouts where status = 'held' order by 1"), []string{"payouts", "needs a person"}},
		{"bank reference", e.one(t, "select bank_reference from recon.payouts where source = 'klarna' and status = 'booked' order by 1"), []string{"payouts", "booked by"}},
		{"entry", entry, []string{"booked by", "from these bytes"}},
		{"beginning of an entry", entry[:8], []string{"booked by", "from these bytes"}},
		{"entry of a payout line", e.one(t, "select entry_id from recon.entries where kind = 'payout_line' order by 1")[:8], []string{"booked by", "from these bytes"}},
		{"payout line", e.one(t, "select line_id from recon.payout_lines order by 1"), []string{"payout lines, and how each found its document"}},
		{"exception", e.one(t, "select exception_id from recon.exceptions where line_id is null order by 1"), []string{"needs a person"}},
		{"exception of a line", e.one(t, "select exception_id from recon.exceptions where line_id is not null order by 1"), []string{"needs a person"}},
		{"voucher of a payout", e.one(t, "select erp_document_id from recon.erp_documents where document_id is not null order by 1"), []string{"booked by", "in the ERP"}},
		{"voucher of a day", e.one(t, "select erp_document_id from recon.erp_documents where document_id is null order by 1"), []string{"booked by", "in the ERP"}},
		{"the ERP's number of a voucher", e.one(t, "select erp_number from recon.erp_documents where document_id is null order by 1"), []string{"booked by", "in the ERP"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := e.kvitt("explain", tt.ref)
			if o.code != 0 {
				t.Fatalf("exit status %d for %q: %s", o.code, tt.ref, clip(o.err))
			}
			var story map[string][]map[string]any
			j := e.kvitt("--format", "json", "explain", tt.ref).must(t, 0)
			if err := json.Unmarshal([]byte(j.out), &story); err != nil {
				t.Fatalf("no JSON: %v\n%s", err, clip(j.out))
			}
			for _, c := range tt.chapters {
				if len(story[c]) == 0 || !strings.Contains(o.out, c+"\n") {
					t.Errorf("nothing under %q for %q", c, tt.ref)
				}
			}
		})
	}
	for _, ref := range []string{"nosuchthing", "99999999", "", "%", "'"} {
		e.kvitt("explain", ref).want(t, 2, "nothing in the books")
	}
}

func TestExplainEntryTellsOfThatEntry(t *testing.T) {
	e, _, _ := demoWorld(t)
	for _, kind := range []string{"delivery", "refund", "payout_line", "payout"} {
		id := e.one(t, "select entry_id from recon.entries where kind = '"+kind+"' order by 1")
		e.kvitt("--format", "json", "explain", id).want(t, 0, `"entry": "`+id[:8]+`"`)
	}
}

func TestExportWritesFilesForOtherPrograms(t *testing.T) {
	e, dir, _ := demoWorld(t)
	for _, form := range []string{"parquet", "csv", "sie", "hledger"} {
		t.Run(form, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "new", "folder")
			o := e.kvitt("export", form, to).want(t, 0)
			listed := strings.Fields(o.out)
			if len(listed) == 0 {
				t.Fatal("it lists no files")
			}
			for _, f := range listed {
				if st, err := os.Stat(f); err != nil || st.Size() == 0 {
					t.Errorf("%s: %v", f, err)
				}
			}
			var made []string
			for _, f := range under(t, to) {
				if st, err := os.Stat(filepath.Join(to, f)); err == nil && !st.IsDir() {
					made = append(made, filepath.Join(to, f))
				}
			}
			slices.Sort(listed)
			slices.Sort(made)
			if diff := cmp.Diff(listed, made); diff != "" {
				t.Errorf("files mismatch (-listed +made):\n%s", diff)
			}
			switch form {
			case "csv":
				checkCSV(t, e, to)
			case "sie":
				if posted, exported := sieSums(t, filepath.Join(dir, "data", "sie")), sieSums(t, to); !cmp.Equal(posted, exported) {
					t.Errorf("sums mismatch (-posted +exported):\n%s", cmp.Diff(posted, exported))
				}
			case "hledger":
				hledger, err := exec.LookPath("hledger")
				if err != nil {
					t.Skip("skipped: hledger is not installed")
				}
				if b, err := exec.Command(hledger, "-f", listed[0], "check").CombinedOutput(); err != nil {
					t.Errorf("hledger check: %v\n%s", err, clip(string(b)))
				}
			}
		})
	}
}

func checkCSV(t *testing.T, e env, dir string) {
	t.Helper()
	for _, v := range views {
		f, err := os.Open(filepath.Join(dir, v.name+".csv"))
		if err != nil {
			t.Error(err)
			continue
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if want := e.one(t, "select count(*) from recon."+v.name); fmt.Sprint(len(rows)-1) != want {
			t.Errorf("%s has %d rows, the view %s", v.name, len(rows)-1, want)
		}
	}
}

func TestVerifyFindsNothingAndRebuildReachesTheSameDigest(t *testing.T) {
	e, dir, _ := demoWorld(t)
	e.kvitt("verify").want(t, 0)
	want := e.one(t, "select ledger_digest from recon.runs order by run_id desc limit 1")
	before := e.rows(t, "select * exclude (finished_at) from recon.runs order by run_id")
	into := filepath.Join(t.TempDir(), "copy")
	e.kvitt("rebuild", "--into", into).want(t, 0, "reached  "+want, "expected "+want)
	for _, f := range []string{"work.duckdb", "published/ledger.duckdb"} {
		if _, err := os.Stat(filepath.Join(into, f)); err != nil {
			t.Error(err)
		}
	}
	e.kvitt("rebuild", "--into", into).want(t, 2, "not empty")
	e.kvitt("rebuild").want(t, 0, "reached  "+want, "expected "+want)
	e.kvitt("verify").want(t, 0)
	if _, err := os.Stat(filepath.Join(dir, "data", "rebuild")); err == nil {
		t.Error("the rebuild left its folder behind")
	}
	if diff := cmp.Diff(before, e.rows(t, "select * exclude (finished_at) from recon.runs order by run_id")); diff != "" {
		t.Errorf("runs mismatch after the rebuild (-before +after):\n%s", diff)
	}
}

func TestVerifyNamesTheFileThatWasAltered(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	w.kvitt("run", "--post").must(t, 3)
	w.kvitt("verify").must(t, 0)
	for _, f := range under(t, w.path("data")) {
		// metrics.json is of no book: it counts requests and seconds for a dashboard.
		st, err := os.Stat(w.path("data", f))
		if err != nil || st.IsDir() || st.Size() == 0 || f == "lock" || f == "metrics.json" || strings.HasPrefix(f, "tmp") || strings.HasPrefix(f, "published/") && !strings.Contains(f, "ledger.duckdb") && !strings.Contains(f, "postings") {
			continue
		}
		t.Run(f, func(t *testing.T) {
			b, err := os.ReadFile(w.path("data", f))
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []int{len(b) / 2, len(b) - 2} {
				altered := bytes.Clone(b)
				altered[at] ^= 1
				if err := os.WriteFile(w.path("data", f), altered, 0o600); err != nil {
					t.Fatal(err)
				}
				if o := w.kvitt("verify"); o.code != 1 || !strings.Contains(o.out+o.err, filepath.Base(f)) {
					t.Errorf("byte %d altered: exit status %d, %s", at, o.code, clip(o.out+o.err))
				}
			}
			if err := os.WriteFile(w.path("data", f), b, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	w.kvitt("verify").want(t, 0)
}

func TestPlanIsPostedOnceAndOnlyAsShown(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	w.kvitt("run", "--no-post").must(t, 3)
	var plan struct {
		Digest   string
		New      int
		Vouchers []struct{ ID string }
		Accounts []struct {
			Account            int
			Debit, Credit, Sum json.Number
		}
	}
	o := w.kvitt("--format", "json", "plan").must(t, 0)
	if err := json.Unmarshal([]byte(o.out), &plan); err != nil {
		t.Fatal(err)
	}
	if plan.New == 0 || len(plan.Vouchers) != plan.New || len(plan.Accounts) == 0 {
		t.Fatalf("the plan is %+v", plan)
	}
	w.kvitt("plan").want(t, 0, plan.Digest, fmt.Sprintf("%d new", plan.New))
	if again := w.kvitt("--format", "json", "plan"); again.out != o.out {
		t.Error("the second plan differs from the first")
	}
	w.kvitt("post", "--plan", strings.Repeat("0", len(plan.Digest))).want(t, 1, "the plan has changed", "kvitt plan")
	if got := len(under(t, w.path("data", "sie"))); got > 0 {
		t.Errorf("%d SIE files of a plan that was refused", got)
	}
	w.kvitt("post", "--plan", plan.Digest).want(t, 0, fmt.Sprintf("posted %d vouchers", plan.New), w.path("data", "sie"))
	files := under(t, w.path("data", "sie"))
	w.kvitt("post").want(t, 0, "nothing to post")
	w.kvitt("post", "--plan", plan.Digest).want(t, 1, "the plan has changed")
	w.kvitt("run", "--post").want(t, 3, "0 vouchers posted")
	w.kvitt("plan").want(t, 0, "nothing to post")
	if diff := cmp.Diff(files, under(t, w.path("data", "sie"))); diff != "" {
		t.Errorf("posting again wrote files (-before +after):\n%s", diff)
	}
	for _, a := range plan.Accounts {
		got := w.env.one(t, fmt.Sprintf("select balance from recon.balances where account = %d", a.Account))
		if got != a.Sum.String() {
			t.Errorf("account %d: planned %s, booked %s", a.Account, a.Sum, got)
		}
	}
	w.kvitt("verify").want(t, 0)
}

func TestRunAgainFindsNothingNew(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	first := digest(t, w.kvitt("run", "--post").must(t, 3))
	for range 2 {
		o := w.kvitt("run", "--post").want(t, 3, "0 entries booked", "0 vouchers posted")
		if got := digest(t, o); got != first {
			t.Errorf("ledger digest %s, want %s", got, first)
		}
	}
	var res map[string]any
	if err := json.Unmarshal([]byte(w.kvitt("--format", "json", "--quiet", "run").want(t, 3).out), &res); err != nil || res["ledger_digest"] != first {
		t.Errorf("%v: %v", res, err)
	}
	w.sameBooks(first)
}

func TestTestShowsAnOrderAndWritesNothing(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	var id string
	for _, x := range m.OrderIDs() {
		if o, _ := m.Order(x); len(o.Captures) > 0 {
			id = x
			break
		}
	}
	before := under(t, w.dir)
	w.kvitt("test", "--source", "klarna", "--id", id).want(t, 0, "documents", "would be booked", "decided by [[sales]]", "would be posted to sie", "nothing was written")
	w.kvitt("test", "--source", "klarna", "--id", "00000000-0000-0000-0000-000000000000").want(t, 1, "does not know")
	if diff := cmp.Diff(before, under(t, w.dir)); diff != "" {
		t.Errorf("files mismatch (-before +after):\n%s", diff)
	}
	w.kvitt("backfill", "--source", "klarna", "--ids", id).want(t, 0, "1 new from the sources")
	w.kvitt("backfill", "--source", "klarna", "--ids", id).want(t, 0, "0 new from the sources", "0 entries booked")
	w.kvitt("backfill", "--source", "klarna", "--ids", id+",00000000-0000-0000-0000-000000000000").want(t, 3, "00000000-0000-0000-0000-000000000000")
}

func TestLogGoesToStandardErrorInTheFormAskedFor(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	o := w.kvitt("--log-format", "json", "run").must(t, 3)
	for line := range strings.Lines(o.err) {
		if !strings.HasPrefix(line, "kvitt: ") && !json.Valid([]byte(line)) {
			t.Errorf("no JSON in the log: %s", line)
		}
	}
	for _, word := range []string{"extracted", "staged", "booked", "published"} {
		if !strings.Contains(o.err, `"msg":"`+word+`"`) {
			t.Errorf("no line for %s", word)
		}
	}
	if o := w.kvitt("--quiet", "run").want(t, 3); strings.Contains(o.err, "level=") {
		t.Errorf("a quiet run said %q", o.err)
	}
}

func TestNoSecretReachesTheDataDirectory(t *testing.T) {
	_, dir, _ := demoWorld(t)
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".zst") {
			z, err := zstd.NewReader(bytes.NewReader(b))
			if err != nil {
				return err
			}
			defer z.Close()
			if b, err = io.ReadAll(z); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		for _, s := range secrets() {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 10 {
		t.Errorf("only %d files were looked at", n)
	}
}
