package shopify_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/shopify"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/shopify"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// Staging works on sets: twice the orders take about twice the time, not four times.
func TestStagingIsQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of orders are left out of a short test")
	}
	w := small(t)
	blobs, errs := read(t, open(t, serve(t, fake.Handler(w, fake.Options{})), fake.Token), extract.Request{Stream: "orders", Window: march})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	ok(t, err)
	defer db.Close()
	src := shopify.Source()
	macros, err := fs.ReadFile(src.Files, src.Macros)
	ok(t, err)
	const n = 5000
	type row struct {
		BlobID int64  `json:"blob_id"`
		Key    string `json:"key"`
		Body   string `json:"body"`
	}
	var rows []row
	for i := range n {
		b := blobs[i%len(blobs)]
		id := strings.TrimPrefix(b.Key, "order/")
		rows = append(rows, row{int64(i + 1), fmt.Sprintf("order/%s%05d", id, i), strings.ReplaceAll(string(b.Body), id, fmt.Sprintf("%s%05d", id, i))})
	}
	ok(t, db.Exec(ctx, "create table set_company (country varchar); insert into set_company values ('SE'); create table answers (blob_id bigint, key varchar, body varchar)"))
	ok(t, db.Insert(ctx, "answers", rows))
	ok(t, db.Exec(ctx, "create table valid as select blob_id, key, false as is_sequence, body::json as body from answers; create temp view raw as select * from valid"))
	ok(t, db.Exec(ctx, sql.Macros()+string(macros)))
	start := time.Now()
	prepare, err := fs.ReadFile(src.Files, src.Prepare)
	ok(t, err)
	ok(t, db.Exec(ctx, string(prepare)))
	t.Log("prepared", time.Since(start).Round(time.Millisecond))
	for _, m := range src.Models {
		if m.Stream != "orders" {
			continue
		}
		at := time.Now()
		text, err := fs.ReadFile(src.Files, m.File)
		ok(t, err)
		got, err := db.Texts(ctx, "with rows as (\n"+string(text)+"\n) select count(*) || ' ' || count(distinct order_id) from rows")
		ok(t, err)
		if !strings.HasSuffix(got[0], fmt.Sprint(" ", n)) {
			t.Errorf("%s: %s, want of %d orders", m.File, got[0], n)
		}
		t.Log(m.File, got[0], time.Since(at).Round(time.Millisecond))
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("%d orders took %v", n, took)
	}
}
