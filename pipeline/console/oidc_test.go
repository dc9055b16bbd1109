package console

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// An issuer is an OpenID Connect provider that says of whoever comes what a test wants it to say.
type issuer struct {
	*httptest.Server
	key    *rsa.PrivateKey
	asked  url.Values // of the last visit
	claims map[string]any
	sign   *rsa.PrivateKey
	form   url.Values // of the last exchange
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	x := &issuer{key: key, sign: key, claims: map[string]any{}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]any{"issuer": x.URL, "authorization_endpoint": x.URL + "/auth", "token_endpoint": x.URL + "/token", "jwks_uri": x.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &x.key.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		x.form = r.PostForm
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: x.sign, KeyID: "1"}}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		now := time.Now()
		all := map[string]any{"iss": x.URL, "aud": "kvitt", "sub": "u1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": x.asked.Get("nonce")}
		for k, v := range x.claims {
			all[k] = v
		}
		b, _ := json.Marshal(all)
		signed, err := signer.Sign(b)
		if err != nil {
			t.Error(err)
			return
		}
		text, _ := signed.CompactSerialize()
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": text})
	})
	x.Server = httptest.NewServer(mux)
	t.Cleanup(x.Close)
	return x
}

func TestOIDC(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		claims map[string]any
		sign   *rsa.PrivateKey
		state  string
		want   int
		who    string
	}{
		"by group":                   {claims: map[string]any{"groups": []string{"books", "x"}, "email": "a@example.com", "email_verified": true}, want: 303, who: "a@example.com"},
		"by address":                 {claims: map[string]any{"email": "boss@example.com", "email_verified": true}, want: 303, who: "boss@example.com"},
		"an address nobody checked":  {claims: map[string]any{"email": "boss@example.com"}, want: 403},
		"in no group":                {claims: map[string]any{"groups": []string{"x"}}, want: 403},
		"a token of someone else":    {claims: map[string]any{"groups": []string{"books"}, "aud": "another"}, want: 403},
		"a token of another issuer":  {claims: map[string]any{"groups": []string{"books"}, "iss": "https://evil.example"}, want: 403},
		"a token that has expired":   {claims: map[string]any{"groups": []string{"books"}, "exp": 1}, want: 403},
		"a token of another sign-in": {claims: map[string]any{"groups": []string{"books"}, "nonce": "x"}, want: 403},
		"a signature of another key": {claims: map[string]any{"groups": []string{"books"}}, sign: other, want: 403},
		"a sign-in begun elsewhere":  {claims: map[string]any{"groups": []string{"books"}}, state: "x", want: 400},
	} {
		t.Run(name, func(t *testing.T) {
			x := newIssuer(t)
			x.claims = test.claims
			if test.sign != nil {
				x.sign = test.sign
			}
			o := options(booked(t))
			o.Open = false
			o.OIDC = &OIDC{Title: "Exempel", Issuer: x.URL, ClientID: "kvitt", ClientSecret: "s", RedirectURL: "http://localhost/sign-in/oidc/back", Roles: map[string][]Role{"books": {Accountant}, "boss@example.com": {Viewer}}}
			b := open(t, o)
			mustHave(t, b.page("/sign-in"), "Sign in with Exempel")
			code, to := b.get("/sign-in/oidc?to=/payouts")
			if code != 303 || !strings.HasPrefix(to, x.URL+"/auth?") {
				t.Fatalf("%d %s", code, to)
			}
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			x.asked = u.Query()
			if x.asked.Get("code_challenge_method") != "S256" || x.asked.Get("code_challenge") == "" {
				t.Error("no PKCE")
			}
			state := x.asked.Get("state")
			if test.state != "" {
				state = test.state
			}
			code, to = b.get("/sign-in/oidc/back?code=c&state=" + url.QueryEscape(state))
			if code != test.want {
				t.Fatalf("%d: %s", code, short(plain(to), 300))
			}
			if test.want != 303 {
				if code, _ := b.get("/payouts"); code != 303 {
					t.Errorf("let in: %d", code)
				}
				return
			}
			if to != "/payouts" || x.form.Get("code_verifier") == "" {
				t.Errorf("it leads to %s, verifier %q", to, x.form.Get("code_verifier"))
			}
			mustHave(t, b.page("/payouts"), "Signed in as "+test.who)
			// The same answer a second time is worth nothing.
			again := visit(t, b.c, b.url)
			if code, _ := again.get("/sign-in/oidc/back?code=c&state=" + url.QueryEscape(state)); code != 400 {
				t.Errorf("replayed: %d", code)
			}
		})
	}
}
