package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A view is what scripts rely on: name:type, where m is money in major units, d a date, t
// a time in UTC, i a whole number, p a decimal percentage; without a type it is text.
type view struct{ name, columns string }

var views = []view{
	{"entries", "entry_id book_date:d event_date:d kind source document_id text run_id corrects"},
	{"postings", "entry_id line:i book_date:d account:i role amount:m currency amount_currency:m source document_id country vat_rate:p"},
	{"balances", "account:i name balance:m postings:i"},
	{"documents", "document_id kind source order_id order_number event_date:d currency amount:m open_amount:m status"},
	{"payouts", "source payout_id bank_reference paid_date:d currency amount:m sales:m refunds:m fees:m fee_vat:m other:m difference:m lines:i matched:i unmatched:i status"},
	{"payout_lines", "source payout_id line_id kind provider_type event_date:d order_reference currency gross:m fee:m fee_vat:m net:m matched_document match_rule verdict"},
	{"open_items", "source document_id kind event_date:d currency amount:m age_days:i order_number"},
	{"exceptions", "exception_id kind source document_id reason currency amount:m opened_at:t suggestion status"},
	{"proof", "source currency date:d ledger_balance:m provider_balance:m difference:m explained:m"},
	{"oss", "quarter country vat_rate:p rate_type supply base:m vat:m documents:i"},
	{"erp_documents", "erp_document_id kind target document_id erp_number reference currency amount:m status posted_at:t"},
	{"lineage", "entry_id line:i source document_id archive_sha256 locator rule"},
	{"decisions", "decision_id decided_at:t decided_by action answer reason exception_kind exception_id source document_id status"},
	{"aliases", "alias_id what source name means decision_id learned_by learned_at:t status"},
	{"runs", "run_id command started_at:t finished_at:t status records:i entries:i posted:i exceptions:i config_digest ledger_digest"},
}

var columnTypes = map[string][]string{
	"":  {"VARCHAR", "UUID"},
	"m": {"DECIMAL(18,2)"},
	"d": {"DATE"},
	"t": {"TIMESTAMP"},
	"i": {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT"},
	"p": {"DECIMAL(9,2)", "DECIMAL(18,2)"},
}

func TestPublicViewsHaveTheColumnsThatScriptsRelyOn(t *testing.T) {
	e, _, _ := demoWorld(t)
	have := map[string]map[string]string{}
	for _, r := range e.rows(t, "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'recon'") {
		if have[r[0]] == nil {
			have[r[0]] = map[string]string{}
		}
		have[r[0]][r[1]] = r[2]
	}
	for _, v := range views {
		if have[v.name] == nil {
			t.Errorf("there is no view recon.%s", v.name)
			continue
		}
		for _, c := range strings.Fields(v.columns) {
			name, kind, _ := strings.Cut(c, ":")
			got, ok := have[v.name][name]
			switch {
			case !ok:
				t.Errorf("recon.%s has no column %s", v.name, name)
			case !slices.Contains(columnTypes[kind], got):
				t.Errorf("recon.%s.%s is %s, not %s", v.name, name, got, strings.Join(columnTypes[kind], " or "))
			}
		}
	}
	for v, columns := range have {
		for name, typ := range columns {
			switch {
			case strings.HasSuffix(name, "_minor") && typ != "BIGINT":
				t.Errorf("recon.%s.%s is %s, not BIGINT", v, name, typ)
			case typ == "DOUBLE" || typ == "FLOAT":
				t.Errorf("recon.%s.%s is a float", v, name)
			case strings.HasPrefix(typ, "TIMESTAMP WITH"):
				t.Errorf("recon.%s.%s has a zone; times are in UTC", v, name)
			}
		}
	}
}

func TestEveryViewAndColumnIsExplainedInTheCatalogue(t *testing.T) {
	e, _, _ := demoWorld(t)
	for _, r := range e.rows(t, `select view_name, view_name from duckdb_views() where schema_name = 'recon' and coalesce(comment, '') = ''
		union all select table_name, table_name || '.' || column_name from duckdb_columns() where schema_name = 'recon' and coalesce(comment, '') = ''`) {
		t.Errorf("recon.%s has no comment", r[1])
	}
}

func TestEveryViewIsFilledByTheDemoAndStandsInParquetToo(t *testing.T) {
	e, dir, _ := demoWorld(t)
	for _, v := range views {
		// The demo decides nothing: that is left to who looks at it.
		if v.name != "decisions" && v.name != "aliases" && e.one(t, "select count(*) from recon."+v.name) == "0" {
			t.Errorf("recon.%s is empty", v.name)
		}
	}
	sameParquet(t, filepath.Join(dir, "data", "published"))
}
