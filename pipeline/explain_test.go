package pipeline

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kvsql "github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// What is looked for apart, so that DuckDB need not read all of it, is what is found by looking at every reference.
func TestSameReferenceFindsWhatEveryRowWouldSay(t *testing.T) {
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	refs := []string{"1001", "#1001", "001001", "#00#1001", " 1001", "\u00a01001", "\u3000#1001", "#\u00a01001", "11001", "x1001", "#x1001", "X1001", "#X1001", "0X1001", "åx1001",
		"Å1", "å1", "#å1", "\u2003Å1", "ÖÅ1", "0", "#", "00", "# 12", "12", "\t12", "0001-A", "1-a", "01-a", "", "1002"}
	var rows []string
	for _, r := range refs {
		rows = append(rows, "("+duck.Quote(r)+")")
	}
	if err := db.Exec(ctx, kvsql.Macros()+"create table t (r varchar); insert into t values "+strings.Join(rows, ", ")); err != nil {
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
