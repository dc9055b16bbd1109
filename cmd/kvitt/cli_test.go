package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/fixtures/sandbox"
)

func TestInitWritesAConfigurationOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "books")
	env{}.kvitt("init", dir).want(t, 0, "wrote "+filepath.Join(dir, "kvitt.toml"))
	first, err := os.ReadFile(filepath.Join(dir, "kvitt.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(first), "# ") {
		t.Error("the file has no comments")
	}
	if err := os.WriteFile(filepath.Join(dir, "kvitt.toml"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	env{}.kvitt("init", dir).want(t, 2, "is there already")
	if b, _ := os.ReadFile(filepath.Join(dir, "kvitt.toml")); string(b) != "mine" {
		t.Error("the second init touched the file")
	}
}

func TestInitWithoutAFolderWritesHere(t *testing.T) {
	t.Chdir(t.TempDir())
	env{}.kvitt("init").want(t, 0, "wrote kvitt.toml")
	if diff := cmp.Diff([]string{"kvitt.toml"}, under(t, ".")); diff != "" {
		t.Errorf("files mismatch (-want +got):\n%s", diff)
	}
}

func TestVersionSaysWhichKvittAndDuckDB(t *testing.T) {
	env{}.kvitt("version").want(t, 0, "kvitt ", "DuckDB v")
	o := env{}.kvitt("--format", "json", "version").want(t, 0)
	var v struct{ Version, DuckDB string }
	if err := json.Unmarshal([]byte(o.out), &v); err != nil || v.Version == "" || v.DuckDB == "" {
		t.Errorf("%s: %v", o.out, err)
	}
}

func TestWrongUsageIsRefusedWithWhatToWrite(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		name string
		args []string
		says []string
	}{
		{"the beginning of a command", []string{"balance"}, []string{`unknown command "balance"`, `did you mean "balances"?`}},
		{"two letters changed places", []string{"payuots"}, []string{`unknown command "payuots"`, `did you mean "payouts"?`}},
		{"a letter too few", []string{"verfy"}, []string{`did you mean "verify"?`}},
		{"nothing near", []string{"frobnicate"}, []string{`unknown command "frobnicate"`, "kvitt --help"}},
		{"an unknown flag", []string{"run", "--form", "2026-03-01"}, []string{"--form", `did you mean "--from"?`}},
		{"a flag of another command", []string{"version", "--post"}, []string{"--post"}},
		{"a value that is missing", []string{"run", "--from"}, []string{"--from"}},
		{"an unknown format", []string{"--format", "xml", "version"}, []string{`"xml"`, "table, json or csv"}},
		{"an unknown log format", []string{"--log-format", "xml", "version"}, []string{`"xml"`, "text or json"}},
		{"an argument too many", []string{"payouts", "klarna"}, []string{"payouts", `"klarna"`}},
		{"a second folder", []string{"init", "a", "b"}, []string{"one folder"}},
		{"an argument too few", []string{"explain"}, []string{"explain", "one reference"}},
		{"no statement", []string{"query"}, []string{"query", "one statement"}},
		{"an export without a folder", []string{"export", "csv"}, []string{"folder"}},
		{"an unknown form of export", []string{"export", "xlsx", "out"}, []string{`"xlsx"`, "parquet, csv, sie or hledger"}},
		{"a quarter that is none", []string{"oss", "--quarter", "2026-1"}, []string{`"2026-1"`, "2026Q3"}},
		{"no quarter", []string{"oss"}, []string{"--quarter", "2026Q3"}},
		{"both ways of posting", []string{"run", "--post", "--no-post"}, []string{"--post and --no-post"}},
		{"a backfill without a source", []string{"backfill", "--ids", "a"}, []string{"--source"}},
		{"a backfill without IDs", []string{"backfill", "--source", "klarna"}, []string{"--ids"}},
		{"a backfill from a file that is not there", []string{"backfill", "--source", "klarna", "--ids-file", "nix"}, []string{"nix"}},
		{"a test without an ID", []string{"test", "--source", "klarna"}, []string{"--id"}},
		{"no configuration", []string{"payouts"}, []string{"kvitt.toml", "kvitt init"}},
		{"a configuration that is not there", []string{"--config", "other.toml", "run"}, []string{"other.toml", "kvitt init"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := env{}.kvitt(tt.args...).want(t, 2, tt.says...)
			if o.out != "" {
				t.Errorf("standard output is for results, not for %q", o.out)
			}
		})
	}
	if got := under(t, "."); len(got) > 0 {
		t.Errorf("wrong usage left files behind: %v", got)
	}
}

func TestHelpNamesEveryCommandOfTheContract(t *testing.T) {
	o := env{}.kvitt("--help").want(t, 0)
	for _, c := range strings.Fields("init demo check run backfill test plan post status payouts exceptions open-items balances proof oss explain query export verify rebuild version") {
		if !strings.Contains(o.out, "\n  "+c+" ") {
			t.Errorf("help does not name %s", c)
		}
		env{}.kvitt(c, "--help").want(t, 0, "kvitt "+c)
	}
}

// offline is a configuration that is right and of which nothing is ever asked.
func offline(t *testing.T) *world {
	return newWorld(t, sandbox.NewMerchant(1), "http://127.0.0.1:9/klarna", monthEnd)
}

func TestReportsBeforeTheFirstRunSayWhatToDo(t *testing.T) {
	w := offline(t)
	before := under(t, w.dir)
	for _, args := range [][]string{
		{"payouts"}, {"exceptions"}, {"open-items"}, {"balances"}, {"proof"}, {"status"}, {"plan"}, {"verify"}, {"rebuild"},
		{"oss", "--quarter", "2026Q1"}, {"explain", "10001"}, {"query", "select 1"},
		{"export", "csv", w.path("out")}, {"export", "sie", w.path("out")}, {"export", "hledger", w.path("out")},
	} {
		t.Run(strings.Join(args[:1], " "), func(t *testing.T) {
			w.kvitt(args...).want(t, 2, "kvitt run")
		})
	}
	if diff := cmp.Diff(before, under(t, w.dir)); diff != "" {
		t.Errorf("a report made something (-before +after):\n%s", diff)
	}
}

func TestBadConfigurationIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	good := fmt.Sprintf(demoConfig, sandbox.Username, "${KLARNA_PASSWORD}", "http://127.0.0.1:9/klarna")
	second := `
[[source]]
name     = "klarna-two"
provider = "klarna"
username = "${KLARNA_PASSWORD}"
password = "${KLARNA_PASSWORD}"
base_url = "http://127.0.0.1:9/klarna"
`
	for _, tt := range []struct {
		name     string
		old, new string
		at       string // the text in the changed file that the position points at
		says     []string
	}{
		{"an unknown key", `currency = "SEK"` + "\n\n[[source]]", `curency = "SEK"` + "\n\n[[source]]", `curency`, []string{`"curency"`, `did you mean "currency"?`}},
		{"an unknown section", "[company]", "[compny]", "[compny]", []string{"did you mean [company]?"}},
		{"no sales account of the own country", `country  = "SE"`, `country  = "NO"`, "", []string{"[[sales]]", `country  = "SE"`}},
		{"two sources of one account", "[[sales]]", strings.ReplaceAll(second, "${KLARNA_PASSWORD}", sandbox.Username) + "\n[[sales]]", "", []string{`"klarna-two"`, "klarna"}},
		{"an account that is no account", "sales    = 3001", "sales    = 151", "151", []string{"151", "four digits"}},
		{"an account of the source that is none", `inbox     = "inbox"`, "inbox     = \"inbox\"\naccounts = {clearing = 151}", "151}", []string{"151", "four digits"}},
		{"a secret that is not set", "${KLARNA_PASSWORD}", "${NOT_SET}", `"${NOT_SET}"`, []string{"NOT_SET", "not set"}},
		{"a rate in words", `vat_rate = "25.5"`, `vat_rate = "high"`, `"high"`, []string{"vat_rate", "25"}},
		{"a text without its quotes", `"SEK"`, `SEK`, "SEK", []string{"quotes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := offline(t)
			if !strings.Contains(good, tt.old) {
				t.Fatalf("no %q in the configuration", tt.old)
			}
			n := 1
			if tt.name == "no sales account of the own country" {
				n = -1
			}
			text := strings.Replace(good, tt.old, tt.new, n)
			if n < 0 { // the company stays where it is: its key is spelled with other blanks
				text = strings.ReplaceAll(text, `country     = "NO"`, `country     = "SE"`)
			}
			w.write("kvitt.toml", text)
			before := under(t, w.dir)
			for _, c := range [][]string{{"run"}, {"check", "--offline"}, {"post"}, {"payouts"}} {
				o := w.kvitt(c...).want(t, 2, tt.says...)
				pos := "kvitt.toml:"
				if tt.at != "" {
					i := strings.Index(text, tt.at)
					line := 1 + strings.Count(text[:i], "\n")
					pos = fmt.Sprintf("kvitt.toml:%d:%d:", line, i-strings.LastIndex(text[:i], "\n"))
				}
				if !strings.Contains(o.err, pos) {
					t.Errorf("%v: no position %q in %s", c, pos, o.err)
				}
				if strings.Contains(o.err, sandbox.Password) {
					t.Error("the message holds the secret")
				}
			}
			if diff := cmp.Diff(before, under(t, w.dir)); diff != "" {
				t.Errorf("something was touched (-before +after):\n%s", diff)
			}
		})
	}
}

func TestKVITT_CONFIGNamesTheFileAndTheFlagWins(t *testing.T) {
	w := offline(t)
	t.Chdir(t.TempDir())
	w.kvitt("check", "--offline").want(t, 0, w.path("kvitt.toml"))
	w.kvitt("--config", "nix.toml", "check", "--offline").want(t, 2, "nix.toml")
	e := env{"KLARNA_PASSWORD": "x", "KVITT_CONFIG": ""}
	e.kvitt("check", "--offline").want(t, 2, "kvitt.toml")
}

func TestKVITT_NOWHoldsTheClockAndCheckSaysSo(t *testing.T) {
	w := offline(t)
	w.env["KVITT_NOW"] = "2026-03-31T23:00:00+02:00"
	w.kvitt("check", "--offline").want(t, 0, "KVITT_NOW", "2026-03-31T23:00:00+02:00")
	for _, bad := range []string{"yesterday", "2026-03-31", "2026-03-31T23:00:00", "2026-02-30T00:00:00Z"} {
		w.env["KVITT_NOW"] = bad
		before := under(t, w.dir)
		w.kvitt("run").want(t, 2, "KVITT_NOW", bad, "RFC 3339")
		if diff := cmp.Diff(before, under(t, w.dir)); diff != "" {
			t.Errorf("something was touched (-before +after):\n%s", diff)
		}
	}
}

func TestASelectionThatCannotBeIsRefused(t *testing.T) {
	w := offline(t)
	before := under(t, w.dir)
	for _, tt := range []struct {
		name string
		args []string
		says []string
	}{
		{"the last day before the first", []string{"run", "--from", "2026-03-02", "--to", "2026-03-01"}, []string{"--from 2026-03-02", "--to 2026-03-01"}},
		{"a day that is none", []string{"run", "--from", "2026-02-30"}, []string{"2026-02-30"}},
		{"a day in another order", []string{"run", "--to", "31/3 2026"}, []string{"31/3 2026", "2026-03-31"}},
		{"a source that is none", []string{"run", "--source", "karna"}, []string{`"karna"`, "klarna"}},
		{"a backfill of no source", []string{"backfill", "--source", "karna", "--ids", "a"}, []string{`"karna"`, "klarna"}},
		{"a backfill from report files", []string{"backfill", "--source", "adyen", "--ids", "a"}, []string{"adyen", "report files"}},
		{"a test of no source", []string{"test", "--source", "karna", "--id", "a"}, []string{`"karna"`, "klarna"}},
		{"a test of report files", []string{"test", "--source", "adyen", "--id", "a"}, []string{"adyen", "report files"}},
	} {
		t.Run(tt.name, func(t *testing.T) { w.kvitt(tt.args...).want(t, 2, tt.says...) })
	}
	if diff := cmp.Diff(before, under(t, w.dir)); diff != "" {
		t.Errorf("something was touched (-before +after):\n%s", diff)
	}
}
