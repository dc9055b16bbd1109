package console

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSQLDesk(t *testing.T) {
	b := open(t, options(booked(t)))
	_, body := b.post("/sql", url.Values{"sql": {"select source, count(*) as payouts from recon.payouts group by source order by source"}, "format": {"table"}})
	mustHave(t, body, "2 rows", "adyen", "klarna")
	req, _ := http.NewRequest("POST", b.url+"/sql", strings.NewReader(url.Values{"sql": {"select 12.50::decimal(9,2) as amount, '=cmd|x' as text, null as nothing, '-1' as minus, -1 as number"}, "format": {"csv"}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/csv") {
		t.Errorf("it is %s", ct)
	}
	_, text := b.read(res, nil)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	if got := strings.Join(rows[1], "|"); got != "12.50|'=cmd|x||'-1|-1" {
		t.Errorf("the row is %s", got)
	}
	_, body = b.post("/sql", url.Values{"sql": {"select range from range(5000)"}})
	mustHave(t, body, "1000 rows", "There are more rows")
	_, body = b.post("/sql", url.Values{"sql": {"select * from nowhere"}})
	mustHave(t, body, "nowhere does not exist")
}

// Ways out of the sandbox. None leads to a file, the network, a setting or a change.
func TestSQLDeskStaysInside(t *testing.T) {
	dir := copied(t)
	b := open(t, options(dir))
	secret := filepath.Join(dir, "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\ntop,secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(dir, "data", "work.duckdb")
	for _, q := range []string{
		"select * from read_csv('" + secret + "')", "select * from '" + secret + "'", "from '" + secret + "'", "select * from read_text('" + secret + "')", "select * from read_blob('" + secret + "')",
		"select * from read_json('" + secret + "')", "select * from read_parquet('" + filepath.Join(dir, "data", "published", "payouts", "all.parquet") + "')", "select * from parquet_metadata('" + secret + "')",
		"select * from glob('/etc/*')", "select * from read_csv('/etc/passwd', delim = ':')", "select * from read_text('/proc/self/environ')", "select * from sniff_csv('" + secret + "')",
		"copy (select 1) to '" + filepath.Join(dir, "out.csv") + "'", "copy recon.payouts to '/tmp/kvitt-out.parquet' (format parquet)", "export database '" + filepath.Join(dir, "export") + "'", "import database '" + dir + "'",
		"attach '" + work + "' as w", "attach ':memory:' as w", "attach '" + filepath.Join(dir, "new.duckdb") + "'", "detach ledger", "use memory",
		"install httpfs", "load httpfs", "load '" + secret + "'", "force install httpfs from 'https://example.com'", "select * from read_csv('https://example.com/x.csv')", "select * from 'https://example.com/x.parquet'", "select * from 's3://bucket/x.parquet'",
		"set enable_external_access = true", "set lock_configuration = false", "set memory_limit = '100GB'", "set threads = 100", "set temp_directory = '/tmp'", "set allowed_directories = ['/']", "reset all", "pragma enable_external_access", "pragma database_list; select 1", "set variable x = 1",
		"insert into main.payouts select * from main.payouts", "update main.payouts set amount_minor = 0", "delete from main.payouts", "drop table main.payouts", "drop view recon.payouts", "alter table main.payouts add column x integer", "create table x as select 1", "create temp table x as select 1",
		"create macro x() as 1", "create view x as select 1", "create secret (type s3, key_id 'x', secret 'y')", "truncate main.payouts", "merge into main.payouts using (select 1) on true when matched then delete",
		"checkpoint", "force checkpoint", "vacuum", "begin", "commit", "prepare p as select 1", "execute p", "call pragma_version(); drop table main.payouts", "select 1; drop table main.payouts", "select 1; select 2",
		"select getenv('HOME')", "select * from duckdb_secrets() where false; set threads = 1", "with x as (insert into main.payouts select * from main.payouts returning 1) select * from x",
		"select * from query('drop table main.payouts')", "select * from query_table('/etc/passwd')", "explain analyze delete from main.payouts", "select * from read_duckdb('" + work + "')", "",
		"from enable_logging()", "from \"enable_logging\"(storage = 'file', storage_config = {'path': '" + dir + "/log'})", "select * from ENABLE_PROFILING/* */ (format = 'json', save_location = '" + dir + "/out.csv')", "from disable_logging -- x\n ()",
		"from checkpoint()", "from force_checkpoint()", "from truncate_duckdb_logs()", "select write_log('x')", "select sleep_ms(1)", "select pg_sleep(1)", "from query('from enable_' || 'logging()')", "from query_table('payouts')",
		"select * from json_execute_serialized_sql(json_serialize_sql('select * from read_text(''/etc/passwd'')'))", "from duckdb_secrets()", "from which_secret('s3://x', 's3')",
		"explain copy (select 1) to '" + filepath.Join(dir, "out.csv") + "'", "/* select 1 */ copy (select 1) to '" + filepath.Join(dir, "out.csv") + "' -- from", "select 1 /* ; drop table main.payouts", "pivot main.payouts on source using sum(amount_minor)",
		"describe select * from read_csv('/etc/passwd')", "summarize select * from read_csv('/etc/passwd')", "explain analyze insert into main.meta values ('x', 'y')", "select * from read_ndjson_objects('/etc/passwd')", "select load_aws_credentials()", "from dbgen(sf = 1)",
		"select " + strings.Repeat("not ", 4000) + "true", "select " + strings.Repeat("[", 4000) + strings.Repeat("]", 4000),
	} {
		code, body := b.post("/sql", url.Values{"sql": {q}})
		if code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", q, code, short(plain(body), 400))
		}
		if strings.Contains(body, "top</td>") || strings.Contains(body, "root:x") {
			t.Errorf("%s read a file", q)
		}
	}
	for _, made := range []string{"out.csv", "export", "new.duckdb"} {
		if _, err := os.Stat(filepath.Join(dir, made)); err == nil {
			t.Errorf("%s was made", made)
		}
	}
	// One who asks for a setting in one query has it in no other.
	_, body := b.post("/sql", url.Values{"sql": {"select value from duckdb_settings() where name in ('enable_external_access', 'lock_configuration') order by name"}})
	mustHave(t, body, "false true")
	_, body = b.post("/sql", url.Values{"sql": {"select count(*) as n, count(*) filter (amount_minor = 0) as zero from recon.payouts"}})
	mustHave(t, body, "26 2")
}

// A query that would take forever, or all memory, is stopped and takes nothing with it.
func TestSQLDeskIsBounded(t *testing.T) {
	b := open(t, options(booked(t)))
	b.c.deskTime = 2 * time.Second
	began := time.Now()
	code, body := b.post("/sql", url.Values{"sql": {"select count(*) from range(100000000) as a, range(100000) as b where a.range % 7 = b.range % 5"}})
	if code != 400 || time.Since(began) > 30*time.Second {
		t.Errorf("forever: %d after %s: %s", code, time.Since(began), short(plain(body), 300))
	}
	for _, q := range []string{"select list(range) from range(200000000)", "with recursive t as (select 1 as n union all select n + 1 from t) select count(*) from t", "select * from repeat_row(1, num_rows = 100000000000)", "select * from range(1000) a, range(1000) b, range(1000) c order by random()"} {
		began := time.Now()
		if code, body := b.post("/sql", url.Values{"sql": {q}}); code != 400 || time.Since(began) > 30*time.Second {
			t.Errorf("%s: %d after %s: %s", q, code, time.Since(began), short(plain(body), 300))
		}
	}
	b.page("/")
}
