package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// A Role is what someone may do besides reading.
type Role string

// The roles. Someone may have several; one alone is not the others.
const (
	Viewer     Role = "viewer"     // reads everything, and changes nothing
	Accountant Role = "accountant" // resolves, posts, reverses
	Operator   Role = "operator"   // sets up, runs, reads orders again
)

// Roles lists every role.
var Roles = []Role{Viewer, Accountant, Operator}

func joinRoles(roles []Role, sep string) string {
	s := make([]string, len(roles))
	for i, r := range roles {
		s[i] = string(r)
	}
	return strings.Join(s, sep)
}

// A User may sign in with a password.
type User struct {
	Name         string
	PasswordHash string // as HashPassword writes it
	Roles        []Role
}

func (u User) check() error {
	if u.Name == "" {
		return errors.New("it has no name")
	}
	if len(u.Roles) == 0 {
		return errors.New("it has no role: viewer, accountant or operator")
	}
	for _, r := range u.Roles {
		if !slices.Contains(Roles, r) {
			return fmt.Errorf("%q is no role: viewer, accountant or operator", r)
		}
	}
	_, err := parseHash(u.PasswordHash)
	return err
}

// Argon2id with the second recommended choice of RFC 9106, section 4: 64 MiB, three passes.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	argonLength  = 32
)

// HashPassword returns a password as a configuration keeps it.
func HashPassword(password string) (string, error) {
	if len(password) < 10 {
		return "", errors.New("a password has at least ten characters")
	}
	if len(password) > maxPassword {
		return "", fmt.Errorf("a password has at most %d bytes", maxPassword)
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	h := argonHash{time: argonTime, memory: argonMemory, threads: argonThreads, salt: salt}
	h.sum = h.of(password, argonLength)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads, b64(h.salt), b64(h.sum)), nil
}

const maxPassword = 1024

type argonHash struct {
	time, memory uint32
	threads      uint8
	salt, sum    []byte
}

func (h argonHash) of(password string, length uint32) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, length)
}

// parseHash reads the usual form of an argon2id hash. Its costs are bounded: whoever signs in waits for them.
func parseHash(text string) (argonHash, error) {
	var h argonHash
	wrong := errors.New("the password hash is not of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash; kvitt password makes one")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, wrong
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return h, wrong
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.sum) < 16 || len(h.sum) > 64 {
		return h, wrong
	}
	if h.memory < 8<<10 || h.memory > 256<<10 || h.time < 1 || h.time > 10 || h.threads < 1 {
		return h, errors.New("the password hash is weaker or slower than kvitt takes: m from 8192 to 262144, t from 1 to 10")
	}
	return h, nil
}

// A person is who is signed in.
type person struct {
	Name  string
	Roles []Role
	Local bool // by Open: nobody signed in
}

func (p person) hasAny(roles []Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(p.Roles, r) })
}

// Sessions live in memory: a restart signs everyone out, and no cookie is worth anything on disk.
const (
	sessionLife = 12 * time.Hour
	sessionIdle = time.Hour
	maxSessions = 10_000
)

type session struct {
	who         person
	began, seen time.Time
}

type sessions struct {
	wall   func() time.Time
	random io.Reader
	mu     sync.Mutex
	open   map[[32]byte]*session
	tries  map[string]*tries
	hashes chan struct{} // how many passwords are hashed at a time: each takes 64 MiB
}

type tries struct {
	failed int
	until  time.Time // nothing is tried before
}

func newSessions(wall func() time.Time, random io.Reader) *sessions {
	return &sessions{wall: wall, random: random, open: map[[32]byte]*session{}, tries: map[string]*tries{}, hashes: make(chan struct{}, 2)}
}

// begin returns the cookie of a new session.
func (s *sessions) begin(who person) (string, error) {
	b := make([]byte, 32)
	if _, err := io.ReadFull(s.random, b); err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(b)
	now := s.wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range s.open {
		if x.over(now) {
			delete(s.open, k)
		}
	}
	if len(s.open) >= maxSessions {
		return "", errors.New("too many sessions")
	}
	s.open[sha256.Sum256([]byte(token))] = &session{who, now, now}
	return token, nil
}

func (x *session) over(now time.Time) bool {
	return now.Sub(x.began) >= sessionLife || now.Sub(x.seen) >= sessionIdle
}

func (s *sessions) find(token string) (person, bool) {
	if token == "" {
		return person{}, false
	}
	now := s.wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(token))
	x, ok := s.open[key]
	if !ok {
		return person{}, false
	}
	if x.over(now) {
		delete(s.open, key)
		return person{}, false
	}
	x.seen = now
	return x.who, true
}

func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(token)))
}

// mayTry says how long someone at address has to wait before another password is looked at.
func (s *sessions) mayTry(keys ...string) time.Duration {
	now := s.wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	var wait time.Duration
	for _, k := range keys {
		if t := s.tries[k]; t != nil {
			wait = max(wait, t.until.Sub(now))
		}
	}
	return wait
}

// tried remembers how a try ended. Five are free; each after them doubles the wait, up to a quarter of an hour.
func (s *sessions) tried(ok bool, keys ...string) {
	now := s.wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tries) > maxSessions {
		for k, t := range s.tries {
			if now.Sub(t.until) > time.Hour {
				delete(s.tries, k)
			}
		}
		if len(s.tries) > maxSessions {
			clear(s.tries)
		}
	}
	for _, k := range keys {
		if ok {
			delete(s.tries, k)
			continue
		}
		t := s.tries[k]
		if t == nil {
			t = &tries{}
			s.tries[k] = t
		}
		t.failed++
		t.until = now
		if t.failed > 5 {
			t.until = now.Add(min(time.Second<<min(t.failed-5, 10), 15*time.Minute))
		}
	}
}

// cookieName binds a cookie to this host, over TLS alone, where there is TLS.
func (c *console) cookieName() string {
	if c.Secure {
		return "__Host-kvitt"
	}
	return "kvitt"
}

func (c *console) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	if c.Secure && !strings.HasPrefix(name, "__Host-") {
		name = "__Host-" + name
	}
	k := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode}
	if life < 0 {
		k.MaxAge = -1
	} else {
		k.MaxAge = int(life / time.Second)
	}
	http.SetCookie(w, k)
}

func (c *console) cookie(r *http.Request, name string) string {
	if c.Secure && !strings.HasPrefix(name, "__Host-") {
		name = "__Host-" + name
	}
	k, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return k.Value
}

// who says who asks.
func (c *console) who(r *http.Request) (person, bool) {
	if c.Open {
		return person{Name: "local", Roles: Roles, Local: true}, true
	}
	return c.sessions.find(c.cookie(r, c.cookieName()))
}

// enter lets those in who are signed in, and shows the others where to do that.
func (c *console) enter(w http.ResponseWriter, r *http.Request) (*view, bool) {
	who, ok := c.who(r)
	if ok {
		return c.newView(r, who), true
	}
	if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/chart/") {
		http.Redirect(w, r, "/sign-in?to="+queryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return nil, false
	}
	http.Error(w, "sign in first", http.StatusUnauthorized)
	return nil, false
}

// localPath is where to go after signing in: a path of ours, whatever was asked for.
func localPath(to string) string {
	if len(to) < 2 || to[0] != '/' || to[1] == '/' || to[1] == '\\' || strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(to, "/sign-") {
		return "/"
	}
	return to
}

type signInData struct {
	To        string
	Wrong     string
	Passwords bool
	OIDC      string
	Name      string
}

func (c *console) signInData(r *http.Request) signInData {
	d := signInData{To: localPath(r.FormValue("to")), Passwords: len(c.Users) > 0}
	if c.oidc != nil {
		d.OIDC = c.OIDC.Title
		if d.OIDC == "" {
			d.OIDC = "OpenID Connect"
		}
	}
	return d
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.who(r); ok {
		http.Redirect(w, r, localPath(r.URL.Query().Get("to")), http.StatusSeeOther)
		return
	}
	v := c.newView(r, person{})
	v.Title = v.T("Sign in")
	c.render(w, v, "sign_in", c.signInData(r))
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	v := c.newView(r, person{})
	v.Title = v.T("Sign in")
	d := c.signInData(r)
	name, password := short(r.PostForm.Get("name"), 200), r.PostForm.Get("password")
	d.Name = name
	row := auditRow{Action: "sign_in", Who: name, From: c.address(r)}
	keys := []string{"from " + c.address(r), "name " + name}
	if wait := c.sessions.mayTry(keys...); wait > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(wait/time.Second)+1))
		d.Wrong = v.T("Too many tries. Wait %d seconds.", int(wait/time.Second)+1)
		w.WriteHeader(http.StatusTooManyRequests)
		c.render(w, v, "sign_in", d)
		return
	}
	who, ok := c.password(r.Context(), name, password)
	c.sessions.tried(ok, keys...)
	if !ok {
		row.Outcome = "refused"
		c.note(row)
		d.Wrong = v.T("The name or the password is wrong.")
		w.WriteHeader(http.StatusUnauthorized)
		c.render(w, v, "sign_in", d)
		return
	}
	c.letIn(w, r, who, row, d.To)
}

// letIn begins a session and goes on to a page of ours.
func (c *console) letIn(w http.ResponseWriter, r *http.Request, who person, row auditRow, to string) {
	row.Who, row.Roles, row.Outcome = who.Name, who.Roles, "done"
	if err := c.audit.add(c.Now(), row); err != nil {
		c.Log.Error("the audit file cannot be written", "error", err)
		http.Error(w, "the audit file cannot be written", http.StatusServiceUnavailable)
		return
	}
	// A session that was there before is not carried on: its cookie may be known to someone else.
	c.sessions.end(c.cookie(r, c.cookieName()))
	token, err := c.sessions.begin(who)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	c.setCookie(w, c.cookieName(), token, sessionLife)
	http.Redirect(w, r, localPath(to), http.StatusSeeOther)
}

// password checks a password. A name nobody has costs the same time as a wrong password.
func (c *console) password(ctx context.Context, name, password string) (person, bool) {
	if len(password) > maxPassword {
		return person{}, false
	}
	select {
	case c.sessions.hashes <- struct{}{}:
		defer func() { <-c.sessions.hashes }()
	case <-ctx.Done():
		return person{}, false
	}
	stands := argonHash{time: argonTime, memory: argonMemory, threads: argonThreads, salt: make([]byte, 16), sum: make([]byte, argonLength)}
	var found *User
	for i := range c.Users {
		if subtle.ConstantTimeCompare([]byte(c.Users[i].Name), []byte(name)) == 1 {
			found = &c.Users[i]
		}
	}
	if found != nil {
		h, err := parseHash(found.PasswordHash)
		if err != nil {
			return person{}, false
		}
		stands = h
	}
	same := subtle.ConstantTimeCompare(stands.of(password, uint32(len(stands.sum))), stands.sum) == 1
	if found == nil || !same {
		return person{}, false
	}
	return person{Name: found.Name, Roles: found.Roles}, true
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	if who, ok := c.who(r); ok && !who.Local {
		c.note(auditRow{Action: "sign_out", Who: who.Name, Roles: who.Roles, From: c.address(r), Outcome: "done"})
	}
	c.sessions.end(c.cookie(r, c.cookieName()))
	c.setCookie(w, c.cookieName(), "", -1)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}
