package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/load/fortnox"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/vault"
)

// keyringEntry reads an entry of the system's keyring: service kvitt, user NAME.
func keyringEntry(name string) (string, error) { return keyring.Get("kvitt", name) }

// openVault returns the vault of a configuration. It touches nothing before it is used.
func openVault(cfg *config.Config) *vault.Vault {
	return vault.New(vault.Options{Dir: cfg.DataDir + "/vault", Key: cfg.VaultKey, KeyFile: cfg.Dir + "/kvitt.key"})
}

// A kept token is what connect leaves in the vault.
type keptToken struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	Expiry       time.Time `json:"expiry"`
	Scope        string    `json:"scope,omitempty"`
}

func (a *app) connectCommand() *cobra.Command {
	var listen, redirect string
	cmd := &cobra.Command{
		Use: "connect NAME", Short: "a person allows kvitt to use a source, or fortnox, in the browser; the token is kept encrypted",
		Long: "Shows the address where a person logs in and allows it, waits on this machine for the answer, and keeps\nthe tokens in the vault. The redirect address must be registered at the provider as it is shown.",
		Args: exactly(1, "takes the name of a source, or fortnox"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, p, err := a.load()
			if err != nil {
				return err
			}
			consent, done, err := a.consent(cfg, p, args[0])
			if err != nil {
				return err
			}
			t, err := a.ask(cmd.Context(), consent, listen, redirect)
			if err != nil {
				return fmt.Errorf("connect %s: %w", args[0], err)
			}
			b, err := json.Marshal(t)
			if err != nil {
				return err
			}
			if err := openVault(cfg).Update(cmd.Context(), args[0], func([]byte) ([]byte, error) { return b, nil }); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "connected; the tokens of %s are kept encrypted in %s/vault\n", args[0], cfg.DataDir)
			return done(cmd.Context(), t)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8741", "where the browser is sent back to on this machine")
	cmd.Flags().StringVar(&redirect, "redirect", "", "the redirect address as it is registered, when it is not http://LISTEN/callback")
	return cmd
}

// consent returns the flow of the source or ERP called name, and what is said after it.
func (a *app) consent(cfg *config.Config, p *pipeline.Project, name string) (*extract.Consent, func(context.Context, keptToken) error, error) {
	nothing := func(context.Context, keptToken) error { return nil }
	if name == fortnox.VaultName && cfg.ERP.Provider == "fortnox" && !slices.Contains(cfg.SourceNames(), name) {
		return a.fortnoxConsent(cfg, p)
	}
	for _, s := range p.Sources {
		if s.Name != name {
			continue
		}
		if s.Connector.Consent != nil {
			if c := s.Connector.Consent(s.Config); c != nil {
				return c, nothing, nil
			}
		}
		return nil, nil, fmt.Errorf("%w: %s needs no connecting: the keys in the configuration are enough", errUsage, name)
	}
	return nil, nil, fmt.Errorf("%w: there is no source %q to connect; there are %s", errUsage, name, strings.Join(cfg.SourceNames(), ", "))
}

// ask walks a person through c and returns the token.
func (a *app) ask(ctx context.Context, c *extract.Consent, listen, redirect string) (keptToken, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return keptToken{}, fmt.Errorf("%w; another --listen may be free", err)
	}
	if redirect == "" {
		redirect = "http://" + l.Addr().String() + "/callback"
	}
	state := make([]byte, 24)
	if _, err := rand.Read(state); err != nil {
		return keptToken{}, err
	}
	want := base64.RawURLEncoding.EncodeToString(state)
	answers := make(chan answer, 1)
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: callback(redirect, want, answers)}
	go srv.Serve(l)
	defer srv.Close()

	q := url.Values{"client_id": {c.ClientID}, "redirect_uri": {redirect}, "response_type": {"code"}, "state": {want}}
	if len(c.Scopes) > 0 {
		q.Set("scope", strings.Join(c.Scopes, " "))
	}
	for _, k := range slices.Sorted(maps.Keys(c.Params)) {
		q.Set(k, c.Params[k])
	}
	sep := "?"
	if strings.Contains(c.AuthURL, "?") {
		sep = "&"
	}
	fmt.Fprintf(a.stdout, "open this address, log in and allow it:\n\n  %s\n\nwaiting on %s (ten minutes, Ctrl-C to stop)\n", c.AuthURL+sep+q.Encode(), redirect)
	wait := time.NewTimer(10 * time.Minute) // a code is worth no longer
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return keptToken{}, ctx.Err()
	case <-wait.C:
		return keptToken{}, errors.New("nobody answered within ten minutes; start it again")
	case got := <-answers:
		if got.err != nil {
			return keptToken{}, got.err
		}
		return a.exchange(ctx, c, got.code, redirect)
	}
}

type answer struct {
	code string
	err  error
}

// callback takes the browser that comes back. What carries another state is no answer to
// our question, and is not even an end of waiting.
func callback(redirect, state string, answers chan<- answer) http.Handler {
	path := "/callback"
	if u, err := url.Parse(redirect); err == nil && u.Path != "" {
		path = u.Path
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This answer belongs to another question. Start kvitt connect again.", http.StatusBadRequest)
			return
		}
		got, says := answer{code: q.Get("code")}, "kvitt is connected. You may close this window."
		if e := q.Get("error"); e != "" || got.code == "" {
			got.err = fmt.Errorf("it was not allowed: %s", strings.TrimSpace(e+" "+q.Get("error_description")))
			says = "kvitt was not allowed to connect: " + e
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>kvitt</title><p>%s", html.EscapeString(says))
		select {
		case answers <- got:
		default: // asked already
		}
	})
}

// exchange turns a code into tokens.
func (a *app) exchange(ctx context.Context, c *extract.Consent, code, redirect string) (keptToken, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
	t, status, err := a.token(ctx, c, form, true)
	if status == http.StatusUnauthorized { // some take the secret in the body only; a client they do not know uses up no code
		form.Set("client_id", c.ClientID)
		form.Set("client_secret", c.ClientSecret)
		t, _, err = a.token(ctx, c, form, false)
	}
	return t, err
}

func (a *app) token(ctx context.Context, c *extract.Consent, form url.Values, basic bool) (keptToken, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return keptToken{}, 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if basic {
		req.SetBasicAuth(c.ClientID, c.ClientSecret)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return keptToken{}, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return keptToken{}, resp.StatusCode, err
	}
	var said struct {
		keptToken
		ExpiresIn   json.Number `json:"expires_in"`
		Error       string      `json:"error"`
		Description string      `json:"error_description"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.AccessToken == "" {
		return keptToken{}, resp.StatusCode, fmt.Errorf("%s answered %d %s", req.URL.Host, resp.StatusCode, strings.TrimSpace(said.Error+" "+said.Description))
	}
	seconds, err := said.ExpiresIn.Int64()
	if err != nil || seconds <= 0 {
		seconds = 3600
	}
	t := said.keptToken
	t.Expiry = time.Now().Add(time.Duration(seconds) * time.Second).UTC()
	return t, resp.StatusCode, nil
}
