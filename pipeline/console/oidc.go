package console

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDC lets people sign in with an OpenID Connect provider. Who may do what is said here, by
// the provider's groups or by address; someone who is in neither is not let in.
type OIDC struct {
	Title        string // on the button: "Acme"
	Issuer       string
	ClientID     string
	ClientSecret string
	RedirectURL  string            // the console's own address + /sign-in/oidc/back
	GroupsClaim  string            // "groups" unless set
	Roles        map[string][]Role // group or e-mail address -> roles
	Client       *http.Client
}

type oidcClient struct {
	c        *console
	o        OIDC
	mu       sync.Mutex
	provider *oidc.Provider // asked for when someone first signs in: the provider may be down when we start
}

func newOIDC(c *console, o OIDC) (*oidcClient, error) {
	u, err := url.Parse(o.RedirectURL)
	switch {
	case o.Issuer == "" || o.ClientID == "":
		return nil, errors.New("oidc: issuer and client_id must be set")
	case err != nil || u.Host == "" || !strings.HasSuffix(u.Path, "/sign-in/oidc/back"):
		return nil, errors.New("oidc: redirect_url is the console's own address with /sign-in/oidc/back at the end")
	case len(o.Roles) == 0:
		return nil, errors.New("oidc: no group or address has a role: nobody could sign in")
	}
	for who, roles := range o.Roles {
		for _, r := range roles {
			if !slices.Contains(Roles, r) {
				return nil, fmt.Errorf("oidc: %q of %s is no role: viewer, accountant or operator", r, who)
			}
		}
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	return &oidcClient{c: c, o: o}, nil
}

func (x *oidcClient) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, x.o.Client)
}

func (x *oidcClient) config(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.provider == nil {
		// The provider keeps this context for its keys: it must outlive the request.
		p, err := oidc.NewProvider(x.context(context.WithoutCancel(ctx)), x.o.Issuer)
		if err != nil {
			return nil, nil, err
		}
		x.provider = p
	}
	return &oauth2.Config{ClientID: x.o.ClientID, ClientSecret: x.o.ClientSecret, Endpoint: x.provider.Endpoint(),
		RedirectURL: x.o.RedirectURL, Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}, x.provider, nil
}

// What a sign-in must come back with, kept in a cookie of its own for ten minutes.
type oidcState struct {
	State, Nonce, Verifier, To string
}

func (c *console) oidcStart(w http.ResponseWriter, r *http.Request) {
	if c.oidc == nil {
		http.NotFound(w, r)
		return
	}
	cfg, _, err := c.oidc.config(r.Context())
	if err != nil {
		c.Log.Error("the OpenID Connect provider does not answer", "error", err)
		c.signInWrong(w, r, http.StatusBadGateway, "The sign-in service does not answer. Try again, or sign in with a password.")
		return
	}
	s := oidcState{State: randomText(), Nonce: randomText(), Verifier: oauth2.GenerateVerifier(), To: localPath(r.URL.Query().Get("to"))}
	b, err := json.Marshal(s)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.setCookie(w, "kvitt-oidc", base64.RawURLEncoding.EncodeToString(b), 10*time.Minute)
	http.Redirect(w, r, cfg.AuthCodeURL(s.State, oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier)), http.StatusSeeOther)
}

func randomText() string { return rand.Text() + rand.Text() }

func (c *console) oidcBack(w http.ResponseWriter, r *http.Request) {
	if c.oidc == nil {
		http.NotFound(w, r)
		return
	}
	var s oidcState
	b, err := base64.RawURLEncoding.DecodeString(c.cookie(r, "kvitt-oidc"))
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	c.setCookie(w, "kvitt-oidc", "", -1)
	if err != nil || s.State == "" || r.URL.Query().Get("state") != s.State {
		c.signInWrong(w, r, http.StatusBadRequest, "This sign-in was not begun in this browser, or too long ago. Begin again.")
		return
	}
	who, err := c.oidc.finish(r.Context(), r.URL.Query().Get("code"), s)
	row := auditRow{Action: "sign_in", Who: who.Name, From: c.address(r)}
	if err != nil {
		row.Outcome = "refused: " + short(err.Error(), 300)
		c.note(row)
		c.Log.Warn("a sign-in was refused", "error", err)
		c.signInWrong(w, r, http.StatusForbidden, "The sign-in service did not vouch for you, or your account has no role here.")
		return
	}
	c.letIn(w, r, who, row, s.To)
}

// finish turns the code into who it is. The ID token's signature, issuer, audience, expiry and nonce are checked.
func (x *oidcClient) finish(ctx context.Context, code string, s oidcState) (person, error) {
	cfg, provider, err := x.config(ctx)
	if err != nil {
		return person{}, err
	}
	ctx = x.context(ctx)
	token, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(s.Verifier))
	if err != nil {
		return person{}, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return person{}, errors.New("no ID token")
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: x.o.ClientID, Now: x.c.Wall}).Verify(ctx, raw)
	if err != nil {
		return person{}, err
	}
	if id.Nonce != s.Nonce {
		return person{}, errors.New("the ID token is of another sign-in")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return person{}, err
	}
	who := person{Name: id.Subject}
	email, _ := claims["email"].(string)
	verified, _ := claims["email_verified"].(bool)
	add := func(name string) {
		for _, r := range x.o.Roles[name] {
			if !slices.Contains(who.Roles, r) {
				who.Roles = append(who.Roles, r)
			}
		}
	}
	if email != "" && verified { // an address nobody checked is anybody's
		who.Name = email
		add(email)
	}
	if groups, ok := claims[x.o.GroupsClaim].([]any); ok {
		for _, g := range groups {
			if name, ok := g.(string); ok {
				add(name)
			}
		}
	}
	if len(who.Roles) == 0 {
		return who, fmt.Errorf("%s is in no group, and has no address, that has a role", who.Name)
	}
	return who, nil
}

func (c *console) signInWrong(w http.ResponseWriter, r *http.Request, code int, says string) {
	v := c.newView(r, person{})
	v.Title = v.T("Sign in")
	d := c.signInData(r)
	d.Wrong = v.T(says)
	w.WriteHeader(code)
	c.render(w, v, "sign_in", d)
}
