package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/fixtures/sandbox"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/console"
)

// TestTheBooksCanBeAskedWhatTheySaidThen: every report with --as-of is, byte for byte, what it was when that was
// now; a decision in between changes nothing of it.
func TestTheBooksCanBeAskedWhatTheySaidThen(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	mid := time.Date(2026, 3, 16, 21, 0, 0, 0, time.UTC)
	now := mid
	w := newWorld(t, m, serve(t, m, sandbox.Options{Now: func() time.Time { return now }}), mid)
	w.kvitt("run").must(t, 0, 3)
	reports := [][]string{{"balances"}, {"exceptions"}, {"payouts"}, {"open-items"}, {"proof"}, {"oss", "--quarter", "2026Q1"},
		{"query", "select * from recon.decisions"}, {"query", "select entry_id, text from recon.entries order by all"}}
	csv := func(args ...string) string {
		return w.kvitt(append([]string{"--quiet", "--format", "csv"}, args...)...).must(t, 0, 3).out
	}
	then := map[string]string{}
	for _, r := range reports {
		then[r[0]+r[len(r)-1]] = csv(r...)
	}
	now = monthEnd
	w.at(monthEnd)
	w.kvitt("run").must(t, 0, 3)
	ids := w.query("select exception_id from recon.exceptions where status = 'open' and kind = 'unmatched_line' order by 1 limit 1")
	if len(ids) == 1 {
		w.kvitt("resolve", ids[0][0], "--as", "account:3990", "--reason", "sold at a fair", "--by", "anna").must(t, 0)
	}
	files := under(t, w.path("data"))
	for _, r := range reports {
		if got := csv(append(r, "--as-of", "2026-03-16")...); got != then[r[0]+r[len(r)-1]] {
			t.Errorf("%s as of 16 March is\n%s\nand was\n%s", r[0], clip(got), clip(then[r[0]+r[len(r)-1]]))
		}
		if got := csv(append(r, "--as-of", monthEnd.Add(time.Hour).Format(time.RFC3339))...); got != csv(r...) {
			t.Errorf("%s as of now is\n%s\nand is\n%s", r[0], clip(got), clip(csv(r...)))
		}
	}
	w.kvitt("balances", "--as-of", "2026-01-01").want(t, 2, "no run had finished")
	w.kvitt("balances", "--as-of", "last week").want(t, 2, "2026-03-31")

	// The other configuration sells on another account; nothing is written.
	b, err := os.ReadFile(w.path("kvitt.toml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("other.toml", strings.Replace(string(b), "sales    = 3001", "sales    = 3051", 1))
	rows := csv("diff", "--with", w.path("other.toml"))
	if lines := strings.Split(strings.TrimSpace(rows), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], "3001,") || !strings.HasPrefix(lines[2], "3051,") {
		t.Errorf("another account for sales changes\n%s", rows)
	}
	w.kvitt("diff", "--with", w.path("kvitt.toml")).want(t, 0, "the same to the öre")
	runs := w.query("select run_id from recon.runs order by run_id")
	w.kvitt("diff", runs[0][0]).want(t, 0, "Delivery")
	w.kvitt("diff", runs[0][0], runs[len(runs)-1][0]).want(t, 0)
	w.kvitt("diff", "no such run").want(t, 2, "no run")
	if got := under(t, w.path("data")); strings.Join(got, "\n") != strings.Join(files, "\n") {
		t.Error("looking back or sideways changed the data directory")
	}
}

// TestADecisionFromTheCommandLine decides, lists and takes back.
func TestADecisionFromTheCommandLine(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	w.kvitt("run").must(t, 3)
	x := w.query("select exception_id, kind, document_id from recon.exceptions where status = 'open' order by line_id is null desc, kind, 1 limit 1")[0]
	w.kvitt("resolve", x[0]).want(t, 2, "--as ACTION")
	w.kvitt("resolve", x[0], "--as", "sing").want(t, 2, "it takes")
	w.kvitt("resolve", x[0], "--as", "ignore").want(t, 2, "--reason")
	w.kvitt("resolve", x[0], "--as", "ignore", "--reason", "known since 2019", "--by", "anna").want(t, 0, "is resolved (d1)")
	w.kvitt("resolve", "--list").want(t, 0, "known since 2019", "anna", "in force")
	if got := w.query("select count(*) from recon.exceptions where status = 'open' and exception_id::varchar = '" + x[0] + "'"); got[0][0] != "0" {
		t.Error("the exception is still open")
	}
	o := w.kvitt("run").must(t, 0, 3)
	w.sameParquet()
	w.sameBooks(digest(t, o))
	w.kvitt("resolve", "--undo", "d1", "--by", "bo", "--reason", "not so").want(t, 0, "taken back")
	w.kvitt("resolve", "--undo", "d1").want(t, 2, "no decision")
	w.kvitt("resolve", "--list").want(t, 0, "undone")
	if got := w.query("select count(*) from recon.exceptions where status = 'open' and kind = '" + x[1] + "' and document_id = '" + x[2] + "'"); got[0][0] == "0" {
		t.Error("the exception did not open again")
	}
}

// TestTheSystemDocumentsItself: what the configuration, the rules and the archive hold is in the document, and no
// secret of it.
// TestTheConsoleDecidesAsTheCommandLineDoes: the same decision, kept, undone and told by the same books.
func TestTheConsoleDecidesAsTheCommandLineDoes(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	w.kvitt("run").must(t, 0, 3)
	id := w.query("select exception_id from recon.exceptions where status = 'open' order by kind, 1 limit 1")[0][0]
	a := &app{env: func(k string) (string, bool) { v, ok := w.env[k]; return v, ok }, clock: func() time.Time { return monthEnd }, stdout: io.Discard, stderr: io.Discard, configPath: w.path("kvitt.toml"), quiet: true}
	_, p, err := a.load()
	if err != nil {
		t.Fatal(err)
	}
	db, err := p.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x := pipeline.KnownException{ID: id, IsLine: true}
	if rows := w.query("select kind, document_id, line_id is not null from recon.exceptions where exception_id::varchar = '" + id + "'"); len(rows) == 1 {
		x.Kind, x.Document, x.IsLine = rows[0][0], rows[0][1], rows[0][2] == "true"
		x.Reason = "what the rules found"
	}
	causes, err := resolver{}.Causes(t.Context(), db, x)
	db.Close()
	if err != nil || len(causes) == 0 || causes[0].Says == "" {
		t.Fatalf("causes %+v, %v", causes, err)
	}
	if _, err := (resolver{}).Resolve(t.Context(), p, id, console.Decision{As: "ignore", Note: "known", By: "anna"}); err != nil {
		t.Fatal(err)
	}
	w.kvitt("resolve", "--list").want(t, 0, "known", "anna", "in force")
	if _, err := (resolver{}).Resolve(t.Context(), p, id, console.Decision{As: "undo", Note: "not so", By: "bo"}); err != nil {
		t.Fatal(err)
	}
	w.kvitt("resolve", "--list").want(t, 0, "undone")
	if _, err := (resolver{}).Resolve(t.Context(), p, id, console.Decision{As: "undo", By: "bo"}); err == nil {
		t.Error("what is undone was undone again")
	}
}

func TestTheSystemDocumentsItself(t *testing.T) {
	e, _, _ := demoWorld(t)
	o := e.kvitt("docs", "system").want(t, 0, "Exempel Handel AB (556000-0167)", "| klarna | Klarna |", "| 1585 |", "| 2670 |", "sales to consumers, FI, 25.5 %, One Stop Shop",
		"| adyen | MiscCosts | fee | program |", "50_payout_proof.sql", "entries_balance", "Processing history", "behandlingshistorik", "5 kap. 11 §", "| 4 | reference |", "match:DOCUMENT")
	run := e.one(t, "select run_id from recon.runs limit 1")
	if !strings.Contains(o.out, "| "+run+" |") {
		t.Errorf("the run %s is not in the processing history", run)
	}
	if strings.Contains(o.out, sandbox.Password) {
		t.Error("it holds a secret")
	}
}
