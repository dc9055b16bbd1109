package klarna_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/klarna"
	"github.com/kvitt/kvitt/fixtures/sandbox"
)

// collect returns the keys of what came, and the errors.
func collect(x extract.Extractor, ctx context.Context, r extract.Request) (keys []string, errs []*extract.Error) {
	for b, err := range x.Extract(ctx, r) {
		if err != nil {
			e, _ := errors.AsType[*extract.Error](err)
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
	return open(t, s.URL, sandbox.Password)
}

func TestBasicAuth(t *testing.T) {
	b, err := os.ReadFile("testdata/auth-test-vectors-computed.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Vectors []struct{ Username, Password, Authorization string }
	}
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Vectors) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, v := range doc.Vectors {
		var got string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
		t.Cleanup(s.Close)
		x, err := klarna.Open(extract.Config{
			Name: "k", BaseURL: s.URL, Keys: map[string]string{"username": v.Username, "password": v.Password},
			Client: patient(), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		collect(x, t.Context(), extract.Request{Stream: "orders", IDs: []string{"a"}})
		if got != v.Authorization {
			t.Errorf("Authorization = %q, want %q", got, v.Authorization)
		}
	}
}

func TestWhatIsAsked(t *testing.T) {
	at := func(s string) time.Time {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err)
		}
		return t
	}
	for _, tt := range []struct {
		name  string
		r     extract.Request
		query string
		keys  []string
	}{
		{
			name:  "a window of whole days is sent with the last second of its last",
			r:     extract.Request{Stream: "payouts", Window: march},
			query: "/settlements/v1/payouts?end_date=2026-03-31T23:59:59Z&offset=0&size=500&start_date=2026-03-01T00:00:00Z",
			keys:  []string{"payouts?since=2026-03-01&until=2026-03-31&offset=0"},
		},
		{
			name:  "one day",
			r:     extract.Request{Stream: "payouts", Window: extract.Window{Since: at("2026-03-01T00:00:00Z"), Until: at("2026-03-02T00:00:00Z")}},
			query: "/settlements/v1/payouts?end_date=2026-03-01T23:59:59Z&offset=0&size=500&start_date=2026-03-01T00:00:00Z",
			keys:  []string{"payouts?since=2026-03-01&until=2026-03-01&offset=0"},
		},
		{
			name:  "a window without a beginning begins before Klarna's settlements do",
			r:     extract.Request{Stream: "payouts", Window: extract.Window{Until: march.Until}},
			query: "/settlements/v1/payouts?end_date=2026-03-31T23:59:59Z&offset=0&size=500&start_date=2010-01-01T00:00:00Z",
			keys:  []string{"payouts?since=2010-01-01&until=2026-03-31&offset=0"},
		},
		{
			name:  "a window of Stockholm's days keeps its seconds, in UTC",
			r:     extract.Request{Stream: "payouts", Window: extract.Window{Since: at("2026-03-01T00:00:00+01:00"), Until: at("2026-03-31T00:00:00.5+02:00")}},
			query: "/settlements/v1/payouts?end_date=2026-03-30T22:00:00Z&offset=0&size=500&start_date=2026-02-28T23:00:00Z",
			keys:  []string{"payouts?since=2026-02-28T23:00:00Z&until=2026-03-30T22:00:00Z&offset=0"},
		},
		{name: "an empty window asks nothing", r: extract.Request{Stream: "payouts", Window: extract.Window{Since: march.Until, Until: march.Until}}},
		{
			name:  "a payout by its reference, escaped",
			r:     extract.Request{Stream: "payouts", IDs: []string{"A/B ?c"}},
			query: "/settlements/v1/payouts/A%2FB%20%3Fc",
			keys:  []string{"payout/A%2FB%20%3Fc"},
		},
		{
			name:  "a payout's lines",
			r:     extract.Request{Stream: "payout_lines", IDs: []string{"A&B"}},
			query: "/settlements/v1/transactions?offset=0&payment_reference=A&B&size=500",
			keys:  []string{"payout_lines/A&B?offset=0"},
		},
		{
			name:  "an order, once",
			r:     extract.Request{Stream: "orders", IDs: []string{"o1", "o1"}},
			query: "/ordermanagement/v1/orders/o1",
			keys:  []string{"order/o1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			x := server(t, func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				path := r.URL.EscapedPath()
				sep := "?"
				for _, name := range []string{"end_date", "offset", "payment_reference", "size", "start_date"} {
					if q.Has(name) {
						path += sep + name + "=" + q.Get(name)
						sep = "&"
					}
				}
				asked = append(asked, path)
				switch {
				case strings.HasSuffix(r.URL.Path, "/payouts"):
					io.WriteString(w, `{"payouts":[],"pagination":{"count":0,"total":0,"offset":0}}`)
				case strings.HasSuffix(r.URL.Path, "/transactions"):
					io.WriteString(w, `{"transactions":[],"pagination":{"count":0}}`)
				default:
					id := r.URL.Path[strings.Index(r.URL.Path, "s/")+2:]
					for _, prefix := range []string{"v1/payouts/", "v1/orders/"} {
						id = strings.TrimPrefix(id, prefix)
					}
					fmt.Fprintf(w, `{"order_id":%q,"payment_reference":%[1]q}`, id)
				}
			})
			keys, errs := collect(x, t.Context(), tt.r)
			if errs != nil {
				t.Fatal(errs)
			}
			var want []string
			if tt.query != "" {
				want = []string{tt.query}
			}
			if diff := cmp.Diff(want, asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.keys, keys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

// paged serves n payouts in pages of size, with what mess does to a page.
func paged(n, size int, mess func(offset int, page map[string]any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		list := []any{}
		for i := offset; i < min(offset+size, n); i++ {
			list = append(list, map[string]any{"payment_reference": i})
		}
		pagination := map[string]any{"count": len(list), "total": n, "offset": offset}
		if offset+size < n {
			pagination["next"] = "/next"
		}
		page := map[string]any{"payouts": list, "pagination": pagination}
		if mess != nil {
			mess(offset, page)
		}
		json.NewEncoder(w).Encode(page)
	}
}

func TestPages(t *testing.T) {
	pagination := func(page map[string]any) map[string]any { return page["pagination"].(map[string]any) }
	key := func(offset int) string {
		return fmt.Sprintf("payouts?since=2026-03-01&until=2026-03-31&offset=%d", offset)
	}
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		keys []string
		err  string
	}{
		{name: "several", h: paged(12, 5, nil), keys: []string{key(0), key(5), key(10)}},
		{name: "an exact multiple has no empty page at its end", h: paged(10, 5, nil), keys: []string{key(0), key(5)}},
		{name: "none", h: paged(0, 5, nil), keys: []string{key(0)}},
		{
			name: "without a total, as long as there is a next", keys: []string{key(0), key(5), key(10)},
			h: paged(12, 5, func(_ int, p map[string]any) { delete(pagination(p), "total") }),
		},
		{
			name: "a count that counts what is not there loses nothing", keys: []string{key(0), key(5), key(10)},
			h: paged(12, 5, func(_ int, p map[string]any) { pagination(p)["count"] = 500 }),
		},
		{
			name: "a list that ends early", keys: []string{key(0), key(5)}, err: "the list ends after 8 of 12",
			h: paged(8, 5, func(_ int, p map[string]any) { pagination(p)["total"] = 12 }),
		},
		{
			name: "a page that repeats", keys: []string{key(0)}, err: "the page at offset 1 repeats the one at 0",
			h: paged(12, 5, func(_ int, p map[string]any) {
				p["payouts"] = []any{map[string]any{"payment_reference": "same"}}
			}),
		},
		{
			name: "a page of another place", keys: []string{key(0)}, err: "offset 5 was asked for, 0 came",
			h: paged(12, 5, func(_ int, p map[string]any) { pagination(p)["offset"] = 0 }),
		},
		{name: "no list", err: "payouts is missing", h: paged(1, 5, func(_ int, p map[string]any) { delete(p, "payouts") })},
		{name: "a list that is null", err: "payouts is missing", h: paged(1, 5, func(_ int, p map[string]any) { p["payouts"] = nil })},
		{name: "no pagination", err: "pagination.count is missing", h: paged(1, 5, func(_ int, p map[string]any) { delete(p, "pagination") })},
		{name: "a count that is no whole number", err: "pagination.count is missing", h: paged(1, 5, func(_ int, p map[string]any) { pagination(p)["count"] = "1.5" })},
		{name: "no JSON", err: "not a JSON object", h: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }},
		{name: "two documents", err: "not a JSON object", h: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}{}") }},
		{name: "204", err: "204 No Content where only 200", h: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, errs := collect(server(t, tt.h), t.Context(), extract.Request{Stream: "payouts", Window: march})
			if diff := cmp.Diff(tt.keys, keys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			switch {
			case tt.err == "" && errs != nil:
				t.Errorf("errors: %v", errs)
			case tt.err != "" && (len(errs) != 1 || !errors.Is(errs[0], extract.ErrMalformed) || !strings.Contains(errs[0].Error(), tt.err) || errs[0].Key != ""):
				t.Errorf("errors = %v, want one ErrMalformed with %q", errs, tt.err)
			}
		})
	}
}

// An endless list of ever new pages ends some time.
func TestEndlessList(t *testing.T) {
	var n atomic.Int64
	x := server(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"payouts":[{"n":%d}],"pagination":{"count":1,"next":"more"}}`, n.Add(1))
	})
	_, errs := collect(x, t.Context(), extract.Request{Stream: "payouts", Window: march})
	if len(errs) != 1 || !errors.Is(errs[0], extract.ErrMalformed) || n.Load() > 10_001 {
		t.Errorf("after %d pages: %v", n.Load(), errs)
	}
}

// The next page's address is in the provider's hands; the key is not.
func TestNextOnAnotherHostGetsNothing(t *testing.T) {
	var visits atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { visits.Add(1) }))
	t.Cleanup(other.Close)
	x := server(t, paged(12, 5, func(_ int, page map[string]any) {
		p := page["pagination"].(map[string]any)
		p["next"] = other.URL + "/settlements/v1/payouts?offset=5"
		p["prev"] = other.URL
		for _, e := range page["payouts"].([]any) {
			e.(map[string]any)["transactions"] = other.URL
		}
	}))
	keys, errs := collect(x, t.Context(), extract.Request{Stream: "payouts", Window: march})
	if len(keys) != 3 || errs != nil {
		t.Errorf("%d pages, %v, want 3", len(keys), errs)
	}
	if visits.Load() != 0 {
		t.Errorf("the other host was asked %d times", visits.Load())
	}
}

func TestRefusals(t *testing.T) {
	body := func(code int, s string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code); io.WriteString(w, s) }
	}
	const klarnas = `{"error_code":"BAD_VALUE","error_messages":["size is wrong","so is\noffset"],"correlation_id":"c0ffee"}`
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		r    extract.Request
		want error
		key  string
		says []string
	}{
		{
			name: "what Klarna says is passed on, on one line", h: body(400, klarnas), r: extract.Request{Stream: "payouts", Window: march},
			want: extract.ErrRefused, says: []string{"400 Bad Request, BAD_VALUE: size is wrong; so is offset, correlation ID c0ffee", "klarna-se payouts at /settlements/v1/payouts?offset=0"},
		},
		{name: "one refused order leaves the others", h: body(409, klarnas), r: extract.Request{Stream: "orders", IDs: []string{"a"}}, want: extract.ErrRefused, key: "order/a", says: []string{"/ordermanagement/v1/orders/a"}},
		{
			name: "a wrong key says where the right one is", h: body(401, ""), r: extract.Request{Stream: "orders", IDs: []string{"a"}},
			want: extract.ErrAuth, says: []string{"401 Unauthorized", "merchant portal → Settings → API credentials", "127.0.0.1", "https://api.playground.klarna.com"},
		},
		{name: "a weak key says what it lacks", h: body(403, klarnas), r: extract.Request{Stream: "payout_lines", IDs: []string{"a"}}, want: extract.ErrAuth, says: []string{"403 Forbidden, BAD_VALUE", "let it read settlements and orders"}},
		{name: "a 404 that is not Klarna's is not a document gone", h: body(404, "404 page not found"), r: extract.Request{Stream: "orders", IDs: []string{"a"}}, want: extract.ErrRefused, key: "order/a", says: []string{"check base_url"}},
		{name: "a 404 for the list is no empty list", h: body(404, klarnas), r: extract.Request{Stream: "payouts", Window: march}, want: extract.ErrRefused, says: []string{"check base_url"}},
		{name: "another order than asked for", h: body(200, `{"order_id":"b"}`), r: extract.Request{Stream: "orders", IDs: []string{"a"}}, want: extract.ErrMalformed, key: "order/a", says: []string{`"a" was asked for, "b" came`}},
		{name: "an order without an ID", h: body(200, `{}`), r: extract.Request{Stream: "orders", IDs: []string{"a"}}, want: extract.ErrMalformed, key: "order/a", says: []string{"order_id is missing"}},
		{name: "orders cannot be listed", h: body(500, ""), r: extract.Request{Stream: "orders", Window: march}, want: extract.ErrRefused, says: []string{"no list of orders"}},
		{name: "payout lines cannot be listed", h: body(500, ""), r: extract.Request{Stream: "payout_lines", Window: march}, want: extract.ErrRefused, says: []string{"no list of payout_lines"}},
		{name: "a window without an end", h: body(500, ""), r: extract.Request{Stream: "payouts"}, want: extract.ErrRefused, says: []string{"without an end"}},
		{name: "an ID with a line break", h: body(500, ""), r: extract.Request{Stream: "orders", IDs: []string{"a\nb"}}, want: extract.ErrRefused, key: "order/a%0Ab", says: []string{"control character"}},
		{name: "an ID that climbs", h: body(500, ""), r: extract.Request{Stream: "payouts", IDs: []string{".."}}, want: extract.ErrRefused, key: "payout/.."},
		{name: "no ID", h: body(500, ""), r: extract.Request{Stream: "payout_lines", IDs: []string{""}}, want: extract.ErrRefused, key: "payout_lines/"},
		{name: "an ID without end", h: body(500, ""), r: extract.Request{Stream: "orders", IDs: []string{strings.Repeat("a", 256)}}, want: extract.ErrRefused, key: "order/" + strings.Repeat("a", 256)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, errs := collect(server(t, tt.h), t.Context(), tt.r)
			if len(keys) != 0 || len(errs) != 1 {
				t.Fatalf("%q, %v, want one error", keys, errs)
			}
			e := errs[0]
			if !errors.Is(e, tt.want) || e.Key != tt.key {
				t.Errorf("err = %v with Key %q, want %v with %q", e, e.Key, tt.want, tt.key)
			}
			for _, s := range tt.says {
				if !strings.Contains(e.Error(), s) {
					t.Errorf("%q does not say %q", e, s)
				}
			}
			if strings.ContainsAny(e.Error(), "\n\r") {
				t.Errorf("%q has more than one line", e)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	x := open(t, "http://127.0.0.1:1", sandbox.Password)
	_, errs := collect(x, t.Context(), extract.Request{Stream: "payouts", Window: march})
	if len(errs) != 1 || !errors.Is(errs[0], extract.ErrTransient) || strings.Contains(errs[0].Err.Error(), "start_date") {
		t.Errorf("errors = %v, want one ErrTransient without the query", errs)
	}
}

// Orders come in the order of their IDs, eight at once and no more.
func TestOrdersInParallel(t *testing.T) {
	var under, most atomic.Int64
	x := server(t, func(w http.ResponseWriter, r *http.Request) {
		n := under.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		i, _ := strconv.Atoi(id)
		time.Sleep(time.Duration(3-i%3) * time.Millisecond) // later ones are often ready first
		under.Add(-1)
		fmt.Fprintf(w, `{"order_id":%q}`, id)
	})
	var ids, want []string
	for i := range 60 {
		ids = append(ids, strconv.Itoa(i))
		want = append(want, "order/"+strconv.Itoa(i))
	}
	keys, errs := collect(x, t.Context(), extract.Request{Stream: "orders", IDs: ids})
	if diff := cmp.Diff(want, keys); diff != "" || errs != nil {
		t.Errorf("%v, keys (-want +got):\n%s", errs, diff)
	}
	if most.Load() < 2 || most.Load() > 8 {
		t.Errorf("%d requests at once, want 2 to 8", most.Load())
	}
}

func TestFailingDocuments(t *testing.T) {
	// An order whose ID holds a word fails with it; the rest are there.
	h := func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		switch {
		case strings.Contains(id, "down"):
			w.WriteHeader(503)
		case strings.Contains(id, "gone"):
			w.WriteHeader(404)
			io.WriteString(w, `{"error_code":"NO_SUCH_ORDER","error_messages":[],"correlation_id":"x"}`)
		case strings.Contains(id, "no"):
			w.WriteHeader(409)
		case strings.Contains(id, "key"):
			w.WriteHeader(401)
		case strings.Contains(id, "away"):
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case strings.Contains(id, "mad"):
			io.WriteString(w, "{")
		default:
			fmt.Fprintf(w, `{"order_id":%q}`, id)
		}
	}
	for _, tt := range []struct {
		name string
		ids  string
		keys string
		errs string // Key, or ! for one that concerns everything
	}{
		{"a single one leaves the others", "a down b no c mad d gone e", "a b c d gone(gone) e", "down no mad"},
		{"two in a row are two", "a down1 down2 b down3 down4 c", "a b c", "down1 down2 down3 down4"},
		{"three in a row are all", "a down1 down2 down3 b c d e f g h i j k", "a", "down1 down2 !"},
		{"an answer in between starts the count again", "down1 down2 no down3 down4 gone down5", "gone(gone)", "down1 down2 no down3 down4 down5"},
		{"refusals of single ones never stop", "no1 no2 no3 no4 a", "a", "no1 no2 no3 no4"},
		{"another server in Klarna's place is noticed soon", "away1 away2 away3 away4 a", "", "away1 away2 !"},
		{"a wrong key at once", "a key b c", "a", "!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, errs := collect(server(t, h), t.Context(), extract.Request{Stream: "orders", IDs: strings.Fields(tt.ids)})
			var got []string
			for _, e := range errs {
				k := strings.TrimPrefix(e.Key, "order/")
				if k == "" {
					k = "!"
				}
				got = append(got, k)
			}
			for i := range keys {
				keys[i] = strings.ReplaceAll(strings.TrimPrefix(keys[i], "order/"), " ", "")
			}
			if diff := cmp.Diff(strings.Fields(tt.keys), keys, cmpEmpty); diff != "" {
				t.Errorf("came (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(strings.Fields(tt.errs), got, cmpEmpty); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
		})
	}
}

// cmpEmpty takes no list for an empty one.
var cmpEmpty = cmp.Transformer("some", func(s []string) string { return strings.Join(s, " ") })

// The pages of a payout come all or not at all: half of its lines would be a payout that does not add up.
func TestHalfAPayoutIsNone(t *testing.T) {
	x := server(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("payment_reference") == "BAD" && q.Get("offset") != "0" {
			w.WriteHeader(500)
			return
		}
		fmt.Fprintf(w, `{"transactions":[{"n":%q}],"pagination":{"count":1,"total":2}}`, q.Get("offset"))
	})
	keys, errs := collect(x, t.Context(), extract.Request{Stream: "payout_lines", IDs: []string{"A", "BAD", "B"}})
	if diff := cmp.Diff([]string{"payout_lines/A?offset=0", "payout_lines/A?offset=1", "payout_lines/B?offset=0", "payout_lines/B?offset=1"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if len(errs) != 1 || errs[0].Key != "payout_lines/BAD?offset=1" || !errors.Is(errs[0], extract.ErrTransient) {
		t.Errorf("errors = %v", errs)
	}
}

// The whole month of the sandbox comes through a bad line, each öre of it.
func TestMonthThroughABadLine(t *testing.T) {
	m := sandbox.Month(sandbox.MonthConfig{Orders: 300, AdyenPayments: -1})
	s := httptest.NewServer(sandbox.New(m, sandbox.Options{Faults: []sandbox.Fault{
		{Kind: sandbox.TooMany, Every: 11, RetryAfter: "1"}, {Kind: sandbox.TooMany, Every: 29}, {Kind: sandbox.Unavailable, Every: 31},
		{Kind: sandbox.Reset, Every: 37}, {Kind: sandbox.HalfBody, Every: 41}, {Kind: sandbox.Slow, Every: 43, Delay: time.Millisecond},
	}}))
	t.Cleanup(s.Close)
	x := open(t, s.URL+"/klarna", sandbox.Password)
	var refs []string
	want := make(map[string]int)
	for _, p := range m.Payouts() {
		refs = append(refs, p.Reference)
		want[p.Reference] = len(p.Rows)
	}
	got := make(map[string]int)
	for b, err := range x.Extract(t.Context(), extract.Request{Stream: "payout_lines", IDs: refs}) {
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Transactions []struct {
				Reference string `json:"payment_reference"`
			}
		}
		if err := json.Unmarshal(b.Body, &doc); err != nil {
			t.Fatal(err)
		}
		for _, r := range doc.Transactions {
			got[r.Reference]++
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines per payout (-want +got):\n%s", diff)
	}
	keys, errs := collect(x, t.Context(), extract.Request{Stream: "orders", IDs: m.OrderIDs()})
	if len(keys) != 300 || errs != nil {
		t.Errorf("%d orders, %v", len(keys), errs)
	}
}

// An extractor may be used by several goroutines.
func TestConcurrentUse(t *testing.T) {
	m := sandbox.Month(sandbox.MonthConfig{Orders: 40, AdyenPayments: -1})
	s := httptest.NewServer(sandbox.New(m, sandbox.Options{}))
	t.Cleanup(s.Close)
	x := open(t, s.URL+"/klarna", sandbox.Password)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if keys, errs := collect(x, t.Context(), extract.Request{Stream: "orders", IDs: m.OrderIDs()}); len(keys) != 40 || errs != nil {
				t.Errorf("%d orders, %v", len(keys), errs)
			}
		})
	}
	wg.Wait()
}
