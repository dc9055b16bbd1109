package centra_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/centra"
	"github.com/kvitt/kvitt/extract/extracttest"
	sandbox "github.com/kvitt/kvitt/fixtures/sandbox/centra"
	"github.com/kvitt/kvitt/pipeline/transport"
)

var now = time.Date(2026, 4, 1, 21, 0, 0, 0, time.UTC)

// march is the window of the month that the sandbox makes.
var march = extract.Window{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}

// open returns an extractor of the Centra at base, with the client of real runs, which does not really wait.
func open(t testing.TB, base, token string) extract.Extractor {
	t.Helper()
	x, err := centra.Open(extract.Config{
		Name: "centra-se", BaseURL: base, Keys: map[string]string{"access_token": token}, Now: func() time.Time { return now },
		Client: transport.New(transport.Options{
			Now:      func() time.Time { return now },
			Sleep:    func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
			MaxTries: 10,
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestContract(t *testing.T) {
	w := sandbox.Month(1, 39_001, 240)
	var numbers, ids, refs []string
	for _, o := range w.Orders()[:12] {
		numbers, ids, refs = append(numbers, strconv.Itoa(o.Number)), append(ids, o.ID), append(refs, o.Auth)
	}
	extracttest.Run(t, extracttest.Subject{
		Open: func(t testing.TB, base string, rightKey bool) extract.Extractor {
			if !rightKey {
				return open(t, base, "not-the-token")
			}
			return open(t, base, sandbox.Token)
		},
		Handler: w.Handler(sandbox.Options{}),
		Path:    "/centra",
		Requests: []extract.Request{
			{Stream: "orders", Window: march},
			{Stream: "orders", IDs: numbers},
			{Stream: "orders", IDs: ids},
			{Stream: "lookups", IDs: refs},
		},
		Gone:    extract.Request{Stream: "orders", IDs: []string{"99999"}},
		Secrets: []string{sandbox.Token, "not-the-token"},
	})
}

// all extracts r and returns the blobs and errors.
func all(t *testing.T, h http.Handler, r extract.Request) (blobs []extract.Blob, errs []error) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	for b, err := range open(t, s.URL+"/centra", sandbox.Token).Extract(t.Context(), r) {
		if err != nil {
			errs = append(errs, err)
		} else {
			blobs = append(blobs, b)
		}
	}
	return blobs, errs
}

func TestAPermissionThatIsMissingIsNamed(t *testing.T) {
	w := sandbox.Month(1, 1, 30)
	for _, lacks := range strings.Fields("Order:read Order.shippingAddress:read Order.billingAddress:read Shipment:read Return:read PaymentHistory:read") {
		t.Run(lacks, func(t *testing.T) {
			has := strings.Join(slices.DeleteFunc(strings.Fields(sandbox.Permissions), func(p string) bool { return p == lacks }), " ")
			_, errs := all(t, w.Handler(sandbox.Options{Permissions: has}), extract.Request{Stream: "orders", Window: march})
			if len(errs) != 1 || !errors.Is(errs[0], extract.ErrAuth) {
				t.Fatalf("errors %v, want one ErrAuth", errs)
			}
			e, _ := errors.AsType[*extract.Error](errs[0])
			if !strings.Contains(e.Err.Error(), lacks) || !strings.Contains(e.Do, "give it "+lacks) {
				t.Errorf("the permission is not named: %v", e)
			}
		})
	}
}

// TestTooComplexIsHalved: whatever the server bears, the same orders come.
func TestTooComplexIsHalved(t *testing.T) {
	w := sandbox.Month(1, 1, 60)
	numbers := func(blobs []extract.Blob) (n int) {
		for _, b := range blobs {
			n += strings.Count(string(b.Body), `"id":"`)
		}
		return n
	}
	whole, errs := all(t, w.Handler(sandbox.Options{}), extract.Request{Stream: "orders", Window: march})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	parts, errs := all(t, w.Handler(sandbox.Options{Complexity: 3_000}), extract.Request{Stream: "orders", Window: march})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if len(parts) <= len(whole) {
		t.Errorf("%d blobs, no more than the %d of a server without a limit", len(parts), len(whole))
	}
	if a, b := numbers(whole), numbers(parts); a == 0 || a != b {
		t.Errorf("%d IDs whole, %d in parts", a, b)
	}
	if _, errs := all(t, w.Handler(sandbox.Options{Complexity: 10}), extract.Request{Stream: "orders", IDs: []string{"1"}}); len(errs) != 1 || !errors.Is(errs[0], extract.ErrRefused) {
		t.Errorf("a server that bears nothing: %v", errs)
	}
}

// TestFieldsThatAreGone: a version without some of the fields is read all the same.
func TestFieldsThatAreGone(t *testing.T) {
	w := sandbox.Month(1, 1, 30)
	blobs, errs := all(t, w.Handler(sandbox.Options{Without: []string{"PaymentHistoryEntry.paramsJSON", "AppliedTaxRuleValue.rule", "Return.status", "Order.store", "Query.shipments"}}),
		extract.Request{Stream: "orders", Window: march})
	if len(errs) > 0 || len(blobs) == 0 {
		t.Fatalf("%d blobs, errors %v", len(blobs), errs)
	}
	if strings.Contains(string(blobs[0].Body), "paramsJSON") {
		t.Error("the field came")
	}
	_, errs = all(t, w.Handler(sandbox.Options{Without: []string{"Order.grandTotal"}}), extract.Request{Stream: "orders", Window: march})
	if len(errs) == 0 || !errors.Is(errs[0], extract.ErrRefused) {
		t.Errorf("without the totals: %v, want ErrRefused", errs)
	}
}

// TestTheWindowFindsWhatUpdatedAtDoesNotShow reads two days in which an old order got a return and
// another a refund, neither of which touches the order.
func TestTheWindowFindsWhatUpdatedAtDoesNotShow(t *testing.T) {
	w := sandbox.New(3, 1)
	day := func(d int) time.Time { return time.Date(2026, 3, d, 9, 0, 0, 0, time.UTC) }
	for range 60 {
		o := w.Place(sandbox.Order{Country: "SE", PlacedAt: day(1), Lines: []*sandbox.Line{{SKU: "A", Quantity: 1, Price: 10_000, Rate: 2500}}})
		w.Ship(o, day(2), map[int]int{0: 1})
	}
	os := w.Orders()
	w.Return(os[1], os[1].Shipments()[0], day(20), day(21), map[int]int{0: 1}, 0, 0)
	w.Refund(os[58], 500, day(20))
	blobs, errs := all(t, w.Handler(sandbox.Options{}), extract.Request{Stream: "orders", Window: extract.Window{Since: day(20).Add(-time.Hour), Until: day(20).Add(time.Hour)}})
	var keys []string
	for _, b := range blobs {
		keys = append(keys, b.Key)
	}
	if len(errs) > 0 || !slices.Equal(keys, []string{"orders?numbers=0-24", "orders?numbers=50-74"}) {
		t.Errorf("keys %q, errors %v", keys, errs)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct{ base, token, store, want string }{
		{"", "x", "", "base_url"},
		{"https://acme.centra.com", "", "", "access_token"},
		{"https://acme.centra.com", "two words", "", "access_token"},
		{"http://acme.centra.com", "x", "", "in the clear"},
		{"https://user:pw@acme.centra.com", "x", "", "username or password"},
		{"https://acme.centra.com", "x", "main", "store"},
	} {
		_, err := centra.Open(extract.Config{Name: "centra", BaseURL: tt.base, Keys: map[string]string{"access_token": tt.token, "store": tt.store}, Client: http.DefaultClient, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "two words") || strings.Contains(err.Error(), "pw") {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// A server that filters orders by their creation only is read by that, and a permission is named however the server says it.
func TestOtherWordings(t *testing.T) {
	w := sandbox.Month(1, 1, 30)
	inner := w.Handler(sandbox.Options{})
	refuse := func(message string, when func(body string) bool) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if when(string(body)) {
				rw.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(rw, `{"errors": [{"message": %q}]}`, message)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			inner.ServeHTTP(rw, r)
		})
	}
	r := extract.Request{Stream: "orders", Window: march}
	want, errs := all(t, inner, r)
	if len(errs) > 0 || len(want) == 0 {
		t.Fatalf("%d blobs, errors %v", len(want), errs)
	}
	byUpdate := func(body string) bool { return strings.Contains(body, "updatedAt: {from") }
	got, errs := all(t, refuse(`Field "updatedAt" is not defined by type "OrderFilter".`, byUpdate), r)
	if len(errs) > 0 || len(got) != len(want) {
		t.Errorf("a filter by creation: %d blobs, want %d, errors %v", len(got), len(want), errs)
	}
	got, errs = all(t, refuse(`Field 'paramsJSON' doesn't exist on type 'PaymentHistoryEntry'`, func(body string) bool { return strings.Contains(body, "paramsJSON") }), r)
	if len(errs) > 0 || len(got) != len(want) {
		t.Errorf("another wording of a missing field: %d blobs, want %d, errors %v", len(got), len(want), errs)
	}
	_, errs = all(t, refuse("Access denied: Return:read is required", func(body string) bool { return strings.Contains(body, "returns(") }), r)
	if len(errs) != 1 || !errors.Is(errs[0], extract.ErrAuth) || !strings.Contains(errs[0].Error(), "lacks the permission Return:read") {
		t.Errorf("a permission in other words: %v", errs)
	}
}
