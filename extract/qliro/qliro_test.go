package qliro_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/qliro"
	fakeqliro "github.com/kvitt/kvitt/fixtures/sandbox/qliro"
)

// authorization returns what a GET signed with secret carries, without the scheme.
func authorization(t *testing.T, secret string) string {
	t.Helper()
	_, hash, _ := strings.Cut(qliro.Authorization(nil, secret), " ")
	return hash
}

func TestAuthorization(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "auth-test-vectors-computed.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Vectors []struct{ Body, Secret, Authorization string }
	}
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Vectors) < 2 {
		t.Fatalf("%d vectors: %v", len(doc.Vectors), err)
	}
	for _, v := range doc.Vectors {
		if got := qliro.Authorization([]byte(v.Body), v.Secret); got != v.Authorization {
			t.Errorf("%.40q signs as %s, want %s", v.Body, got, v.Authorization)
		}
	}
}

// collect returns the keys of what came, and the errors.
func collect(t *testing.T, x extract.Extractor, r extract.Request) (keys []string, errs []*extract.Error) {
	t.Helper()
	for b, err := range x.Extract(t.Context(), r) {
		if err != nil {
			e, ok := errors.AsType[*extract.Error](err)
			if !ok {
				t.Fatalf("%T is no *extract.Error", err)
			}
			errs = append(errs, e)
			continue
		}
		key := b.Key
		if b.Gone {
			key += " (gone)"
		}
		keys = append(keys, key)
	}
	return keys, errs
}

// server serves h and returns an extractor of it.
func server(t *testing.T, h http.HandlerFunc) extract.Extractor {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return open(t, s.URL, fakeqliro.Secret)
}

func says(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// Queries by date are short, never have today in them, and leave no day out.
func TestPeriods(t *testing.T) {
	day := func(s string) time.Time { d, _ := time.Parse(time.DateOnly, s); return d }
	for _, tt := range []struct {
		name string
		w    extract.Window
		want []string
	}{
		{"one query", extract.Window{Since: day("2026-03-01"), Until: day("2026-04-01")}, []string{"2026/03/01 2026/03/31"}},
		{"today is left out", extract.Window{Since: day("2026-04-01"), Until: day("2026-04-11")}, []string{"2026/04/01 2026/04/09"}},
		{"nothing but today", extract.Window{Since: day("2026-04-10"), Until: day("2026-04-11")}, nil},
		{"a window that begins at midnight in Sweden", extract.Window{Since: day("2026-03-01").Add(-time.Hour), Until: day("2026-03-02").Add(-time.Hour)}, []string{"2026/02/28 2026/03/01"}},
		{"long ones are cut, and share a day", extract.Window{Since: day("2025-12-01"), Until: day("2026-04-01")}, []string{"2025/12/01 2026/01/29", "2026/01/29 2026/03/29", "2026/03/29 2026/03/31"}},
		{"sixty days are one", extract.Window{Since: day("2026-01-01"), Until: day("2026-03-02")}, []string{"2026/01/01 2026/03/01"}},
		{"empty", extract.Window{Since: day("2026-01-01"), Until: day("2026-01-01")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan string, 100)
			x := server(t, func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				asked <- q.Get("FromBatchDate") + " " + q.Get("ToBatchDate")
				says(w, 200, `{"SettlementBatches": []}`)
			})
			if _, errs := collect(t, x, extract.Request{Stream: "payouts", Window: tt.w}); errs != nil {
				t.Fatal(errs[0])
			}
			close(asked)
			got := map[string]bool{}
			for a := range asked {
				got[a] = true
			}
			want := map[string]bool{}
			for _, p := range tt.want {
				want[p] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("queries mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromTheBeginning(t *testing.T) {
	x := server(t, func(w http.ResponseWriter, r *http.Request) {
		from, err1 := time.Parse("2006/01/02", r.URL.Query().Get("FromBatchDate"))
		to, err2 := time.Parse("2006/01/02", r.URL.Query().Get("ToBatchDate"))
		if err1 != nil || err2 != nil || to.Sub(from) > 60*24*time.Hour || to.Before(from) {
			says(w, 400, `{"ErrorCode": "PERIOD_INVALID"}`)
			return
		}
		says(w, 200, `{"SettlementBatches": null}`)
	})
	keys, errs := collect(t, x, extract.Request{Stream: "payouts", Window: extract.Window{Until: now}})
	if errs != nil || len(keys) < 70 || keys[0] != "payouts?from=2014-01-01&to=2014-03-01" {
		t.Errorf("%d queries from %q, errors %v", len(keys), keys[:1], errs)
	}
}

// Where Qliro's day has not ended yet, the last day is left for another run.
func TestYesterdayIsNotSettled(t *testing.T) {
	x := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("ToBatchDate") > "2026/04/08" {
			says(w, 400, `{"ErrorCode": "PERIOD_NOT_SETTLED", "ErrorMessage": "not yet"}`)
			return
		}
		says(w, 200, `{"SettlementBatches": []}`)
	})
	keys, errs := collect(t, x, extract.Request{Stream: "payouts", Window: extract.Window{Since: now.AddDate(0, 0, -9), Until: now}})
	if diff := cmp.Diff([]string{"payouts?from=2026-04-01&to=2026-04-08"}, keys); diff != "" || errs != nil {
		t.Errorf("keys mismatch (-want +got):\n%s\nerrors %v", diff, errs)
	}
}

func TestBatchLinesAreAskedForByNumberAlone(t *testing.T) {
	x := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/checkout/adminapi/v2/settlements/GetSettlementsByBatchId" {
			t.Errorf("path %s", r.URL.Path)
		}
		if diff := cmp.Diff(url.Values{"Id": {"501"}}, r.URL.Query()); diff != "" {
			t.Errorf("query mismatch (-want +got):\n%s", diff)
		}
		says(w, 200, `{"Settlements": []}`)
	})
	keys, errs := collect(t, x, extract.Request{Stream: "payout_lines", IDs: []string{"501/38625/-36750", "501", "no number"}})
	if diff := cmp.Diff([]string{"payout_lines/501?total=38625&less_fees=-36750", "payout_lines/501"}, keys); diff != "" {
		t.Errorf("keys mismatch (-want +got):\n%s", diff)
	}
	if len(errs) != 1 || errs[0].Key != "payout_lines/no%20number" || !errors.Is(errs[0], extract.ErrRefused) {
		t.Errorf("errors %v", errs)
	}
}

// A number asks for an OrderId: an order that merely has it as its reference is another one.
func TestOrdersAreTheOnesAskedFor(t *testing.T) {
	x := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch id := filepath.Base(r.URL.Path); id {
		case "67890", "067890", "W-1001", "12345", "777":
			says(w, 200, `{"OrderId": 67890, "MerchantReference": "`+map[string]string{"W-1001": "w-1001", "12345": "12345"}[id]+`"}`)
		case "1":
			says(w, 404, `{"ErrorCode": "ORDER_NOT_FOUND", "ErrorMessage": "no", "ErrorReference": "x"}`)
		case "2":
			says(w, 400, `{"ErrorCode": "ORDER_NOT_FOUND"}`)
		default:
			says(w, 200, `{"OrderId": "3"}`)
		}
	})
	keys, errs := collect(t, x, extract.Request{Stream: "orders", IDs: []string{"67890", "067890", "W-1001", "12345", "777", "1", "2", "3", ".."}})
	if diff := cmp.Diff([]string{"order/67890", "order/067890", "order/W-1001", "order/1 (gone)", "order/2 (gone)", "order/3"}, keys); diff != "" {
		t.Errorf("keys mismatch (-want +got):\n%s", diff)
	}
	if len(errs) != 3 {
		t.Fatalf("errors %v", errs)
	}
	if e := errs[0]; e.Key != "order/12345" || e.Do != "if that order is meant, ask for 67890" {
		t.Errorf("error %v", e)
	}
	if e := errs[1]; e.Key != "order/777" || !errors.Is(e, extract.ErrMalformed) {
		t.Errorf("error %v", e)
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   error
		says   string
	}{
		{401, `{"ErrorCode": "UNAUTHORIZED"}`, extract.ErrAuth, "api_secret"},
		{400, `{"ErrorCode": "UNAUTHORIZED"}`, extract.ErrAuth, "api_secret"},
		{403, `{"ErrorCode": "FORBIDDEN"}`, extract.ErrAuth, "Admin API"},
		{400, `{"ErrorCode": "PERIOD_INVALID", "ErrorMessage": "The period is\ninvalid", "ErrorReference": "abc"}`, extract.ErrRefused, "PERIOD_INVALID: The period is invalid, reference abc"},
		{404, "<html>", extract.ErrRefused, "base_url"},
		{200, `{"SettlementBatches": {}}`, extract.ErrMalformed, "base_url"},
		{200, `{}`, extract.ErrMalformed, "SettlementBatches"},
	} {
		x := server(t, func(w http.ResponseWriter, r *http.Request) { says(w, tt.status, tt.body) })
		_, errs := collect(t, x, extract.Request{Stream: "payouts", Window: extract.Window{Since: now.AddDate(0, 0, -5), Until: now}})
		if len(errs) != 1 || !errors.Is(errs[0], tt.want) || errs[0].Key != "" || !strings.Contains(errs[0].Error(), tt.says) {
			t.Errorf("%d %s: %v; want %v that says %q", tt.status, tt.body, errs, tt.want, tt.says)
		}
	}
}

func TestOpen(t *testing.T) {
	cfg := func(base, key, secret string) extract.Config {
		return extract.Config{Name: "q", BaseURL: base, Keys: map[string]string{"api_key": key, "api_secret": secret}, Client: patient(), Now: time.Now}
	}
	for _, tt := range []struct {
		name string
		cfg  extract.Config
		want string // in the error; "" for none
	}{
		{"usual", cfg("", "K", "s3cr3t"), ""},
		{"with Qliro's own part of the path", cfg("https://pago.qit.nu/checkout/adminapi/", "K", "s3cr3t"), ""},
		{"no key", cfg("", "", "s3cr3t"), "api_key: is empty"},
		{"a secret with a line break", cfg("", "K", "s3cr3t\n"), "api_secret: holds a line break"},
		{"in the clear", cfg("http://payments.qit.nu", "K", "s3cr3t"), "use https"},
	} {
		_, err := qliro.Open(tt.cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error holds the secret", tt.name)
		}
	}
}

// Qliro's documentation counts /checkout/adminapi to the server; base_url may end there.
func TestBaseAddress(t *testing.T) {
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		says(w, 200, `{"OrderId": 7}`)
	}))
	defer s.Close()
	for _, base := range []string{"/qliro", "/qliro/", "/qliro/checkout/adminapi", "/qliro/checkout/adminapi/v2"} {
		if _, errs := collect(t, open(t, s.URL+base, "s"), extract.Request{Stream: "orders", IDs: []string{"7"}}); errs != nil {
			t.Fatal(errs[0])
		}
	}
	for _, p := range paths {
		if p != "/qliro/checkout/adminapi/v2/orders/7" {
			t.Errorf("path %s", p)
		}
	}
}

func TestPushes(t *testing.T) {
	hook := qliro.Source().Hook
	if !hook.Unsigned {
		t.Error("Qliro signs nothing")
	}
	for body, want := range map[string]string{
		`{"OrderId":12345,"MerchantReference":"R1","Status":"Completed","Timestamp":"2016-03-03T11:43:05.567","NotificationType":"CustomerCheckoutStatus","PaymentTransactionId":1234}`: "12345",
		`{"OrderId":"67890","PaymentTransactionId":685259,"PaymentType":"Capture","Status":"Success"}`:                                                                                  "67890",
		`{"MerchantReference":"R1"}`: "", `{"OrderId":"../1"}`: "", `{"OrderId":1.5}`: "", `no JSON`: "",
	} {
		hints, err := hook.Read(extract.Config{}, extract.Call{Body: []byte(body)})
		if want == "" {
			if !errors.Is(err, extract.ErrMalformed) {
				t.Errorf("%s: %v, %v", body, hints, err)
			}
			continue
		}
		if diff := cmp.Diff([]extract.Hint{{Stream: "orders", ID: want}}, hints); diff != "" || err != nil {
			t.Errorf("%s: %v, hints mismatch (-want +got):\n%s", body, err, diff)
		}
	}
	typ, body := hook.Reply(extract.Call{})
	if typ != "application/json" || string(body) != `{"CallbackResponse":"received"}` {
		t.Errorf("reply %s %s", typ, body)
	}
}
