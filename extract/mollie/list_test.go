package mollie_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/fixtures/sandbox/mollie"
)

// TestTheListIsLeftWhenItIsOld: a window of a week reads the pages that reach it and what may have
// been paid late, not the years before.
func TestTheListIsLeftWhenItIsOld(t *testing.T) {
	w := mollie.NewWorld(41, "SEK")
	for day := range 700 {
		at := now.AddDate(0, 0, -700+day)
		w.Sell(mollie.Sale{At: at, Number: fmt.Sprint(day), Amount: 1000, Method: "swish"})
		w.Settle(at.Add(time.Hour), mollie.Terms{})
	}
	var lists, details atomic.Int64
	inner := mollie.Handler(w, mollie.Options{PageSize: 10})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/settlements" || r.URL.Path == "/v2/payments":
			lists.Add(1)
		default:
			details.Add(1)
		}
		inner.ServeHTTP(rw, r)
	}))
	defer srv.Close()
	x := open(t, srv.URL, map[string]string{"access_token": mollie.AccessToken}, nil)
	week := extract.Window{Since: now.AddDate(0, 0, -7), Until: now}
	n, err := count(x, extract.Request{Stream: "settlements", Window: week})
	if err != nil || n != 7 || details.Load() != 7 || lists.Load() > 9 {
		t.Errorf("%d settlements by %d requests, %d pages of the list, %v", n, details.Load(), lists.Load(), err)
	}
	lists.Store(0)
	var ids []string
	for b, err := range x.Extract(t.Context(), extract.Request{Stream: "payment_list", Window: extract.Window{Since: now.AddDate(0, 0, -25), Until: now.AddDate(0, 0, -3)}}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(b.Body), `"id":"`)[1:] {
			if id, _, _ := strings.Cut(part, `"`); strings.HasPrefix(id, "tr_") {
				ids = append(ids, id)
			}
		}
	}
	var want []string
	for _, p := range w.Payments() {
		if !p.At.Before(now.AddDate(0, 0, -25)) && p.At.Before(now.AddDate(0, 0, -3)) {
			want = append([]string{p.ID}, want...)
		}
	}
	if strings.Join(ids, " ") != strings.Join(want, " ") || lists.Load() > 6 {
		t.Errorf("%d payments on the pages, want %d; %d pages", len(ids), len(want), lists.Load())
	}
}

// TestListsThatCannotBeTrusted fails rather than losing or doubling elements.
func TestListsThatCannotBeTrusted(t *testing.T) {
	element := func(id string) string {
		return `{"id":"` + id + `","status":"pending","createdAt":"2026-04-20T00:00:00+00:00"}`
	}
	page := func(count int, next string, ids ...string) string {
		var items []string
		for _, id := range ids {
			items = append(items, element(id))
		}
		return fmt.Sprintf(`{"count":%d,"_embedded":{"settlements":[%s]},"_links":{"next":%s}}`, count, strings.Join(items, ","), next)
	}
	to := func(from string) string {
		return `{"href":"https://elsewhere.example/v2/settlements?from=` + from + `&limit=3"}`
	}
	for name, tt := range map[string]struct {
		pages map[string]string
		is    error
	}{
		"next on another host, absent at the end": {map[string]string{"": page(1, to("stl_2"), "stl_1"), "stl_2": strings.Replace(page(1, "null", "stl_2"), `"next":null`, "", 1)}, nil},
		"empty":                 {map[string]string{"": page(0, "null")}, nil},
		"empty without a list":  {map[string]string{"": `{"count":0,"_embedded":{},"_links":{}}`}, nil},
		"no list":               {map[string]string{"": `{"_embedded":{},"_links":{}}`}, extract.ErrMalformed},
		"an element twice":      {map[string]string{"": page(1, to("stl_2"), "stl_1"), "stl_2": page(1, "null", "stl_1")}, extract.ErrMalformed},
		"a page that is cut":    {map[string]string{"": page(2, "null", "stl_1")}, extract.ErrMalformed},
		"a list that is a ring": {map[string]string{"": page(1, to("stl_2"), "stl_1"), "stl_2": page(0, to("stl_2"))}, extract.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, ok := tt.pages[r.URL.Query().Get("from")]
				if !ok || r.URL.Query().Get("limit") != "250" {
					t.Errorf("asked for %s", r.URL)
				}
				w.Write([]byte(body))
			}))
			defer srv.Close()
			_, err := count(open(t, srv.URL, map[string]string{"access_token": mollie.AccessToken}, nil), extract.Request{Stream: "settlements", Window: march})
			if !errors.Is(err, tt.is) || (err != nil) != (tt.is != nil) {
				t.Errorf("error %v, want %v", err, tt.is)
			}
		})
	}
}
