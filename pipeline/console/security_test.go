package console

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const password = "korrekt häst batteri"

var hashOnce = sync.OnceValues(func() (string, error) { return HashPassword(password) })

// withUsers is a console with one user for each role, and one with the two that work.
func withUsers(t *testing.T, o Options) Options {
	t.Helper()
	hash, err := hashOnce()
	if err != nil {
		t.Fatal(err)
	}
	o.Open = false
	o.Users = []User{
		{"vera", hash, []Role{Viewer}}, {"anna", hash, []Role{Accountant}}, {"olle", hash, []Role{Operator}}, {"both", hash, []Role{Accountant, Operator}},
	}
	return o
}

func (b *browser) signIn(name, password string) int {
	b.t.Helper()
	code, _ := b.post("/sign-in", url.Values{"name": {name}, "password": {password}})
	return code
}

func TestOptionsThatContradict(t *testing.T) {
	good := options(t.TempDir())
	for name, change := range map[string]func(*Options){
		"nobody could sign in":  func(o *Options) { o.Open = false },
		"open, and with users":  func(o *Options) { o.Users = []User{{"a", "x", []Role{Viewer}}} },
		"a hash that is none":   func(o *Options) { o.Open = false; o.Users = []User{{"a", "plain text", []Role{Viewer}}} },
		"a user without a role": func(o *Options) { h, _ := hashOnce(); o.Open = false; o.Users = []User{{"a", h, nil}} },
		"a role nobody knows":   func(o *Options) { h, _ := hashOnce(); o.Open = false; o.Users = []User{{"a", h, []Role{"root"}}} },
		"OIDC without roles": func(o *Options) {
			o.Open = false
			o.OIDC = &OIDC{Issuer: "https://x", ClientID: "k", RedirectURL: "https://y/sign-in/oidc/back"}
		},
		"OIDC to another page": func(o *Options) {
			o.Open = false
			o.OIDC = &OIDC{Issuer: "https://x", ClientID: "k", RedirectURL: "https://y/", Roles: map[string][]Role{"g": {Viewer}}}
		},
		"no way to a project": func(o *Options) { o.Load = nil },
		"a hash that costs none": func(o *Options) {
			o.Open = false
			o.Users = []User{{"a", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt", []Role{Viewer}}}
		},
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestNothingIsShownBeforeSigningIn(t *testing.T) {
	b := open(t, withUsers(t, options(booked(t))))
	for _, p := range append([]string{"/nowhere", "/jobs/x", "/payouts/klarna/x"}, everyPage...) {
		code, to := b.get(p)
		if code != http.StatusSeeOther || !strings.HasPrefix(to, "/sign-in?to=") {
			t.Errorf("%s: %d %s", p, code, short(to, 200))
		}
	}
	if code, _ := b.get("/chart/paid.svg"); code != http.StatusUnauthorized {
		t.Errorf("a chart: %d", code)
	}
	for _, a := range b.c.actions {
		path := strings.ReplaceAll(strings.TrimPrefix(a.pattern, "POST "), "{id}", "x")
		if code, _ := b.post(path, url.Values{}); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", a.name, code)
		}
	}
}

func TestSigningInAndOut(t *testing.T) {
	o := withUsers(t, options(booked(t)))
	wall := newWall()
	o.Wall = wall.now
	b := open(t, o)
	if code := b.signIn("anna", "wrong password"); code != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", code)
	}
	if code := b.signIn("nobody", password); code != http.StatusUnauthorized {
		t.Errorf("a name nobody has: %d", code)
	}
	if code := b.signIn("anna", password); code != http.StatusSeeOther {
		t.Fatalf("the right password: %d", code)
	}
	mustHave(t, b.page("/"), "Signed in as anna")
	wall.advance(59 * time.Minute)
	b.page("/")
	wall.advance(61 * time.Minute)
	if code, _ := b.get("/"); code != http.StatusSeeOther {
		t.Errorf("after an idle hour: %d", code)
	}
	b.signIn("anna", password)
	for range 14 {
		wall.advance(55 * time.Minute)
		b.get("/")
	}
	if code, _ := b.get("/"); code != http.StatusSeeOther {
		t.Errorf("after twelve hours: %d", code)
	}
	b.signIn("anna", password)
	stolen := visit(t, b.c, b.url)
	u, _ := url.Parse(b.url)
	stolen.Jar.SetCookies(u, b.Jar.Cookies(u))
	stolen.page("/")
	if code, to := b.post("/sign-out", nil); code != http.StatusSeeOther || to != "/sign-in" {
		t.Errorf("sign-out: %d %s", code, to)
	}
	if code, _ := stolen.get("/"); code != http.StatusSeeOther {
		t.Errorf("a cookie outlives its session: %d", code)
	}
}

// Guessing costs time: five tries are free, then each wait is twice the one before.
func TestGuessingPasswords(t *testing.T) {
	o := withUsers(t, options(t.TempDir()))
	wall := newWall()
	o.Wall = wall.now
	b := open(t, o)
	var codes []int
	for range 7 {
		codes = append(codes, b.signIn("anna", "wrong password"))
	}
	if want := []int{401, 401, 401, 401, 401, 401, 429}; !slices.Equal(codes, want) {
		t.Errorf("answers %v, not %v", codes, want)
	}
	if code := b.signIn("anna", password); code != 429 {
		t.Errorf("the right password while waiting: %d", code)
	}
	wall.advance(3 * time.Second)
	if code := b.signIn("anna", password); code != 303 {
		t.Errorf("the right password after the wait: %d", code)
	}
}

func TestCookies(t *testing.T) {
	o := withUsers(t, options(t.TempDir()))
	o.Secure = true
	b := open(t, o)
	res, err := b.PostForm(b.url+"/sign-in", url.Values{"name": {"anna"}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	k := res.Cookies()
	if len(k) != 1 || k[0].Name != "__Host-kvitt" || !k[0].Secure || !k[0].HttpOnly || k[0].SameSite != http.SameSiteLaxMode || k[0].Path != "/" || k[0].Domain != "" {
		t.Errorf("cookies %v", k)
	}
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("TLS is not asked for next time")
	}
}

// A path to go on to after signing in never leads to another site.
func TestLocalPath(t *testing.T) {
	for in, want := range map[string]string{
		"/payouts?source=x": "/payouts?source=x", "": "/", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/",
		`\\evil.example`: "/", "/sign-out": "/", "/x\\..\\y": "/", "/\t/evil.example": "/",
	} {
		if got := localPath(in); got != want {
			t.Errorf("%q leads to %q", in, got)
		}
	}
}

// Each action is refused to each role that it does not name, before anything is done, and the refusal is written down.
func TestRoles(t *testing.T) {
	b := open(t, withUsers(t, options(booked(t))))
	who := map[string]Role{"vera": Viewer, "anna": Accountant, "olle": Operator}
	seats := map[string]*browser{}
	for name := range who {
		seats[name] = visit(t, b.c, b.url)
		if code := seats[name].signIn(name, password); code != 303 {
			t.Fatalf("%s: %d", name, code)
		}
	}
	if len(b.c.actions) < 12 {
		t.Fatalf("only %d actions", len(b.c.actions))
	}
	for _, a := range b.c.actions {
		for name, role := range who {
			if slices.Contains(a.roles, role) {
				continue
			}
			t.Run(a.name+" by "+name, func(t *testing.T) {
				path := strings.ReplaceAll(strings.TrimPrefix(a.pattern, "POST "), "{id}", "00000000-0000-0000-0000-000000000000")
				code, body := seats[name].post(path, url.Values{"digest": {strings.Repeat("a", 64)}, "id": {"x"}, "ids": {"x"}, "source": {"klarna"}})
				if code != http.StatusForbidden {
					t.Errorf("%d: %s", code, short(plain(body), 300))
				}
				last := auditOf(t, b)[0]
				if last.Who != name || last.Action != a.name || !strings.HasPrefix(last.Outcome, "refused") {
					t.Errorf("the audit file says %+v", last)
				}
			})
		}
	}
	if len(b.c.jobs.all) != 0 {
		t.Error("something was begun")
	}
}

// What changes something is believed from our own pages only.
func TestCrossSite(t *testing.T) {
	b := open(t, options(booked(t)))
	for name, header := range map[string]http.Header{
		"from another site":                 {"Sec-Fetch-Site": {"cross-site"}},
		"from a neighbour of our domain":    {"Sec-Fetch-Site": {"same-site"}},
		"by an old browser from another":    {"Origin": {"https://evil.example"}},
		"by an old browser from nowhere":    {"Origin": {"null"}},
		"from another port of this machine": {"Origin": {"http://127.0.0.1:1"}},
	} {
		for _, a := range b.c.actions {
			path := strings.ReplaceAll(strings.TrimPrefix(a.pattern, "POST "), "{id}", "x")
			req, _ := http.NewRequest("POST", b.url+path, strings.NewReader("sql=select+1&ids=x&source=klarna"))
			req.Header = header.Clone()
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if code, body := b.read(b.Do(req)); code != http.StatusForbidden {
				t.Errorf("%s, %s: %d %s", name, a.name, code, short(plain(body), 200))
			}
		}
	}
	if rows := auditOf(t, b); len(rows) == 0 || rows[0].Action != "cross_site" {
		t.Error("the audit file says nothing of it")
	}
	// No action answers to GET.
	for _, a := range b.c.actions {
		path := strings.TrimPrefix(a.pattern, "POST ")
		if code, _ := b.get(strings.ReplaceAll(path, "{id}", "x")); code == 200 && !slices.Contains([]string{"/sql", "/setup/test", "/setup/sync", "/setup/source", "/setup/sales"}, path) {
			t.Errorf("GET %s: %d", path, code)
		}
	}
}

// A name of another site that was made to point at this machine is not answered to.
func TestRebinding(t *testing.T) {
	b := open(t, options(booked(t)))
	for host, want := range map[string]int{"evil.example": 403, "evil.example:8740": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "localhost:8740": 200, "127.0.0.1": 200, "[::1]:8740": 200} {
		req, _ := http.NewRequest("GET", b.url+"/runs", nil)
		req.Host = host
		if code, _ := b.read(b.Do(req)); code != want {
			t.Errorf("%s: %d", host, code)
		}
	}
}

func TestHeaders(t *testing.T) {
	b := open(t, options(booked(t)))
	for _, p := range []string{"/", "/sign-in", "/assets/console.css", "/nowhere", "/chart/paid.svg"} {
		res, err := b.Get(b.url + p)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe-eval") || strings.Contains(policy, "*") || p != "/chart/paid.svg" && strings.Contains(policy, "unsafe-inline") {
			t.Errorf("%s: policy %q", p, policy)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") == "" {
			t.Errorf("%s: %v", p, res.Header)
		}
	}
}

func TestPathTricks(t *testing.T) {
	b := open(t, options(booked(t)))
	for _, p := range []string{"/assets/..%2fpages%2fframe.html", "/assets/%2e%2e%2fconsole.go", "/assets/../../../etc/passwd", "/assets/%00", "/assets/", "/chart/..%2f..%2fetc%2fpasswd", "/chart/x.svg", "/exceptions/1'%20or%20'1'='1", "/exceptions/..", "/payouts/klarna/../../../etc/passwd", "/payouts/klarna/'%3B%20drop%20table%20x", "/jobs/../../etc", "/runs/'%20or%201=1", "/.git/config", "/data/work.duckdb", "/audit.jsonl"} {
		res, err := b.Get(b.url + p)
		code, body := b.read(res, err)
		if code == 200 || code >= 500 || strings.Contains(body, "root:") || strings.Contains(body, "{{define") {
			t.Errorf("%s: %d %s", p, code, short(plain(body), 200))
		}
	}
}

// What people and providers wrote is text, wherever it is shown.
func TestScriptsAreText(t *testing.T) {
	b := open(t, options(booked(t)))
	const evil = `"><script>alert(1)</script>`
	for _, p := range []string{"/explain?q=", "/payouts?source=", "/exceptions?kind=", "/open-items?source=", "/proof?source=", "/setup/sync?source=", "/sign-in?to=", "/setup/test?source="} {
		if _, body := b.get(p + url.QueryEscape(evil)); strings.Contains(body, "<script>alert") {
			t.Errorf("%s runs a script", p)
		}
	}
	if _, body := b.post("/sql", url.Values{"sql": {"select '<script>alert(1)</script>' as \"<script>alert(2)</script>\""}}); strings.Contains(body, "<script>alert") || !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Error("a result runs a script")
	}
}

func TestLimits(t *testing.T) {
	b := open(t, options(booked(t)))
	if code, _ := b.post("/setup/sync", url.Values{"source": {"klarna"}, "ids": {strings.Repeat("x,", 3<<20)}}); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large form: %d", code)
	}
	if code, _ := b.get("/explain?q=" + strings.Repeat("x", 5<<10)); code != http.StatusRequestURITooLong {
		t.Errorf("a long address: %d", code)
	}
	if code, _ := b.post("/sql", url.Values{"sql": {"select '" + strings.Repeat("x", deskText) + "'"}}); code != http.StatusBadRequest {
		t.Errorf("a long query: %d", code)
	}
	if code, _ := b.get("/payouts?page=99999999999999999999"); code != 200 {
		t.Errorf("a page that is no number: %d", code)
	}
	if n := len(idsOf("a, b\n b;c # remark\n\"d\"\t" + strings.Repeat("x", 300))); n != 4 {
		t.Errorf("%d IDs", n)
	}
}

// An action that cannot be written down does not happen.
func TestNoAuditNoAction(t *testing.T) {
	dir := copied(t)
	b := open(t, options(dir))
	path := filepath.Join(dir, "data", "audit.jsonl")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _ := b.post("/setup/run", nil); code != http.StatusServiceUnavailable {
		t.Errorf("a run without a row: %d", code)
	}
	if len(b.c.jobs.all) != 0 {
		t.Error("it was begun")
	}
}

func TestAuditFileIsAChain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	a, err := openAudit(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"one", "two", "three"} {
		if err := a.add(afterMarch, auditRow{Action: what, Who: "anna", Outcome: "done"}); err != nil {
			t.Fatal(err)
		}
	}
	// Opened anew, and after a row that a power cut left half written, it goes on.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"at":"2026-`)
	f.Close()
	if a, err = openAudit(path); err != nil {
		t.Fatal(err)
	}
	if err := a.add(afterMarch, auditRow{Action: "four", Outcome: "done"}); err != nil {
		t.Fatal(err)
	}
	rows, whole, err := a.rows(10)
	if err != nil || len(rows) != 4 || rows[0].Action != "four" {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if whole {
		t.Error("a row cut short is not seen")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	for name, text := range map[string]string{
		"a row taken out": lines[0] + lines[2], "a row changed": strings.Replace(lines[0], "anna", "vera", 1) + lines[1] + lines[2], "the first row taken out": lines[1] + lines[2],
	} {
		p := filepath.Join(t.TempDir(), "audit.jsonl")
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		x := &auditFile{path: p}
		if _, whole, _ := x.rows(10); whole {
			t.Errorf("%s is not seen", name)
		}
	}
	x := &auditFile{path: path}
	if err := os.WriteFile(path, []byte(lines[0]+lines[1]+lines[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, whole, _ := x.rows(10); !whole {
		t.Error("a whole chain is said to be broken")
	}
}
