package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/fixtures/questions"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

// TestTheFortyQuestions: each is answered from the demo, through the command, with rows.
func TestTheFortyQuestions(t *testing.T) {
	_, dir, _ := demoWorld(t)
	qs, err := questions.All()
	if err != nil || len(qs) != 40 {
		t.Fatalf("%d questions, %v", len(qs), err)
	}
	p := &pipeline.Project{DataDir: filepath.Join(dir, "data"), Memory: memoryLimit}
	asked := map[string]bool{}
	for _, q := range qs {
		db, err := p.Reader(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := db.Table(context.Background(), q.SQL, 0)
		db.Close()
		switch {
		case err != nil:
			t.Errorf("%s: %v", q.Name, err)
		case len(got.Rows) == 0:
			t.Errorf("the demo has no answer to %s", q.Name)
		case asked[q.Asks]:
			t.Errorf("%s is asked twice", q.Asks)
		}
		asked[q.Asks] = true
	}
	e := env{"KVITT_CONFIG": filepath.Join(dir, "kvitt.toml")}
	if o := e.kvitt("query", qs[0].SQL); o.code != 0 || !strings.Contains(o.out, "age_class") {
		t.Errorf("SQL that begins with a comment: %d %s%s", o.code, o.out, o.err)
	}
}

// The README's questions are answered from the demo, each in less than a tenth of a second.
func TestTheQuestionsOfTheREADME(t *testing.T) {
	_, dir, _ := demoWorld(t)
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sql\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no SQL")
	}
	ctx := context.Background()
	db, err := duck.Open(ctx, filepath.Join(dir, "data", "published", "ledger.duckdb"), duck.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	asked := 0
	for _, q := range strings.Split(string(block[1]), ";") {
		if q = strings.TrimSpace(q); q == "" {
			continue
		}
		asked++
		best := time.Hour
		for tries := 0; tries < 60 && (tries < 3 || best > 100*time.Millisecond); tries++ { // others may use the machine: the quickest is what it takes
			start := time.Now()
			got, _, err := db.Table(ctx, q, 0)
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			best = min(best, time.Since(start))
			if len(got.Rows) == 0 {
				t.Errorf("the demo has no answer to\n%s", q)
			}
		}
		if best > 100*time.Millisecond {
			t.Errorf("%v for\n%s", best, q)
		}
	}
	if asked < 8 {
		t.Errorf("only %d questions", asked)
	}
	// Contract rates of the demo: one method costs more than they say, the others what they say.
	over, err := db.Texts(ctx, "select method || ' ' || (overcharged > 0)::varchar from recon.fees where source = 'klarna' order by method")
	if err != nil || strings.Join(over, ",") != "card false,direct_debit false,invoice false,pay_in_x true" {
		t.Errorf("overcharged %q, %v", over, err)
	}
}
