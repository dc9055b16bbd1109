package svea_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/extracttest"
	"github.com/kvitt/kvitt/extract/svea"
	fakesvea "github.com/kvitt/kvitt/fixtures/sandbox/svea"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 1, 21, 0, 0, 0, time.UTC)

// march is the window of the month that the sandbox makes.
var march = extract.Window{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}

const merchant, secret = "123123", "sharedSecret"

// patient returns the client of real runs, which does not really wait.
func patient() *http.Client {
	return transport.New(transport.Options{
		Now:      func() time.Time { return now },
		Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		MaxTries: 10,
	})
}

// open returns an extractor of the Svea at base.
func open(t testing.TB, base, secret string) extract.Extractor {
	t.Helper()
	x, err := svea.Open(extract.Config{
		Name: "svea-se", BaseURL: base, Keys: map[string]string{"merchant_id": merchant, "secret": secret},
		Client: patient(), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestContract(t *testing.T) {
	w := fakesvea.Month(1, 60, merchant, secret)
	var ids []string
	for _, id := range w.OrderIDs()[:20] {
		ids = append(ids, fmt.Sprint(id))
	}
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			if !rightKey {
				return open(t, base, "not-the-secret")
			}
			return open(t, base, secret)
		},
		Handler: fakesvea.Handler(fakesvea.Options{Prefix: "/svea"}, w),
		Path:    "/svea",
		Requests: []extract.Request{
			{Stream: "reports", Window: march},
			{Stream: "reports", IDs: []string{"2026-03-05", "2026-03-06", "2026-03-07"}},
			{Stream: "orders", IDs: ids},
		},
		Gone:    extract.Request{Stream: "orders", IDs: []string{"99"}},
		Secrets: []string{secret, "not-the-secret"},
	})
}

// A signature is what Svea's SDKs make. The vectors are invented, computed by their algorithm, and
// are the same as those beside the repository.
func TestRequestsAreSigned(t *testing.T) {
	var got http.Header
	var query url.Values
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, query = r.Header, r.URL.Query()
		fmt.Fprint(w, `{"totalNrOfRows": 0, "clientReports": []}`)
	}))
	defer srv.Close()
	at := time.Date(2017, 10, 23, 15, 3, 3, 0, time.FixedZone("CEST", 2*3600))
	x, err := svea.Open(extract.Config{Name: "svea", BaseURL: srv.URL, Keys: map[string]string{"merchant_id": merchant, "secret": secret}, Client: srv.Client(), Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range x.Extract(t.Context(), extract.Request{Stream: "reports", IDs: []string{"2017-10-20"}}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	const want = "Svea MTIzMTIzOmVhZDBlODIxZTkyNTNmNGU4M2FiZTRjNjQzYTg5OGYxNGVjOTM3ZDE1YTQzNTYwMTU5MzI2NWQ5YTczN2FiODRhZTBmMWYzMDNmZWI4YTU1OTI5YTg4NmYxYmEwOGFiYjJiNTE1YWQ4YTMyNDM0N2ViMzVkMTAwNmEwOTlkYTMw"
	if got.Get("Timestamp") != "2017-10-23 13:03:03" || got.Get("Authorization") != want {
		t.Errorf("signed %q at %q, want\n%q", got.Get("Authorization"), got.Get("Timestamp"), want)
	}
	if diff := cmp.Diff(url.Values{"date": {"2017-10-20"}, "includeWithholding": {"true"}}, query); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
}

// collect returns the keys of the blobs, those gone in parentheses, and the errors.
func collect(t *testing.T, x extract.Extractor, r extract.Request) (keys []string, errs []error) {
	t.Helper()
	for b, err := range x.Extract(t.Context(), r) {
		switch {
		case err != nil:
			errs = append(errs, err)
		case b.Gone:
			keys = append(keys, "("+b.Key+")")
		default:
			keys = append(keys, b.Key)
		}
	}
	return keys, errs
}

// A window is asked for day by day, by Swedish days, and never by what the API would take for granted.
func TestDaysOfAWindow(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	x := open(t, serve(t, fakesvea.NewWorld(1, merchant, secret)), secret)
	for _, tt := range []struct {
		name         string
		since, until string
		want         string // first, last, how many
	}{
		{"Swedish days", "2026-03-04T23:00:00Z", "2026-03-06T23:00:00Z", "report/2026-03-05 report/2026-03-06 2"},
		{"days in part", "2026-03-04T22:59:00Z", "2026-03-06T00:00:01Z", "report/2026-03-04 report/2026-03-06 3"},
		{"the change to summer time", "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", "report/2026-03-28 report/2026-03-30 3"},
		{"the change from summer time", "2025-10-24T22:00:00Z", "2025-10-27T23:00:00Z", "report/2025-10-25 report/2025-10-27 3"},
		{"none of the future", "2026-03-31T22:00:00Z", "2026-04-05T00:00:00Z", "report/2026-04-01 report/2026-04-01 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, errs := collect(t, x, extract.Request{Stream: "reports", Window: extract.Window{Since: day(tt.since), Until: day(tt.until)}})
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if got := fmt.Sprint(keys[0], " ", keys[len(keys)-1], " ", len(keys)); got != tt.want {
				t.Errorf("asked for %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("an empty window", func(t *testing.T) {
		if keys, errs := collect(t, x, extract.Request{Stream: "reports", Window: extract.Window{Since: now, Until: now}}); len(keys)+len(errs) > 0 {
			t.Errorf("%q, %v", keys, errs)
		}
	})
}

// Without a beginning the window goes back until a year and more has no report.
func TestAWindowWithoutABeginning(t *testing.T) {
	w := fakesvea.NewWorld(1, merchant, secret)
	for _, back := range []int{30, 380, 700, 1200} {
		at := now.AddDate(0, 0, -back)
		w.Add(fakesvea.Row{Type: "Cost", At: at.AddDate(0, 0, -1), Nominal: -100})
		w.Settle(at, at)
	}
	x := open(t, serve(t, w), secret)
	keys, errs := collect(t, x, extract.Request{Stream: "reports", Window: extract.Window{Until: now}})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	// The last report found is 700 days back; 400 days before it are empty, and the one at 1200 is not seen.
	if want := 701 + 400; len(keys) != want || keys[0] != "report/2026-04-01" {
		t.Errorf("%d days from %s, want %d from the last day back", len(keys), keys[0], want)
	}
	again, _ := collect(t, x, extract.Request{Stream: "reports", Window: extract.Window{Until: now}})
	if !slices.Equal(keys, again) {
		t.Error("other days the second time")
	}
}

// serve serves worlds for as long as the test lasts.
func serve(t *testing.T, worlds ...*fakesvea.World) string {
	t.Helper()
	srv := httptest.NewServer(fakesvea.Handler(fakesvea.Options{}, worlds...))
	t.Cleanup(srv.Close)
	return srv.URL
}

// Another merchant's order is one that is not there, once the key is known to work; before that
// nobody can say whether it is the order or the key.
func TestAnotherMerchantsOrder(t *testing.T) {
	mine, theirs := fakesvea.NewWorld(1, merchant, secret), fakesvea.NewWorld(2, "456456", "anotherSecret")
	a := mine.Place(fakesvea.Order{Number: "1", At: now.AddDate(0, 0, -1)})
	b := theirs.Place(fakesvea.Order{Number: "1", At: now.AddDate(0, 0, -1)})
	x := open(t, serve(t, mine, theirs), secret)
	keys, errs := collect(t, x, extract.Request{Stream: "orders", IDs: []string{fmt.Sprint(b), fmt.Sprint(a), "7"}})
	if want := []string{fmt.Sprintf("order/%d", a), "(order/7)", fmt.Sprintf("(order/%d)", b)}; !slices.Equal(keys, want) || len(errs) > 0 {
		t.Errorf("keys %q, errors %v, want %q", keys, errs, want)
	}
	keys, errs = collect(t, x, extract.Request{Stream: "orders", IDs: []string{fmt.Sprint(b)}})
	if len(keys) > 0 || len(errs) != 1 || !errors.Is(errs[0], extract.ErrAuth) || !strings.Contains(errs[0].Error(), "another checkout merchant") {
		t.Errorf("keys %q, errors %v, want one that names the other merchant", keys, errs)
	}
	// A report that was read shows that it is not the key: a run whose only order is a stranger's is done.
	collect(t, x, extract.Request{Stream: "reports", IDs: []string{"2026-03-30"}})
	if keys, errs = collect(t, x, extract.Request{Stream: "orders", IDs: []string{fmt.Sprint(b)}}); !slices.Equal(keys, []string{fmt.Sprintf("(order/%d)", b)}) || len(errs) > 0 {
		t.Errorf("after a report: keys %q, errors %v", keys, errs)
	}
}

// answers serves the same answer to everything.
func answers(t *testing.T, status int, typ, body string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", typ)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestAnswers(t *testing.T) {
	days := extract.Request{Stream: "reports", IDs: []string{"2026-03-05"}}
	order := extract.Request{Stream: "orders", IDs: []string{"9"}}
	for _, tt := range []struct {
		name   string
		status int
		typ    string
		body   string
		req    extract.Request
		keys   []string
		err    error
		says   string
	}{
		{"a day without a report", 204, "", "", days, []string{"(report/2026-03-05)"}, nil, ""},
		{"a day without a report, by 404", 404, "application/json", `{"Message": "no report"}`, days, []string{"(report/2026-03-05)"}, nil, ""},
		{"another server", 404, "text/html", "<html>", days, nil, extract.ErrRefused, "base_url"},
		{"no report at all", 200, "application/json", `{"payouts": []}`, days, nil, extract.ErrMalformed, "clientReports"},
		{"clients that are none", 200, "application/json", `{"clientReports": [1]}`, days, nil, extract.ErrMalformed, "clientReports"},
		{"no clients", 200, "application/json", `{"totalNrOfRows": 0, "clientReports": null}`, days, []string{"report/2026-03-05"}, nil, ""},
		{"reports are not activated", 403, "application/json", `{"Message": "Forbidden"}`, days, nil, extract.ErrAuth, "activate reports"},
		{"a wrong key", 401, "application/json", `{"Code": 401, "Message": "bad"}`, days, nil, extract.ErrAuth, "clock"},
		{"a redirect", 302, "", "", days, nil, extract.ErrRefused, "not followed"},
		{"another order than the one asked for", 200, "application/json", `{"Id": 10}`, order, nil, extract.ErrMalformed, `"10" came`},
		{"an order without an ID", 200, "application/json", `{}`, order, nil, extract.ErrMalformed, "Id is missing"},
		{"an ID as a text", 200, "application/json", `{"Id": "9"}`, order, []string{"order/9"}, nil, ""},
		{"no such order", 404, "text/plain", "not found", order, []string{"(order/9)"}, nil, ""},
		{"a refusal with words", 400, "application/json", `{"ErrorMessage": "Order ID\nis odd"}`, order, nil, extract.ErrRefused, "Order ID is odd"},
		{"no such day", 200, "", "", extract.Request{Stream: "reports", IDs: []string{"6/3"}}, nil, extract.ErrRefused, "is no day"},
		{"no such ID", 200, "", "", extract.Request{Stream: "orders", IDs: []string{".."}}, nil, extract.ErrRefused, "is no ID"},
		{"orders by window", 200, "", "", extract.Request{Stream: "orders", Window: march}, nil, extract.ErrRefused, "no list"},
		{"a window without an end", 200, "", "", extract.Request{Stream: "reports"}, nil, extract.ErrRefused, "without an end"},
		{"a 404 for every day is no holiday", 404, "application/json", `{}`, extract.Request{Stream: "reports", Window: extract.Window{Since: now.AddDate(0, 0, -6), Until: now}},
			[]string{"(report/2026-03-26)", "(report/2026-03-27)", "(report/2026-03-28)", "(report/2026-03-29)", "(report/2026-03-30)", "(report/2026-03-31)", "(report/2026-04-01)"}, extract.ErrRefused, "none of 7 days"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, errs := collect(t, open(t, answers(t, tt.status, tt.typ, tt.body), secret), tt.req)
			if !slices.Equal(keys, tt.keys) {
				t.Errorf("keys %q, want %q", keys, tt.keys)
			}
			if err := errors.Join(errs...); !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %v saying %q", err, tt.err, tt.says)
			}
		})
	}
}

// A busy server may keep a request until its signature is stale: then it is signed anew, once.
func TestAStaleSignatureIsMadeAnew(t *testing.T) {
	var mu sync.Mutex
	clock, asked := now, 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if asked == 1 {
			clock = clock.Add(time.Minute)
			w.WriteHeader(401)
			return
		}
		if want := clock.UTC().Format(time.DateTime); r.Header.Get("Timestamp") != want {
			t.Errorf("signed at %s, want %s", r.Header.Get("Timestamp"), want)
		}
		fmt.Fprint(w, `{"Id": 9}`)
	}))
	defer srv.Close()
	x, err := svea.Open(extract.Config{Name: "svea", BaseURL: srv.URL, Keys: map[string]string{"merchant_id": merchant, "secret": secret}, Client: srv.Client(),
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }})
	if err != nil {
		t.Fatal(err)
	}
	if keys, errs := collect(t, x, extract.Request{Stream: "orders", IDs: []string{"9"}}); len(keys) != 1 || len(errs) > 0 {
		t.Errorf("keys %q, errors %v", keys, errs)
	}
}

// A clock that is off, or held by KVITT_NOW, makes signatures that Svea refuses. Its own clock is taken then, and a
// wrong key is asked about twice and no more.
func TestSveasOwnClockIsTaken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		right bool
		asked int
	}{{"once", true, 3}, {"a wrong key", false, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			theirs, asked := now.Add(9*24*time.Hour), 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("Date", theirs.Format(http.TimeFormat))
				if !tt.right || r.Header.Get("Timestamp") != theirs.Format(time.DateTime) {
					w.WriteHeader(401)
					return
				}
				fmt.Fprint(w, `{"Id": 9}`)
			}))
			defer srv.Close()
			x := open(t, srv.URL, secret)
			for range tt.asked - 1 {
				if keys, errs := collect(t, x, extract.Request{Stream: "orders", IDs: []string{"9"}}); (len(keys) == 1) != tt.right {
					t.Errorf("keys %q, errors %v", keys, errs)
				}
				if !tt.right {
					break
				}
			}
			if asked != tt.asked {
				t.Errorf("asked %d times, want %d", asked, tt.asked)
			}
		})
	}
}

func TestOpenRefusesWhatCannotBeRight(t *testing.T) {
	for _, tt := range []struct{ name, id, secret, base, says string }{
		{"no merchant", "", "s", "", "merchant_id: is empty"},
		{"no secret", "1", "", "", "secret: is empty"},
		{"a line break", "1", "se\ncret", "", "line break"},
		{"a colon", "1:2", "s", "", "holds a colon"},
		{"plain HTTP over the net", "1", "s", "http://paymentadminapi.svea.com", "use https"},
		{"a query", "1", "s", "https://paymentadminapi.svea.com?x=1", "query"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := svea.Open(extract.Config{Name: "svea", BaseURL: tt.base, Keys: map[string]string{"merchant_id": tt.id, "secret": tt.secret}, Client: patient(), Now: time.Now})
			if err == nil || !strings.Contains(err.Error(), tt.says) || len(tt.secret) > 1 && strings.Contains(err.Error(), tt.secret) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
		})
	}
}

func TestHook(t *testing.T) {
	for _, tt := range []struct {
		name, body, url string
		want            []extract.Hint
		err             error
	}{
		{"created", `{"EventName": "CheckoutOrder.Created", "CheckoutOrderId": 9201634, "IsPending": false, "CorrelationId": "x", "TimestampUtc": "2024-06-04T09:49:22.0005285Z"}`, "", []extract.Hint{{Stream: "orders", ID: "9201634"}}, nil},
		{"credited, the ID as a text", `{"EventName": "CheckoutOrder.CreditSucceeded", "CheckoutOrderId": "9201634", "CreditId": "1783"}`, "", []extract.Hint{{Stream: "orders", ID: "9201634"}}, nil},
		{"an event nobody has heard of", `{"EventName": "CheckoutOrder.Surprise", "CheckoutOrderId": 7}`, "", []extract.Hint{{Stream: "orders", ID: "7"}}, nil},
		{"a ping", `{"EventName": "Ping"}`, "", nil, nil},
		{"another product's order", `{"EventName": "StandaloneOrder.Created", "OrderId": 7}`, "", nil, nil},
		{"the older push", "", "https://kvitt.example/hook?svea_order=9201634", []extract.Hint{{Stream: "orders", ID: "9201634"}}, nil},
		{"the older push, with an address", "", "https://kvitt.example/hook?svea_order=https%3A%2F%2Fcheckoutapi.svea.com%2Fapi%2Forders%2F9201634", []extract.Hint{{Stream: "orders", ID: "9201634"}}, nil},
		{"a push about nothing", "", "https://kvitt.example/hook", nil, extract.ErrMalformed},
		{"no JSON", "hello", "", nil, extract.ErrMalformed},
		{"no order", `{"EventName": "CheckoutOrder.Created"}`, "", nil, extract.ErrMalformed},
		{"an ID that would lead elsewhere", `{"EventName": "CheckoutOrder.Created", "CheckoutOrderId": "../../x"}`, "", nil, extract.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			got, err := svea.Source().Hook.Read(extract.Config{}, extract.Call{Method: "POST", URL: u, Body: []byte(tt.body)})
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
	if !svea.Source().Hook.Unsigned {
		t.Error("Svea signs nothing: a secret in the URL is due")
	}
}

func TestHookSamples(t *testing.T) {
	var events []json.RawMessage
	if err := json.Unmarshal([]byte(sample(t, "from-docs/webhook-events.json")), &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if got, err := svea.Source().Hook.Read(extract.Config{}, extract.Call{Body: e}); err != nil || len(got) != 1 || got[0].ID != "9201634" {
			t.Errorf("%s: %v, %v", e, got, err)
		}
	}
}
