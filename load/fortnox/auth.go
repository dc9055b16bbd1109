package fortnox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/kvitt/kvitt/load"
)

// VaultName is where tokens are kept.
const VaultName = "fortnox"

// Scopes are what kvitt asks for. Fortnox has no scope for reading only.
func Scopes(documents, orders bool) []string {
	s := []string{"bookkeeping", "companyinformation", "settings", "connectfile", "inbox"}
	if documents {
		s = append(s, "invoice", "payment", "customer", "article", "currency")
	}
	if orders {
		s = append(s, "order")
	}
	return s
}

// A keptToken is what connect leaves in the vault, and what each refresh replaces.
type keptToken struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	Expiry       time.Time `json:"expiry"`
	Scope        string    `json:"scope,omitempty"`
	// Using is set, on disk, before the refresh token is handed in: one that was cut off then
	// may be used up, and is not handed in again.
	Using time.Time `json:"using,omitzero"`
}

// lasts is how long a token that ends after life is used: renewed a minute before, or a tenth of its life where that is short.
// One that lives for less than a minute would else be renewed for every request.
func lasts(life time.Duration) time.Duration { return life - min(life/10, time.Minute) }

type auth struct {
	t *Target

	mu     sync.Mutex
	token  string
	expiry time.Time
}

// get returns an access token that is not refused, the token that Fortnox just refused.
func (a *auth) get(ctx context.Context, refused string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && a.token != refused && a.t.o.Wall().Before(a.expiry) {
		return a.token, nil
	}
	if a.t.o.TenantID != "" {
		got, err := a.ask(ctx, url.Values{"grant_type": {"client_credentials"}}, true)
		if err != nil {
			return "", a.explain(err, "client credentials")
		}
		a.token, a.expiry = got.AccessToken, got.Expiry
		return a.token, nil
	}
	if a.t.o.Vault == nil {
		return "", &load.Refusal{Why: "Fortnox is not connected", Do: connectAgain, Err: load.ErrStop}
	}
	return a.fromVault(ctx, refused)
}

const connectAgain = "set tenant_id (client credentials), or run: kvitt connect fortnox"

// fromVault renews the kept pair. No other process is between reading and writing it, the new pair is
// on disk before it is used, and a refresh token is handed in once.
func (a *auth) fromVault(ctx context.Context, refused string) (string, error) {
	var kept keptToken
	load1 := func(b []byte) error {
		kept = keptToken{}
		if b == nil {
			return &load.Refusal{Why: "Fortnox is not connected", Do: connectAgain, Err: load.ErrStop}
		}
		return json.Unmarshal(b, &kept)
	}
	// One lock for both steps would be nicer; the vault keeps what change returns only when it
	// returns, so that the mark is one update and the exchange another. The mark names its hour: who
	// finds one that is not his own leaves the token alone.
	var mine time.Time
	err := a.t.o.Vault.Update(ctx, VaultName, func(b []byte) ([]byte, error) {
		if err := load1(b); err != nil {
			return nil, err
		}
		if kept.AccessToken != refused && a.t.o.Wall().Before(kept.Expiry) {
			return b, nil // another process renewed it
		}
		if kept.RefreshToken == "" {
			return nil, &load.Refusal{Why: "Fortnox's token has run out and there is none to renew it with", Do: connectAgain, Err: load.ErrStop}
		}
		if !kept.Using.IsZero() {
			return b, nil
		}
		mine = a.t.o.Wall().UTC()
		kept.Using = mine
		return json.Marshal(kept)
	})
	if err != nil {
		return "", err
	}
	if mine.IsZero() && kept.Using.IsZero() {
		a.token, a.expiry = kept.AccessToken, kept.Expiry
		return a.token, nil
	}
	if mine.IsZero() {
		if a.t.o.Wall().Sub(kept.Using) < 2*time.Minute {
			// Another process is at it: wait for what it gets.
			if err := a.t.o.Sleep(ctx, 500*time.Millisecond); err != nil {
				return "", err
			}
			return a.fromVault(ctx, refused)
		}
		return "", usedUp(kept.Using)
	}
	var failed error
	err = a.t.o.Vault.Update(ctx, VaultName, func(b []byte) ([]byte, error) {
		if err := load1(b); err != nil {
			return nil, err
		}
		if !kept.Using.Equal(mine) {
			failed = usedUp(kept.Using)
			return b, nil
		}
		got, err := a.ask(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {kept.RefreshToken}}, false)
		var sure *notUsed
		switch {
		case err == nil:
			if got.RefreshToken == "" {
				got.RefreshToken = kept.RefreshToken
			}
			kept = got
		case errors.As(err, &sure):
			failed, kept.Using = a.explain(err, "the refresh token"), time.Time{}
		default:
			failed = a.explain(err, "the refresh token")
		}
		return json.Marshal(kept)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return "", err
	}
	a.token, a.expiry = kept.AccessToken, kept.Expiry
	return a.token, nil
}

func usedUp(at time.Time) error {
	return &load.Refusal{Why: "Fortnox's answer to the renewal of its token at " + at.Format(time.RFC3339) + " never arrived, and a refresh token works once",
		Do: connectAgain, Err: load.ErrStop}
}

// notUsed says that a token request was certainly not carried out.
type notUsed struct{ err error }

func (e *notUsed) Error() string { return e.err.Error() }
func (e *notUsed) Unwrap() error { return e.err }

func (a *auth) explain(err error, what string) error {
	var r *load.Refusal
	if errors.As(err, &r) || errors.Is(err, context.Canceled) {
		return err
	}
	return &load.Refusal{Why: "no token from Fortnox by " + what + ": " + err.Error(), Do: "try again; if it goes on: " + connectAgain, Err: load.ErrStop}
}

// ask asks for a token. What was certainly not carried out is asked again; client credentials use
// nothing up and are asked again after anything.
func (a *auth) ask(ctx context.Context, form url.Values, harmless bool) (keptToken, error) {
	var last error
	for try := range 8 {
		if try > 0 {
			if err := a.t.o.Sleep(ctx, backoff(try)); err != nil {
				return keptToken{}, &notUsed{err}
			}
		}
		got, again, err := a.once(ctx, form)
		if err == nil {
			return got, nil
		}
		last = err
		if ctx.Err() != nil {
			break
		}
		var sure *notUsed
		if !again || !harmless && !errors.As(err, &sure) {
			break
		}
	}
	return keptToken{}, last
}

func (a *auth) once(ctx context.Context, form url.Values) (got keptToken, again bool, err error) {
	done, err := a.t.win.take(ctx)
	if err != nil {
		return got, false, &notUsed{err}
	}
	answered := false
	defer func() { done(answered) }()
	wrote := false
	trace := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote = true }})
	req, err := http.NewRequestWithContext(trace, http.MethodPost, a.t.o.AuthURL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return got, false, &notUsed{err}
	}
	req.SetBasicAuth(a.t.o.ClientID, a.t.o.ClientSecret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if form.Get("grant_type") == "client_credentials" {
		// A header by a client's code, a parameter by Fortnox's page: the header is documented by use.
		req.Header.Set("TenantId", a.t.o.TenantID)
	}
	resp, err := a.t.o.Client.Do(req)
	if err != nil {
		if !wrote {
			err = &notUsed{err}
		}
		return got, true, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return got, true, err
	}
	a.t.count(resp.StatusCode)
	answered = true
	var said struct {
		keptToken
		ExpiresIn   text `json:"expires_in"`
		Error       text `json:"error"`
		Description text `json:"error_description"`
		Message     text `json:"message"`
	}
	jsonErr := json.Unmarshal(body, &said)
	if resp.StatusCode/100 == 2 && jsonErr == nil && said.AccessToken != "" {
		got = said.keptToken
		got.Using = time.Time{}
		got.Expiry = a.t.o.Wall().Add(lasts(seconds(string(said.ExpiresIn)))).UTC()
		return got, false, nil
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		a.t.win.refused(retryAfter(resp.Header))
		return got, true, &notUsed{errors.New("the answer is 429")}
	case resp.StatusCode >= 500, resp.StatusCode/100 == 2:
		return got, true, fmt.Errorf("the answer is %d", resp.StatusCode)
	}
	why := strings.TrimSpace(string(said.Error) + " " + string(said.Description) + string(said.Message))
	do := connectAgain
	switch said.Error {
	case "invalid_client":
		do = "check client_id and client_secret in [erp]"
	case "invalid_grant":
		if form.Get("grant_type") == "client_credentials" {
			do = "check tenant_id in [erp] (DatabaseNumber), and that a system administrator of the company has allowed it once: kvitt connect fortnox"
		} else {
			do = "it was used or is older than 45 days. Run: kvitt connect fortnox"
		}
	case "unauthorized_client", "invalid_scope":
		do = "the company has not allowed this integration, or not these scopes. Run: kvitt connect fortnox"
	}
	return got, false, &load.Refusal{Why: fmt.Sprintf("Fortnox gives no token: %d %s", resp.StatusCode, why), Do: do, Err: load.ErrStop}
}

func seconds(s string) time.Duration {
	d, err := time.ParseDuration(s + "s")
	if err != nil || d <= 0 {
		return time.Hour
	}
	return d
}
