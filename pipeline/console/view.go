package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/sql/duck"
)

//go:embed assets pages
var files embed.FS

// A view is what every page is given: who looks, in which language, and where they are.
type view struct {
	Who     person
	Lang    string // en | sv
	Path    string
	Query   url.Values
	Title   string
	Refresh int // seconds after which a browser without JavaScript looks again; 0 is never
	Data    any
	Assets  string // changes when an asset does
	Running bool   // a job is running
	row     auditRow
}

func (c *console) newView(r *http.Request, who person) *view {
	v := &view{Who: who, Lang: c.language(r), Path: r.URL.Path, Query: r.URL.Query(), Assets: assetsVersion()}
	c.jobs.mu.Lock()
	v.Running = slices.ContainsFunc(c.jobs.all, func(j *job) bool { return j.running() })
	c.jobs.mu.Unlock()
	return v
}

// language is what was chosen, else the first of the browser's that we have.
func (c *console) language(r *http.Request) string {
	switch l := c.cookie(r, "kvitt-language"); l {
	case "en", "sv":
		return l
	}
	for _, part := range strings.Split(short(r.Header.Get("Accept-Language"), 200), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch tag, _, _ = strings.Cut(strings.ToLower(tag), "-"); tag {
		case "sv", "en":
			return tag
		}
	}
	return "en"
}

func (c *console) setLanguage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if l := r.PostForm.Get("language"); l == "en" || l == "sv" {
		c.setCookie(w, "kvitt-language", l, 365*24*time.Hour)
	}
	to := localPath(r.PostForm.Get("to"))
	if strings.HasPrefix(r.PostForm.Get("to"), "/sign-in") {
		to = "/sign-in"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// T is a text in the view's language. What has no translation is shown in English.
func (v *view) T(text string, args ...any) string {
	if v.Lang == "sv" {
		if s, ok := swedish[text]; ok {
			text = s
		}
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// N says how many: one has its own words.
func (v *view) N(n, one, many string) string {
	if n == "1" {
		return v.T(one)
	}
	return v.T(many, n)
}

// Word is a word of the ledger, "payout_does_not_add_up", as people read it.
func (v *view) Word(w string) string {
	if v.Lang == "sv" {
		if s, ok := swedishWords[w]; ok {
			return s
		}
	}
	if strings.Contains(w, " ") {
		return w // a sentence is no word: what it names is written as it is
	}
	return strings.ReplaceAll(w, "_", " ")
}

// Amount writes "-1234567.80" as people read it: -1 234 567,80 or -1,234,567.80, with a true minus sign.
func (v *view) Amount(text string) string {
	if text == "" {
		return ""
	}
	sign := ""
	if text[0] == '-' {
		sign, text = "−", text[1:]
	}
	whole, part, has := strings.Cut(text, ".")
	if whole == "" || strings.Trim(whole+part, "0123456789") != "" {
		return sign + text
	}
	group, point := ",", "."
	if v.Lang == "sv" {
		group, point = "\u00a0", ","
	}
	var b strings.Builder
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteRune(d)
	}
	if has {
		b.WriteString(point + part)
	}
	return sign + b.String()
}

// Minor writes minor units of a currency.
func (v *view) Minor(m ledger.Minor, exp int) string { return v.Amount(m.Decimal(exp)) }

// Percent is part of whole in percent with one decimal, in integers; "" of nothing.
func (v *view) Percent(part, whole string) string {
	var a, b int64
	if _, err := fmt.Sscan(part, &a); err != nil {
		return ""
	}
	if _, err := fmt.Sscan(whole, &b); err != nil || b == 0 {
		return ""
	}
	t := a * 1000 / b // rounded down: what does not match whole is not 100 %
	return v.Amount(fmt.Sprintf("%d.%d", t/10, t%10)) + " %"
}

// May reports whether whoever looks may do an action of these roles.
func (v *view) May(roles ...string) bool {
	for _, r := range roles {
		if slices.Contains(v.Who.Roles, Role(r)) {
			return true
		}
	}
	return false
}

// Here reports whether a page of the menu is the one that is shown.
func (v *view) Here(p string) bool {
	if p == "/" {
		return v.Path == "/"
	}
	return v.Path == p || strings.HasPrefix(v.Path, p+"/")
}

// With is the address of this page with one parameter changed.
func (v *view) With(name string, value any) string {
	q := url.Values{}
	for k, vs := range v.Query {
		q[k] = vs
	}
	q.Set(name, fmt.Sprint(value))
	if q.Get(name) == "" {
		q.Del(name)
	}
	return v.Path + "?" + q.Encode()
}

func queryEscape(s string) string { return url.QueryEscape(s) }

// pathOf writes a payout's page: its ID may hold anything.
func pathOf(source, id string) string {
	return "/payouts/" + url.PathEscape(source) + "/" + strings.ReplaceAll(url.PathEscape(id), "%2F", "/")
}

var (
	pages     *template.Template
	pagesOnce sync.Once
	pagesErr  error
)

func parsePages() error {
	pagesOnce.Do(func() {
		pages, pagesErr = template.New("").Funcs(template.FuncMap{
			"escape": queryEscape,
			"payout": pathOf,
			"short":  short,
			"first": func(n int, s string) string {
				if len(s) > n && utf8.ValidString(s[:n]) {
					return s[:n]
				}
				return s
			},
			"day":   func(s string) string { d, _, _ := strings.Cut(s, "T"); return d },
			"clock": func(s string) string { return strings.TrimSuffix(strings.Replace(s, "T", " ", 1), "Z") },
			"date":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
			"zero":  func(s string) bool { return strings.Trim(s, "-0.") == "" },
			"join":  strings.Join,
			"list":  func(s ...string) []string { return s },
			"dict": func(kv ...any) map[string]any {
				m := map[string]any{}
				for i := 0; i+1 < len(kv); i += 2 {
					m[kv[i].(string)] = kv[i+1]
				}
				return m
			},
			"add": func(a, b int) int { return a + b },
		}).ParseFS(files, "pages/*.html")
	})
	return pagesErr
}

// render writes a page. It is written whole or not at all.
func (c *console) render(w http.ResponseWriter, v *view, name string, data any) {
	v.Data = data
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		c.Log.Error("a page cannot be written", "page", name, "error", err)
		http.Error(w, "something went wrong; the log says what", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w)
}

var assetsVersion = sync.OnceValue(func() string {
	h := sha256.New()
	items, err := fs.ReadDir(files, "assets")
	if err != nil {
		panic(err) // the files are in the binary
	}
	for _, it := range items {
		b, err := files.ReadFile("assets/" + it.Name())
		if err != nil {
			panic(err)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
})

func (c *console) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, err := files.ReadFile("assets/" + name)
	if err != nil || strings.Contains(name, "/") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	if r.URL.Query().Get("v") == assetsVersion() {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(b)
}

// A grid is a result as a page shows it.
type grid struct {
	V     *view
	Table duck.Table
	More  bool
	Links map[string]string // column -> address that the value is added to
	Words map[string]bool   // columns that hold words of the ledger
	Says  map[string]bool   // columns that hold its sentences
}

// A gridCell is one value with what a page needs to know of it.
type gridCell struct {
	Label, Text, Link string
	Numeric, Null     bool
	Date              bool
}

// Rows are the cells of the table as people read them.
func (g grid) Rows() [][]gridCell {
	out := make([][]gridCell, len(g.Table.Rows))
	for i, r := range g.Table.Rows {
		for j, x := range r {
			name := g.Table.Columns[j]
			cell := gridCell{Label: g.V.Word(name), Text: x.Text, Numeric: g.Table.Numeric[j], Null: x.IsNull, Date: dateForm.MatchString(x.Text)}
			switch {
			case cell.Numeric && strings.Contains(x.Text, "."):
				cell.Text = g.V.Amount(x.Text)
			case g.Says[name] && strings.Contains(x.Text, " "):
				cell.Text = g.V.Says(x.Text)
			case g.Words[name]:
				cell.Text = g.V.Word(x.Text)
			}
			if base, ok := g.Links[name]; ok && x.Text != "" {
				cell.Link = base + queryEscape(x.Text)
			}
			out[i] = append(out[i], cell)
		}
	}
	return out
}

// Heads are the names of the columns as people read them.
func (g grid) Heads() []gridCell {
	out := make([]gridCell, len(g.Table.Columns))
	for i, n := range g.Table.Columns {
		out[i] = gridCell{Text: g.V.Word(n), Numeric: g.Table.Numeric[i]}
	}
	return out
}

// explained are the columns whose values lead to their story.
var explained = map[string]string{"document_id": "/explain?q=", "order_number": "/explain?q=", "matched_document": "/explain?q=", "voucher": "/explain?q=",
	"erp_document_id": "/explain?q=", "bank_reference": "/explain?q=", "entry": "/explain?q=", "payout_id": "/explain?q="}

var wordy = map[string]bool{"kind": true, "status": true, "verdict": true, "role": true, "match_rule": true, "class": true, "change": true, "exception_kind": true, "action": true, "cause": true, "rule": true, "period": true, "key_type": true}

// told are the columns that hold sentences of the ledger.
var told = map[string]bool{"reason": true, "suggestion": true, "says": true, "evidence": true, "action": true, "text": true, "how": true, "rule": true, "of": true, "locator": true}
