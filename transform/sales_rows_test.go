package transform

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// Which row of [[sales]] a buyer's sale goes to: his own kind's first. A business falls back to the consumer row where VAT is
// charged, at home, and outside the EU; within it, at rate 0, it does not, for that sale is declared by customer.
func TestSalesRows(t *testing.T) {
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(text string) {
		t.Helper()
		if err := db.Exec(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	exec(sql.Macros())
	exec(`create table set_company as select 'SE' as country;
		create table set_sales (country varchar, customer varchar, rate_bp integer, sales smallint, vat smallint);
		insert into set_sales values ('SE', 'consumer', 2500, 3001, 2611), ('SE', 'consumer', 0, 3004, 0), ('FI', 'consumer', 2550, 3106, 2670), ('FI', 'business', 0, 3308, 0),
			('DE', 'consumer', 0, 3309, 0), ('NO', 'consumer', 0, 3306, 0), ('*', 'consumer', 0, 3305, 0), ('GB', 'business', 0, 3307, 0);
		create table documents (document_id varchar, customer varchar);
		create table document_groups (document_id varchar, class varchar, country varchar, rate_bp integer, vat_minor bigint);
		create table document_decisions (document_id varchar, kind varchar, action varchar, account smallint, vat_account smallint);`)
	var want []string
	for _, tt := range []struct{ buyer, want string }{
		{"business SE 2500", "3001"}, {"business SE 0", "3004"}, {"business FI 2550", "3106"}, {"business FI 0", "3308"}, {"business DE 0", "none"}, {"consumer DE 0", "3309"},
		{"business NO 0", "3306"}, {"business US 0", "3305"}, {"consumer US 0", "3305"}, {"business GB 0", "3307"}, {"consumer GB 0", "3305"}, {"consumer FI 0", "none"},
	} {
		f := strings.Fields(tt.buyer)
		exec("insert into documents values ('" + tt.buyer + "', '" + f[0] + "'); insert into document_groups values ('" + tt.buyer + "', 'goods', '" + f[1] + "', " + f[2] + ", 0)")
		want = append(want, tt.buyer+": "+tt.want)
	}
	exec("create table todo_documents as select document_id from documents")
	rule, err := rules.ReadFile("rules/30_document_states.sql")
	if err != nil {
		t.Fatal(err)
	}
	first, _, found := strings.Cut(string(rule), "create or replace temp table document_rates")
	if !found {
		t.Fatal("rule 30 no longer makes document_sales before document_rates")
	}
	exec(first)
	got, err := db.Texts(ctx, "select g.document_id || ': ' || coalesce(s.accounts.sales::varchar, 'none') from document_groups as g left join document_sales as s using (document_id) order by g.rowid")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
