package centra_test

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kvitt/kvitt/extract/centra"
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
	macros, err := fs.ReadFile(centra.Source().Files, centra.Source().Macros)
	if err != nil {
		return nil, err
	}
	return db, db.Exec(ctx, sql.Macros()+string(macros))
})

// staged runs the staging model of an entity over answers of Centra, and then query over
// its rows, which are called rows.
func staged(t *testing.T, entity, query string, answers ...answer) []string {
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
	src := centra.Source()
	for _, m := range src.Models {
		if m.Temp != "" && m.Stream == "orders" {
			model, err := fs.ReadFile(src.Files, m.File)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Exec(ctx, "create or replace temp table "+m.Temp+" as "+string(model)); err != nil {
				t.Fatal(err)
			}
		}
		if m.Entity != entity {
			continue
		}
		model, err := fs.ReadFile(src.Files, m.File)
		if err != nil {
			t.Fatal(err)
		}
		got, err := db.Texts(ctx, "with rows as (\n"+strings.TrimRight(strings.TrimSpace(string(model)), ";")+"\n) "+query)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Fatalf("no model of %s", entity)
	return nil
}

// value is a MonetaryValue.
func value(v string) string { return `{"value": ` + v + `, "currency": {"code": "SEK"}}` }

// order is an order of 1 249.00: two things of 25 % and one of 6 %, 49 of shipping, 150 off.
func order(parts ...string) string {
	all := append([]string{
		`"id": "a1f0", "number": 39790, "status": "PROCESSING", "createdAt": "2026-03-02T10:00:00+01:00", "updatedAt": "2026-03-05T10:00:00+01:00"`,
		`"grandTotal": ` + value("1249"),
		`"totals": {"shipping": {"value": 49}, "handling": {"value": 0}, "discounts": {"value": -150}, "taxAdded": {"value": 0}, "taxDeducted": {"value": 0},
			"shippingTaxRules": [{"taxIncluded": {"value": 9.8}, "rule": {"taxPercent": 25}}]}`,
		`"shippingAddress": {"country": {"code": "SE"}, "vatNumber": null}, "billingAddress": {"country": {"code": "SE"}, "vatNumber": ""}`,
		`"paymentMethod": {"uri": "adyen-drop-in"}`,
	}, parts...)
	return "{" + strings.Join(all, ", ") + "}"
}

func answerOf(orders, returns string) answer {
	return answer{1, "orders?numbers=39775-39799", fmt.Sprintf(`{"data": {"orders": [%s], "returns": [%s]}}`, orders, returns)}
}

// shipment is a shipment that left on 3 March.
func shipment(number, total, discounts string, lines ...string) string {
	return fmt.Sprintf(`{"id": 7, "number": %q, "isShipped": true, "shippedAt": "2026-03-03T09:00:00+01:00", "isCaptured": true, "capturedAt": "2026-03-03T09:01:00+01:00",
		"grandTotal": %s, "discountsApplied": [%s], "lines": [%s]}`, number, value(total), discounts, strings.Join(lines, ", "))
}

func line(gross, net, percent string) string {
	return fmt.Sprintf(`{"id": 1, "quantity": 1, "lineValue": {"value": %s}, "lineValueExTax": {"value": %s}, "orderLine": {"id": 9, "taxPercent": %s}}`, gross, net, percent)
}

const lines = "select concat_ws(' ', kind, doc_ref, line_type, gross_minor, vat_minor, rate_bp) from rows where kind <> 'order' order by kind, doc_ref, line_no"

func TestDeliveries(t *testing.T) {
	for _, tt := range []struct {
		name     string
		shipment string
		history  string
		amount   string
		lines    []string
	}{
		{"goods, shipping and a voucher that came off two rates",
			shipment("39790-1", "1249", `{"__typename": "AppliedVoucherDiscount", "value": {"value": -150}}`, line("1000", "800", "25"), line("350", "330.19", "6")), "",
			"delivery 39790-1 124900 SE consumer adyen-drop-in",
			[]string{"delivery 39790-1 goods 35000 1981 600", "delivery 39790-1 goods 100000 20000 2500",
				"delivery 39790-1 discount -11111 -2222 2500", "delivery 39790-1 discount -3889 -220 600", "delivery 39790-1 shipping 4900 980 2500"}},
		{"a shipment without shipping of its own",
			shipment("39790-2", "500", ``, line("500", "400", "25")), "",
			"delivery 39790-2 50000 SE consumer adyen-drop-in", []string{"delivery 39790-2 goods 50000 10000 2500"}},
		{"lines that are after the discount already",
			shipment("39790-3", "549", `{"__typename": "AppliedVoucherDiscount", "value": {"value": 150}}`, line("500", "400", "25")), "",
			"delivery 39790-3 54900 SE consumer adyen-drop-in", []string{"delivery 39790-3 goods 50000 10000 2500", "delivery 39790-3 shipping 4900 980 2500"}},
		{"credit is money owed, not a discount",
			shipment("39790-4", "400", `{"__typename": "AppliedVoucherCredit", "value": {"value": -100}}`, line("500", "400", "25")), "",
			"delivery 39790-4 40000 SE consumer adyen-drop-in", []string{"delivery 39790-4 goods 50000 10000 2500", "delivery 39790-4 store_credit -10000 0 0"}},
		{"a gift card pays a part",
			shipment("39790-5", "500", ``, line("500", "400", "25")), `{"id": 4, "entryType": "CAPTURE_GIFT_CARD", "status": "SUCCESS", "createdAt": "2026-03-03T09:01:00+01:00", "value": {"value": 200}}`,
			"delivery 39790-5 30000 SE consumer adyen-drop-in", []string{"delivery 39790-5 goods 50000 10000 2500", "delivery 39790-5 gift_card -20000 0 0"}},
		{"a rest that is no shipping is left, so that the sum shows it",
			shipment("39790-6", "700", ``, line("500", "400", "25")), "",
			"delivery 39790-6 70000 SE consumer adyen-drop-in", []string{"delivery 39790-6 goods 50000 10000 2500"}},
		{"numbers with a float's tail",
			shipment("39790-7", "112.62999999999999", ``, line("112.63", "90.104", "25")), "",
			"delivery 39790-7 11263 SE consumer adyen-drop-in", []string{"delivery 39790-7 goods 11263 2253 2500"}},
		{"without the values before tax the rate decides later",
			shipment("39790-8", "500", ``, `{"id": 1, "quantity": 1, "lineValue": {"value": "500.00"}, "orderLine": {"id": 9, "taxPercent": "25"}}`), "",
			"delivery 39790-8 50000 SE consumer adyen-drop-in", []string{"delivery 39790-8 goods 50000 2500"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := answerOf(order(`"shipments": [`+tt.shipment+`]`, `"paymentHistory": [`+tt.history+`]`, `"lines": []`), "")
			got := staged(t, "documents", "select concat_ws(' ', kind, doc_ref, amount_minor, country, customer, method) from rows where kind = 'delivery'", a)
			if diff := cmp.Diff([]string{tt.amount}, got); diff != "" {
				t.Error(diff)
			}
			want := tt.lines
			got = staged(t, "document_lines", lines, a)
			if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// back is a return of the order, completed and refunded, with these totals.
func back(id, total, totals, extra string, lines ...string) string {
	return fmt.Sprintf(`{"id": %s, "returnStatus": "COMPLETED", "createdAt": "2026-03-09T09:00:00+01:00", "order": {"id": "a1f0", "number": 39790}, "grandTotal": %s,
		"totals": {%s}, "lines": [%s] %s}`, id, value(total), totals, strings.Join(lines, ", "), extra)
}

func TestRefunds(t *testing.T) {
	const noTotals = `"shipping": {"value": 0}, "handling": {"value": 0}, "discounts": {"value": 0}, "returnCost": {"value": 0}`
	refunded := `, "refundPaymentHistory": [{"id": 12, "entryType": "REFUND_REQUEST", "status": "PENDING", "createdAt": "2026-03-10T09:00:00+01:00", "externalReference": "R1", "value": {"value": -500}}]`
	for _, tt := range []struct {
		name      string
		history   string
		returns   string
		documents []string
		lines     []string
	}{
		{"goods, dated when the money went back", "", back("51", "500", noTotals, refunded, line("500", "400", "25")),
			[]string{"51 50000 2026-03-10"}, []string{"refund 51 goods 50000 10000 2500"}},
		{"with shipping, less what the return costs", "",
			back("52", "510", `"shipping": {"value": 49}, "handling": {"value": 0}, "discounts": {"value": 0}, "returnCost": {"value": 39},
				"shippingTaxRules": [{"taxIncluded": {"value": 9.8}}], "returnCostTaxRules": [{"taxIncluded": {"value": 7.8}}]`, "", line("500", "400", "25")),
			[]string{"52 51000 2026-03-09"}, []string{"refund 52 goods 50000 10000 2500", "refund 52 shipping 4900 980 2500", "refund 52 return_cost -3900 -780 2500"}},
		{"less the voucher that came off", "",
			back("53", "450", `"shipping": {"value": 0}, "handling": {"value": 0}, "discounts": {"value": -50}, "returnCost": {"value": 0}`, "", line("500", "400", "25")),
			[]string{"53 45000 2026-03-09"}, []string{"refund 53 goods 50000 10000 2500", "refund 53 discount -5000 -1000 2500"}},
		{"of lines without prices the amount is split by rule", "",
			back("54", "500", noTotals, "", `{"id": 1, "orderLine": {"id": 9, "taxPercent": 25}}`),
			[]string{"54 50000 2026-03-09"}, nil},
		{"a part goes back to a gift card", "",
			back("55", "500", noTotals, `, "refundPaymentHistory": [{"id": 13, "entryType": "REFUND_GIFT_CARD", "status": "SUCCESS", "createdAt": "2026-03-10T09:00:00+01:00", "value": {"value": -200}}]`, line("500", "400", "25")),
			[]string{"55 30000 2026-03-10"}, []string{"refund 55 goods 50000 10000 2500", "refund 55 gift_card -20000 0 0"}},
		{"an open return is none", "", strings.Replace(back("56", "500", noTotals, "", line("500", "400", "25")), "COMPLETED", "PENDING", 1), nil, nil},
		{"the provider's answer to a return is not another refund",
			`{"id": 12, "entryType": "REFUND_REQUEST", "status": "PENDING", "createdAt": "2026-03-10T09:00:00+01:00", "value": {"value": -500}},
			{"id": 14, "entryType": "REFUND", "status": "SUCCESS", "createdAt": "2026-03-10T10:00:00+01:00", "value": {"value": -500}}`,
			back("57", "500", noTotals, refunded, line("500", "400", "25")), []string{"57 50000 2026-03-10"}, []string{"refund 57 goods 50000 10000 2500"}},
		{"money back without a return",
			`{"id": 15, "entryType": "REFUND", "status": "SUCCESS", "createdAt": "2026-03-11T10:00:00+01:00", "value": {"value": -120.5}},
			{"id": 16, "entryType": "REFUND", "status": "FAILED", "createdAt": "2026-03-11T10:00:00+01:00", "value": {"value": -1}},
			{"id": 17, "entryType": "REFUND_FAILED", "status": "FAILED", "createdAt": "2026-03-11T10:00:00+01:00", "value": {"value": -1}}`,
			"", []string{"refund/15 12050 2026-03-11"}, nil},
		{"money back beside a return",
			`{"id": 18, "entryType": "REFUND", "status": "SUCCESS", "createdAt": "2026-03-10T10:00:00+01:00", "value": {"value": -500}},
			{"id": 19, "entryType": "REFUND", "status": "SUCCESS", "createdAt": "2026-03-12T10:00:00+01:00", "value": {"value": -30}}`,
			back("58", "500", noTotals, refunded, line("500", "400", "25")),
			[]string{"58 50000 2026-03-10", "refund/19 3000 2026-03-12"}, []string{"refund 58 goods 50000 10000 2500"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := answerOf(order(`"shipments": []`, `"paymentHistory": [`+tt.history+`]`, `"lines": []`), tt.returns)
			got := staged(t, "documents", "select concat_ws(' ', doc_ref, amount_minor, event_at::date) from rows where kind = 'refund' order by doc_ref", a)
			if diff := cmp.Diff(tt.documents, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(sorted(tt.lines), sorted(staged(t, "document_lines", lines, a)), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestKeys: two shipments of one amount are told apart by their captures, in the order of their times.
func TestKeys(t *testing.T) {
	capture := func(id, hour, ref string) string {
		return fmt.Sprintf(`{"id": %s, "entryType": "CAPTURE_REQUEST", "status": "PENDING", "createdAt": "2026-03-03T%s:00:00+01:00", "externalReference": "AUTH1",
			"paramsJSON": "{\"raw\":\"{\\\"pspReference\\\":\\\"%s\\\",\\\"paymentPspReference\\\":\\\"AUTH1\\\"}\"}", "value": {"value": 500}}`, id, hour, ref)
	}
	second := strings.NewReplacer("T09:0", "T19:0", `"id": 7`, `"id": 8`).Replace(shipment("39790-2", "500", ``, line("500", "400", "25")))
	a := answerOf(order(`"shipments": [`+second+`, `+shipment("39790-1", "500", ``, line("500", "400", "25"))+`]`, `"lines": []`,
		`"paymentHistory": [{"id": 1, "entryType": "AUTH", "status": "SUCCESS", "externalReference": "AUTH1", "value": {"value": 1000}}, `+capture("3", "19", "CAP2")+`, `+capture("2", "09", "CAP1")+`,
			{"id": 9, "entryType": "CANCEL", "status": "SUCCESS", "externalReference": "NOT", "value": {"value": -1}}]`), "")
	got := staged(t, "document_keys", "select concat_ws(' ', doc_ref, key_type, value) from rows where kind = 'delivery'", a)
	var want []string
	for _, d := range []string{"39790-1 CAP1", "39790-2 CAP2"} {
		doc, capture, _ := strings.Cut(d, " ")
		want = append(want, doc+" order_id a1f0", doc+" order_number 39790", doc+" order_id AUTH1", doc+" payment_id AUTH1", doc+" reference "+doc, doc+" event_id "+capture)
	}
	if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Error(diff)
	}
}

// TestTheNewestOfAnOrderCounts: an order read twice is not sold twice.
func TestTheNewestOfAnOrderCounts(t *testing.T) {
	one := answerOf(order(`"shipments": [`+shipment("39790-1", "500", ``, line("500", "400", "25"))+`]`, `"paymentHistory": []`, `"lines": []`), "")
	two := one
	two.BlobID, two.Key = 2, "order/39790"
	two.Body = strings.Replace(two.Body, `{"value": 500`, `{"value": 400`, 1)
	if got := staged(t, "documents", "select blob_id || ' ' || amount_minor from rows where kind = 'delivery'", one, two); !slices.Equal(got, []string{"2 40000"}) {
		t.Errorf("deliveries %q", got)
	}
	if got := staged(t, "document_lines", lines, one, two); len(got) != 1 {
		t.Errorf("lines %q", got)
	}
	business := answerOf(order(`"shipments": []`, `"billingAddress": {"country": {"code": "FI"}, "vatNumber": "FI12345678"}`), "")
	business.Body = strings.Replace(business.Body, `"billingAddress": {"country": {"code": "SE"}, "vatNumber": ""}`, `"x": 1`, 1)
	if got := staged(t, "documents", "select customer from rows", business); !slices.Equal(got, []string{"business"}) {
		t.Errorf("customer %q", got)
	}
}
