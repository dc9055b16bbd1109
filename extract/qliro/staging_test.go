package qliro_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract/qliro"
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
	macros, err := fs.ReadFile(qliro.Source().Files, qliro.Source().Macros)
	if err != nil {
		return nil, err
	}
	if err := db.Exec(ctx, sql.Macros()+"create temp table valid (blob_id bigint, key varchar, body json); create temp view raw as select * from valid;"); err != nil {
		return nil, err
	}
	return db, db.Exec(ctx, string(macros))
})

// staged runs the staging model of an entity over answers of Qliro, and then query over
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
	if err := db.Exec(ctx, "create or replace temp table valid as select blob_id, key, body::json as body from answers where json_valid(body); create or replace temp view raw as select * from valid"); err != nil {
		t.Fatal(err)
	}
	src := qliro.Source()
	for _, m := range src.Models {
		if m.Temp != "" && strings.HasPrefix(entity, "document") {
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

// batch is the answer with the lines of batch 501, whose header comes to total, less fees to less.
func batch(total, less string, lines ...string) answer {
	return answer{1, "payout_lines/501?total=" + total + "&less_fees=" + less, `{"Settlements": [` + strings.Join(lines, ", ") + `]}`}
}

// line is a settlement line with a date; fields come first.
func line(fields string) string {
	return "{" + fields + `, "CurrencyCode": "SEK", "TransactionCompletedDate": "2026-03-06T00:00:00"}`
}

const lineFigures = `select concat_ws(' ', provider_type, provider_detail, coalesce(gross_minor::varchar, '?'), coalesce(fee_minor::varchar, '?'), coalesce(fee_vat_minor::varchar, '?'), coalesce(net_minor::varchar, '?'))
	from rows order by row_no`

func TestPayoutLines(t *testing.T) {
	for _, tt := range []struct {
		name        string
		total, less string
		lines       []string
		want        []string // type, action, gross, fee, fee VAT, net
	}{
		{"a fee whose VAT is told by its rate only", "9375", "8750", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 1, "Action": 1, "Amount": 6.25, "VatRate": 25.0, "AmountExcludingVat": null`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Fee Credit 0 500 125 -625"}},
		{"a debit is to us, a credit from us, a fee a cost with its VAT beside it", "38625", "36750", []string{
			line(`"Type": "Transaction", "Action": "Debit", "Amount": 655.0`),
			line(`"Type": "Transaction", "Action": "Credit", "Amount": 250.0`),
			line(`"Type": "Fee", "Action": "Credit", "Amount": 18.75, "VatRate": 25.0, "AmountExcludingVat": 15.0`),
		}, []string{"Transaction Debit 65500 0 0 65500", "Transaction Credit -25000 0 0 -25000", "Fee Credit 0 1500 375 -1875"}},
		{"enums as integers", "38625", "36750", []string{
			line(`"Type": 0, "Action": 0, "Amount": 655`), line(`"Type": 0, "Action": 1, "Amount": 250`), line(`"Type": 1, "Action": 1, "Amount": 18.75, "AmountExcludingVat": 15`),
		}, []string{"Transaction Debit 65500 0 0 65500", "Transaction Credit -25000 0 0 -25000", "Fee Credit 0 1500 375 -1875"}},
		{"numbers and enums as text, words in lower case", "38625", "36750", []string{
			line(`"Type": "transaction", "Action": "debit", "Amount": "655.00"`), line(`"Type": "0", "Action": "1", "Amount": "250.000"`), line(`"Type": "FEE", "Action": "CREDIT", "Amount": "18.75"`),
		}, []string{"Transaction Debit 65500 0 0 65500", "Transaction Credit -25000 0 0 -25000", "Fee Credit 0 1875 0 -1875"}},
		{"refunds written with their sign", "40500", "40500", []string{
			line(`"Type": 0, "Action": 0, "Amount": 655`), line(`"Type": 0, "Action": 1, "Amount": -250.00`),
		}, []string{"Transaction Debit 65500 0 0 65500", "Transaction Credit -25000 0 0 -25000"}},
		{"fees that are debits are a cost too", "9000", "8000", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 1, "Action": 0, "Amount": 10`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Fee Debit 0 1000 0 -1000"}},
		{"fees written with a minus", "9000", "8000", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 1, "Action": 1, "Amount": -10, "AmountExcludingVat": -8`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Fee Credit 0 800 200 -1000"}},
		{"a fee given back, told by its action", "9200", "8400", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 1, "Action": 1, "Amount": 10`), line(`"Type": 1, "Action": 0, "Amount": 2, "AmountExcludingVat": 1.6`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Fee Credit 0 1000 0 -1000", "Fee Debit 0 -160 -40 200"}},
		{"a fee given back, told by its sign", "9200", "8400", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 1, "Action": 0, "Amount": 10`), line(`"Type": 1, "Action": 0, "Amount": -2`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Fee Debit 0 1000 0 -1000", "Fee Debit 0 -200 0 200"}},
		{"a batch with nothing but a fee given back: the total says that it is to us", "10200", "10000", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 1, "Action": 0, "Amount": 2`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Fee Debit 0 -200 0 200"}},
		{"a chargeback and one the other way", "7000", "7000", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 2, "Action": 1, "Amount": 50`), line(`"Type": 2, "Action": 0, "Amount": 20`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Chargeback Credit -5000 0 0 -5000", "Chargeback Debit 2000 0 0 2000"}},
		{"a chargeback that the total shows to be from us, whatever its action", "5000", "5000", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 2, "Action": 0, "Amount": 50`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Chargeback Credit -5000 0 0 -5000"}},
		{"where nothing adds up a line is read as usual", "12345", "12345", []string{
			line(`"Type": 0, "Action": 0, "Amount": 100`), line(`"Type": 1, "Action": 0, "Amount": 10`), line(`"Type": 2, "Action": 1, "Amount": 50`),
		}, []string{"Transaction Debit 10000 0 0 10000", "Fee Debit 0 1000 0 -1000", "Chargeback Credit -5000 0 0 -5000"}},
		{"a word nobody mapped is kept", "100", "100", []string{line(`"Type": 7, "Action": 0, "Amount": 1`), line(`"Type": "Adjustment", "Action": 0, "Amount": 0.01`)},
			[]string{"7 Debit 100 0 0 100", "Adjustment Debit 1 0 0 1"}},
		{"an amount of more than two decimals is unknown, never rounded", "100", "100", []string{line(`"Type": 0, "Action": 0, "Amount": 1.005`), line(`"Type": 1, "Action": 1, "Amount": "many"`)},
			[]string{"Transaction Debit ? 0 0 ?", "Fee Credit ? ? ? ?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := staged(t, "payout_lines", lineFigures, batch(tt.total, tt.less, tt.lines...))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPayoutLineKeys(t *testing.T) {
	const query = `select concat_ws('|', payout_id, part, coalesce(order_key, '-'), coalesce(event_key, '-'), coalesce(order_reference, '-'), coalesce(method, '-'), coalesce(country, '-'), coalesce(event_at::varchar, '-'), locator) from rows order by row_no`
	got := staged(t, "payout_lines", query, answer{1, "payout_lines/501?total=1&less_fees=1", `{"Settlements": [
		{"OrderId": 67890, "PaymentTransactionId": 685259, "MerchantOrderReference": "10001", "AcquirerName": "Nets", "PaymentMethodType": "CREDITCARDS", "CountryCode": "se", "Type": 0, "Action": 0, "Amount": 1,
		 "CurrencyCode": "SEK", "TransactionCompletedDate": "2026-03-06T10:00:00", "PspSettlementDate": "2026-03-08T00:00:00"},
		{"OrderId": 0, "PaymentTransactionId": null, "MerchantOrderReference": "", "PaymentMethodType": "QLIRO_INVOICE", "Type": 1, "Action": 1, "Amount": 1, "CurrencyCode": "SEK",
		 "TransactionCompletedDate": "0001-01-01T00:00:00", "PspSettlementDate": "2026/03/08"}]}`})
	want := []string{
		"501|payout_lines/501|67890|685259|10001|nets/creditcards|SE|2026-03-06 09:00:00|$.Settlements[0]",
		"501|payout_lines/501|-|-|-|qliro_invoice|-|2026-03-07 23:00:00|$.Settlements[1]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys mismatch (-want +got):\n%s", diff)
	}
}

func TestPayouts(t *testing.T) {
	got := staged(t, "payouts", `select concat_ws(' ', payout_id, bank_reference, paid_at::date, currency, coalesce(amount_minor::varchar, '?'), coalesce(other_amount_minor::varchar, '-'), locator) from rows order by payout_id`,
		answer{1, "payouts?from=2026-03-01&to=2026-03-31", `{"SettlementBatches": [
			{"Id": 501, "BatchId": "20240610", "AcquirerName": "Qliro", "BatchDate": "2026-03-10T00:00:00", "CurrencyCode": "SEK", "TotalAmount": 386.25, "TotalFeeAmount": 18.75},
			{"Id": "502", "BatchId": "20240610", "BatchDate": "2026/03/10", "CurrencyCode": "sek", "TotalAmount": "-12.5", "TotalFeeAmount": 0},
			{"Id": 503, "BatchId": null, "BatchDate": "2026-03-10T23:30:00Z", "CurrencyCode": "SEK", "TotalAmount": 1.001, "TotalFeeAmount": null}]}`},
		answer{2, "payouts?from=2026-04-01&to=2026-04-02", `{"SettlementBatches": null}`})
	want := []string{"501 20240610 2026-03-10 SEK 38625 36750 $.SettlementBatches[0]", "502 20240610 2026-03-10 SEK -1250 - $.SettlementBatches[1]", "503 2026-03-10 SEK ? - $.SettlementBatches[2]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payouts mismatch (-want +got):\n%s", diff)
	}
}

// No rate is stated: it is between two prices that were each rounded to the öre.
func TestRates(t *testing.T) {
	for _, tt := range []struct {
		country, inc, ex string
		want             string
	}{
		{"SE", "25000", "20000", "2500"},
		{"SE", "99", "79", "2500"}, // 25.3 % as written
		{"SE", "100", "80", "2500"},
		{"SE", "10600", "10000", "600"},
		{"SE", "3000", "2830", "600"},
		{"SE", "11200", "10000", "1200"},
		{"SE", "5000", "5000", "0"},
		{"SE", "-25000", "-20000", "2500"},
		{"SE", "12340", "10000", "2340"}, // no rate of the country's: as the prices say
		{"FI", "12550", "10000", "2550"},
		{"FI", "12400", "10000", "2400"},
		{"FI", "9999", "7967", "2550"},
		{"NO", "11500", "10000", "1500"},
		{"CH", "10810", "10000", "810"}, // rates unknown here, and no whole per cent
		{"CH", "999", "917", "900"},
		{"SE", "100", "0", "?"},
	} {
		db, err := database()
		if err != nil {
			t.Fatal(err)
		}
		got, err := db.Texts(context.Background(), fmt.Sprintf("select coalesce(qliro_rate(%s, %s, '%s')::varchar, '?')", tt.inc, tt.ex, tt.country))
		if err != nil {
			t.Fatal(err)
		}
		if got[0] != tt.want {
			t.Errorf("%s %s/%s is %s, want %s", tt.country, tt.inc, tt.ex, got[0], tt.want)
		}
	}
}

// an order of actions and transactions.
func order(actions, transactions string) answer {
	return answer{1, "order/67890", `{"OrderId": 67890, "MerchantReference": "10001", "Currency": "SEK", "Country": "SE", "OrderItemActions": [` + actions + `], "PaymentTransactions": [` + transactions + `]}`}
}

func action(reference string, quantity int, inc, ex, action, typ string, transaction int) string {
	return fmt.Sprintf(`{"Id": 1, "MerchantReference": %q, "Description": %q, "Quantity": %d, "PricePerItemIncVat": %s, "PricePerItemExVat": %s, "ActionType": %s, "Type": %s, "PaymentTransactionId": %d}`,
		reference, reference, quantity, inc, ex, action, typ, transaction)
}

func transaction(id, original int, typ, amount, status string) string {
	return fmt.Sprintf(`{"PaymentTransactionId": %d, "OriginalPaymentTransactionId": %d, "Type": %s, "Amount": %s, "Currency": "SEK", "Status": %s, "Timestamp": "2026-03-0%dT10:00:00.123", "PaymentMethodName": "CREDITCARDS", "ProviderTransactionId": "P%[1]d"}`,
		id, original, typ, amount, status, id)
}

func TestDocuments(t *testing.T) {
	reserve := action("A", 2, "250.0", "200.0", `"Reserve"`, `"Product"`, 1) + "," + action("B", 1, "106", "100", "1", "0", 1) + "," + action("F", 1, "49.0", "39.2", `"Reserve"`, `"Shipping"`, 1)
	shipped := action("A", 2, "250.0", "200.0", `"Ship"`, `"Product"`, 2) + "," + action("B", 1, "106", "100", "2", "0", 2) + "," + action("F", 1, "49.0", "39.2", `"Ship"`, `3`, 2)
	placed := transaction(1, 0, `"Preauthorization"`, "655.0", `"Success"`)
	captured := placed + "," + transaction(2, 1, `"Capture"`, "655.0", `"Success"`)
	for _, tt := range []struct {
		name                  string
		actions, transactions string
		documents             []string // kind, ref, amount, status, final
		lines                 []string // kind, ref, line type, reference, quantity, gross, VAT, rate
	}{
		{"reserved", reserve, placed, []string{"order 67890 65500 reserved false"},
			[]string{"order 67890 goods A 2 50000 10000 2500", "order 67890 goods B 1 10600 600 600", "order 67890 shipping F 1 4900 980 2500"}},
		{"captured, with enums as integers", reserve + "," + shipped, transaction(1, 0, "0", "655", "4") + "," + transaction(2, 1, "3", "655.00", "4"),
			[]string{"delivery 2 65500 captured false", "order 67890 65500 captured false"},
			[]string{"delivery 2 goods A 2 50000 10000 2500", "delivery 2 goods B 1 10600 600 600", "delivery 2 shipping F 1 4900 980 2500"}},
		{"a capture that failed, one under way, one cancelled", reserve + "," + shipped, placed + "," + transaction(2, 1, `"Capture"`, "655.0", `"Error"`) + "," + transaction(3, 1, "3", "655.0", "1") + "," + transaction(4, 1, "3", "655.0", "6"),
			[]string{"order 67890 65500 reserved false"}, nil},
		{"a part given back, with a return fee", reserve + "," + shipped + "," + action("A", 1, "250", "200", `"Return"`, `"Product"`, 3) + "," + action("R", 1, "50", "40", `"Ship"`, `"Fee"`, 3),
			captured + "," + transaction(3, 2, `"Refund"`, "200.0", `"Success"`),
			[]string{"delivery 2 65500 captured false", "order 67890 65500 captured false", "refund 3 20000 captured false"},
			[]string{"refund 3 goods A 1 25000 5000 2500", "refund 3 surcharge R 1 -5000 -1000 2500"}},
		{"all of it given back, without lines", reserve + "," + shipped, captured + "," + transaction(3, 2, `"Refund"`, "655.0", `"Success"`),
			[]string{"delivery 2 65500 refunded true", "order 67890 65500 refunded true", "refund 3 65500 refunded true"}, nil},
		{"a refund as a credit, with its sign", reserve + "," + shipped, captured + "," + transaction(3, 2, "2", "-55.0", `"Success"`),
			[]string{"delivery 2 65500 captured false", "order 67890 65500 captured false", "refund 3 5500 captured false"}, nil},
		{"a refund as a negative item on the invoice", reserve + "," + shipped + "," + action("Refund", 1, "-100.0", "-80.0", `"Ship"`, `"Product"`, 3),
			captured + "," + transaction(3, 2, `"UpdateInvoice"`, "-100.0", `"Success"`),
			[]string{"delivery 2 65500 captured false", "order 67890 65500 captured false", "refund 3 10000 captured false"}, []string{"refund 3 goods Refund 1 10000 2000 2500"}},
		{"the same, reserved, and the amount without its sign", reserve + "," + shipped + "," + action("Refund", 1, "-100.0", "-80.0", `"Reserve"`, `"Product"`, 3),
			captured + "," + transaction(3, 2, "6", "100.0", `"Success"`),
			[]string{"delivery 2 65500 captured false", "order 67890 65500 captured false", "refund 3 10000 captured false"}, []string{"refund 3 goods Refund 1 10000 2000 2500"}},
		{"an item added to the invoice", reserve + "," + shipped + "," + action("Extra", 1, "100.0", "80.0", `"Ship"`, `"Product"`, 3),
			captured + "," + transaction(3, 2, "6", "100.0", `"Success"`),
			[]string{"delivery 2 65500 captured false", "delivery 3 10000 captured false", "order 67890 65500 captured false"}, []string{"delivery 3 goods Extra 1 10000 2000 2500"}},
		{"cancelled", reserve, placed + "," + transaction(2, 1, `"Reversal"`, "655.0", `"Success"`), []string{"order 67890 65500 cancelled true"}, nil},
		{"a capture reversed is a refund", reserve + "," + shipped, captured + "," + transaction(3, 2, `"Reversal"`, "655.0", `"Success"`),
			[]string{"delivery 2 65500 refunded true", "order 67890 65500 refunded true", "refund 3 65500 refunded true"}, nil},
		{"a later reservation replaces the item list", reserve + "," + action("C", 3, "10", "8", `"Reserve"`, `"Product"`, 2), placed + "," + transaction(2, 1, `"Preauthorization"`, "30", `"Success"`),
			[]string{"order 67890 3000 reserved false"}, []string{"order 67890 goods C 3 3000 600 2500"}},
		{"a later reservation that failed does not", reserve + "," + action("C", 3, "10", "8", `"Reserve"`, `"Product"`, 2), placed + "," + transaction(2, 1, `"Preauthorization"`, "30", `"Error"`),
			[]string{"order 67890 65500 reserved false"}, []string{"order 67890 goods A 2 50000 10000 2500", "order 67890 goods B 1 10600 600 600", "order 67890 shipping F 1 4900 980 2500"}},
		{"paid at once, then sent in part", action("A", 2, "250", "200", "1", "0", 1) + "," + action("A", 1, "250", "200", "2", "0", 1), transaction(1, 0, `"Debit"`, "500", `"Success"`),
			[]string{"delivery 1 25000 part_captured false", "order 67890 50000 part_captured false"}, []string{"delivery 1 goods A 1 25000 5000 2500", "order 67890 goods A 2 50000 10000 2500"}},
		{"paid at once and not sent", action("A", 2, "250", "200", "1", "0", 1), transaction(1, 0, `1`, "500", `"Success"`),
			[]string{"order 67890 50000 reserved false"}, nil},
		{"a discount with its sign, a gift card", action("A", 2, "250", "200", "2", "0", 2) + "," + action("SALE", 1, "-100", "-80", "2", "1", 2) + "," + action("Presentkort 77", 1, "-50", "-50", "2", "1", 2),
			transaction(1, 0, "0", "350", "4") + "," + transaction(2, 1, "3", "350", "4"), []string{"delivery 2 35000 captured false", "order 67890 35000 captured false"},
			[]string{"delivery 2 goods A 2 50000 10000 2500", "delivery 2 discount SALE 1 -10000 -2000 2500", "delivery 2 gift_card Presentkort 77 1 -5000 0 0"}},
		{"a discount without its sign", action("A", 2, "250", "200", "2", "0", 2) + "," + action("SALE", 1, "100", "80", "2", "1", 2),
			transaction(1, 0, "0", "400", "4") + "," + transaction(2, 1, "3", "400", "4"), []string{"delivery 2 40000 captured false", "order 67890 40000 captured false"},
			[]string{"delivery 2 goods A 2 50000 10000 2500", "delivery 2 discount SALE 1 -10000 -2000 2500"}},
		{"a card registered is no money", "", transaction(1, 0, `"Registration"`, "0", `"Success"`), []string{"order 67890 ? reserved false"}, nil},
		{"an amount of three decimals is unknown", "", transaction(1, 0, "0", "1.005", "4") + "," + transaction(2, 1, "3", "1.005", "4"), []string{"delivery 2 ? reserved false", "order 67890 ? reserved false"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := order(tt.actions, tt.transactions)
			got := staged(t, "documents", "select concat_ws(' ', kind, doc_ref, coalesce(amount_minor::varchar, '?'), status, is_final) from rows order by kind, doc_ref", a)
			if diff := cmp.Diff(tt.documents, got); diff != "" {
				t.Errorf("documents mismatch (-want +got):\n%s", diff)
			}
			if tt.lines == nil {
				return
			}
			got = staged(t, "document_lines", "select concat_ws(' ', kind, doc_ref, line_type, reference, quantity, gross_minor, vat_minor, rate_bp) from rows order by kind, doc_ref, line_no", a)
			var kept []string // those of the documents the case is about
			for _, l := range got {
				about := strings.Join(strings.Fields(l)[:2], " ") + " "
				for _, w := range tt.lines {
					if strings.HasPrefix(w, about) {
						kept = append(kept, l)
						break
					}
				}
			}
			if diff := cmp.Diff(tt.lines, kept); diff != "" {
				t.Errorf("lines mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDocumentFacts(t *testing.T) {
	a := answer{1, "order/7", `{"OrderId": "7", "MerchantReference": " 10007 ", "Currency": "sek", "Country": "SE", "Customer": {"JuridicalType": 1}, "ShippingAddress": {"CountryCode": "fi"},
		"OrderItemActions": null, "PaymentTransactions": [` + transaction(1, 0, "1", "10", "4") + "," + transaction(2, 1, "3", "10", "4") + `]}`}
	got := staged(t, "documents", "select concat_ws('|', kind, doc_ref, order_id, order_number, coalesce(reference, '-'), event_at, currency, country, customer, method, changed_at, locator) from rows order by kind, doc_ref", a)
	want := []string{ // Sweden's clock, in winter an hour ahead
		"delivery|2|7|10007|P2|2026-03-02 09:00:00.123|SEK|FI|business|creditcards|2026-03-02 09:00:00.123|$.PaymentTransactions[1]",
		"order|7|7|10007|-|2026-03-01 09:00:00.123|SEK|FI|business|creditcards|2026-03-02 09:00:00.123|$",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents mismatch (-want +got):\n%s", diff)
	}
	got = staged(t, "document_keys", "select concat_ws(' ', kind, key_type, value) from rows order by all", a)
	want = []string{"delivery event_id 1", "delivery event_id 2", "delivery order_id 7", "delivery order_number 10007", "delivery reference P2",
		"order event_id 1", "order order_id 7", "order order_number 10007"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys mismatch (-want +got):\n%s", diff)
	}
}

// The synthetic samples beside the repository, when they are there: words and integers stage alike.
func TestSamples(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "qliro", "synthetic")
	read := func(name, key string) answer {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Skipf("the samples are not here: %v", err)
		}
		return answer{1, key, string(b)}
	}
	for _, name := range []string{"settlement-batch-lines.SYNTHETIC.json", "settlement-batch-lines-int-enums.SYNTHETIC.json"} {
		got := staged(t, "payout_lines", lineFigures, read(name, "payout_lines/501?total=38625&less_fees=36750"))
		want := []string{"Transaction Debit 65500 0 0 65500", "Transaction Credit -25000 0 0 -25000", "Fee Credit 0 1500 375 -1875"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", name, diff)
		}
	}
	got := staged(t, "documents", "select concat_ws(' ', kind, doc_ref, amount_minor) from rows order by all", read("order-67890.SYNTHETIC.json", "order/67890"))
	if diff := cmp.Diff([]string{"delivery 685259 65500", "order 67890 65500", "refund 685260 25000"}, got); diff != "" {
		t.Errorf("documents mismatch (-want +got):\n%s", diff)
	}
}
