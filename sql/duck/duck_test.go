package duck_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/sql/duck"
)

// The machine of these tests is far from UTC.
func TestMain(m *testing.M) {
	os.Setenv("TZ", "Asia/Tokyo")
	os.Exit(m.Run())
}

func open(t *testing.T, path string, o duck.Options) *duck.DB {
	t.Helper()
	db, err := duck.Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func run(t *testing.T, db *duck.DB, query string) {
	t.Helper()
	if err := db.Exec(context.Background(), query); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *duck.DB, query string) int64 {
	t.Helper()
	n, err := db.Count(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTable(t *testing.T) {
	db := open(t, "", duck.Options{})
	for _, tt := range []struct {
		name, expression string
		want             duck.Cell
		numeric          bool
	}{
		{"kronor keep their zeros", "12.50::decimal(18, 2)", duck.Cell{Text: "12.50", Bare: true}, true},
		{"less than a krona", "-0.05::decimal(18, 2)", duck.Cell{Text: "-0.05", Bare: true}, true},
		{"nothing", "0::decimal(18, 2)", duck.Cell{Text: "0.00", Bare: true}, true},
		{"more digits than a float has", "9999999999999999.99::decimal(18, 2)", duck.Cell{Text: "9999999999999999.99", Bare: true}, true},
		{"all 38 digits", "-12345678901234567890123456789012345678::decimal(38, 0)", duck.Cell{Text: "-12345678901234567890123456789012345678", Bare: true}, true},
		{"a small decimal", "0.001::decimal(4, 3)", duck.Cell{Text: "0.001", Bare: true}, true},
		{"a sum of kronor", "(select sum(x) from (values (0.10::decimal(18, 2)), (0.20)) as v(x))", duck.Cell{Text: "0.30", Bare: true}, true},
		{"a large count", "9223372036854775807::bigint", duck.Cell{Text: "9223372036854775807", Bare: true}, true},
		{"a sum of counts", "sum(9223372036854775807::bigint)", duck.Cell{Text: "9223372036854775807", Bare: true}, true},
		{"a small number", "3::utinyint", duck.Cell{Text: "3", Bare: true}, true},
		{"a text", "'a ''b''\"'", duck.Cell{Text: "a 'b'\""}, false},
		{"digits in a text stay a text", "'001'", duck.Cell{Text: "001"}, false},
		{"unknown", "null::decimal(18, 2)", duck.Cell{IsNull: true}, true},
		{"true", "true", duck.Cell{Text: "true", Bare: true}, false},
		{"a date", "date '2026-03-06'", duck.Cell{Text: "2026-03-06"}, false},
		{"a moment", "timestamp '2026-03-06 07:45:00'", duck.Cell{Text: "2026-03-06T07:45:00Z"}, false},
		{"a name", "'00000000-0000-0000-0000-00000000000a'::uuid", duck.Cell{Text: "00000000-0000-0000-0000-00000000000a"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, more, err := db.Table(context.Background(), "select "+tt.expression+" as x", 0)
			if err != nil || more {
				t.Fatalf("Table() = %v, %v", more, err)
			}
			want := duck.Table{Columns: []string{"x"}, Numeric: []bool{tt.numeric}, Rows: [][]duck.Cell{{tt.want}}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Table() mismatch (-want +got):\n%s", diff)
			}
			if c := got.Rows[0][0]; c.Bare && !json.Valid([]byte(c.Text)) {
				t.Errorf("%q is no JSON", c.Text)
			}
		})
	}
}

func TestTableStopsAtTheLimit(t *testing.T) {
	db := open(t, "", duck.Options{})
	for _, tt := range []struct {
		limit, rows int
		more        bool
	}{{0, 5, false}, {2, 2, true}, {5, 5, false}, {6, 5, false}} {
		got, more, err := db.Table(context.Background(), "select * from range(5)", tt.limit)
		if err != nil || more != tt.more || len(got.Rows) != tt.rows {
			t.Errorf("limit %d: %d rows, more %v, %v", tt.limit, len(got.Rows), more, err)
		}
	}
	if count(t, db, "select 1") != 1 {
		t.Error("the connection is of no use after a table that stopped early")
	}
}

// What is shown has every digit, and what is written without quotes is JSON.
func TestValuesAreShownExactly(t *testing.T) {
	db := open(t, "", duck.Options{})
	for expression, want := range map[string]string{
		"'nan'::double": "NaN",
		"'-inf'::float": "-Inf",
		"'{\"a\": 12345678901234567890.10}'::json":                              `{"a": 12345678901234567890.10}`,
		"[12.50::decimal(18, 2)]":                                               "[12.50]",
		"{'b': 0.10::decimal(4, 2), 'a': 'x\"y', 'n': null}":                    `{"a": "x\"y", "b": 0.10, "n": null}`,
		"[{'day': date '2026-03-02', 'sum': 12345678901234567890123::hugeint}]": `[{"day": "2026-03-02T00:00:00Z", "sum": 12345678901234567890123}]`,
		"map {'a': 1.50::decimal(5, 2)}":                                        `{"a": 1.50}`,
		"true":                                                                  "true",
		"170141183460469231731687303715884105727::hugeint":                      "170141183460469231731687303715884105727",
	} {
		got, _, err := db.Table(context.Background(), "select "+expression+" as v, 1 as one;", 0)
		if err != nil {
			t.Fatal(err)
		}
		if c := got.Rows[0][0]; c.Bare && !json.Valid([]byte(c.Text)) || c.Text != want {
			t.Errorf("%s is shown as %+v, want %s", expression, c, want)
		}
	}
}

// A reader of the published ledger reaches nothing but the ledger, and cannot undo that.
func TestSealedReader(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.duckdb")
	writer := open(t, path, duck.Options{})
	run(t, writer, "create table books as select 42 as answer")
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.csv")
	db := open(t, path, duck.Options{ReadOnly: true, MemoryLimit: "200MB", Sealed: true})
	if n := count(t, db, "select answer from books"); n != 42 {
		t.Errorf("the books say %d", n)
	}
	for name, query := range map[string]string{
		"a file is read":                 "select * from read_csv(" + duck.Quote(secret) + ")",
		"a file is read by its name":     "select * from " + duck.Quote(secret),
		"a file is read as text":         "select * from read_text(" + duck.Quote(secret) + ")",
		"a folder is listed":             "select * from glob('/etc/*')",
		"the passwords are read":         "select * from read_csv('/etc/passwd', delim = ':')",
		"a file is copied in":            "copy books from " + duck.Quote(secret),
		"the books are copied out":       "copy books to " + duck.Quote(out),
		"the database is exported":       "export database " + duck.Quote(filepath.Join(dir, "export")),
		"another database is attached":   "attach " + duck.Quote(filepath.Join(dir, "other.duckdb")),
		"an extension is installed":      "install httpfs",
		"an extension is loaded":         "load httpfs",
		"the network is read":            "select * from read_csv('https://example.com/x.csv')",
		"a setting is changed":           "set threads = 1",
		"a setting is changed by pragma": "pragma memory_limit = '1GB'",
		"access is given back":           "set enable_external_access = true",
		"the lock is taken off":          "set lock_configuration = false",
		"a setting is reset":             "reset enable_external_access",
		"a row is added":                 "insert into books values (1)",
		"a row is changed":               "update books set answer = 43",
		"a table is dropped":             "drop table books",
		"a table is made":                "create table other (a integer)",
		"the environment is read":        "select getenv('HOME')",
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			if got, err := db.Texts(context.Background(), query); err == nil {
				t.Errorf("%s: %v", query, got)
			}
		})
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the books were copied out")
	}
	if n := count(t, db, "select answer from books"); n != 42 {
		t.Errorf("afterwards the books say %d", n)
	}
}

// A sealed writer reaches its own folders and no others.
func TestConnectionsBesideAReaderThatIsLocked(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "l.duckdb")
	w := open(t, path, duck.Options{})
	run(t, w, "create table t (moment timestamp); insert into t values ('2026-03-01 23:30:00')")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, duck.Options{ReadOnly: true, Sealed: true, Apart: true})
	beside, err := db.Beside(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	for name, x := range map[string]*duck.DB{"the first": db, "beside it": beside} {
		got, err := x.Texts(ctx, "select (moment::timestamptz)::varchar from t")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"2026-03-01 23:30:00+00"}, got); diff != "" {
			t.Errorf("%s: a moment in UTC (-want +got):\n%s", name, diff)
		}
		if err := x.Exec(ctx, "set timezone = 'Asia/Tokyo'"); err == nil {
			t.Errorf("%s: its time zone can be set", name)
		}
	}
}

func TestSealedWriterStaysInItsFolders(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, elsewhere} {
		if err := os.WriteFile(filepath.Join(d, "x.csv"), []byte("a\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, filepath.Join(dir, "work.duckdb"), duck.Options{Sealed: true, Folders: []string{dir}})
	if n := count(t, db, "select count(*) from read_csv("+duck.Quote(filepath.Join(dir, "x.csv"))+")"); n != 1 {
		t.Errorf("%d rows", n)
	}
	for _, path := range []string{filepath.Join(elsewhere, "x.csv"), filepath.Join(dir, "..", filepath.Base(elsewhere), "x.csv"), "/etc/passwd"} {
		if _, err := db.Count(context.Background(), "select count(*) from read_text("+duck.Quote(path)+")"); err == nil {
			t.Errorf("%s is read", path)
		}
	}
}

func TestTransactionsHappenWholeOrNotAtAll(t *testing.T) {
	ctx := context.Background()
	db := open(t, "", duck.Options{})
	run(t, db, "create table t (a integer)")
	boom := errors.New("boom")
	if err := db.Tx(ctx, func() error {
		run(t, db, "insert into t values (1)")
		return boom
	}); !errors.Is(err, boom) {
		t.Errorf("Tx() = %v, want %v", err, boom)
	}
	if n := count(t, db, "select count(*) from t"); n != 0 {
		t.Errorf("%d rows stay of what failed", n)
	}
	if err := db.Tx(ctx, func() error {
		run(t, db, "insert into t values (1)")
		return db.Exec(ctx, "insert into t values ('x')")
	}); err == nil {
		t.Error("a statement that failed is no error")
	}
	if n := count(t, db, "select count(*) from t"); n != 0 {
		t.Errorf("%d rows stay of what failed in SQL", n)
	}
	if err := db.Tx(ctx, func() error { return db.Exec(ctx, "insert into t values (1)") }); err != nil {
		t.Error(err)
	}
	if n := count(t, db, "select count(*) from t"); n != 1 {
		t.Errorf("%d rows of what succeeded", n)
	}
}

func TestACanceledTransactionIsRolledBack(t *testing.T) {
	db := open(t, "", duck.Options{})
	run(t, db, "create table t (a integer)")
	ctx, cancel := context.WithCancel(context.Background())
	err := db.Tx(ctx, func() error {
		run(t, db, "insert into t values (1)")
		cancel()
		return db.Exec(ctx, "insert into t values (2)")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Tx() = %v", err)
	}
	if n := count(t, db, "select count(*) from t"); n != 0 {
		t.Errorf("%d rows stay", n)
	}
}

func TestInsert(t *testing.T) {
	ctx := context.Background()
	db := open(t, "", duck.Options{})
	run(t, db, "create table t (a varchar, b bigint, c timestamp, d boolean, e smallint)")
	type row struct {
		A *string `json:"a"`
		B int64   `json:"b"`
		C string  `json:"c"`
		D bool    `json:"d"`
	}
	text := func(s string) *string { return &s }
	rows := []row{
		{text(""), 9223372036854775807, "2026-03-06 07:45:00.000001", true},
		{nil, -9223372036854775808, "2026-03-06 07:45:00", false},
		{text("åäö 'x' \"y\" \\ \n $a {{b}} null"), 0, "2026-03-06 07:45:00", false},
	}
	if err := db.Insert(ctx, "t", rows); err != nil {
		t.Fatal(err)
	}
	for _, none := range []any{[]row(nil), []row{}} {
		if err := db.Insert(ctx, "t", none); err != nil {
			t.Errorf("no rows: %v", err)
		}
	}
	got, err := db.Texts(ctx, "select concat_ws('|', coalesce(a, '(null)'), b, epoch_us(c), d, coalesce(e::varchar, '(null)')) from t")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"|9223372036854775807|1772783100000001|true|(null)",
		"(null)|-9223372036854775808|1772783100000000|false|(null)",
		"åäö 'x' \"y\" \\ \n $a {{b}} null|0|1772783100000000|false|(null)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows mismatch (-want +got):\n%s", diff)
	}
}

// A value that its column cannot hold is an error, never unknown.
func TestInsertRefusesWhatDoesNotFit(t *testing.T) {
	ctx := context.Background()
	db := open(t, "", duck.Options{})
	run(t, db, "create table t (account smallint, amount bigint)")
	for name, row := range map[string]map[string]any{
		"a word as a number":               {"amount": "many"},
		"a number too large":               {"account": 40000},
		"a fraction":                       {"amount": 12.5},
		"a column that the table does not": {"amuont": 12},
	} {
		if err := db.Insert(ctx, "t", []map[string]any{row}); err == nil {
			got, _ := db.Texts(ctx, "select concat_ws(' ', account, amount) from t")
			t.Errorf("%s is inserted: %q", name, got)
		}
	}
}

func TestOneAndCount(t *testing.T) {
	ctx := context.Background()
	db := open(t, "", duck.Options{})
	n := 7
	if found, err := db.One(ctx, "select 1 where false", nil, &n); found || err != nil || n != 7 {
		t.Errorf("One() of nothing = %v, %v, and sets %d", found, err, n)
	}
	if found, err := db.One(ctx, "select $a::integer + 1", []any{duck.Named("a", 41)}, &n); !found || err != nil || n != 42 {
		t.Errorf("One() = %v, %v, and sets %d", found, err, n)
	}
	if n := count(t, db, "select null::bigint"); n != 0 {
		t.Errorf("Count() of unknown = %d", n)
	}
	texts, err := db.Texts(ctx, "values ('a'), (null), ('c')")
	if diff := cmp.Diff([]string{"a", "", "c"}, texts); diff != "" || err != nil {
		t.Errorf("Texts() mismatch (-want +got), %v:\n%s", err, diff)
	}
}

func TestQuoting(t *testing.T) {
	db := open(t, "", duck.Options{})
	for _, s := range []string{"", "a", "it's", "'; drop table t; --", `a"b`, "å\n\t\\", "$x"} {
		got, err := db.Texts(context.Background(), "select "+duck.Quote(s)+" as "+duck.Ident("x"+s))
		if err != nil || len(got) != 1 || got[0] != s {
			t.Errorf("%q comes back as %q, %v", s, got, err)
		}
	}
}

func TestErrorsNameTheQuery(t *testing.T) {
	db := open(t, "", duck.Options{})
	err := db.Exec(context.Background(), "select *\n  from nowhere")
	if err == nil || !strings.Contains(err.Error(), "select * from nowhere") {
		t.Errorf("error = %v", err)
	}
}

func TestAFileThatIsNoDatabaseIsUnusable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.duckdb")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(context.Background(), path, duck.Options{})
	if !errors.Is(err, duck.ErrUnusable) {
		t.Errorf("Open() = %v, want ErrUnusable", err)
	}
	if err == nil {
		db.Close()
	}
}

func TestAReaderDoesNotMakeAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.duckdb")
	db, err := duck.Open(context.Background(), path, duck.Options{ReadOnly: true})
	if !errors.Is(err, duck.ErrUnusable) {
		t.Errorf("Open() = %v, want ErrUnusable", err)
	}
	if err == nil {
		db.Close()
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made")
	}
}

// Two readers of one file in one process do not share settings, and a file that was replaced is
// read anew while the one before is still open.
func TestReadersApart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.duckdb")
	write := func(answer string) {
		t.Helper()
		next := filepath.Join(dir, "next.duckdb")
		db := open(t, next, duck.Options{})
		run(t, db, "create table books as select "+answer+" as answer")
		run(t, db, "checkpoint")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	write("1")
	apart := duck.Options{ReadOnly: true, Sealed: true, Apart: true, MemoryLimit: "100MB"}
	first := open(t, path, apart)
	again := open(t, path, apart)
	write("2")
	after := open(t, path, apart)
	for i, x := range []struct {
		db   *duck.DB
		want int64
	}{{first, 1}, {again, 1}, {after, 2}} {
		if n := count(t, x.db, "select answer from books"); n != x.want {
			t.Errorf("reader %d sees %d, not %d", i, n, x.want)
		}
	}
	items, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if strings.HasPrefix(it.Name(), ".reader") {
			t.Errorf("%s is left behind", it.Name())
		}
	}
}

func TestOnlyQuery(t *testing.T) {
	db := open(t, "", duck.Options{})
	run(t, db, "create table t (a integer)")
	ctx := context.Background()
	for _, ok := range []string{"select 1", "select * from t;", "from t", "with x as (select 1) select * from x", "describe t", "summarize t", "show tables", "explain select 1", "values (1)"} {
		if err := db.OnlyQuery(ctx, ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, not := range []string{"select 1; select 2", "insert into t values (1)", "delete from t", "update t set a = 2", "drop table t", "create temp table x as select 1",
		"select 1; drop table t", "set threads = 1", "pragma threads = 1", "attach ':memory:' as x", "copy t to 'x'", "begin", "load httpfs", "install httpfs", "call pragma_version(); select 1", "prepare p as select 1", "", "checkpoint"} {
		if err := db.OnlyQuery(ctx, not); err == nil {
			t.Errorf("taken for a query: %s", not)
		}
	}
	if n := count(t, db, "select count(*) from t"); n != 0 {
		t.Errorf("something was run: %d rows", n)
	}
}

func TestAppend(t *testing.T) {
	db := open(t, "", duck.Options{})
	run(t, db, "create table facts (id bigint, name varchar, at_ timestamp, ok boolean, body json)")
	at := time.Date(2026, 3, 29, 1, 2, 3, 456000, time.UTC)
	columns := []string{"id bigint", "name varchar", "at_ timestamp", "ok boolean", "text varchar"}
	query := "insert into facts select id, name, at_, ok, try_cast(text as json) from rows()"
	long := strings.Repeat(" ", 1<<19)
	row := func(i int, r *duck.Row) {
		r.Whole(int64(i) << 40)
		r.Text("öre\n'é")
		r.Time(at)
		r.Truth(i%2 == 0)
		switch i % 3 {
		case 0:
			r.Text(`{"a": 1.10}`)
		case 1:
			r.Bytes([]byte("no" + long[:i%1000/999*len(long)])) // now and then as long as a thousand others
		default:
			r.Null()
		}
	}
	if err := db.Tx(t.Context(), func() error { return db.Append(t.Context(), query, columns, 5000, row) }); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, `select count(*) from facts where name = 'öre' || chr(10) || '''é' and at_ = timestamp '2026-03-29 01:02:03.000456'
		and id % (1::bigint << 40) = 0 and (body is null or body::varchar = '{"a": 1.10}') and ok = ((id >> 40) % 2 = 0)`); n != 5000 {
		t.Errorf("%d rows came as they were, want 5000", n)
	}
	if n := count(t, db, "select count(*) from facts where body is null"); n != 3333 {
		t.Errorf("%d without a body, want 3333", n)
	}

	for name, wrong := range map[string]func() error{
		"too many values": func() error {
			return db.Append(t.Context(), query, columns, 3000, func(i int, r *duck.Row) {
				if row(i, r); i == 2999 {
					row(i, r)
				}
			})
		},
		"a text for a number": func() error {
			return db.Append(t.Context(), "insert into facts (id) select id from rows()", []string{"id bigint"}, 1, func(_ int, r *duck.Row) { r.Text("one") })
		},
		"a query that is wrong": func() error {
			return db.Append(t.Context(), "insert into facts (id) select nothing from rows()", columns, 1, row)
		},
		"rows of nobody": func() error { return db.Exec(t.Context(), "insert into facts (id) select id from rows()") },
	} {
		if err := db.Tx(t.Context(), wrong); err == nil {
			t.Errorf("taken: %s", name)
		}
	}
	if n := count(t, db, "select count(*) from facts"); n != 5000 {
		t.Errorf("%d rows after what was refused, want 5000", n)
	}
	beside, err := db.Beside(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run(t, beside, "create temp table own (id bigint)")
	if err := beside.Append(t.Context(), "insert into own select id from rows()", []string{"id bigint", "name varchar"}, 3, func(i int, r *duck.Row) { r.Whole(int64(i)); r.Text("x") }); err != nil {
		t.Fatal(err)
	}
	if n := count(t, beside, "select sum(id)::bigint from own"); n != 3 {
		t.Errorf("rows beside sum up to %d, want 3", n)
	}
	if err := beside.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Append(t.Context(), query, []string{"amount decimal(18,2)"}, 1, row); err == nil {
		t.Error("decimals were taken")
	}
	if n := count(t, db, "select count(*) from facts"); n != 5000 {
		t.Errorf("%d rows at the end, want 5000", n)
	}
}

// A countdown is a context that is over when it has been asked so many times.
type countdown struct {
	context.Context
	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// Wherever a statement is cut off, its database can be closed and opened again.
func TestWhatIsCutOffDoesNotKeepTheFileOpen(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "cut.duckdb")
	cut := 0
	for asked := range int64(20) {
		for _, what := range []func(*duck.DB, context.Context) error{
			func(db *duck.DB, ctx context.Context) error {
				return db.Exec(ctx, "create or replace table t as select range as n from range(10000); create or replace temp table u as select t.n from t inner join t as x using (n)")
			},
			func(db *duck.DB, ctx context.Context) error {
				_, err := db.Texts(ctx, "select count(*)::varchar from t inner join t as x using (n) where n in (select n from t) group by n % 7 order by 1")
				return err
			},
		} {
			opened := make(chan *duck.DB, 1)
			go func() {
				db, err := duck.Open(ctx, path, duck.Options{})
				if err != nil {
					t.Error(err)
				}
				opened <- db
			}()
			var db *duck.DB
			select {
			case db = <-opened:
			case <-time.After(time.Minute):
				t.Fatalf("DuckDB waits for ever after a statement was cut off when its context had been asked %d times", asked)
			}
			if db == nil {
				t.FailNow()
			}
			beside, err := db.Beside(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, db := range []*duck.DB{db, beside} {
				c := &countdown{Context: ctx}
				c.left.Store(asked)
				if errors.Is(what(db, c), context.Canceled) {
					cut++
				}
			}
			if err := errors.Join(beside.Close(), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if cut < 20 {
		t.Errorf("only %d statements were cut off", cut)
	}
}
