package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// serve reads [serve]: where webhooks, metrics and the console are reached.
func (r *reader) serve(file section) Serve {
	s := file.sub("serve", inServe, "[serve]")
	s.refuseUnknown(nil)
	const fallback = "127.0.0.1:8740"
	out := Serve{Listen: s.text("listen", fallback, fallback), BehindProxy: s.yes("behind_proxy"), at: s.place("listen")}
	if out.Listen == "" || !isAddress(out.Listen) {
		r.fail(s.place("listen"), s.key("listen"), fmt.Sprintf("listen = %q is no address to listen on", out.Listen), fmt.Sprintf("write host and port: listen = %q", fallback))
		out.Listen = fallback
	}
	for _, f := range []struct {
		key, other string
		path       *string
	}{{"tls_cert", "tls_key", &out.TLSCert}, {"tls_key", "tls_cert", &out.TLSKey}} {
		name := s.text(f.key, "", "tls/"+f.key+".pem")
		if name != "" {
			*f.path = r.path(name)
		}
		if s.has(f.key) && s.lacks(f.other) {
			r.fail(s.place(f.key), s.key(f.key), fmt.Sprintf("[serve] has %s and no %s", f.key, f.other), fmt.Sprintf("write e.g. %s = %q", f.other, "tls/"+f.other+".pem"))
		}
	}
	if s.has("public_url") {
		out.PublicURL = s.address("public_url", "KVITT_PUBLIC_URL")
	}
	out.MetricsToken, _, _ = s.secret("metrics_token", true, "KVITT_METRICS_TOKEN")
	for _, u := range s.subs("user", inServeUser) {
		u.refuseUnknown(nil)
		user := User{Name: u.text("name", "", "vera"), Roles: u.roles()}
		user.PasswordHash, _, _ = u.secret("password_hash", false, "KVITT_PASSWORD_HASH")
		for _, must := range []struct{ key, example string }{{"name", "vera"}, {"password_hash", "$argon2id$…"}} {
			if u.lacks(must.key) {
				r.fail(u.at, u.key(must.key), "[[serve.user]] has no "+must.key, fmt.Sprintf("write e.g. %s = %q", must.key, must.example))
			}
		}
		if slices.ContainsFunc(out.Users, func(o User) bool { return o.Name == user.Name && user.Name != "" }) {
			r.fail(u.place("name"), u.key("name"), fmt.Sprintf("the name %q is taken", user.Name), "give each person a name of their own")
		}
		out.Users = append(out.Users, user)
	}
	if s.has("oidc") {
		o := s.sub("oidc", inServeOIDC, "[serve.oidc]")
		o.refuseUnknown(nil)
		out.OIDC = &OIDC{Title: o.text("title", "", "Exempel"), Issuer: o.address("issuer", "KVITT_OIDC_ISSUER"), ClientID: o.text("client_id", "", "kvitt"),
			GroupsClaim: o.text("groups_claim", "groups", "groups"), Roles: map[string][]string{}}
		out.OIDC.ClientSecret, _, _ = o.secret("client_secret", true, "KVITT_OIDC_SECRET")
		for _, key := range []string{"issuer", "client_id"} {
			if o.n != nil && o.lacks(key) {
				r.fail(o.at, o.key(key), "[serve.oidc] has no "+key, map[string]string{"issuer": `write e.g. issuer = "https://id.exempel.se"`, "client_id": `write e.g. client_id = "kvitt"`}[key])
			}
		}
		for _, m := range o.subs("role", inOIDCRole) {
			m.refuseUnknown(nil)
			match := m.text("match", "", "bookkeepers")
			if m.lacks("match") {
				r.fail(m.at, m.key("match"), "[[serve.oidc.role]] has no match", `write a group or an e-mail address: match = "bookkeepers"`)
			}
			out.OIDC.Roles[match] = m.roles()
		}
	}
	return out
}

// roles reads what someone may do.
func (s section) roles() []string {
	words := []string{"viewer", "accountant", "operator"}
	list := s.texts("roles", `roles = ["viewer"]`)
	if s.lacks("roles") || s.has("roles") && len(list) == 0 {
		s.r.fail(s.place("roles"), s.key("roles"), s.title+" has no roles", `write some of "viewer", "accountant" and "operator": roles = ["viewer"]`)
	}
	for _, w := range list {
		if !slices.Contains(words, w) {
			s.r.fail(s.place("roles"), s.key("roles"), fmt.Sprintf("role %q is not known", w), mistyped(w, words))
		}
	}
	return list
}

// texts reads a list of texts; a single one will do.
func (s section) texts(name, example string) []string {
	v := s.get(name)
	if v == nil {
		return nil
	}
	items := []*node{v}
	if v.kind == unstable.Array {
		items = v.items
	}
	var out []string
	for _, it := range items {
		if it.kind != stringKind {
			s.r.fail(it.at, s.key(name), name+" is a list of texts", "write e.g. "+example)
			continue
		}
		out = append(out, it.text)
	}
	return out
}

func isAddress(hostPort string) bool {
	_, port, err := net.SplitHostPort(hostPort)
	n, convErr := strconv.Atoi(port)
	return err == nil && convErr == nil && n >= 0 && n <= 65535
}

// SignIn reports whether anyone can sign in to the console.
func (s Serve) SignIn() bool { return len(s.Users) > 0 || s.OIDC != nil }

// IsLoopback reports whether only this machine reaches it.
func (s Serve) IsLoopback() bool {
	host, _, _ := net.SplitHostPort(s.Listen)
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// MayListen says why it is refused to listen where other machines reach it, or nil: without TLS
// passwords and books would cross the network in the clear, and without sign-in they would be anyone's.
//
// Errors: *Error.
func (s Serve) MayListen() error {
	if s.IsLoopback() && !s.BehindProxy {
		return nil
	}
	what := fmt.Sprintf("listen = %q is reached from other machines", s.Listen)
	if s.IsLoopback() {
		what = "behind_proxy = true: a proxy lets other machines in"
	}
	var do string
	switch {
	case !s.BehindProxy && s.TLSCert == "":
		do = "give it tls_cert and tls_key, or behind_proxy = true when a proxy speaks TLS before it, or listen on 127.0.0.1"
	case !s.SignIn():
		do = "say who may sign in: [[serve.user]] or [serve.oidc]"
	default:
		return nil
	}
	return &Error{File: s.at.file, Line: s.at.line, Column: s.at.col, Key: "serve.listen", Message: what, Do: do}
}

// notify reads [notify]: who is told what a run did.
func (r *reader) notify(file section) Notify {
	s := file.sub("notify", inNotify, "[notify]")
	s.refuseUnknown(nil)
	n := Notify{When: s.word("when", "news", []string{"news", "always", "trouble"}), From: s.text("from", "", "kvitt@exempel.se"), SMTP: s.text("smtp", "", "smtp.exempel.se:587")}
	if s.n == nil {
		return n
	}
	n.Email = s.texts("email", `email = ["ekonomi@exempel.se"]`)
	for _, a := range append(slices.Clone(n.Email), n.From) {
		if p, err := mail.ParseAddress(a); a != "" && (err != nil || p.Address != a) {
			key := "email"
			if a == n.From {
				key = "from"
			}
			r.fail(s.place(key), s.key(key), fmt.Sprintf("%q is no e-mail address", a), `write e.g. "ekonomi@exempel.se"`)
		}
	}
	if n.SMTP != "" && !isAddress(n.SMTP) {
		r.fail(s.place("smtp"), s.key("smtp"), fmt.Sprintf("smtp = %q is no host and port", n.SMTP), `write e.g. smtp = "smtp.exempel.se:587"`)
	}
	n.SMTPUsername, _, _ = s.secret("smtp_username", false, "KVITT_SMTP_USERNAME")
	n.SMTPPassword, _, _ = s.secret("smtp_password", true, "KVITT_SMTP_PASSWORD")
	if len(n.Email) > 0 {
		for _, must := range []struct{ key, example string }{{"from", "kvitt@exempel.se"}, {"smtp", "smtp.exempel.se:587"}} {
			if s.lacks(must.key) {
				r.fail(s.at, s.key(must.key), "[notify] has email and no "+must.key, fmt.Sprintf("write e.g. %s = %q", must.key, must.example))
			}
		}
	}
	if s.has("webhook") {
		// The address is the secret: whoever has it can write there.
		n.Webhook = s.hiddenAddress("webhook", "KVITT_NOTIFY_WEBHOOK")
	}
	return n
}
