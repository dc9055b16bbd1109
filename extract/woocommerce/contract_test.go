package woocommerce_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/extracttest"
	"github.com/kvitt/kvitt/extract/woocommerce"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/woocommerce"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 1, 21, 0, 0, 0, time.UTC)

var march = extract.Window{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}

// patient returns the client of real runs, which does not really wait.
func patient() *http.Client {
	return transport.New(transport.Options{
		Now:      func() time.Time { return now },
		Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		MaxTries: 10,
	})
}

func config(base string, keys ...string) extract.Config {
	cfg := extract.Config{Name: "butik", BaseURL: base, Client: patient(), Now: func() time.Time { return now },
		Keys: map[string]string{"consumer_key": fake.Key, "consumer_secret": fake.Secret}}
	for i := 0; i < len(keys); i += 2 {
		cfg.Keys[keys[i]] = keys[i+1]
	}
	return cfg
}

func open(t testing.TB, base string, keys ...string) extract.Extractor {
	t.Helper()
	x, err := woocommerce.Open(config(base, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// shop has n orders of March, the first with the ID 1001.
func shop(n int) *fake.Shop {
	s := fake.New(1, 1000)
	for i := range n {
		at := time.Date(2026, 3, 2, 8, i, 0, 0, time.UTC)
		s.Place(fake.Order{Ship: "SE", Method: "kco", Payment: fmt.Sprintf("pay-%06d", i), Created: at, Paid: at, Completed: at.Add(time.Hour),
			Number: fmt.Sprintf("W-%d", 500+i), Lines: []fake.Line{{Name: "Thing", SKU: "T", Quantity: 1, Gross: 12500, Rate: 2500}}})
	}
	return s
}

func TestContract(t *testing.T) {
	s := shop(320)
	if _, err := s.Refund(1003, fake.Refund{Amount: 500, At: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			if !rightKey {
				return open(t, base, "consumer_secret", "not-the-secret")
			}
			return open(t, base)
		},
		Handler: fake.Serve(s, fake.Options{Prefix: "/butik"}),
		Path:    "/butik",
		Requests: []extract.Request{
			{Stream: "orders", Window: march},
			{Stream: "orders", IDs: []string{"1001", "1002", "1010", "1011", "1012", "1013", "1014", "1015"}},
			{Stream: "refunds", IDs: []string{"1003?modified=2026-03-09T00:00:00&currency=SEK", "1004?currency=SEK", "1005", "1006"}},
			{Stream: "lookup", IDs: []string{"W-501", "#W-502|x", "pay-000003", "1005"}},
		},
		Gone:    extract.Request{Stream: "orders", IDs: []string{"999999"}},
		Secrets: []string{fake.Secret, "not-the-secret", "Y2tfc2FuZGJveDpjc19zYW5kYm94LXNlY3JldA"},
	})
}

// read returns the keys that come, with a ! for what is gone, and the first error.
func read(t *testing.T, x extract.Extractor, r extract.Request) (keys []string, first error) {
	t.Helper()
	for b, err := range x.Extract(t.Context(), r) {
		switch {
		case err != nil && first == nil:
			first = err
		case err == nil && b.Gone:
			keys = append(keys, "!"+b.Key)
		case err == nil:
			keys = append(keys, b.Key)
		}
	}
	return keys, first
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestSitesOfAllKinds(t *testing.T) {
	s := shop(3)
	for _, tt := range []struct {
		name   string
		opt    fake.Options
		suffix string
		keys   []string
	}{
		{"at the root", fake.Options{}, "", nil},
		{"with a slash", fake.Options{}, "/", nil},
		{"in a folder", fake.Options{Prefix: "/en/butik"}, "/en/butik", nil},
		{"the API's own address", fake.Options{}, "/wp-json/wc/v3/", nil},
		{"no pretty permalinks, found out", fake.Options{Plain: true}, "", nil},
		{"no pretty permalinks, in a folder", fake.Options{Plain: true, Prefix: "/butik"}, "/butik", nil},
		{"no pretty permalinks, said", fake.Options{Plain: true}, "/index.php?rest_route=/", nil},
		{"signatures only, found out", fake.Options{SignedOnly: true}, "", nil},
		{"signatures only, said", fake.Options{SignedOnly: true, Prefix: "/butik"}, "/butik", []string{"auth", "oauth"}},
		{"signatures and no pretty permalinks", fake.Options{SignedOnly: true, Plain: true}, "/index.php", nil},
		{"keys in the query", fake.Options{}, "", []string{"auth", "query"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := open(t, serve(t, fake.Serve(s, tt.opt))+tt.suffix, tt.keys...)
			got, err := read(t, x, extract.Request{Stream: "orders", Window: march})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"orders?modified_after=2026-02-28T23:59:59&modified_before=2026-04-01T00:00:00&page=1"}, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if got, err := read(t, x, extract.Request{Stream: "refunds", IDs: []string{"1001?a=b"}}); err != nil || !slices.Equal(got, []string{"refunds/1001?a=b"}) {
				t.Errorf("refunds: %q, %v", got, err)
			}
		})
	}
}

func TestIDs(t *testing.T) {
	x := open(t, serve(t, fake.Serve(shop(5), fake.Options{})))
	got, err := read(t, x, extract.Request{Stream: "orders", IDs: []string{"1002", "W-503", "#W-504", "999", "nothing", "1002"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"order/1002", "order/1004", "order/1005", "!order/999", "!order/nothing"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	got, err = read(t, x, extract.Request{Stream: "lookup", IDs: []string{"W-501", "unknown|pay-000002", "1004", "unknown", "   "}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"order/1002", "order/1003", "order/1004", "!lookup/unknown?on=2026-04-01"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// Settings that the staging SQL needs are in the keys, and only where they are not the default.
func TestSettingsAreInKeys(t *testing.T) {
	url := serve(t, fake.Serve(shop(1), fake.Options{}))
	x := open(t, url, "delivered_when", "wc-Completed, shipped", "vat_country", "billing")
	got, _ := read(t, x, extract.Request{Stream: "orders", IDs: []string{"1001"}})
	if diff := cmp.Diff([]string{"order/1001?delivered=completed,shipped&vat_country=billing"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	x = open(t, url, "delivered_when", "completed", "vat_country", "shipping")
	if got, _ := read(t, x, extract.Request{Stream: "orders", IDs: []string{"1001"}}); !slices.Equal(got, []string{"order/1001"}) {
		t.Errorf("keys %q", got)
	}
}

func TestTrouble(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		is   error
		says string
	}{
		{"a warning before the JSON", fake.Serve(shop(1), fake.Options{Warnings: true}).ServeHTTP, extract.ErrMalformed, "WP_DEBUG_DISPLAY"},
		{"a byte order mark", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "\xef\xbb\xbf[]") }, extract.ErrMalformed, "byte order mark"},
		{"WooCommerce is not active", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"code":"rest_no_route","message":"No route"}`)
		}, extract.ErrRefused, "plugin active"},
		{"an object for a list", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"id": 1}`) }, extract.ErrMalformed, "base_url"},
		{"another address", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://www.example.com/x?consumer_secret=1", http.StatusMovedPermanently)
		}, extract.ErrRefused, "https://www.example.com;"},
		{"a firewall", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403); fmt.Fprint(w, "<html>") }, extract.ErrAuth, "firewall"},
		{"a cache that looks at no page", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-WP-TotalPages", "3")
			fmt.Fprint(w, `[{"id":1}]`)
		}, extract.ErrMalformed, "caches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(t, open(t, serve(t, tt.h)), extract.Request{Stream: "orders", Window: march})
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("err = %v, want %v saying %q", err, tt.is, tt.says)
			}
		})
	}
}

// When an order leaves the list while it is read, others move up, past the page that is asked for
// next: the list is read again.
func TestAListThatGetsShorterIsReadAgain(t *testing.T) {
	s := shop(250)
	h := fake.Serve(s, fake.Options{})
	asked := 0
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 2 {
			if err := s.Change(1001, func(o *fake.Order) { o.Deleted = o.Completed }); err != nil {
				t.Error(err)
			}
		}
		h.ServeHTTP(w, r)
	}))
	seen := map[string]bool{}
	for b, err := range open(t, url).Extract(t.Context(), extract.Request{Stream: "orders", Window: march}) {
		if err != nil {
			t.Fatal(err)
		}
		for id := 1001; id <= 1250; id++ {
			if strings.Contains(string(b.Body), fmt.Sprintf(`"id":%d,`, id)) {
				seen[fmt.Sprint(id)] = true
			}
		}
	}
	if len(seen) != 250 {
		t.Errorf("%d orders were seen, want 250", len(seen))
	}
}

// Without X-WP-TotalPages, which some proxies drop, pages are read until one is not full.
func TestPagesWithoutATotal(t *testing.T) {
	h := fake.Serve(shop(200), fake.Options{})
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		w.Write(rec.Body.Bytes())
	}))
	got, err := read(t, open(t, url), extract.Request{Stream: "orders", Window: march})
	if err != nil || len(got) != 2 {
		t.Errorf("%q, %v: want two pages", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, base string
		keys       []string
		says       string
	}{
		{"no address", "", nil, "base_url"},
		{"plain HTTP to the world", "http://shop.example.com", nil, "https"},
		{"a password in the address", "https://me:secretword@shop.example.com", nil, "keys of their own"},
		{"a query", "https://shop.example.com/?lang=sv", nil, "query"},
		{"no key", "https://shop.example.com", []string{"consumer_key", ""}, "consumer_key"},
		{"a blank in the secret", "https://shop.example.com", []string{"consumer_secret", " x"}, "blank"},
		{"a status that is none", "https://shop.example.com", []string{"delivered_when", "Färdig!"}, "delivered_when"},
		{"a country that is none", "https://shop.example.com", []string{"vat_country", "Sverige"}, "vat_country"},
		{"a way that is none", "https://shop.example.com", []string{"auth", "jwt"}, "auth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := woocommerce.Open(config(tt.base, tt.keys...))
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secretword") {
				t.Errorf("err = %v, want one about %q", err, tt.says)
			}
		})
	}
}

func TestHook(t *testing.T) {
	hook := woocommerce.Source().Hook
	cfg := config("https://shop.example.com", "webhook_secret", "hush")
	sign := func(body, secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	const body = `{"id":727,"status":"completed"}`
	// Computed with openssl: printf '%s' BODY | openssl dgst -sha256 -hmac hush -binary | base64
	if got := sign(body, "hush"); got != "v6mrN6lawYBQtpeUj3kb2FlUvJCJnie9cnePKF4VY60=" {
		t.Fatalf("the vector is %s", got)
	}
	for _, tt := range []struct {
		name, body, signature, topic string
		want                         []extract.Hint
		is                           error
	}{
		{"an order", body, sign(body, "hush"), "order.updated", []extract.Hint{{Stream: "orders", ID: "727"}}, nil},
		{"a deleted one", `{"id":727}`, sign(`{"id":727}`, "hush"), "order.deleted", []extract.Hint{{Stream: "orders", ID: "727"}}, nil},
		{"a product", `{"id":9}`, sign(`{"id":9}`, "hush"), "product.updated", nil, nil},
		{"the ping", "webhook_id=12", "", "", nil, nil},
		{"no signature", body, "", "order.updated", nil, extract.ErrAuth},
		{"another secret", body, sign(body, "loud"), "order.updated", nil, extract.ErrAuth},
		{"another body", body + " ", sign(body, "hush"), "order.updated", nil, extract.ErrAuth},
		{"no base64", body, "!", "order.updated", nil, extract.ErrAuth},
		{"a ping with more in it", "webhook_id=12&id=3", "", "", nil, extract.ErrAuth},
		{"no order", `{"status":1}`, sign(`{"status":1}`, "hush"), "order.updated", nil, extract.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := extract.Call{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: []byte(tt.body), At: now}
			if tt.signature != "" {
				call.Header.Set("X-WC-Webhook-Signature", tt.signature)
			}
			call.Header.Set("X-WC-Webhook-Topic", tt.topic)
			got, err := hook.Read(cfg, call)
			if !errors.Is(err, tt.is) || tt.is == nil && err != nil {
				t.Fatalf("err = %v, want %v", err, tt.is)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := hook.Read(config("https://shop.example.com"), extract.Call{Header: http.Header{}, Body: []byte(body)}); !errors.Is(err, extract.ErrAuth) {
		t.Errorf("without a secret: %v, want ErrAuth", err)
	}
}

// A number is counted in every shop: an order that a payout line calls by nothing else is taken only where its money is the line's.
func TestALookUpByNumberLooksAtTheAmount(t *testing.T) {
	s := shop(5) // 125.00 SEK each
	if _, err := s.Refund(1003, fake.Refund{Amount: 500, At: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	x := open(t, serve(t, fake.Serve(s, fake.Options{})))
	for _, tt := range []struct{ id, want string }{
		{"W-501?minor=12500&currency=SEK", "order/1002"},
		{"1002?minor=12500&currency=SEK", "order/1002"},
		{"W-501?minor=12400&currency=SEK", "!lookup/W-501?minor=12400&currency=SEK&on=2026-04-01"},
		{"1002?minor=12400&currency=SEK", "!lookup/1002?minor=12400&currency=SEK&on=2026-04-01"},
		{"1002?minor=12500&currency=EUR", "!lookup/1002?minor=12500&currency=EUR&on=2026-04-01"},
		{"W-502?minor=-500&currency=SEK", "order/1003"},
		{"W-502?minor=-600&currency=SEK", "!lookup/W-502?minor=-600&currency=SEK&on=2026-04-01"},
		{"W-503?minor=-600&currency=SEK", "order/1004"}, // some versions name no refunds
		{"unknown|pay-000003?minor=9900&currency=SEK", "order/1004"},
	} {
		got, err := read(t, x, extract.Request{Stream: "lookup", IDs: []string{tt.id}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
			t.Errorf("%s: keys (-want +got):\n%s", tt.id, diff)
		}
	}
}
