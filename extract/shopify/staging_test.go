package shopify_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract/shopify"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// kr is an amount of SEK as the API writes it.
func kr(amount string) string {
	return `{"presentmentMoney": {"amount": "` + amount + `", "currencyCode": "SEK"}}`
}

// Three units at 100.00 were sold, with a journal that gives back of them what the refund says, never sent.
func unsentOrder(more, item, refundTransactions string, quantity int) string {
	tax := func(amount string) string {
		return `[{"amount": ` + kr(amount) + `, "taxLine": {"ratePercentage": 25}}]`
	}
	back := fmt.Sprintf("-%d00.0", quantity)
	return `{"data": {"order": {` + more + `, "id": "gid://shopify/Order/1", "legacyResourceId": "1", "name": "#1001", "processedAt": "2026-03-01T10:00:00Z", "updatedAt": "2026-03-03T10:00:00Z",
		"displayFinancialStatus": "PAID", "displayFulfillmentStatus": "UNFULFILLED", "taxesIncluded": true, "shippingAddress": {"countryCodeV2": "SE"}, "totalPriceSet": ` + kr("300.0") + `,
		"lineItems": {"nodes": [{"id": "gid://shopify/LineItem/7", "quantity": 3, ` + item + `, "requiresShipping": true}]},
		"transactions": [{"id": "gid://shopify/OrderTransaction/5", "kind": "SALE", "status": "SUCCESS", "gateway": "adyen", "paymentId": "r1", "amountSet": ` + kr("300.0") + `}],
		"refunds": [{"id": "gid://shopify/Refund/9", "legacyResourceId": "9", "processedAt": "2026-03-03T10:00:00Z", "transactions": {"nodes": [` + refundTransactions + `]}}],
		"agreements": {"nodes": [
			{"__typename": "OrderAgreement", "id": "a1", "happenedAt": "2026-03-01T10:00:00Z", "reason": "ORDER", "sales": {"nodes": [{"id": "s1", "actionType": "ORDER", "lineType": "PRODUCT", "quantity": 3,
				"lineItem": {"id": "gid://shopify/LineItem/7"}, "totalAmount": ` + kr("300.0") + `, "totalTaxAmount": ` + kr("60.0") + `, "taxes": ` + tax("60.0") + `}]}},
			{"__typename": "RefundAgreement", "id": "a2", "happenedAt": "2026-03-03T10:00:00Z", "reason": "REFUND", "refund": {"id": "gid://shopify/Refund/9"}, "sales": {"nodes": [{"id": "s2", "actionType": "RETURN", "lineType": "PRODUCT",
				"quantity": ` + fmt.Sprint(-quantity) + `, "lineItem": {"id": "gid://shopify/LineItem/7"}, "totalAmount": ` + kr(back) + `, "totalTaxAmount": ` + kr(fmt.Sprintf("-%d0.0", 2*quantity)) + `, "taxes": ` + tax(fmt.Sprintf("-%d0.0", 2*quantity)) + `}]}}]}}}}`
}

// What was taken off an order before it was sent is sold and given back on one day if it was paid, and is nothing if it
// was not, whether or not the shop still counts it among what is to be sent.
func TestUnsentUnitsThatWereTakenBack(t *testing.T) {
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	ok(t, err)
	defer db.Close()
	src := shopify.Source()
	read := func(name string) string {
		b, err := fs.ReadFile(src.Files, name)
		ok(t, err)
		return string(b)
	}
	ok(t, db.Exec(ctx, sql.Macros()+read(src.Macros)+"; create table set_company (country varchar); insert into set_company values ('SE')"))
	refunded := func(amount string) string {
		return `{"id": "gid://shopify/OrderTransaction/6", "kind": "REFUND", "status": "SUCCESS", "gateway": "adyen", "amountSet": ` + kr(amount) + `}`
	}
	const cancelled = `"cancelledAt": "2026-03-03T10:00:00Z"`
	noIDs := strings.NewReplacer(`"id": "s1", `, "", `"id": "s2", `, "").Replace(unsentOrder(cancelled, `"currentQuantity": 0, "unfulfilledQuantity": 3`, refunded("300.0"), 3))
	for _, tt := range []struct {
		name, order string
		want        []string
	}{
		{"cancelled and paid back, to be sent as before", unsentOrder(cancelled, `"currentQuantity": 0, "unfulfilledQuantity": 3`, refunded("300.0"), 3),
			[]string{"delivery cancelled-9 30000", "refund 9 30000"}},
		{"cancelled and paid back, nothing to be sent", unsentOrder(cancelled, `"currentQuantity": 0, "unfulfilledQuantity": 0`, refunded("300.0"), 3),
			[]string{"delivery cancelled-9 30000", "refund 9 30000"}},
		{"cancelled before it was paid", unsentOrder(cancelled, `"currentQuantity": 0, "unfulfilledQuantity": 3`, "", 3), nil},
		{"one of three taken off, to be sent as before", unsentOrder(`"cancelledAt": null`, `"currentQuantity": 2, "unfulfilledQuantity": 3`, refunded("100.0"), 1),
			[]string{"delivery cancelled-9 10000", "refund 9 10000"}},
		{"one of three taken off, two to be sent", unsentOrder(`"cancelledAt": null`, `"currentQuantity": 2, "unfulfilledQuantity": 2`, refunded("100.0"), 1),
			[]string{"delivery cancelled-9 10000", "refund 9 10000"}},
		{"sales without an ID are two, not one", noIDs,
			[]string{"delivery cancelled-9 30000", "refund 9 30000"}},
		{"sales without an ID are two, not one, in several answers", `{"answers": [` + noIDs + `]}`,
			[]string{"delivery cancelled-9 30000", "refund 9 30000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok(t, db.Exec(ctx, "create or replace table answers (blob_id bigint, key varchar, body varchar)"))
			ok(t, db.Insert(ctx, "answers", []map[string]any{{"blob_id": 1, "key": "order/1", "body": tt.order}}))
			ok(t, db.Exec(ctx, "create or replace temp view raw as select blob_id, key, starts_with(body, '{\"answers\"') as is_sequence, body::json as body from answers"))
			ok(t, db.Exec(ctx, read(src.Prepare)))
			got, err := db.Texts(ctx, "with rows as (\n"+read("stg_shopify__documents.sql")+"\n) select concat_ws(' ', kind, doc_ref, amount_minor) from rows where kind <> 'order' order by 1")
			ok(t, err)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
		})
	}
}
