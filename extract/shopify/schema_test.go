package shopify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"encoding/json"

	"github.com/kvitt/kvitt/extract"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/shopify"
)

// Every field asked for is in Shopify's own schema, on the type it is asked of.
func TestQueriesAreInTheSchema(t *testing.T) {
	sdl, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "shopify", "admin-graphql-2026-01.finance-subset.graphql"))
	if err != nil {
		t.Skip("Shopify's schema is not at hand: ", err)
	}
	types := map[string]map[string]string{}
	text := regexp.MustCompile(`(?s)""".*?"""`).ReplaceAllString(string(sdl), "")
	for _, m := range regexp.MustCompile(`(?ms)^(?:type|interface) (\w+)[^{]*\{(.*?)^\}`).FindAllStringSubmatch(text, -1) {
		body := m[2]
		for strings.Contains(body, "(") { // arguments, which may nest in texts of deprecation
			cut := regexp.MustCompile(`(?s)\([^()]*\)`).ReplaceAllString(body, "")
			if cut == body {
				break
			}
			body = cut
		}
		types[m[1]] = map[string]string{}
		for _, f := range regexp.MustCompile(`(?m)^\s+(\w+)\s*:\s*([\[\]!\w]+)`).FindAllStringSubmatch(body, -1) {
			types[m[1]][f[1]] = strings.Trim(f[2], "[]!")
		}
	}
	roots := map[string]string{"order": "Order", "refund": "Refund", "fulfillment": "Fulfillment", "orders": "OrderConnection", "shopifyPaymentsAccount": "ShopifyPaymentsAccount"}
	checked := map[string]bool{}
	var check func(typ string, fs []fake.Field)
	check = func(typ string, fs []fake.Field) {
		for _, f := range fs {
			on := typ
			if f.On != "" {
				on = f.On
			}
			fields, ok := types[on]
			if f.Name == "__typename" {
				continue
			}
			if node, isConn := strings.CutSuffix(on, "Connection"); !ok && isConn {
				if f.Name == "nodes" {
					check(node, f.Sub)
				}
				continue
			}
			if !ok {
				continue // not among the types at hand
			}
			next, ok := fields[f.Name]
			if !ok {
				t.Errorf("%s has no field %s", on, f.Name)
				continue
			}
			checked[on+"."+f.Name] = true
			if len(f.Sub) > 0 {
				check(next, f.Sub)
			}
		}
	}
	// The queries as they are sent, all of them: a large order, and payouts.
	w, id := large(t)
	shop := fake.Handler(w, fake.Options{})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		var q struct {
			Query     string
			Variables map[string]any
		}
		if json.Unmarshal(body, &q) == nil {
			fs, err := fake.Parse(q.Query, q.Variables)
			if err != nil {
				t.Error(err)
			}
			if cost := fake.Cost(fs); cost > 1000 {
				t.Errorf("a query may cost %d points", cost)
			}
			for _, f := range fs {
				if root := roots[f.Name]; root != "" {
					check(root, f.Sub)
				}
			}
		}
		shop.ServeHTTP(rw, r)
	}))
	defer srv.Close()
	x := open(t, srv.URL, fake.Token)
	for _, r := range []extract.Request{{Stream: "orders", IDs: []string{id}}, {Stream: "orders", Window: march}, {Stream: "payouts", Window: march}, {Stream: "payout_lines", IDs: []string{"1"}}} {
		if _, errs := read(t, x, r); len(errs) > 0 {
			t.Error(errs)
		}
	}
	if len(checked) < 100 {
		t.Errorf("only %d fields were checked", len(checked))
	}
}
