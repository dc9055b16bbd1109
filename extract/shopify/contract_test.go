package shopify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/extracttest"
	"github.com/kvitt/kvitt/extract/shopify"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/shopify"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 1, 21, 0, 0, 0, time.UTC)

var march = extract.Window{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}

func day(d, hour int) time.Time { return time.Date(2026, 3, d, hour, 0, 0, 0, time.UTC) }

// open returns an extractor of the shop at base, with the client of real runs, which does not really wait.
func open(t testing.TB, base, token string) extract.Extractor {
	t.Helper()
	x, err := shopify.Open(extract.Config{
		Name: "shop-se", BaseURL: base, Keys: map[string]string{"shop": "exempel", "access_token": token},
		Client: transport.New(transport.Options{Now: func() time.Time { return now }, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, MaxTries: 10}),
		Now:    func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// small is a shop with a few ordinary orders, each paid, sent and half of them refunded.
func small(t testing.TB) *fake.World {
	t.Helper()
	w := fake.New("exempel", 1)
	for i := range 6 {
		id := w.Place(fake.Order{Placed: day(2+i, 9), Country: "SE", Shipping: 4900, Items: []fake.Item{{SKU: "A", Quantity: 2, Price: 12550, Rate: 2500}}})
		pay := fmt.Sprintf("c2041282969%d.1", 1000+i)
		tx, err := w.Pay(id, "klarna", pay, 30000, day(2+i, 9), nil)
		ok(t, err)
		ok(t, w.Ship(id, nil, day(3+i, 9)))
		if i%2 == 0 {
			_, _, err := w.Refund(id, fake.Refund{Units: map[int]int64{0: 1}}, day(5+i, 9))
			ok(t, err)
		}
		for j := range 10 {
			w.Settle(fake.Payout{Issued: day(4+i, j), Rows: []fake.Row{{Type: "CHARGE", Amount: 30000, Fee: 600, At: day(3+i, 9), Order: id, Tx: tx}}})
		}
	}
	return w
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	w := small(t)
	ids := w.IDs()
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			if !rightKey {
				return open(t, base, "shpat_not-the-token")
			}
			return open(t, base, fake.Token)
		},
		Handler: fake.Handler(w, fake.Options{Prefix: "/shopify"}),
		Path:    "/shopify",
		Requests: []extract.Request{
			{Stream: "orders", Window: march},
			{Stream: "orders", IDs: []string{ids[0], "gid://shopify/Order/" + ids[1], w.NameOf(ids[2]), strings.TrimPrefix(w.NameOf(ids[3]), "#")}},
			{Stream: "lookups", IDs: []string{"c20412829691000.1", "c20412829691001.1"}},
			{Stream: "payouts", Window: march},
		},
		Gone:    extract.Request{Stream: "orders", IDs: []string{"999"}},
		Secrets: []string{fake.Token, "shpat_not-the-token"},
	})
}

// read returns the blobs of r and its errors.
func read(t testing.TB, x extract.Extractor, r extract.Request) (blobs []extract.Blob, errs []error) {
	t.Helper()
	for b, err := range x.Extract(t.Context(), r) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		blobs = append(blobs, b)
	}
	return blobs, errs
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// large is a shop with one order that fits into no single answer: every connection has more than a page.
func large(t testing.TB) (*fake.World, string) {
	t.Helper()
	w := fake.New("exempel", 2)
	o := fake.Order{Placed: day(2, 9), Country: "SE", Shipping: 4900}
	for i := range 130 {
		o.Items = append(o.Items, fake.Item{SKU: fmt.Sprint("S", i), Quantity: 2, Price: int64(100 + i), Rate: 2500})
	}
	id := w.Place(o)
	for i := range 9 {
		_, err := w.Pay(id, "klarna", fmt.Sprintf("pay%dxyz", i), 100, day(2, 10), nil)
		ok(t, err)
	}
	for i := range 7 {
		units := map[int]int64{}
		for j := range 15 {
			units[i*15+j] = 1
		}
		ok(t, w.Ship(id, units, day(3, i)))
		_, _, err := w.Refund(id, fake.Refund{Units: map[int]int64{i: 1}}, day(4, i))
		ok(t, err)
	}
	for i := range 6 {
		ok(t, w.Edit(id, []fake.Item{{SKU: fmt.Sprint("E", i), Quantity: 1, Price: 500, Rate: 1200}}, nil, day(5, i)))
	}
	return w, id
}

func TestEveryPageOfAnOrderIsRead(t *testing.T) {
	w, id := large(t)
	for _, limit := range []int{1000, 300} { // a shop that counts costs higher than we do
		x := open(t, serve(t, fake.Handler(w, fake.Options{MaxCost: limit})), fake.Token)
		blobs, errs := read(t, x, extract.Request{Stream: "orders", IDs: []string{id}})
		if len(errs) > 0 || len(blobs) != 1 {
			t.Fatalf("%d blobs, %v", len(blobs), errs)
		}
		if blobs[0].Type != extract.Sequence {
			t.Fatalf("type %q, want several answers", blobs[0].Type)
		}
		all := string(blobs[0].Body)
		for what, n := range map[string]int{"gid://shopify/LineItem/": 136, "gid://shopify/Sale/": 131 + 7 + 6, "gid://shopify/Refund/": 7, "gid://shopify/FulfillmentLineItem/": 105, "gid://shopify/OrderTransaction/": 16} {
			if got := distinct(all, what); got != n {
				t.Errorf("limit %d: %d of %s, want %d", limit, got, what, n)
			}
		}
	}
}

func distinct(text, prefix string) int {
	seen := map[string]bool{}
	for _, part := range strings.Split(text, prefix)[1:] {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		seen[part[:end]] = true
	}
	return len(seen)
}

func TestAThrottledShopIsReadWithoutBeingRefusedAllTheTime(t *testing.T) {
	w := small(t)
	refused := 0
	h := fake.Handler(w, fake.Options{Maximum: 1000, Restore: 2000, Clock: time.Now, Throttled: func() { refused++ }})
	blobs, errs := read(t, open(t, serve(t, h), fake.Token), extract.Request{Stream: "orders", Window: march})
	if len(errs) > 0 || len(blobs) != 6 {
		t.Fatalf("%d orders, %v", len(blobs), errs)
	}
	if refused > 5 {
		t.Errorf("%d requests were refused", refused)
	}
}

func TestWhatTheAppMayNotSeeIsSaid(t *testing.T) {
	w := small(t)
	clock := func() time.Time { return now.AddDate(0, 1, 0) }
	for _, tt := range []struct {
		name    string
		scopes  []string
		request extract.Request
		says    string
		blobs   int
	}{
		{"all orders", []string{"read_orders"}, extract.Request{Stream: "orders", Window: extract.Window{Since: day(1, 0).AddDate(0, -6, 0), Until: now.AddDate(0, 1, 0)}}, "read_all_orders", 5},
		{"an old order", []string{"read_orders"}, extract.Request{Stream: "orders", IDs: []string{"12345"}}, "read_all_orders", 0},
		{"orders", []string{"read_products"}, extract.Request{Stream: "orders", Window: march}, "read_orders", 0},
		{"payouts", []string{"read_orders"}, extract.Request{Stream: "payouts", Window: march}, "read_shopify_payments_payouts", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := open(t, serve(t, fake.Handler(w, fake.Options{Scopes: tt.scopes, Now: clock})), fake.Token)
			blobs, errs := read(t, x, tt.request)
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), tt.says) || len(blobs) != tt.blobs {
				t.Errorf("%d blobs, errors %v; want %d and one that names %s", len(blobs), errs, tt.blobs, tt.says)
			}
		})
	}
}

// A payout line may name the payment, as it is or decorated, or the order. An order's name is counted in every shop, so that
// the money must be the line's too.
func TestLookUps(t *testing.T) {
	w := small(t)
	x := open(t, serve(t, fake.Handler(w, fake.Options{})), fake.Token)
	first := w.IDs()[0]
	name := w.NameOf(first) // 300.00 SEK, 125.50 of it given back
	for _, tt := range []struct {
		id    string
		found bool
	}{
		{"c20412829691000.1", true}, {"c20412829691000.1?minor=1&currency=EUR", true}, {"20412829691000", true}, {"20412829691999", false},
		{name + "?minor=30000&currency=SEK", true}, {strings.TrimPrefix(name, "#") + "?minor=30000&currency=SEK", true}, {name + "?minor=-12550&currency=SEK", true},
		{name, false}, {name + "?minor=30001&currency=SEK", false}, {name + "?minor=30000&currency=EUR", false}, {name + "?minor=-30000&currency=SEK", false}, {name + "?minor=12550&currency=SEK", false},
	} {
		blobs, errs := read(t, x, extract.Request{Stream: "lookups", IDs: []string{tt.id}})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if found := len(blobs) == 1 && blobs[0].Key == "order/"+first; found != tt.found || len(blobs) > 1 {
			t.Errorf("%s: %d answers, found %v, want %v", tt.id, len(blobs), found, tt.found)
		}
	}
}
