package pipeline

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kvsql "github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// inMemory is a database with kvitt's macros.
func inMemory(t *testing.T) *duck.DB {
	t.Helper()
	db, err := duck.Open(context.Background(), "", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Exec(context.Background(), kvsql.Macros()); err != nil {
		t.Fatal(err)
	}
	return db
}

// What is looked for apart, so that DuckDB need not read all of it, is what is found by looking at every reference.
func TestSameReferenceFindsWhatEveryRowWouldSay(t *testing.T) {
	ctx := context.Background()
	db := inMemory(t)
	refs := []string{"1001", "#1001", "001001", "#00#1001", " 1001", "\u00a01001", "\u3000#1001", "#\u00a01001", "11001", "x1001", "#x1001", "X1001", "#X1001", "0X1001", "åx1001",
		"Å1", "å1", "#å1", "\u2003Å1", "ÖÅ1", "0", "#", "00", "# 12", "12", "\t12", "0001-A", "1-a", "01-a", "", "1002"}
	var rows []string
	for _, r := range refs {
		rows = append(rows, "("+duck.Quote(r)+")")
	}
	if err := db.Exec(ctx, "create table t (r varchar); insert into t values "+strings.Join(rows, ", ")); err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		if ref = strings.TrimSpace(ref); ref == "" {
			continue
		}
		bare := strings.TrimLeft(ref, "#0")
		want, err := db.Texts(ctx, "select r from t where case when $bare = '' then r = $ref else (ends_with(r, $bare) or ends_with(r, $upper) or ends_with(r, $lower)) and normal_reference(r) = normal_reference($ref) end order by r",
			duck.Named("ref", ref), duck.Named("bare", bare), duck.Named("upper", strings.ToUpper(bare)), duck.Named("lower", strings.ToLower(bare)))
		if err != nil {
			t.Fatal(err)
		}
		if len(want) == 0 {
			t.Errorf("%q is not found by itself", ref)
		}
		var parts []string
		for _, same := range sameReference("r", ref, false) {
			parts = append(parts, "select r from t where "+same)
		}
		got, err := db.Texts(ctx, strings.Join(parts, " union ")+" order by r")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-every row, +apart):\n%s", ref, d)
		}
	}
}

// A line is found by the tags of its references, however they are written, as by the references themselves.
func TestTagsFindWhatReferencesSay(t *testing.T) {
	ctx := context.Background()
	db := inMemory(t)
	refs := []string{"1001", "#1001", "001001", "\u00a01001", "#\u00a01001", "x1001", "#X1001", "åx1001", "Å1", "å1", "0", "#", "00", "# 12", "12", "O'1", "100%s"}
	var rows []string
	for i, r := range refs {
		rows = append(rows, "("+duck.Quote(r)+", "+duck.Quote(refs[(i+3)%len(refs)])+", "+duck.Quote(refs[(i+7)%len(refs)])+")")
	}
	if err := db.Exec(ctx, "create table said (order_reference varchar, order_key varchar, event_key varchar); insert into said values "+strings.Join(rows, ", ")+", (null, null, null);"+
		"create table l as select *, "+lineTags+" from said"); err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		ref = strings.TrimSpace(ref)
		found := func(thorough bool) []string {
			out, err := db.Texts(ctx, "select rowid::varchar from l where ("+strings.Join(lineReference(ref, thorough), ") or (")+") order by rowid")
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		want := found(true)
		if len(want) < 3 {
			t.Errorf("%q is found %d times, and is there three times", ref, len(want))
		}
		if d := cmp.Diff(want, found(false)); d != "" {
			t.Errorf("%q (-references, +tags):\n%s", ref, d)
		}
	}
}
