package svea_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract/svea"
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
	macros, err := fs.ReadFile(svea.Source().Files, svea.Source().Macros)
	if err != nil {
		return nil, err
	}
	return db, db.Exec(ctx, sql.Schema()+`
		create table answers (blob_id bigint, key varchar, body varchar);
		create temp view raw as select blob_id, key, body::json as body from answers;
		`+string(macros))
})

// known is what a test says is known already, as SQL.
type known string

// staged runs the staging model of an entity over answers of Svea, the n-th fetched on day n of
// March 2026 unless it has a blob_id of its own, and then query over its rows, which are called rows.
func staged(t *testing.T, entity, query string, before known, answers ...answer) []string {
	t.Helper()
	ctx := context.Background()
	db, err := database()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "delete from answers; delete from blobs; delete from documents; delete from payout_lines"); err != nil {
		t.Fatal(err)
	}
	for i := range answers {
		if answers[i].BlobID == 0 {
			answers[i].BlobID = int64(i + 1)
		}
	}
	if err := db.Insert(ctx, "answers", answers); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "insert into blobs by name select blob_id, 'svea' as source, 'orders' as stream, key, timestamp '2026-03-01 10:00:00' + to_days((blob_id - 1)::int) as fetched_at from answers;"+string(before)); err != nil {
		t.Fatal(err)
	}
	src := svea.Source()
	for _, m := range src.Models {
		if m.Temp != "" && (m.Stream == "orders") == strings.HasPrefix(entity, "document") {
			text, err := fs.ReadFile(src.Files, m.File)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Exec(ctx, "create or replace temp table "+m.Temp+" as "+string(text)); err != nil {
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

// same fails the test unless got is what was wanted.
func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s mismatch (-want +got):\n%s", what, diff)
	}
}

// sample is a file of the reference material; without it the test is skipped.
func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "svea", name))
	if err != nil {
		t.Skipf("the provider's samples are not beside the repository: %v", err)
	}
	return string(b)
}

// report is the report of 6 March 2026 with one client, SEK unless the report says otherwise.
func report(totals string, rows ...string) answer {
	return answer{Key: "report/2026-03-06", Body: `{"totalNrOfRows": 1, "clientReports": [{"clientId": 99001, "reconciliationDate": "2026-03-06T00:00:00", "recipientBankAccountNo": "123-4567",
		"paymentReport": {"currency": "SEK", ` + totals + `}, "rows": [` + strings.Join(rows, ", ") + `]}]}`}
}

const lineMoney = `select concat_ws(' ', concat_ws('/', provider_type, provider_detail), coalesce(gross_minor::varchar, '?'), fee_minor, fee_vat_minor, coalesce(net_minor::varchar, '?'), 'off ' || row_off_minor) from rows
	where coalesce(net_minor = gross_minor - fee_minor - fee_vat_minor, true) order by row_no, provider_type desc`

func TestPayoutLines(t *testing.T) {
	fee := func(typ string, ex, vat, paid int) string {
		return fmt.Sprintf(`{"type": %q, "amountExcludingVat": %d, "vatAmount": %d, "sveaPaidAmount": %d}`, typ, ex, vat, paid)
	}
	row := func(typ string, nominal, paid int, fees ...string) string {
		return fmt.Sprintf(`{"rowType": %q, "nominalAmount": %d, "sveaPaidAmount": %d, "sveaCheckoutId": 9, "fees": [%s]}`, typ, nominal, paid, strings.Join(fees, ", "))
	}
	for _, tt := range []struct {
		name string
		row  string
		want []string // word, gross, fee, fee VAT, net
	}{
		{"a sale without a fee", row("Order", 125000, 125000), []string{"Order 125000 0 0 125000"}},
		{"a sale less its fee", row("Order", 125000, 123500, fee("Credit", 1500, 0, -1500)), []string{"Order 125000 1500 0 123500"}},
		{"fees are summed, their VAT is as stated", row("Order", 49900, 47527, fee("Admin", 900, 225, -1125), fee("Credit", 1248, 0, -1248)), []string{"Order 49900 2148 225 47527"}},
		{"VAT is never computed", row("Order", 10000, 8751, fee("Admin", 1000, 249, -1249)), []string{"Order 10000 1000 249 8751"}},
		{"a credit", row("Credit", -25000, -25000), []string{"Credit -25000 0 0 -25000"}},
		{"a credit gives its fee back", row("Credit", -25000, -24700, fee("Credit", -300, 0, 300)), []string{"Credit -25000 -300 0 -24700"}},
		{"an invoice taken back", row("Regression", -40000, -40000), []string{"Regression -40000 0 0 -40000"}},
		{"a cost by its amount", row("Cost", -500, -500), []string{"Cost -500 0 0 -500"}},
		{"a cost by its fees", row("Cost", 0, -625, fee("Postage", 500, 125, -625)), []string{"Cost 0 500 125 -625"}},
		{"kickback is income", row("Kickback", 700, 700), []string{"Kickback 700 0 0 700"}},
		{"a deposit", row("Deposit", -5000, -5000), []string{"Deposit -5000 0 0 -5000"}},
		{"a word in another case", row("ORDER", 1, 1), []string{"Order 1 0 0 1"}},
		{"a word nobody knows", row("Surprise", -7, -7), []string{"Surprise -7 0 0 -7"}},
		{"interest to us is a fee below zero", row("Order", 1000, 1050, fee("Interest", -50, 0, 50)), []string{"Order 1000 -50 0 1050"}},
		{"fees written with the other sign, as the row proves", row("Order", 1000, 900, fee("Credit", -80, -20, -100)), []string{"Order 1000 80 20 900"}},
		{"a deposit among the fees is no cost", row("Order", 1000, 850, fee("Credit", 50, 0, -50), fee("Deposit", 100, 0, -100)), []string{"Order 1000 50 0 950", "Fee/Deposit -100 0 0 -100"}},
		{"a dismissed invoice is no fee", row("Order", 1000, 950, fee("Credit", 50, 0, -50), fee("Dismissed", 100, 0, 0)), []string{"Order 1000 50 0 950"}},
		{"a dismissed invoice that is deducted", row("Order", 1000, 850, fee("Credit", 50, 0, -50), fee("Dismissed", 100, 0, -100)), []string{"Order 1000 50 0 950", "Fee/Dismissed -100 0 0 -100"}},
		{"fees are not listed one by one", `{"rowType": "Order", "nominalAmount": 1000, "sveaPaidAmount": 875, "totalFeeAmountExcludingVat": 100, "totalFeeVatAmount": 25}`, []string{"Order 1000 100 25 875"}},
		{"no list at all, amounts as texts", `{"rowType": "Order", "nominalAmount": "1000", "sveaPaidAmount": "875", "totalFeeAmountExcludingVat": "100", "totalFeeVatAmount": "25", "fees": null}`, []string{"Order 1000 100 25 875"}},
		{"a row that does not add up is off", row("Order", 1000, 500, fee("Credit", 100, 0, -100)), []string{"Order 1000 100 0 900 off -400"}},
		{"an öre is rounding", row("Order", 1000, 899, fee("Credit", 100, 0, -100)), []string{"Order 1000 100 0 900"}},
		{"an amount that is none", `{"rowType": "Order", "nominalAmount": 12.5, "sveaPaidAmount": 12.5}`, []string{"Order ? 0 0 ?"}},
		{"what is paid is missing", `{"rowType": "Order", "nominalAmount": 1000}`, []string{"Order 1000 0 0 ?"}},
		{"an opening debt", `{"rowType": "OpeningBalanceDebt", "nominalAmount": -1000, "sveaPaidAmount": -1000}`, []string{"OpeningBalanceDebt -1000 0 0 -1000"}},
		{"a closing debt that nobody paid", `{"rowType": "ClosingBalanceDebt", "nominalAmount": 1000, "sveaPaidAmount": 0}`, []string{"ClosingBalanceDebt 1000 0 0 1000"}},
		{"a manual row about nothing is a fee", `{"rowType": "Manual", "nominalAmount": 0, "sveaPaidAmount": -3625, "comment": "Monthly fee", "fees": [` + fee("Service", 2900, 725, -3625) + `]}`, []string{"Manual/FEE 0 2900 725 -3625"}},
		{"a manual row with an amount needs a person", `{"rowType": "Manual", "nominalAmount": -100, "sveaPaidAmount": -100}`, []string{"Manual -100 0 0 -100"}},
		{"a manual row about an order needs a person", `{"rowType": "Manual", "nominalAmount": 0, "sveaPaidAmount": -100, "externalOrderNo": "1001", "fees": [` + fee("Correction", 100, 0, -100) + `]}`, []string{"Manual 0 100 0 -100"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "lines", tt.want, staged(t, "payout_lines", lineMoney, "", report("", tt.row)))
		})
	}
}

func TestPayoutLineKeys(t *testing.T) {
	const query = `select concat_ws('|', payout_id, coalesce(order_key, '-'), coalesce(event_key, '-'), coalesce(order_reference, '-'), coalesce(other_references, '-'), coalesce(method, '-'), currency, event_at, coalesce(text, '-'), locator) from rows`
	for _, tt := range []struct{ name, row, want string }{
		{
			"a sale names its delivery",
			`"rowType": "Order", "sveaCheckoutId": 9000001, "deliveryId": 5500001, "externalOrderNo": "10001", "paymentTransactionId": 8800001, "sveaInvoiceNo": 1110001, "paymentType": "Card", "reconciliationDate": "2026-03-06T00:00:00"`,
			"99001-2026-03-06|9000001|5500001|10001|invoice 1110001|transaction 8800001|card|SEK|2026-03-05 23:00:00|-|$.clientReports[0].rows[0]",
		},
		{
			"a card payment that was tried again, IDs as texts", `"rowType": "Order", "sveaCheckoutId": "9000001", "deliveryId": "0", "externalOrderNo": "29472-WRetry-1", "paymentType": "SVEACARDPAY_PF"`,
			"99001-2026-03-06|9000001|-|29472|29472-WRetry-1|card|SEK|2026-03-05 23:00:00|-|$.clientReports[0].rows[0]",
		},
		{
			"a credit does not name a delivery, even if it says one", `"rowType": "Credit", "sveaCheckoutId": 9000001, "deliveryId": 5500001, "externalOrderNo": "", "comment": " "`,
			"99001-2026-03-06|9000001|-|-|-|-|SEK|2026-03-05 23:00:00|-|$.clientReports[0].rows[0]",
		},
		{
			"a row about nothing, in another currency", `"rowType": "Manual", "currency": "eur", "comment": "Monthly fee", "paymentType": "Admin"`,
			"99001-2026-03-06|-|-|-|-|admin|EUR|2026-03-05 23:00:00|Monthly fee|$.clientReports[0].rows[0]",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "keys", []string{tt.want}, staged(t, "payout_lines", query, "", report("", "{"+tt.row+`, "nominalAmount": 1, "sveaPaidAmount": 1}`)))
		})
	}
}

const payoutFacts = `select concat_ws(' ', payout_id, amount_minor, 'rows', rows_expected_minor, 'off', formula_off_minor, 'from', opening_minor, 'to', closing_minor) from rows order by payout_id`

func TestPayouts(t *testing.T) {
	const sale = `{"rowType": "Order", "nominalAmount": 10000, "sveaPaidAmount": 9875, "fees": [{"type": "Admin", "amountExcludingVat": 100, "vatAmount": 25}]}`
	for _, tt := range []struct {
		name   string
		totals string
		rows   []string
		want   string
	}{
		{"all of it is paid", `"sveaPaidAmountIncludingWithholding": 9875, "nominalAmount": 10000, "feeAmountExcludingVat": 100, "feeVatAmount": 25`, []string{sale}, "9875 rows 9875 off 0 from 0 to 0"},
		{"a debt is deducted", `"sveaPaidAmountIncludingWithholding": 6875, "openingBalanceDebt": -3000, "closingBalanceDebt": 0`, []string{sale}, "6875 rows 9875 off 0 from -3000 to 0"},
		{"a debt is left", `"sveaPaidAmountIncludingWithholding": 0, "openingBalanceDebt": -20000, "closingBalanceDebt": 10125`, []string{sale}, "0 rows 9875 off 0 from -20000 to -10125"},
		{"what reaches the bank includes what is withheld", `"sveaPaidAmountIncludingWithholding": 4875, "sveaPaidAmountExcludingWithholding": 9875`, []string{sale, `{"rowType": "Deposit", "nominalAmount": -5000, "sveaPaidAmount": -5000}`}, "4875 rows 4875 off 0 from 0 to 0"},
		{"one paid amount is stated", `"sveaPaidAmountExcludingWithholding": 9875`, []string{sale}, "9875 rows 9875 off 0 from 0 to 0"},
		{"nominal amounts disagree", `"sveaPaidAmountIncludingWithholding": 9875, "nominalAmount": 11000`, []string{sale}, "9875 rows 9875 off 1000 from 0 to 0"},
		{"fees disagree", `"sveaPaidAmountIncludingWithholding": 9875, "feeAmountExcludingVat": 350`, []string{sale}, "9875 rows 9875 off 250 from 0 to 0"},
		{"VAT disagrees", `"sveaPaidAmountIncludingWithholding": 9875, "feeVatAmount": 0`, []string{sale}, "9875 rows 9875 off -25 from 0 to 0"},
		{
			"rows of debts say what the totals say", `"sveaPaidAmountIncludingWithholding": 0, "openingBalanceDebt": -20000, "closingBalanceDebt": 10125, "nominalAmount": 10000`,
			[]string{`{"rowType": "OpeningBalanceDebt", "nominalAmount": -20000, "sveaPaidAmount": -20000}`, sale, `{"rowType": "ClosingBalanceDebt", "nominalAmount": 10125, "sveaPaidAmount": 10125}`},
			"0 rows 0 off 0 from -20000 to -10125",
		},
		{
			"rows of debts say something else", `"sveaPaidAmountIncludingWithholding": -10125, "openingBalanceDebt": -20000, "closingBalanceDebt": 0`,
			[]string{`{"rowType": "OpeningBalanceDebt", "nominalAmount": -19000, "sveaPaidAmount": -19000}`, sale}, "-10125 rows -9125 off 1000 from -20000 to 0",
		},
		{"nothing but a debt that stays", `"sveaPaidAmountIncludingWithholding": 0, "openingBalanceDebt": -3000, "closingBalanceDebt": 3000`, nil, "0 rows 0 off 0 from -3000 to -3000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "payout", []string{"99001-2026-03-06 " + tt.want}, staged(t, "payouts", payoutFacts, "", report(tt.totals, tt.rows...)))
		})
	}
}

func TestPayoutsOfADay(t *testing.T) {
	const client = `{"clientId": %d, "reconciliationDate": "2026-03-06T00:00:00", "paymentReport": {"currency": %q, "sveaPaidAmountIncludingWithholding": %d}, "rows": []}`
	day := answer{Key: "report/2026-03-06", Body: `{"clientReports": [` + fmt.Sprintf(client, 2, "SEK", 1) + "," + fmt.Sprintf(client, 1, "SEK", 2) + "," + fmt.Sprintf(client, 1, "EUR", 3) + `]}`}
	undated := answer{Key: "report/2026-03-07", Body: `{"clientReports": [{"clientId": 1, "paymentReport": {"currency": "SEK", "sveaPaidAmountIncludingWithholding": 4}}]}`}
	empty := answer{Key: "report/2026-03-08", Body: `{"totalNrOfRows": 0, "clientReports": []}`}
	null := answer{Key: "report/2026-03-09", Body: `{"totalNrOfRows": 0, "clientReports": null}`}
	same(t, "payouts", []string{"1-2026-03-06 3 EUR 2026-03-05 23:00:00", "1-2026-03-06-2 2 SEK 2026-03-05 23:00:00", "1-2026-03-07 4 SEK 2026-03-06 23:00:00", "2-2026-03-06 1 SEK 2026-03-05 23:00:00"},
		staged(t, "payouts", "select concat_ws(' ', payout_id, amount_minor, currency, paid_at) from rows order by payout_id", "", day, undated, empty, null))
	same(t, "parts", []string{"1-2026-03-06 0 of 0", "1-2026-03-06-2 0 of 0", "1-2026-03-07 0 of 0", "2-2026-03-06 0 of 0"},
		staged(t, "payout_parts", "select payout_id || ' ' || lines_here || ' of ' || lines_total from rows order by payout_id", "", day, undated, empty, null))
}

// order is an order with some of its fields set otherwise.
func order(fields string) answer {
	o := map[string]any{
		"Id": 9, "MerchantOrderId": "1001", "OrderStatus": "Delivered", "PaymentType": "Card", "Currency": "SEK", "CreationDate": "2026-03-01T09:00:00",
		"OrderAmount": 12500, "ShippingAddress": map[string]string{"CountryCode": "SE"},
	}
	if err := json.Unmarshal([]byte("{"+fields+"}"), &o); err != nil {
		panic(err) // the test is wrong
	}
	body, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return answer{Key: "order/9", Body: string(body)}
}

const (
	shirt      = `{"OrderRowId": 1, "ArticleNumber": "A", "Quantity": 100, "UnitPrice": 12500, "DiscountPercent": 0, "VatPercent": 2500, "IsCancelled": false}`
	shirtsBack = `{"OrderRowId": 1, "ArticleNumber": "A", "Quantity": -100, "UnitPrice": 12500, "VatPercent": 2500}`
)

func TestDocuments(t *testing.T) {
	const query = `select concat_ws(' ', kind, doc_ref, amount_minor, coalesce(event_at::varchar, 'undated'), case when is_final then 'final' else 'open' end) from rows order by kind, doc_ref`
	for _, tt := range []struct {
		name   string
		fields string
		want   []string
	}{
		{"not delivered", `"OrderStatus": "Open", "Deliveries": null, "OrderRows": [` + shirt + `]`, []string{"order 9 12500 2026-03-01 08:00:00 open"}},
		{
			"delivered: its rows have moved", `"OrderRows": [], "Deliveries": [{"Id": 51, "CreationDate": "2026-03-02T00:30:00", "DeliveryAmount": 12500, "CreditedAmount": 0, "Credits": [], "OrderRows": [` + shirt + `]}]`,
			[]string{"delivery 51 12500 2026-03-01 23:30:00 open", "order 9 12500 2026-03-01 08:00:00 open"},
		},
		{
			"given back whole", `"Deliveries": [{"Id": 51, "CreationDate": "2026-03-02T10:00:00", "DeliveryAmount": 12500, "CreditedAmount": 12500, "OrderRows": [` + shirt + `], "Credits": [{"Amount": -12500, "OrderRows": [` + shirtsBack + `]}]}]`,
			[]string{"delivery 51 12500 2026-03-02 09:00:00 final", "order 9 12500 2026-03-01 08:00:00 final", "refund 51#credit12500 12500 2026-03-01 10:00:00 final"},
		},
		{
			"credits that are alike, one that says its ID and date", `"Deliveries": [{"Id": 51, "CreationDate": "2026-03-02T10:00:00", "DeliveryAmount": 12500, "OrderRows": [` + shirt + `], "Credits": [{"Amount": -100, "OrderRows": []}, {"Amount": -100}, {"CreditId": "1783", "CreationDate": "2026-03-03T10:00:00Z", "Amount": -200}]}]`,
			[]string{"delivery 51 12500 2026-03-02 09:00:00 open", "order 9 12500 2026-03-01 08:00:00 open", "refund 1783 200 2026-03-03 10:00:00 open", "refund 51#credit100 100 2026-03-01 10:00:00 open", "refund 51#credit100.2 100 2026-03-01 10:00:00 open"},
		},
		{
			"an amount was credited and no credit is listed", `"Deliveries": [{"Id": 51, "CreationDate": "2026-03-02T10:00:00", "DeliveryAmount": 12500, "CreditedAmount": 350, "OrderRows": [], "Credits": [{"Amount": -100}]}]`,
			[]string{"delivery 51 12500 2026-03-02 09:00:00 open", "order 9 12500 2026-03-01 08:00:00 open", "refund 51#credit100 100 2026-03-01 10:00:00 open", "refund 51#credited 250 2026-03-01 10:00:00 open"},
		},
		{
			"credits of the order itself", `"Credits": [{"Amount": -100}], "Deliveries": [{"Id": 51, "CreationDate": "2026-03-02T10:00:00", "DeliveryAmount": 12500, "CreditedAmount": 100, "OrderRows": [], "Credits": []}]`,
			[]string{"delivery 51 12500 2026-03-02 09:00:00 open", "order 9 12500 2026-03-01 08:00:00 open", "refund 9#credit100 100 2026-03-01 10:00:00 open"},
		},
		{
			"credits said twice are one", `"Credits": [{"Amount": -100}], "Deliveries": [{"Id": 51, "CreationDate": "2026-03-02T10:00:00", "DeliveryAmount": 12500, "CreditedAmount": 100, "OrderRows": [], "Credits": [{"Amount": -100}]}]`,
			[]string{"delivery 51 12500 2026-03-02 09:00:00 open", "order 9 12500 2026-03-01 08:00:00 open", "refund 51#credit100 100 2026-03-01 10:00:00 open"},
		},
		{"cancelled", `"OrderStatus": "Cancelled", "CancelledAmount": 12500, "Deliveries": []`, []string{"order 9 0 2026-03-01 08:00:00 final"}},
		{"partly cancelled", `"OrderStatus": "Open", "CancelledAmount": 2500`, []string{"order 9 10000 2026-03-01 08:00:00 open"}},
		{"summer time", `"CreationDate": "2026-03-30T09:00:00.1234567", "OrderStatus": "Open"`, []string{"order 9 12500 2026-03-30 07:00:00.123456 open"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "documents", tt.want, staged(t, "documents", query, "", order(tt.fields)))
		})
	}
}

func TestWhoBuysWhere(t *testing.T) {
	const query = `select concat_ws(' ', coalesce(country, 'nowhere'), customer, method, order_number, reference) from rows where kind = 'order'`
	for _, tt := range []struct{ name, fields, want string }{
		{"where the goods went", `"ShippingAddress": {"CountryCode": "fi"}, "BillingAddress": {"CountryCode": "SE"}, "IsCompany": false`, "FI consumer card 1001"},
		{"no shipping address", `"ShippingAddress": null, "BillingAddress": {"CountryCode": "NO"}, "IsCompany": true`, "NO business card 1001"},
		{"no address, and a currency of one country", `"ShippingAddress": null, "BillingAddress": null, "Currency": "DKK"`, "DK consumer card 1001"},
		{"no address, and a currency of many", `"ShippingAddress": null, "BillingAddress": null, "Currency": "EUR"`, "nowhere consumer card 1001"},
		{"tried again", `"MerchantOrderId": "1001-WRetry-12", "PaymentType": "SWISH_PF"`, "SE consumer swish 1001 1001-WRetry-12"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "order", []string{tt.want}, staged(t, "documents", query, "", order(tt.fields)))
		})
	}
}

// A credit has no date of its own: the row that settles it dates it, or when it was first seen.
func TestWhenACreditWas(t *testing.T) {
	const query = `select concat_ws(' ', doc_ref, event_at) from rows where kind = 'refund' and blob_id = (select max(blob_id) from rows) order by doc_ref`
	credits := func(blob int64, list string) answer {
		a := order(`"Deliveries": [{"Id": 51, "CreationDate": "2026-02-02T10:00:00", "DeliveryAmount": 12500, "OrderRows": [], "Credits": [` + list + `]}]`)
		a.BlobID = blob
		return a
	}
	settled := func(at string) known {
		return known("insert into payout_lines by name select 'svea' as source, 'Credit' as provider_type, '9' as order_key, -100 as gross_minor, timestamp '" + at + "' as event_at, uuid() as line_id;")
	}
	const one, two = `{"Amount": -100}`, `{"Amount": -100}, {"Amount": -100}`
	for _, tt := range []struct {
		name   string
		before known
		orders []answer
		want   []string
	}{
		{"first seen", "", []answer{credits(3, one)}, []string{"51#credit100 2026-03-03 10:00:00"}},
		{"seen several times", "", []answer{credits(3, one), credits(5, two)}, []string{"51#credit100 2026-03-03 10:00:00", "51#credit100.2 2026-03-05 10:00:00"}},
		{"settled long ago", settled("2026-02-05 23:00:00"), []answer{credits(3, one)}, []string{"51#credit100 2026-02-05 23:00:00"}},
		{"settled after it was seen", settled("2026-03-05 23:00:00"), []answer{credits(3, one)}, []string{"51#credit100 2026-03-03 10:00:00"}},
		{"each by its own row", settled("2026-02-09 23:00:00") + settled("2026-02-05 23:00:00"), []answer{credits(3, two)}, []string{"51#credit100 2026-02-05 23:00:00", "51#credit100.2 2026-02-09 23:00:00"}},
		{
			"once dated it stays", "insert into documents by name select 'svea' as source, 'refund' as kind, '9' as order_id, '51#credit100' as doc_ref, timestamp '2026-02-20 10:00:00' as event_at;" + settled("2026-02-05 23:00:00"),
			[]answer{credits(3, one)},
			[]string{"51#credit100 2026-02-20 10:00:00"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "credits", tt.want, staged(t, "documents", query, tt.before, tt.orders...))
		})
	}
}

func TestDocumentLines(t *testing.T) {
	const query = `select concat_ws(' ', kind, doc_ref, line_type, reference, quantity, gross_minor, vat_minor, rate_bp) from rows order by kind, doc_ref, line_no`
	row := func(fields string) string {
		return `"Deliveries": [{"Id": 51, "DeliveryAmount": 1, "OrderRows": [{"ArticleNumber": "A", ` + fields + `}]}]`
	}
	for _, tt := range []struct {
		name, fields string
		want         string // of the delivery's row
	}{
		{"quantity and price are times 100", row(`"Quantity": 300, "UnitPrice": 119000, "VatPercent": 2500`), "goods A 3 357000 71400 2500"},
		{"half a metre", row(`"Quantity": 50, "UnitPrice": 9999, "VatPercent": 2500`), "goods A 0 5000 1000 2500"},
		{"an amount off the row", row(`"Quantity": 1000, "UnitPrice": 500000, "DiscountAmount": 1000, "DiscountPercent": 0, "VatPercent": 2500`), "goods A 10 4999000 999800 2500"},
		{"a percent off", row(`"Quantity": 200, "UnitPrice": 9999, "DiscountPercent": 1250, "VatPercent": 1200`), "goods A 2 17498 1875 1200"},
		{"a discount row", row(`"Quantity": 100, "UnitPrice": -5000, "VatPercent": 2500`), "discount A 1 -5000 -1000 2500"},
		{"freight", row(`"Quantity": 100, "UnitPrice": 9900, "VatPercent": 2500, "RowType": "ShippingFee"`), "shipping A 1 9900 1980 2500"},
		{"Finland", row(`"Quantity": 100, "UnitPrice": 12550, "VatPercent": 2550`), "goods A 1 12550 2550 2550"},
		{"figures as texts", row(`"Quantity": "100", "UnitPrice": "12500", "VatPercent": "2500.0"`), "goods A 1 12500 2500 2500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "lines", []string{"delivery 51 " + tt.want}, staged(t, "document_lines", query+"", "", order(tt.fields))[:1])
		})
	}
	t.Run("a cancelled row is none; an order's rows are also the delivered ones", func(t *testing.T) {
		got := staged(t, "document_lines", query, "", order(`"OrderRows": [`+shirt+`, {"Quantity": 100, "UnitPrice": 7, "IsCancelled": true}], "Deliveries": [{"Id": 51, "OrderRows": [`+shirt+`]}]`))
		same(t, "lines", []string{"delivery 51 goods A 1 12500 2500 2500", "order 9 goods A 1 12500 2500 2500", "order 9 goods A 1 12500 2500 2500"}, got)
	})
	for name, credit := range map[string]string{
		"a row given back has a negative quantity":    `{"ArticleNumber": "A", "Quantity": -200, "UnitPrice": 5000, "DiscountAmount": 1000, "VatPercent": 2500}`,
		"its discount may be negative too":            `{"ArticleNumber": "A", "Quantity": -200, "UnitPrice": 5000, "DiscountAmount": -1000, "VatPercent": 2500}`,
		"a new row has a negative price":              `{"ArticleNumber": "A", "Quantity": 200, "UnitPrice": -4500, "VatPercent": 2500}`,
		"a new row says what is credited, unsigned":   `{"ArticleNumber": "A", "Quantity": 200, "UnitPrice": 4500, "VatPercent": 2500}`,
		"a percent off is given back in the same way": `{"ArticleNumber": "A", "Quantity": -200, "UnitPrice": 5000, "DiscountPercent": 1000, "VatPercent": 2500}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := staged(t, "document_lines", query, "", order(`"Deliveries": [{"Id": 51, "Credits": [{"Amount": -9000, "OrderRows": [`+credit+`]}]}]`))
			same(t, "lines", []string{"refund 51#credit9000 goods A 2 9000 1800 2500"}, got)
		})
	}
}

func TestDocumentKeys(t *testing.T) {
	a := order(`"MerchantOrderId": "1001-WRetry-2", "Deliveries": [{"Id": 51, "InvoiceId": 1111271, "Credits": [{"Amount": -100, "CreditId": 1783}]}]`)
	same(t, "keys", []string{
		"delivery 51 event_id=51 order_id=9 order_number=1001 reference=1001-WRetry-2 reference=invoice 1111271",
		"order 9 order_id=9 order_number=1001 reference=1001-WRetry-2",
		"refund 1783 event_id=1783 order_id=9 order_number=1001 reference=1001-WRetry-2",
	}, staged(t, "document_keys", `select kind || ' ' || doc_ref || ' ' || string_agg(key_type || '=' || value, ' ' order by key_type, value) from rows group by kind, doc_ref order by 1`, "", a))
}

// TestSamples reads what the SDKs' fixtures say, where they are beside the repository.
func TestSamples(t *testing.T) {
	const money = `select concat_ws(' ', kind, doc_ref, amount_minor, status) from rows order by kind, doc_ref`
	const sums = `select concat_ws(' ', kind, doc_ref, sum(gross_minor)) from rows group by kind, doc_ref order by 1`
	for _, tt := range []struct {
		file            string
		documents, sums []string
	}{
		{"pmtadmin-order-154234-open.json", []string{"order 154234 428900 OPEN"}, []string{"order 154234 428900"}},
		{"sdk-dotnet-datasample/AdminGetOrder.json", []string{"order 2291662 536800 OPEN"}, []string{"order 2291662 536800"}},
		{"sdk-dotnet-datasample/AdminDeliveredOrder.json", []string{"delivery 5588817 536800 DELIVERED", "order 2291662 536800 DELIVERED"}, []string{"delivery 5588817 536800", "order 2291662 536800"}},
		{"sdk-dotnet-datasample/AdminPartiallyDeliveredOrder.json", []string{"delivery 5588814 179800 OPEN", "order 2291662 536800 OPEN"}, []string{"delivery 5588814 179800", "order 2291662 536800"}},
		{
			"sdk-dotnet-datasample/AdminOrderRowsCredited.json", []string{"delivery 5588835 536800 DELIVERED", "order 2291662 536800 DELIVERED", "refund 5588835#credit536800 536800 DELIVERED"},
			[]string{"delivery 5588835 536800", "order 2291662 536800", "refund 5588835#credit536800 536800"},
		},
		{"sdk-dotnet-datasample/AdminOrderRowCancelled.json", []string{"order 2461913 357000 OPEN"}, []string{"order 2461913 357000"}},
	} {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			a := answer{Key: "order/1", Body: sample(t, tt.file)}
			same(t, "documents", tt.documents, staged(t, "documents", money, "", a))
			same(t, "sums of lines", tt.sums, staged(t, "document_lines", sums, "", a))
		})
	}
	t.Run("a report", func(t *testing.T) {
		a := answer{Key: "report/2024-06-10", Body: sample(t, "synthetic/report-v2-2024-06-10.SYNTHETIC.json")}
		same(t, "payouts", []string{
			"99001-2024-06-10 132290 rows 132290 off 0 from 0 to 0", "99002-2024-06-10 43902 rows 43902 off 0 from 0 to 0", "99003-2024-06-10 0 rows -40000 off 0 from -10000 to -50000",
		}, staged(t, "payouts", payoutFacts, "", a))
		same(t, "sums", []string{"99001-2024-06-10 132290", "99002-2024-06-10 43902", "99003-2024-06-10 -40000"},
			staged(t, "payout_lines", "select payout_id || ' ' || sum(net_minor) from rows group by payout_id order by 1", "", a))
	})
	t.Run("an empty day", func(t *testing.T) {
		a := answer{Key: "report/2024-06-09", Body: sample(t, "synthetic/report-v2-empty-day.SYNTHETIC.json")}
		same(t, "payouts", nil, staged(t, "payouts", payoutFacts, "", a))
	})
}
