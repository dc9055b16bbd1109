package mollie_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	connector "github.com/kvitt/kvitt/extract/mollie"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

type stored struct {
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
	macros, err := fs.ReadFile(connector.Source().Files, connector.Source().Macros)
	if err != nil {
		return nil, err
	}
	return db, db.Exec(ctx, sql.Macros()+"create table valid (blob_id bigint, key varchar, fetched_at timestamp, body json); create temp view raw as select * from valid;"+string(macros)+"; create table payout_lines (provider_type varchar, method varchar); create table documents (order_id varchar)")
})

// staged runs a staging model over answers of Mollie, and then query over its rows, which are called rows.
func staged(t *testing.T, file, query string, answers ...stored) []string {
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
	if err := db.Exec(ctx, "create or replace table valid as select blob_id, key, timestamp '2026-03-06 10:00:00' as fetched_at, body::json as body from answers; create or replace temp view raw as select * from valid"); err != nil {
		t.Fatal(err)
	}
	for _, m := range connector.Source().Models {
		if m.Temp != "" && strings.Contains(file, "__document") {
			text, err := fs.ReadFile(connector.Source().Files, m.File)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Exec(ctx, "create or replace temp table "+m.Temp+" as "+string(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	model, err := fs.ReadFile(connector.Source().Files, file)
	if err != nil {
		t.Fatal(err)
	}
	leave := "false"
	for _, m := range connector.Source().Models {
		if m.File == file && m.Leave != "" {
			leave = m.Leave
		}
	}
	got, err := db.Texts(ctx, "with rows as (select * from (\n"+string(model)+"\n) where ("+leave+") is not true) "+query)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func sek(v string) string { return `{"currency": "SEK", "value": "` + v + `"}` }

func TestListedLines(t *testing.T) {
	for name, tt := range map[string]struct{ list, item, want string }{
		"a payment by its amount":                   {"payments", `"id": "tr_1", "amount": ` + sek("125.00"), "payment 12500 SEK"},
		"a payment in another currency":             {"payments", `"id": "tr_1", "amount": {"currency": "EUR", "value": "10.00"}, "settlementAmount": ` + sek("112.35"), "payment 11235 SEK of 1000 EUR"},
		"a refund in another currency":              {"refunds", `"id": "re_1", "status": "refunded", "amount": {"currency": "eur", "value": "10.00"}, "settlementAmount": ` + sek("-112.35"), "refund -11235 SEK of -1000 EUR"},
		"one that came back":                        {"refunds", `"id": "re_1", "status": "failed", "amount": {"currency": "EUR", "value": "10.00"}, "settlementAmount": ` + sek("112.35"), "returned-refund 11235 SEK of 1000 EUR"},
		"numbers instead of texts":                  {"payments", `"id": "tr_1", "amount": {"currency": "sek", "value": 125.5}`, "payment 12550 SEK"},
		"yen have no decimals":                      {"payments", `"id": "tr_1", "amount": {"currency": "JPY", "value": "125"}`, "payment 125 JPY"},
		"an amount finer than its currency is none": {"payments", `"id": "tr_1", "amount": ` + sek("1.005"), "payment ? SEK"},
		"no amount is none":                         {"payments", `"id": "tr_1"`, "payment ? ?"},
		"PayPal is not settled by Mollie":           {"payments", `"id": "tr_1", "method": "paypal", "amount": ` + sek("10.00"), "payment 0 SEK"},
		"of a gift card the remainder is": {"payments", `"id": "tr_1", "method": "giftcard", "amount": ` + sek("10.00") + `, "details": {"remainderAmount": ` + sek("4.00") + `}`,
			"payment 400 SEK"},
		"a capture":                      {"captures", `"id": "cpt_1", "paymentId": "tr_1", "amount": ` + sek("10.00") + `, "settlementAmount": null`, "capture 1000 SEK"},
		"a refund reduces":               {"refunds", `"id": "re_1", "status": "refunded", "amount": ` + sek("10.00"), "refund -1000 SEK"},
		"a refund with its sign":         {"refunds", `"id": "re_1", "status": "refunded", "amount": ` + sek("10.00") + `, "settlementAmount": ` + sek("-10.00"), "refund -1000 SEK"},
		"a refund that came back":        {"refunds", `"id": "re_1", "status": "failed", "amount": ` + sek("10.00") + `, "settlementAmount": ` + sek("10.00"), "returned-refund 1000 SEK"},
		"a chargeback reduces":           {"chargebacks", `"id": "chb_1", "amount": ` + sek("10.00") + `, "settlementAmount": ` + sek("-10.00"), "chargeback -1000 SEK"},
		"a chargeback with the old sign": {"chargebacks", `"id": "chb_1", "amount": ` + sek("10.00") + `, "settlementAmount": ` + sek("10.00") + `, "reversedAt": null`, "chargeback -1000 SEK"},
		"a negative amount":              {"chargebacks", `"id": "chb_1", "amount": ` + sek("-10.00"), "chargeback -1000 SEK"},
		"taken here, won back later":     {"chargebacks", `"id": "chb_1", "settlementId": "stl_1", "amount": ` + sek("10.00") + `, "reversedAt": "2026-03-04T00:00:00+00:00"`, "chargeback -1000 SEK"},
		"taken elsewhere, won back here": {"chargebacks", `"id": "chb_1", "settlementId": "stl_0", "amount": ` + sek("10.00") + `, "reversedAt": "2026-03-04T00:00:00+00:00"`,
			"chargeback-reversal 1000 SEK"},
		"won back by its sign": {"chargebacks", `"id": "chb_1", "amount": ` + sek("10.00") + `, "settlementAmount": ` + sek("10.00") + `, "reversedAt": "2026-03-04T00:00:00+00:00"`,
			"chargeback-reversal 1000 SEK"},
	} {
		t.Run(name, func(t *testing.T) {
			got := staged(t, "stg_mollie__payout_lines.sql", "select concat_ws(' ', provider_type, coalesce(gross_minor::varchar, '?'), coalesce(currency, '?'), 'of ' || sold_minor || ' ' || sold_currency) from rows where net_minor is not distinct from gross_minor",
				stored{1, "settlement_lines/stl_1/" + tt.list, `{"count": 1, "_embedded": {"` + tt.list + `": [{` + tt.item + `}]}}`})
			same(t, got, tt.want)
		})
	}
}

func TestOrderNumbers(t *testing.T) {
	for name, tt := range map[string]struct{ item, want string }{
		"an object":                   {`"metadata": {"order_id": "A-17"}, "description": "x"`, "A-17"},
		"a number in an object":       {`"metadata": {"order_id": 12345}`, "12345"},
		"an object in a text":         {`"metadata": "{\"order_id\":12345}"`, "12345"},
		"a text":                      {`"metadata": "1001"`, "1001"},
		"a sentence is none":          {`"metadata": "bought in haste"`, ""},
		"a number":                    {`"metadata": 1001`, "1001"},
		"null and a described order":  {`"metadata": null, "description": "Order #1337 (Lego cars)"`, "1337"},
		"an order without the sign":   {`"description": "Beställning 1337"`, "1337"},
		"nothing but the number":      {`"description": "WEB-1337"`, "WEB-1337"},
		"a number in a sentence":      {`"description": "Subscription 2026"`, ""},
		"a list is nothing of an ID":  {`"metadata": [1, 2]`, ""},
		"the object says nothing":     {`"metadata": {"cart": "c1"}, "description": "Order 77"`, "77"},
		"half an object is no object": {`"metadata": "{\"order_id\":"`, `{"order_id":`},
	} {
		t.Run(name, func(t *testing.T) {
			got := staged(t, "stg_mollie__payout_lines.sql", "select coalesce(order_reference, '') from rows",
				stored{1, "settlement_lines/stl_1/payments", `{"_embedded": {"payments": [{"id": "tr_1", "amount": ` + sek("1.00") + `, ` + tt.item + `}]}}`})
			same(t, got, tt.want)
		})
	}
}

// settlement makes one of a period's rows.
func settlement(amount, month, revenue, costs string) string {
	return `{"resource": "settlement", "id": "stl_1", "reference": "0704.2603.01", "status": "paidout", "createdAt": "2026-03-05T06:00:01.0Z", "settledAt": "2026-03-06T09:41:44+00:00",
		"amount": ` + sek(amount) + `, "periods": {"2026": {"` + month + `": {"revenue": [` + revenue + `], "costs": [` + costs + `], "invoiceId": null}}}}`
}

func row(method, net, vat, gross string) string {
	if vat != "null" {
		vat = sek(vat)
	}
	return `{"description": "d", "method": ` + method + `, "count": 2, "amountNet": ` + sek(net) + `, "amountVat": ` + vat + `, "amountGross": ` + sek(gross) + `}`
}

func TestPeriodRows(t *testing.T) {
	const q = "select concat_ws(' ', provider_type, provider_detail, gross_minor, fee_minor, fee_vat_minor, net_minor, text) from rows order by row_no"
	for name, tt := range map[string]struct {
		body string
		want []string
	}{
		"each cost is rounded on its own, halves away from zero": {settlement("0.00", "04", "", row(`"ideal"`, "2.1050", "0.4450", "2.5500")+","+row(`"refund"`, "-0.0050", "null", "-0.0050")),
			[]string{"cost ideal 0 211 45 -256 d 2026-04 2 ×", "cost refund 0 -1 0 1 d 2026-04 2 ×"}},
		"a month of one digit is the same month":     {settlement("0.00", "4", "", row(`"ideal"`, "2.1000", "0.4410", "2.5410")), []string{"cost ideal 0 210 44 -254 d 2026-04 2 ×"}},
		"VAT that is only in the total":              {settlement("0.00", "4", "", row(`"ideal"`, "2.1000", "null", "2.5410")), []string{"cost ideal 0 210 44 -254 d 2026-04 2 ×"}},
		"revenue that the lists hold is no line":     {settlement("0.00", "4", row(`"swish"`, "10.0000", "null", "10.0000")+","+row(`"refund"`, "-1.0000", "null", "1.0000"), ""), nil},
		"a reserve is no fee":                        {settlement("0.00", "4", row(`"rollingreserve"`, "-10.0000", "null", "-10.0000"), row(`"rollingreserve"`, "5.0000", "null", "5.0000")), []string{"cost rollingreserve -500 0 0 -500 d 2026-04 2 ×", "rollingreserve -1000 0 0 -1000 d 2026-04 2 ×"}},
		"a word of tomorrow is a line to be decided": {settlement("0.00", "4", row(`"starfee"`, "-10.0000", "null", "-10.0000")+","+row("null", "3.0000", "null", "3.0000"), ""), []string{"starfee -1000 0 0 -1000 d 2026-04 2 ×", "revenue 300 0 0 300 d 2026-04 2 ×"}},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, staged(t, "stg_mollie__payout_lines.sql", q, stored{1, "settlement_lines/stl_1/settlement", tt.body}), tt.want...)
		})
	}
	t.Run("a method of tomorrow that payments go by is none", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__payout_lines.sql", "select provider_type from rows",
			stored{1, "settlement_lines/stl_1/payments", `{"_embedded": {"payments": [{"id": "tr_1", "method": "starpay", "amount": ` + sek("3.00") + `}]}}`},
			stored{2, "settlement_lines/stl_1/settlement", settlement("3.00", "4", row(`"starpay"`, "3.0000", "null", "3.0000"), "")}), "payment")
	})
	t.Run("periods may be an empty list", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__payouts.sql", "select concat_ws(' ', payout_id, bank_reference, amount_minor, formula_off_minor, paid_at) from rows",
			stored{1, "settlement/stl_1", strings.Replace(settlement("3.00", "4", "", ""), `{"2026": {"4": {"revenue": [], "costs": [], "invoiceId": null}}}`, "[]", 1)}),
			"stl_1 0704.2603.01 300 0 2026-03-06 09:41:44")
	})
}

func TestSettlementArithmetic(t *testing.T) {
	for name, tt := range map[string]struct{ amount, status, want string }{
		"adds up":          {"7.45", "paidout", "745 745 0"}, // 10 − 2.5410 − 0.0090 = 7.45
		"is off":           {"7.00", "paidout", "700 700 -45"},
		"failed":           {"7.45", "failed", "0 0 0"},
		"not there yet":    {"7.45", "processing-at-bank", ""},
		"pending":          {"7.45", "pending", ""},
		"the next of them": {"7.45", "open", ""},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(settlement(tt.amount, "3", row(`"ideal"`, "10.0000", "null", "10.0000"), row(`"ideal"`, "2.1000", "0.4410", "2.5410")+","+row(`"ideal"`, "0.0090", "null", "0.0090")), "paidout", tt.status, 1)
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			same(t, staged(t, "stg_mollie__payouts.sql", "select concat_ws(' ', amount_minor, rows_expected_minor, formula_off_minor) from rows", stored{1, "settlement/stl_1", body}), want...)
		})
	}
}

func TestDocuments(t *testing.T) {
	lines := `[{"type": "physical", "description": "a", "quantity": 1, "totalAmount": ` + sek("100.00") + `, "vatRate": "25.00", "vatAmount": ` + sek("20.00") + `},
		{"type": "store_credit", "description": "b", "quantity": 1, "totalAmount": ` + sek("-10.00") + `}]`
	payment := func(status, more string) string {
		return `{"resource": "payment", "id": "tr_1", "status": "` + status + `", "amount": ` + sek("90.00") + `, "createdAt": "2026-03-01T10:00:00+00:00", "description": "Order #7",
			"billingAddress": {"country": "SE"}, "shippingAddress": {"country": "FI"}, "method": "Swish", ` + more + `}`
	}
	const q = "select concat_ws(' ', kind, doc_ref, amount_minor, country, status, is_final, event_at) from rows order by kind desc, doc_ref"
	for name, tt := range map[string]struct {
		body string
		want []string
	}{
		"open":    {payment("open", `"lines": `+lines), []string{"order tr_1 9000 FI OPEN false 2026-03-01 10:00:00"}},
		"expired": {payment("expired", `"lines": `+lines), []string{"order tr_1 9000 FI EXPIRED true 2026-03-01 10:00:00"}},
		"paid":    {payment("paid", `"paidAt": "2026-03-01T10:01:00.0Z"`), []string{"order tr_1 9000 FI PAID false 2026-03-01 10:00:00", "delivery tr_1 9000 FI PAID false 2026-03-01 10:01:00"}},
		"captured in parts": {payment("authorized", `"_embedded": {"captures": [{"id": "cpt_1", "status": "succeeded", "amount": `+sek("30.00")+`, "createdAt": "2026-03-02T00:00:00+00:00"},
			{"id": "cpt_2", "status": "failed", "amount": `+sek("60.00")+`, "createdAt": "2026-03-02T00:00:00+00:00"}]}`),
			[]string{"order tr_1 9000 FI AUTHORIZED false 2026-03-01 10:00:00", "delivery cpt_1 3000 FI AUTHORIZED false 2026-03-02 00:00:00"}},
		"refunds that did and did not arrive": {payment("paid", `"_embedded": {"refunds": [{"id": "re_1", "status": "refunded", "amount": `+sek("90.00")+`, "createdAt": "2026-03-03T00:00:00+00:00"},
			{"id": "re_2", "status": "failed", "amount": `+sek("1.00")+`, "createdAt": "2026-03-03T00:00:00+00:00"}, {"id": "re_3", "status": "queued", "amount": `+sek("1.00")+`, "createdAt": "2026-03-03T00:00:00+00:00"}]}`),
			[]string{"refund re_1 9000 FI PAID true 2026-03-03 00:00:00", "order tr_1 9000 FI PAID true 2026-03-01 10:00:00", "delivery tr_1 9000 FI PAID true 2026-03-01 10:00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, staged(t, "stg_mollie__documents.sql", q, stored{1, "order/tr_1", tt.body}), tt.want...)
		})
	}
	const ql = "select concat_ws(' ', kind, line_no, line_type, gross_minor, coalesce(vat_minor, -1), rate_bp) from rows order by kind, line_no"
	t.Run("lines", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__document_lines.sql", ql, stored{1, "order/tr_1", payment("paid", `"lines": `+lines)}),
			"delivery 1 physical 10000 2000 2500", "delivery 2 store_credit -1000 -1 0", "order 1 physical 10000 2000 2500", "order 2 store_credit -1000 -1 0")
	})
	t.Run("a line without a rate is not one with none", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__document_lines.sql", ql, stored{1, "order/tr_1", payment("paid", `"lines": [{"type": "physical", "totalAmount": `+sek("90.00")+`}]`)}))
	})
	t.Run("a line that states no VAT", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__document_lines.sql", ql, stored{1, "order/tr_1", payment("open", `"lines": [{"type": "digital", "totalAmount": `+sek("90.00")+`, "vatAmount": `+sek("0.00")+`}]`)}), "order 1 digital 9000 0 0")
	})
	order := `{"resource": "order", "id": "ord_1", "orderNumber": "18475", "status": "completed", "method": "ideal", "amount": ` + sek("90.00") + `, "createdAt": "2026-03-01T10:00:00+00:00", "shippingAddress": {"country": "SE"},
		"lines": ` + lines + `, "_embedded": {"payments": [{"resource": "payment", "id": "tr_2", "status": "paid", "amount": ` + sek("90.00") + `, "createdAt": "2026-03-01T10:00:00+00:00", "paidAt": "2026-03-01T10:02:00+00:00"}, {"id": "tr_3", "status": "expired"}],
		"refunds": [{"id": "re_9", "status": "refunded", "amount": ` + sek("10.00") + `, "paymentId": "tr_2", "createdAt": "2026-03-04T00:00:00+00:00", "lines": []}]}}`
	t.Run("an order", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__documents.sql", q, stored{1, "order/ord_1", order}),
			"refund re_9 1000 SE COMPLETED false 2026-03-04 00:00:00", "order ord_1 9000 SE COMPLETED false 2026-03-01 10:00:00", "delivery tr_2 9000 SE COMPLETED false 2026-03-01 10:02:00")
		same(t, staged(t, "stg_mollie__document_keys.sql", "select concat_ws(' ', doc_ref, key_type, value) from rows where kind <> 'order' order by doc_ref, key_type, value", stored{1, "order/ord_1", order}),
			"re_9 event_id re_9", "re_9 order_id ord_1", "re_9 order_id tr_2", "re_9 order_number 18475", "tr_2 event_id tr_2", "tr_2 order_id ord_1", "tr_2 order_id tr_2", "tr_2 order_number 18475")
	})
	shipped := `{"resource": "order", "id": "ord_1", "status": "shipping", "method": "klarnapaylater", "amount": ` + sek("90.00") + `, "createdAt": "2026-03-01T10:00:00+00:00", "billingAddress": {"country": "SE"},
		"_embedded": {"payments": [{"resource": "payment", "id": "tr_2", "status": "authorized", "authorizedAt": "2026-03-01T10:00:00+00:00"}],
		"shipments": [{"resource": "shipment", "id": "shp_1", "createdAt": "2026-03-02T10:00:00+00:00", "lines": [{"type": "physical", "totalAmount": ` + sek("30.00") + `, "vatRate": "25.00", "vatAmount": ` + sek("6.00") + `}]}]}}`
	t.Run("an order that is shipped in parts", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__documents.sql", q, stored{1, "order/ord_1", shipped}),
			"order ord_1 9000 SE SHIPPING false 2026-03-01 10:00:00", "delivery shp_1 3000 SE SHIPPING false 2026-03-02 10:00:00")
		same(t, staged(t, "stg_mollie__document_lines.sql", ql, stored{1, "order/ord_1", shipped}), "delivery 1 physical 3000 600 2500")
	})
}

// TestSamples reads the examples of Mollie's own documentation and SDKs, where they are at hand.
func TestSamples(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "mollie")
	read := func(t *testing.T, name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Skip("the samples are not at hand: ", err)
		}
		if !json.Valid(b) {
			t.Fatalf("%s is no JSON", name)
		}
		return string(b)
	}
	// 86.10 − 43.20 − (2.54 + 0.61) = 39.75
	for _, name := range []string{"openapi/get-settlement.200.get-settlement-200-1.json", "python-sdk/settlement_single.json"} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(read(t, name), `"open"`, `"paidout"`, 1)
			same(t, staged(t, "stg_mollie__payouts.sql", "select concat_ws(' ', payout_id, bank_reference, currency, amount_minor, formula_off_minor) from rows", stored{1, "settlement/stl_jDk30akdN", body}),
				map[bool]string{true: "stl_jDk30akdN 1234567.2404.03 EUR 3975 0", false: "stl_jDk30akdN 1234567.1804.03 EUR 3975 0"}[strings.HasPrefix(name, "openapi")])
			same(t, staged(t, "stg_mollie__payout_lines.sql", "select concat_ws(' ', provider_type, provider_detail, fee_minor, fee_vat_minor) from rows order by row_no", stored{1, "settlement_lines/stl_jDk30akdN/settlement", body}),
				"cost ideal 210 44", "cost refund 50 11")
		})
	}
	for name, want := range map[string]string{
		"openapi/list-settlement-payments.200.list-settlement-payments-200-1.json": "payments payment 7500 EUR tr_5B8cwPMGnU6qLbRvo7qEZo 12345",
		"openapi/list-settlement-captures.200.list-settlement-captures-200-1.json": "captures capture 3595 EUR tr_5B8cwPMGnU6qLbRvo7qEZo 12345",
		"openapi/list-settlement-refunds.200.list-settlement-refunds-200-1.json":   "refunds refund -595 EUR tr_5B8cwPMGnU6qLbRvo7qEZo",
		"openapi/list-settlement-chargebacks.200.list-chargeback-200-1.json":       "chargebacks chargeback -3507 EUR tr_5B8cwPMGnU6qLbRvo7qEZo",
		"python-sdk/settlement_chargebacks_list.json":                              "chargebacks chargeback -3507 EUR tr_7UhSN1zuXS",
		"php-sdk-v2/SettlementCapture.01.json":                                     "captures capture 39900 EUR tr_WDqYK6vllg",
		"php-sdk-v2/SettlementRefund.01.json":                                      "refunds refund -1000 EUR tr_maJaG2j8OM 33",
	} {
		t.Run(name, func(t *testing.T) {
			list, want, _ := strings.Cut(want, " ")
			same(t, staged(t, "stg_mollie__payout_lines.sql", "select concat_ws(' ', provider_type, gross_minor, currency, order_key, order_reference) from rows",
				stored{1, "settlement_lines/stl_jDk30akdN/" + list, read(t, name)})[:1], want)
		})
	}
}

// A settlement of a million and more is as good as any other.
func TestLargeSettlement(t *testing.T) {
	body := `{"id": "stl_1", "status": "paidout", "settledAt": "2026-03-06T06:00:00+00:00", "amount": ` + sek("21358490.90") + `,
		"periods": {"2026": {"03": {"revenue": [{"amountNet": ` + sek("999999999.90") + `}], "costs": [{"amountGross": ` + sek("978641509") + `}]}}}}`
	same(t, staged(t, "stg_mollie__payouts.sql", "select concat_ws(' ', amount_minor, formula_off_minor) from rows", stored{1, "settlement/stl_1", body}), "2135849090 0")
}

// A balance transaction's context comes in three shapes, and is [] where there is none (mollie/api-documentation#959).
func TestMovements(t *testing.T) {
	const q = `select concat_ws(' ', account_id, provider_type, initial_minor, deducted_minor, result_minor, commission_minor, repayment_minor, reserve_minor, order_key, event_key, payout_id) from rows`
	for name, tt := range map[string]struct{ fields, want string }{
		"a payment less its fee": {`"type": "payment", "resultAmount": ` + sek("9.71") + `, "initialAmount": ` + sek("10.00") + `, "deductions": ` + sek("-0.29") + `, "deductionDetails": {"fees": ` + sek("-0.29") + `}, "context": {"paymentId": "tr_1", "paymentDescription": "x"}`,
			"payment 1000 -29 971 0 0 0 tr_1 tr_1"},
		"the context by type": {`"type": "refund", "resultAmount": ` + sek("-10.25") + `, "initialAmount": ` + sek("-10.00") + `, "deductions": ` + sek("-0.25") + `, "context": {"refund": {"paymentId": "tr_1", "refundId": "re_1"}}`,
			"refund -1000 -25 -1025 0 0 0 tr_1 re_1"},
		"the context in a list": {`"type": "capture", "resultAmount": ` + sek("1.00") + `, "initialAmount": ` + sek("1.00") + `, "deductions": null, "context": [{"paymentId": "tr_1", "captureId": "cpt_1"}]`, "capture 100 0 100 0 0 0 tr_1 cpt_1"},
		"no context":            {`"type": "invoice-compensation", "resultAmount": ` + sek("-0.01") + `, "initialAmount": ` + sek("-0.01") + `, "context": []`, "invoice-compensation -1 0 -1 0 0 0"},
		"a null for a context":  {`"type": "topup", "resultAmount": ` + sek("5.00") + `, "initialAmount": ` + sek("5.00") + `, "context": null`, "topup 500 0 500 0 0 0"},
		"a transfer":            {`"type": "outgoing-transfer", "resultAmount": ` + sek("-9.71") + `, "initialAmount": ` + sek("-9.71") + `, "context": {"settlementId": "stl_1", "transferId": "trf_1"}`, "outgoing-transfer -971 0 -971 0 0 0 stl_1"},
		"not all that is deducted is a fee": {`"type": "payment", "resultAmount": ` + sek("6.00") + `, "initialAmount": ` + sek("10.00") + `, "deductions": ` + sek("-4.00") +
			`, "deductionDetails": {"fees": ` + sek("-0.50") + `, "commissions": ` + sek("-0.50") + `, "repayments": ` + sek("-1.00") + `, "reservations": ` + sek("-2.00") + `}, "context": {"paymentId": "tr_1"}`,
			"payment 1000 -400 600 -50 -100 -200 tr_1 tr_1"},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, staged(t, "stg_mollie__movements.sql", q, stored{1, "balance_transactions/bal_1?from=baltr_1",
				`{"_embedded": {"balance_transactions": [{"id": "baltr_1", "resource": "balance_transactions", "createdAt": "2026-03-06T09:41:44+00:00", ` + tt.fields + `}]}}`}), "bal_1 "+tt.want)
		})
	}
	t.Run("balances", func(t *testing.T) {
		same(t, staged(t, "stg_mollie__balances.sql", "select concat_ws(' ', account_id, currency, asked_at, available_minor, pending_minor) from rows",
			stored{1, "balances", `{"_embedded": {"balances": [{"id": "bal_1", "currency": "SEK", "availableAmount": ` + sek("905.25") + `, "pendingAmount": ` + sek("0.00") + `}]}}`}),
			"bal_1 SEK 2026-03-06 10:00:00 90525 0")
	})
}

// Mollie need not say where a payment is from: then it is from where its currency is.
func TestAPaymentWithoutACountry(t *testing.T) {
	for currency, want := range map[string]string{"SEK": "SE", "NOK": "NO", "EUR": "?"} {
		body := `{"id": "tr_1", "status": "paid", "amount": {"currency": "` + currency + `", "value": "10.00"}, "createdAt": "2026-03-06T09:41:44+00:00", "countryCode": null}`
		same(t, staged(t, "stg_mollie__documents.sql", "select coalesce(country, '?') from rows where kind = 'delivery'", stored{1, "order/tr_1", body}), want)
	}
}
