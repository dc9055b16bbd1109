package mollie_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/fixtures/sandbox/mollie"
)

// An openAPI is Mollie's own description of its API. Its licence keeps it out of this repository.
type openAPI struct {
	doc   map[string]any
	paths []path
}

// A path is one that can be read.
type path struct {
	is  *regexp.Regexp
	get map[string]any
	all []any // parameters of every method
}

var spec = sync.OnceValues(func() (*openAPI, error) {
	b, err := os.ReadFile("../../../shared/specs/mollie-openapi-specs.yaml")
	if err != nil {
		return nil, err
	}
	var o openAPI
	if err := yaml.Unmarshal(b, &o.doc); err != nil {
		return nil, err
	}
	// A path without parameters goes before one that would take its last word for an ID.
	names := slices.SortedFunc(maps.Keys(o.doc["paths"].(map[string]any)), func(a, b string) int {
		return strings.Count(a, "{") - strings.Count(b, "{")
	})
	for _, name := range names {
		item := o.doc["paths"].(map[string]any)[name].(map[string]any)
		if get, ok := item["get"].(map[string]any); ok {
			all, _ := item["parameters"].([]any)
			o.paths = append(o.paths, path{regexp.MustCompile("^" + regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(name, "[^/]+") + "$"), get, all})
		}
	}
	return &o, nil
})

func openSpec(t *testing.T) *openAPI {
	t.Helper()
	o, err := spec()
	if os.IsNotExist(err) {
		t.Skip("Mollie's OpenAPI file is not beside the checkout")
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// resolve follows references.
func (o *openAPI) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	for ref, ok := m["$ref"].(string); ok; ref, ok = m["$ref"].(string) {
		var at any = o.doc
		for _, word := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			at = at.(map[string]any)[word]
		}
		beside := m
		m = maps.Clone(at.(map[string]any))
		for word, v := range beside { // what stands beside a reference goes before what it leads to
			if word != "$ref" {
				m[word] = v
			}
		}
	}
	return m
}

// request returns what of a request the file does not allow, and the schema of its answer.
func (o *openAPI) request(r *http.Request, prefix string, status int) (schema any, breaches []string) {
	at := r.Method + " " + r.URL.RequestURI()
	if r.Method != http.MethodGet {
		return nil, []string{at + ": only GET is read with"}
	}
	name := strings.TrimPrefix(r.URL.Path, prefix)
	for _, p := range o.paths {
		if !p.is.MatchString(name) {
			continue
		}
		known := map[string]map[string]any{}
		params, _ := p.get["parameters"].([]any)
		for _, x := range slices.Concat(params, p.all) {
			if x := o.resolve(x); x["in"] == "query" {
				known[x["name"].(string)] = o.resolve(x["schema"])
			}
		}
		for q, values := range r.URL.Query() {
			s, ok := known[q]
			switch {
			case !ok:
				breaches = append(breaches, at+": no parameter "+q)
			case len(values) != 1:
				breaches = append(breaches, at+": "+q+" more than once")
			case slices.Contains(types(s), "integer"):
				breaches = append(breaches, o.breaches(at+" "+q, s, json.Number(values[0]))...)
			case slices.Contains(types(s), "boolean"):
				if values[0] != "true" && values[0] != "false" {
					breaches = append(breaches, at+" "+q+": "+values[0])
				}
			case q != "embed": // several words with commas between, each of the list
				breaches = append(breaches, o.breaches(at+" "+q, s, values[0])...)
			default:
				for _, v := range strings.Split(values[0], ",") {
					breaches = append(breaches, o.breaches(at+" "+q, s, v)...)
				}
			}
		}
		// An organization's token must do: an API key reads no settlements.
		if !strings.Contains(fmt.Sprint(p.get["security"]), "advancedAccessToken") {
			breaches = append(breaches, at+": takes no access token")
		}
		answer := o.resolve(p.get["responses"].(map[string]any)[strconv.Itoa(status)])
		content, _ := answer["content"].(map[string]any)
		media, _ := content["application/hal+json"].(map[string]any)
		return media["schema"], breaches
	}
	return nil, []string{at + ": no such path"}
}

func types(schema map[string]any) (out []string) {
	switch t := schema["type"].(type) {
	case string:
		return []string{t}
	case []any:
		for _, x := range t {
			out = append(out, fmt.Sprint(x))
		}
	}
	return out
}

// breaches returns where v is not what a schema says: types, required and unknown fields, lists of words, bounds.
func (o *openAPI) breaches(at string, schema any, v any) (out []string) {
	s := o.resolve(schema)
	for _, part := range list(s["allOf"]) {
		out = append(out, o.breaches(at, part, v)...)
	}
	for _, choice := range []string{"oneOf", "anyOf"} {
		if options := list(s[choice]); len(options) > 0 && !slices.ContainsFunc(options, func(x any) bool { return len(o.breaches(at, x, v)) == 0 }) {
			out = append(out, at+": fits none of its schemas")
		}
	}
	is := "null"
	switch v := v.(type) {
	case string:
		is = "string"
	case bool:
		is = "boolean"
	case json.Number:
		if is = "integer"; strings.ContainsAny(v.String(), ".eE") {
			is = "number"
		}
	case []any:
		is = "array"
	case map[string]any:
		is = "object"
	}
	if t := types(s); len(t) > 0 && !slices.Contains(t, is) && !(is == "integer" && slices.Contains(t, "number")) {
		return append(out, fmt.Sprintf("%s: %s, want %v", at, is, t))
	}
	if words := list(s["enum"]); is != "null" && len(words) > 0 && !slices.ContainsFunc(words, func(w any) bool { return fmt.Sprint(w) == fmt.Sprint(v) }) {
		out = append(out, fmt.Sprintf("%s: %v is not listed", at, v))
	}
	switch v := v.(type) {
	case json.Number:
		n, _ := v.Float64()
		for word, wrong := range map[string]func(bound float64) bool{"minimum": func(b float64) bool { return n < b }, "maximum": func(b float64) bool { return n > b }} {
			if bound, ok := s[word].(int); ok && wrong(float64(bound)) {
				out = append(out, fmt.Sprintf("%s: %v is beyond the %s of %d", at, v, word, bound))
			}
		}
	case []any:
		for i, e := range v {
			out = append(out, o.breaches(fmt.Sprintf("%s[%d]", at, i), s["items"], e)...)
		}
	case map[string]any:
		fields, _ := s["properties"].(map[string]any)
		for _, name := range list(s["required"]) {
			if _, ok := v[fmt.Sprint(name)]; !ok {
				out = append(out, fmt.Sprintf("%s: lacks %v", at, name))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if f, ok := fields[name]; ok {
				out = append(out, o.breaches(at+"."+name, f, v[name])...)
			} else if more, ok := s["additionalProperties"].(map[string]any); ok {
				out = append(out, o.breaches(at+"."+name, more, v[name])...)
			} else if s["additionalProperties"] == false {
				out = append(out, at+": has no field "+name)
			}
		}
	}
	return out
}

func list(v any) []any { l, _ := v.([]any); return l }

// TestEveryRequestAndAnswerIsTheDocumentedOne reads all there is, and holds each request and what the sandbox answers
// against Mollie's own file.
func TestEveryRequestAndAnswerIsTheDocumentedOne(t *testing.T) {
	o := openSpec(t)
	w := mollie.Month(mollie.MonthConfig{Seed: 7, Sales: 60, FeeVAT: true})
	var mu sync.Mutex
	seen := map[string]int{}
	inner := mollie.Handler(w, mollie.Options{Prefix: "/mollie", PageSize: 9})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		inner.ServeHTTP(rec, r)
		mu.Lock()
		defer mu.Unlock()
		schema, wrong := o.request(r, "/mollie", rec.Code)
		if schema == nil && len(wrong) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s: %d is not documented", r.URL.Path, rec.Code))
		}
		if schema != nil {
			d := json.NewDecoder(bytes.NewReader(rec.Body.Bytes()))
			d.UseNumber()
			var v any
			if err := d.Decode(&v); err != nil {
				wrong = append(wrong, err.Error())
			}
			wrong = append(wrong, o.breaches(r.URL.Path, schema, v)...)
		}
		for _, x := range wrong {
			if strings.HasSuffix(x, "starfee is not listed") {
				continue // a word of tomorrow, on purpose
			}
			if seen[x]++; seen[x] == 1 && len(seen) < 40 {
				t.Error(x)
			}
		}
		words := strings.Split(r.URL.Path, "/")
		seen[words[len(words)-1]]++
		maps.Copy(rw.Header(), rec.Header())
		rw.WriteHeader(rec.Code)
		io.Copy(rw, rec.Body)
	}))
	defer srv.Close()
	x := open(t, srv.URL+"/mollie", map[string]string{"access_token": mollie.AccessToken}, nil)
	ids := func(n int, id func(int) string) (out []string) {
		for i := range n {
			out = append(out, id(i))
		}
		return out
	}
	for _, r := range []extract.Request{
		{Stream: "settlements", Window: march},
		{Stream: "settlement_lines", IDs: ids(len(w.Settlements()), func(i int) string { return w.Settlements()[i].ID })},
		{Stream: "payment_list", Window: march},
		{Stream: "payments", IDs: append(ids(40, func(i int) string { return w.Payments()[i].ID }), "tr_unknown")},
		{Stream: "balance_transactions", Window: march},
	} {
		for _, err := range x.Extract(t.Context(), r) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	for _, path := range []string{"settlements", "payments", "captures", "refunds", "chargebacks", "balances", "transactions"} {
		if seen[path] == 0 {
			t.Errorf("%s was never asked for", path)
		}
	}
}

// TestTheSpecificationBites: the checker above sees what is wrong.
func TestTheSpecificationBites(t *testing.T) {
	o := openSpec(t)
	for _, tt := range []struct{ at, says string }{
		{"/v2/settlements?limit=251", "beyond the maximum"},
		{"/v2/settlements?limit=ten", "number"},
		{"/v2/settlements?testmode=true", "no parameter testmode"},
		{"/v2/settlements/stl_1/payments?embed=payment", "no parameter embed"},
		{"/v2/payments/tr_1?embed=orders", "is not listed"},
		{"/v2/nothing", "no such path"},
	} {
		r := httptest.NewRequest("GET", "/mollie"+tt.at, nil)
		if _, wrong := o.request(r, "/mollie", 200); !strings.Contains(strings.Join(wrong, "\n"), tt.says) {
			t.Errorf("%s: %q, want %q", tt.at, wrong, tt.says)
		}
	}
	schema, _ := o.request(httptest.NewRequest("GET", "/v2/settlements/stl_1", nil), "", 200)
	wrong := strings.Join(o.breaches("s", schema, map[string]any{"resource": "settlement", "id": "stl_1", "status": "gone", "amount": map[string]any{"currency": "SEK", "value": json.Number("1")}}), "\n")
	for _, want := range []string{"s: lacks balanceId", "s.status: gone is not listed", "s.amount.value: integer"} {
		if !strings.Contains(wrong, want) {
			t.Errorf("%q lacks %q", wrong, want)
		}
	}
}
