package klarna_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/fixtures/sandbox"
)

// A parameter of a documented path.
type parameter struct {
	in, name, format string
	required         bool
	maximum          int
}

// documented reads the paths and the parameters of their GET from one of Klarna's OpenAPI files. It
// knows as much YAML as those two files use.
func documented(t *testing.T, file string) map[string][]parameter {
	t.Helper()
	b, err := os.ReadFile("../../../shared/data/klarna/" + file)
	if err != nil {
		t.Skip("Klarna's OpenAPI files are not beside the checkout")
	}
	paths := map[string][]parameter{}
	var path, method string
	var p *parameter
	indent := 0
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		depth := len(line) - len(strings.TrimLeft(line, " "))
		value := strings.Trim(text[strings.Index(text, ":")+1:], ` "'`)
		switch {
		case depth == 0 && text != "" && text != "paths:":
			path = ""
		case depth == 2 && (strings.HasPrefix(text, "/") || strings.HasPrefix(text, `"/`) || strings.HasPrefix(text, `'/`)):
			path, method, p = strings.Trim(text, `"':`), "", nil
		case path == "":
		case depth == 4:
			method, p = strings.TrimSuffix(text, ":"), nil
			if method == "get" {
				paths[path] = nil
			}
		case method != "get":
		case strings.HasPrefix(text, "- in:") || strings.HasPrefix(text, "- name:") || strings.HasPrefix(text, "- description:") && depth == 8:
			paths[path] = append(paths[path], parameter{})
			p, indent = &paths[path][len(paths[path])-1], depth
			if strings.HasPrefix(text, "- in:") {
				p.in = value
			} else if strings.HasPrefix(text, "- name:") {
				p.name = value
			}
		case p != nil && depth <= indent:
			p = nil
		case p == nil:
		case strings.HasPrefix(text, "in:"):
			p.in = value
		case strings.HasPrefix(text, "name:"):
			p.name = value
		case strings.HasPrefix(text, "required:"):
			p.required = value == "true"
		case strings.HasPrefix(text, "format:"):
			p.format = value
		case strings.HasPrefix(text, "maximum:"):
			p.maximum, _ = strconv.Atoi(value)
		}
	}
	return paths
}

// Every request is one that Klarna's OpenAPI files document: its path, and each parameter's name, form and range.
func TestRequestsAreDocumented(t *testing.T) {
	spec := map[string]map[string][]parameter{
		"/settlements/v1":     documented(t, "klarna-settlements-v1.openapi.yml"),
		"/ordermanagement/v1": documented(t, "klarna-ordermanagement-v1.openapi.yml"),
	}
	if p := spec["/settlements/v1"]["/payouts"]; len(p) != 5 {
		t.Fatalf("the file says that the list of payouts has the parameters %v: it was misread", p)
	}
	m := sandbox.Month(sandbox.MonthConfig{Orders: 600, AdyenPayments: -1})
	var mu sync.Mutex
	var asked []*url.URL
	h := crowd(sandbox.New(m, sandbox.Options{}))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL)
		mu.Unlock()
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	refs := []string{m.Payouts()[0].Reference, m.Payouts()[1].Reference}
	x := open(t, srv.URL+"/klarna", sandbox.Password)
	for _, r := range []extract.Request{
		{Stream: "payouts", Window: march}, {Stream: "payouts", Window: extract.Window{Until: march.Until}}, {Stream: "payouts", IDs: refs},
		{Stream: "payout_lines", IDs: refs}, {Stream: "orders", IDs: m.OrderIDs()[:3]},
	} {
		for _, err := range x.Extract(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	used := map[string]bool{}
	for _, u := range asked {
		path := strings.TrimPrefix(u.Path, "/klarna")
		found := false
		for base, paths := range spec {
			for documented, parameters := range paths {
				// Order Management's file has the whole path, Settlements' begins after the version.
				pattern := "^" + regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(base+strings.TrimPrefix(documented, base)), "[^/]+") + "$"
				if !regexp.MustCompile(pattern).MatchString(path) {
					continue
				}
				found, used[documented] = true, true
				for _, wrong := range breaks(u.Query(), parameters) {
					t.Errorf("%s: %s", u, wrong)
				}
			}
		}
		if !found {
			t.Errorf("%s is not documented", path)
		}
	}
	if len(used) < 4 {
		t.Errorf("only %v were asked for", used)
	}
}

// breaks returns what is wrong with a query by what is documented.
func breaks(query url.Values, parameters []parameter) []string {
	var wrong []string
	known := map[string]bool{}
	for _, p := range parameters {
		if p.in != "query" {
			continue
		}
		known[p.name] = true
		v, there := query.Get(p.name), query.Has(p.name)
		switch {
		case !there && p.required:
			wrong = append(wrong, p.name+" is missing")
		case !there:
		case p.format == "date-time":
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				wrong = append(wrong, p.name+" is no date-time: "+v)
			}
		case p.format == "int64":
			if n, err := strconv.Atoi(v); err != nil || n < 0 || p.maximum > 0 && n > p.maximum {
				wrong = append(wrong, p.name+" is out of range: "+v)
			}
		}
	}
	for name := range query {
		if !known[name] {
			wrong = append(wrong, name+" is not documented")
		}
	}
	return wrong
}
