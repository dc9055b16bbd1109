package woocommerce_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/woocommerce"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

type answer struct {
	BlobID int64  `json:"blob_id"`
	Key    string `json:"key"`
	Body   string `json:"body"`
}

// database is one database in memory for all staging tests: they run one after another.
var database = sync.OnceValues(func() (*duck.DB, error) {
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		return nil, err
	}
	macros, err := fs.ReadFile(woocommerce.Source().Files, woocommerce.Source().Macros)
	if err != nil {
		return nil, err
	}
	return db, db.Exec(ctx, sql.Macros()+string(macros))
})

// staged runs a staging model over answers of a shop, and then query over its rows, which are
// called rows.
func staged(t testing.TB, file, query string, answers ...answer) []string {
	t.Helper()
	ctx := context.Background()
	db, err := database()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "create or replace table answers (blob_id bigint, key varchar, body varchar)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Insert(ctx, "answers", answers); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "create or replace table valid as select blob_id, key, body::json as body from answers; create or replace temp view raw as select * from valid"); err != nil {
		t.Fatal(err)
	}
	return restaged(t, file, query)
}

// restaged runs a model over the same answers once more.
func restaged(t testing.TB, file, query string) []string {
	t.Helper()
	ctx := context.Background()
	db, err := database()
	if err != nil {
		t.Fatal(err)
	}
	// What the models of its stream stand on is made first, as the pipeline does.
	models := woocommerce.Source().Models
	at := slices.IndexFunc(models, func(m extract.Model) bool { return m.File == file })
	for _, m := range models[:at] {
		if m.Temp == "" || m.Stream != models[at].Stream {
			continue
		}
		text, err := fs.ReadFile(woocommerce.Source().Files, m.File)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Exec(ctx, "create or replace temp table "+m.Temp+" as "+string(text)); err != nil {
			t.Fatalf("%s: %v", m.File, err)
		}
	}
	model, err := fs.ReadFile(woocommerce.Source().Files, file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Texts(ctx, "with rows as (\n"+strings.TrimRight(strings.TrimSpace(string(model)), ";")+"\n) "+query)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// page is a page of the list of orders.
func page(orders ...string) answer {
	return answer{1, "orders?page=1", "[" + strings.Join(orders, ", ") + "]"}
}

// order is an order of 125.00 SEK at 25 %, completed, with more fields put before its own.
func order(more string) string {
	if more != "" {
		more += ", "
	}
	return `{` + more + `"id": 727, "number": "1001", "order_key": "wc_order_x", "status": "completed", "currency": "SEK", "total": "125.00",
		"date_created_gmt": "2026-03-01T10:00:00", "date_modified_gmt": "2026-03-03T12:00:00", "date_paid_gmt": "2026-03-01T10:05:00", "date_completed_gmt": "2026-03-03T11:00:00",
		"shipping": {"country": "SE"}, "billing": {"country": "NO"}, "payment_method": "KCO", "transaction_id": "7f3a-uuid",
		"tax_lines": [{"rate_id": 1, "rate_percent": 25, "compound": false}],
		"line_items": [{"total": "100.00", "total_tax": "25.00", "quantity": 1, "sku": "A", "taxes": [{"id": 1, "total": "25", "subtotal": "25"}]}]}`
}

const showDocument = `select concat_ws(' ', kind, doc_ref, order_number, status, event_at, currency, coalesce(amount_minor::varchar, '?'), coalesce(country, '?'), customer, method, is_final, changed_at, locator)
	from rows order by order_id, case kind when 'order' then 0 else 1 end`

func TestDocuments(t *testing.T) {
	change := func(from, to string) string {
		s := order("")
		if !strings.Contains(s, from) {
			t.Fatalf("%q is not in the order", from)
		}
		return strings.Replace(s, from, to, 1)
	}
	const sold = "order 727 1001 completed 2026-03-01 10:00:00 SEK 12500 SE consumer kco false 2026-03-03 12:00:00 $[0]"
	const delivered = "delivery 727 1001 completed 2026-03-03 11:00:00 SEK 12500 SE consumer kco false 2026-03-03 12:00:00 $[0]"
	for _, tt := range []struct {
		name string
		key  string
		body string
		want []string
	}{
		{"completed is delivered", "", order(""), []string{sold, delivered}},
		{"processing is paid only", "", change(`"completed"`, `"processing"`), []string{strings.Replace(sold, "completed", "processing", 1)}},
		{"a prefix of WordPress's own", "", change(`"completed"`, `"wc-completed"`), []string{sold, delivered}},
		{"refunded was delivered", "", change(`"completed"`, `"refunded"`), []string{strings.NewReplacer("completed", "refunded", "false", "true").Replace(sold), strings.NewReplacer("completed", "refunded", "false", "true").Replace(delivered)}},
		{"cancelled afterwards was not", "", change(`"completed"`, `"cancelled"`), []string{strings.NewReplacer("completed", "cancelled", "false", "true").Replace(sold)}},
		{"trash takes nothing back", "", change(`"completed"`, `"trash"`), []string{strings.NewReplacer("completed", "trash", "false", "true").Replace(sold), strings.NewReplacer("completed", "trash", "false", "true").Replace(delivered)}},
		{"invoiced when paid", "?delivered=completed,processing", change(`"completed"`, `"processing"`),
			[]string{strings.Replace(sold, "completed", "processing", 1), strings.NewReplacer("completed", "processing", "03-03 11:00:00", "03-01 10:05:00").Replace(delivered)}},
		{"invoiced when paid, and completed since", "?delivered=completed,processing", order(""), []string{sold, strings.Replace(delivered, "03-03 11:00:00", "03-01 10:05:00", 1)}},
		{"tax based on billing", "?vat_country=billing", order(""), []string{strings.Replace(sold, " SE ", " NO ", 1), strings.Replace(delivered, " SE ", " NO ", 1)}},
		{"tax based on the shop", "?vat_country=DE", order(""), []string{strings.Replace(sold, " SE ", " DE ", 1), strings.Replace(delivered, " SE ", " DE ", 1)}},
		{"nothing shipped", "", change(`"shipping": {"country": "SE"}`, `"shipping": {"country": ""}`), []string{strings.Replace(sold, " SE ", " NO ", 1), strings.Replace(delivered, " SE ", " NO ", 1)}},
		{"a VAT number", "", order(`"meta_data": [{"id": 3, "key": "_billing_vat_number", "value": "DE123"}]`), []string{strings.Replace(sold, "consumer", "business", 1), strings.Replace(delivered, "consumer", "business", 1)}},
		{"an empty VAT number", "", order(`"meta_data": [{"id": 3, "key": "_billing_vat_number", "value": ""}, {"key": "x", "value": {"a": [1]}}]`), []string{sold, delivered}},
		{"numbers for texts", "", change(`"125.00"`, `125`), []string{sold, delivered}},
		{"no minor unit", "", strings.NewReplacer(`"SEK"`, `"JPY"`, `"125.00"`, `"12500"`).Replace(order("")), []string{strings.Replace(sold, "SEK", "JPY", 1), strings.Replace(delivered, "SEK", "JPY", 1)}},
		{"an absurd total", "", change(`"125.00"`, `"1e99"`), []string{strings.Replace(sold, "12500", "?", 1), strings.Replace(delivered, "12500", "?", 1)}},
		{"a gift to all", "", strings.NewReplacer(`"125.00"`, `"0.00"`, `"100.00"`, `"0.00"`, `"25.00"`, `"0.00"`).Replace(order("")), []string{strings.Replace(sold, "12500", "0", 1)}},
		{"a time with its zone", "", change(`"2026-03-03T11:00:00"`, `"2026-03-03T12:00:00+01:00"`), []string{sold, delivered}},
		{"no ID", "", `{"status": "completed"}`, []string{"delivery completed ? ? consumer false $[0]", "order completed ? ? consumer false $[0]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := page(tt.body)
			a.Key = "orders" + tt.key
			got := staged(t, "stg_woocommerce__documents.sql", showDocument, a)
			if tt.name == "no ID" {
				if len(got) == 0 {
					t.Error("an answer that names no order leaves no trace")
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
		})
	}
}

// An order that is on two pages, or was read again, counts once, as it was last.
func TestTheNewestVersionCounts(t *testing.T) {
	old := page(order(""))
	changed := answer{2, "order/727", strings.NewReplacer("125.00", "250.00", "100.00", "200.00", "25.00", "50.00").Replace(order(""))}
	got := staged(t, "stg_woocommerce__documents.sql", "select kind || ' ' || amount_minor || ' ' || locator from rows order by kind desc", old, changed)
	if diff := cmp.Diff([]string{"order 25000 $", "delivery 25000 $"}, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	got = staged(t, "stg_woocommerce__document_lines.sql", "select kind || ' ' || gross_minor from rows order by kind desc", old, changed)
	if diff := cmp.Diff([]string{"order 25000", "delivery 25000"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

const showLine = `select concat_ws(' ', line_no, line_type, coalesce(reference, '-'), coalesce(quantity::varchar, '?'), coalesce(gross_minor::varchar, '?'), coalesce(vat_minor::varchar, '?'), rate_bp)
	from rows where kind <> 'order' order by doc_ref, line_no`

func TestDocumentLines(t *testing.T) {
	shop := func(country, total, rest string) string {
		return `{"id": 1, "currency": "SEK", "total": "` + total + `", "shipping": {"country": "` + country + `"}, ` + rest + `}`
	}
	line := func(total, tax, exact, rate string) string {
		return `{"total": "` + total + `", "total_tax": "` + tax + `", "quantity": 1, "sku": "S", "taxes": [{"id": ` + rate + `, "total": "` + exact + `"}]}`
	}
	const rates = `"tax_lines": [{"rate_id": 1, "rate_percent": 25}, {"rate_id": "2", "rate_percent": "12.0"}, {"rate_id": 9, "rate_percent": 25.5}], `
	for _, tt := range []struct {
		name  string
		order string
		want  []string
	}{
		{"rates by ID", shop("SE", "1", rates+`"line_items": [`+line("100.00", "25.00", "25", "1")+`, `+line("100.00", "12.00", "12.000000", "2")+`, `+line("10", "2.55", "2.55", "9")+`]`),
			[]string{"1 goods S 1 12500 2500 2500", "2 goods S 1 11200 1200 1200", "3 goods S 1 1255 255 2550"}},
		{"six places become one price again", shop("SE", "39.99", rates+`"line_items": [`+line("31.992", "8.00", "7.998000", "1")+`, `+line("11.160714", "1.34", "1.339286", "2")+`]`),
			[]string{"1 goods S 1 3999 800 2500", "2 goods S 1 1250 134 1200"}},
		{"halves away from zero", shop("SE", "1", rates+`"line_items": [`+line("0.036", "0.009", "0.009", "1")+`]`), []string{"1 goods S 1 5 1 2500"}},
		{"shipping, fee and discount", shop("SE", "1", rates+`"line_items": [`+line("100.00", "25.00", "25", "1")+`],
			"shipping_lines": [{"method_id": "flat_rate", "total": "39.20", "total_tax": "9.80", "taxes": [{"id": 1, "total": "9.8"}]}],
			"fee_lines": [{"name": "Fakturaavgift", "total": "20.00", "total_tax": "5.00", "taxes": [{"id": 1, "total": "5"}]},
				{"name": "Rabatt", "total": "-8.00", "total_tax": "-2.00", "taxes": [{"id": 1, "total": "-2"}]},
				{"name": "Presentkort ABC", "total": "-50.00", "total_tax": "0.00", "taxes": []}, {"name": "Store credit", "total": "-1.00", "total_tax": "", "taxes": []}]`),
			[]string{"1 goods S 1 12500 2500 2500", "2 shipping flat_rate ? 4900 980 2500", "3 fee - ? 2500 500 2500", "4 discount - ? -1000 -200 2500", "5 gift_card - ? -5000 0 0", "6 store_credit - ? -100 0 0"}},
		{"free things are no lines", shop("SE", "1", rates+`"line_items": [`+line("0.00", "0.00", "0", "1")+`], "shipping_lines": [{"total": "0.00", "total_tax": "0.00", "taxes": []}]`), nil},
		{"a rate the order does not state", shop("SE", "1", `"tax_lines": [{"rate_id": 7, "rate_code": "SE-MOMS-1", "compound": false}], "line_items": [`+line("79.20", "19.80", "19.8", "7")+`, `+line("0.80", "0.20", "0.2", "7")+`]`),
			[]string{"1 goods S 1 9900 1980 2500", "2 goods S 1 100 20 2500"}},
		{"a stated rate that is not known by its country", shop("FI", "1", `"line_items": [`+line("79.68", "20.32", "20.32", "7")+`]`), []string{"1 goods S 1 10000 2032 2550"}},
		{"a rate no country has", shop("SE", "1", `"line_items": [`+line("100.00", "17.00", "17", "7")+`]`), []string{"1 goods S 1 11700 1700 1700"}},
		{"an empty tax is another rate's", shop("SE", "1", rates+`"line_items": [{"total": "100.00", "total_tax": "25.00", "taxes": [{"id": 1, "total": "25"}, {"id": 2, "total": "", "subtotal": ""}]}]`), []string{"1 goods - ? 12500 2500 2500"}},
		{"two rates on one line", shop("CA", "1", `"tax_lines": [{"rate_id": 1, "rate_percent": 5}, {"rate_id": 2, "rate_percent": 10, "compound": true}], "line_items": [
			{"total": "100.00", "total_tax": "15.50", "taxes": [{"id": 1, "total": "5"}, {"id": 2, "total": "10.5"}]}]`), []string{"1 goods - ? 11550 1550 1550"}},
		{"shipping taxed at the rates of the basket", shop("SE", "1", rates+`"shipping_lines": [{"method_id": "flat", "total": "40.51", "total_tax": "8.37", "taxes": [{"id": 1, "total": "6.751667"}, {"id": 2, "total": "1.6204"}]}]`),
			[]string{"1 shipping flat ? 3376 675 2500", "2 shipping flat ? 1512 162 1200"}},
		{"such shipping given back", shop("SE", "-1", rates+`"shipping_lines": [{"method_id": "flat", "total": "-40.51", "total_tax": "-8.37", "taxes": [{"id": 1, "total": "-6.75"}, {"id": 2, "total": "-1.62"}]}]`),
			[]string{"1 shipping flat ? -3376 -675 2500", "2 shipping flat ? -1512 -162 1200"}},
		{"its rates known by the lines beside it", shop("SE", "1", `"line_items": [`+line("400.00", "100.00", "100", "1")+`, `+line("200.00", "24.00", "24", "2")+`],
			"shipping_lines": [{"method_id": "flat", "total": "30.00", "total_tax": "6.20", "taxes": [{"id": 1, "total": "5"}, {"id": 2, "total": "1.2"}]}]`),
			[]string{"1 goods S 1 50000 10000 2500", "2 goods S 1 22400 2400 1200", "3 shipping flat ? 2500 500 2500", "4 shipping flat ? 1120 120 1200"}},
		{"state and county on all of it", shop("US", "1", `"tax_lines": [{"rate_id": 1, "rate_percent": 6}, {"rate_id": 2, "rate_percent": 1.5}], "line_items": [
			{"total": "100.00", "total_tax": "7.50", "taxes": [{"id": 1, "total": "6"}, {"id": 2, "total": "1.5"}]}]`), []string{"1 goods - ? 10750 750 750"}},
		{"a gift card that was sold", shop("SE", "1", `"line_items": [{"total": "500.00", "total_tax": "0.00", "product_id": 12, "meta_data": [{"key": "wc_gc_giftcard_amount", "value": "500"}], "taxes": []}]`), []string{"1 gift_card 12 ? 50000 0 0"}},
		{"a gift card beside the lines", shop("SE", "75.00", rates+`"gift_cards": [{"id": 4, "code": "X", "amount": 50}], "line_items": [`+line("100.00", "25.00", "25", "1")+`]`), []string{"1 goods S 1 12500 2500 2500", "2 gift_card - 1 -5000 0 0"}},
		{"YITH's", shop("SE", "75.00", rates+`"meta_data": [{"key": "_ywgc_applied_gift_cards", "value": {"ABC-1": 30, "DEF": "20.00"}}], "line_items": [`+line("100.00", "25.00", "25", "1")+`]`), []string{"1 goods S 1 12500 2500 2500", "2 gift_card - 1 -5000 0 0"}},
		{"a gift card that is a fee row already", shop("SE", "75.00", rates+`"gift_cards": [{"amount": "50.00"}], "line_items": [`+line("100.00", "25.00", "25", "1")+`], "fee_lines": [{"name": "Gift card", "total": "-50.00", "total_tax": "0"}]`), []string{"1 goods S 1 12500 2500 2500", "2 gift_card - ? -5000 0 0"}},
		{"no rates at all", shop("US", "1", `"line_items": [{"total": "9.00", "total_tax": "0.00", "taxes": []}]`), []string{"1 goods - ? 900 0 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := staged(t, "stg_woocommerce__document_lines.sql", showLine, page(tt.order))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDocumentKeys(t *testing.T) {
	more := `"refunds": [{"id": 730, "total": "-10.00"}], "meta_data": [{"key": "_wc_klarna_order_id", "value": "7f3a-uuid"}, {"key": "_wc_klarna_capture_id", "value": "cap-1"}, {"key": "_wc_klarna_environment", "value": "live"},
		{"key": "_qliro_one_merchant_reference", "value": "Q-1001"}, {"key": "_woocommerce_adyen_payment_pspReference", "value": "PSP1"}, {"key": "_mollie_payment_id", "value": "tr_1"}, {"key": "_qliro_payment_transactions_json", "value": "[{}]"},
		{"key": "_svea_co_order_id", "value": 5551}, {"key": "_mollie_order_id", "value": ""}]`
	want := []string{
		"order: order_id 5551, order_id 7f3a-uuid, order_id PSP1, order_id cap-1, order_id tr_1, order_number 1001, payment_id 5551, payment_id 7f3a-uuid, payment_id PSP1, payment_id cap-1, payment_id tr_1, rate rate 1:2500, reference 727, reference Q-1001, reference wc_order_x, refund refund 730",
		"delivery: event_id 7f3a-uuid, event_id PSP1, event_id cap-1, event_id tr_1, order_id 5551, order_id 7f3a-uuid, order_id PSP1, order_id cap-1, order_id tr_1, order_number 1001, payment_id 5551, payment_id 7f3a-uuid, payment_id PSP1, payment_id cap-1, payment_id tr_1, reference 727, reference Q-1001, reference wc_order_x",
	}
	got := staged(t, "stg_woocommerce__document_keys.sql", `select kind || ': ' || string_agg(key_type || ' ' || value, ', ' order by key_type, value) from rows group by kind order by kind desc`, page(order(more)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

const refundsKey = "refunds/727?modified=2026-03-03T12:00:00&currency=SEK&country=SE&customer=consumer&method=kco&number=A%2F1001&rates=1:2500,2:1200&payments=7f3a-uuid,tr_1"

func TestRefunds(t *testing.T) {
	body := `[{"id": 730, "amount": "125.00", "date_created": "2026-03-05T11:00:00", "date_created_gmt": "2026-03-05T10:00:00", "meta_data": [{"key": "_mollie_refund_id", "value": "re_9"}],
		"line_items": [{"total": "-100.00", "total_tax": "-25.00", "quantity": -1, "sku": "A", "taxes": [{"id": 1, "total": "-25"}]}, {"total": "0.00", "total_tax": "0.00", "quantity": 0, "taxes": []}],
		"shipping_lines": [{"method_id": "flat", "total": "-39.20", "total_tax": "-9.80", "taxes": [{"id": 1, "total": "-9.8"}]}],
		"fee_lines": [{"name": "Returavgift", "total": "39.20", "total_tax": "9.80", "taxes": [{"id": 1, "total": "9.8"}]}]},
		{"id": 731, "amount": "10.00", "date_created_gmt": "2026-03-06T10:00:00", "line_items": []}]`
	a := answer{3, refundsKey, body}
	got := staged(t, "stg_woocommerce__refunds.sql", `select concat_ws(' ', kind, doc_ref, order_id, order_number, event_at, currency, amount_minor, country, customer, method, locator) from rows order by doc_ref`, a)
	want := []string{
		"refund 730 727 A/1001 2026-03-05 10:00:00 SEK 12500 SE consumer kco $[0]",
		"refund 731 727 A/1001 2026-03-06 10:00:00 SEK 1000 SE consumer kco $[1]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refunds (-want +got):\n%s", diff)
	}
	got = staged(t, "stg_woocommerce__refund_lines.sql", showLine, a)
	want = []string{"1 goods A 1 12500 2500 2500", "2 shipping flat ? 4900 980 2500", "3 discount - ? -4900 -980 2500"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	got = staged(t, "stg_woocommerce__refund_lines.sql", showLine, answer{3, refundsKey, `[{"id": 732, "amount": "48.88", "shipping_lines": [{"method_id": "flat", "total": "-40.51", "total_tax": "-8.37", "taxes": [{"id": 1, "total": "-6.751667"}, {"id": 2, "total": "-1.6204"}]}]}]`})
	want = []string{"1 shipping flat ? 3376 675 2500", "2 shipping flat ? 1512 162 1200"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	got = staged(t, "stg_woocommerce__refund_keys.sql", `select doc_ref || ': ' || string_agg(key_type || ' ' || value, ', ' order by key_type, value) from rows group by doc_ref order by doc_ref`, a)
	shared := "order_id 7f3a-uuid, order_id tr_1, order_number A/1001, payment_id 7f3a-uuid, payment_id tr_1, reference 727, reference "
	want = []string{"730: event_id re_9, " + shared + "730", "731: " + shared + "731"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	// Refunds that were taken back leave the order and no refund.
	got = staged(t, "stg_woocommerce__refunds.sql", "select order_id || ' ' || coalesce(doc_ref, 'none') from rows", answer{4, refundsKey, "[]"})
	if diff := cmp.Diff([]string{"727 none"}, got); diff != "" {
		t.Errorf("no refunds (-want +got):\n%s", diff)
	}
}

// The samples of the documentation are read: an order's lines, shipping and tax are its total, and its refunds are
// one with a line and one without.
func TestSamplesOfTheDocumentation(t *testing.T) {
	folder := "../../../shared/data/woocommerce"
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Skip("no samples of the documentation: ", err)
		}
		return string(b)
	}
	a := answer{1, "orders?page=1", read("docs_orders_03_list-all-orders.json")}
	got := staged(t, "stg_woocommerce__documents.sql", `select concat_ws(' ', kind, doc_ref, event_at, currency, amount_minor, country, method) from rows order by kind desc, doc_ref`, a)
	want := []string{
		"order 723 2017-03-21 19:16:00 USD 3900 BR bacs", "order 727 2017-03-22 19:28:02 USD 2935 US bacs",
		"delivery 723 2017-03-21 19:54:51 USD 3900 BR bacs",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	got = staged(t, "stg_woocommerce__document_lines.sql", `select doc_ref || ' ' || sum(gross_minor) || ' ' || sum(vat_minor) from rows where kind = 'order' group by doc_ref order by doc_ref`, a)
	if diff := cmp.Diff([]string{"723 3900 0", "727 2935 135"}, got); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
	r := answer{2, "refunds/723?currency=USD&country=BR", read("docs_order-refunds_03_list-all-refunds.json")}
	got = staged(t, "stg_woocommerce__refunds.sql", "select doc_ref || ' ' || amount_minor || ' ' || event_at from rows order by doc_ref", r)
	if diff := cmp.Diff([]string{"724 900 2017-03-21 19:55:37", "726 1000 2017-03-21 20:07:11"}, got); diff != "" {
		t.Errorf("refunds (-want +got):\n%s", diff)
	}
	got = staged(t, "stg_woocommerce__refund_lines.sql", "select doc_ref || ' ' || gross_minor from rows", r)
	if diff := cmp.Diff([]string{"724 900"}, got); diff != "" {
		t.Errorf("refund lines (-want +got):\n%s", diff)
	}
}

// A year of a large shop is staged in seconds.
func TestStagingIsQuick(t *testing.T) {
	if os.Getenv("KVITT_LARGE") == "" {
		t.Skip("set KVITT_LARGE=1 to stage 100 000 orders")
	}
	var answers []answer
	for p := range 1000 {
		var os []string
		for i := range 100 {
			os = append(os, strings.Replace(order(""), `"id": 727`, fmt.Sprintf(`"id": %d`, 1000+p*100+i), 1))
		}
		answers = append(answers, answer{int64(p), fmt.Sprintf("orders?page=%d", p), "[" + strings.Join(os, ",") + "]"})
	}
	for _, file := range []string{"stg_woocommerce__documents.sql", "stg_woocommerce__document_lines.sql", "stg_woocommerce__document_keys.sql"} {
		staged(t, file, "select '' from rows limit 0", answers...)
		start := time.Now()
		got := restaged(t, file, "select count(*)::varchar from (select distinct on (kind, doc_ref) * from rows)")
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%s took %v", file, took)
		} else {
			t.Log(file, got, took)
		}
	}
}
