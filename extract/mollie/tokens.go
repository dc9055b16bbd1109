package mollie

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/kvitt/kvitt/extract"
)

const (
	tokenPath    = "/oauth2/tokens"
	authorizeURL = "https://my.mollie.com/oauth2/authorize"
)

// early is how long before its end an OAuth token is renewed.
const early = 2 * time.Minute

// refreshTries is how often a renewal is asked for in all, when no answer comes.
const refreshTries = 5

// tokens hands out what goes into the Authorization header.
type tokens interface {
	// token returns a token that should work. refused is one that Mollie has just refused, "" if none.
	token(ctx context.Context, refused string) (string, error)
}

// fixed is an organization access token: it holds until it is revoked.
type fixed string

func (f fixed) token(context.Context, string) (string, error) { return string(f), nil }

// granted is the token of an OAuth app, which a person has allowed (kvitt connect) and which
// lives for an hour. Its refresh token may be used once, so it is used inside the vault's
// Update: what replaces it is on disk before anything else happens.
type granted struct {
	name, id, secret, url string
	vault                 extract.Vault
	http                  *http.Client
	now                   func() time.Time

	mu  sync.Mutex
	has grant
}

// A grant is what the vault keeps.
type grant struct {
	AccessToken  string    `json:"access_token"`
	TokenType    string    `json:"token_type,omitempty"`
	RefreshToken string    `json:"refresh_token"`
	Expiry       time.Time `json:"expiry"`
}

// token returns the token in hand while it lasts; else the one in the vault, which another
// process may have renewed; else a renewed one.
func (g *granted) token(ctx context.Context, refused string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lasts(g.has, refused) {
		return g.has.AccessToken, nil
	}
	err := g.vault.Update(ctx, g.name, func(kept []byte) ([]byte, error) {
		var have grant
		if len(kept) > 0 {
			if err := json.Unmarshal(kept, &have); err != nil {
				return nil, extract.Advise(fmt.Errorf("%w: the token kept for it cannot be read", extract.ErrAuth), connectAgain)
			}
		}
		if g.lasts(have, refused) {
			g.has = have
			return kept, nil
		}
		if have.RefreshToken == "" {
			return nil, extract.Advise(fmt.Errorf("%w: nobody has allowed it to read the account yet", extract.ErrAuth), connectAgain)
		}
		next, err := g.refresh(ctx, have)
		if err != nil {
			return nil, err
		}
		b, err := json.Marshal(next)
		if err == nil {
			g.has = next
		}
		return b, err
	})
	if err != nil {
		return "", err
	}
	return g.has.AccessToken, nil
}

func (g *granted) lasts(t grant, refused string) bool {
	return t.AccessToken != "" && t.AccessToken != refused && (t.Expiry.IsZero() || g.now().Add(early).Before(t.Expiry))
}

// refresh trades the refresh token for new ones. When no whole answer comes it asks again:
// the token may be used up, or Mollie may never have seen it, and only asking tells.
func (g *granted) refresh(ctx context.Context, have grant) (grant, error) {
	wait := 100 * time.Millisecond
	for try := 1; ; try++ {
		next, err := g.trade(ctx, have)
		if err == nil || try == refreshTries || !errors.Is(err, extract.ErrTransient) {
			return next, err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return grant{}, ctx.Err()
		case <-t.C:
		}
		wait *= 2
	}
}

func (g *granted) trade(ctx context.Context, have grant) (grant, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {have.RefreshToken}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, fmt.Errorf("%w: no request can be made of it", extract.ErrRefused)
	}
	req.SetBasicAuth(url.QueryEscape(g.id), url.QueryEscape(g.secret)) // RFC 6749 §2.3.1
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := g.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return grant{}, ctx.Err()
		}
		if at, ok := errors.AsType[*url.Error](err); ok {
			err = at.Err
		}
		return grant{}, fmt.Errorf("%w: renewing the token: %w", extract.ErrTransient, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch code := resp.StatusCode; {
	case err != nil && ctx.Err() != nil:
		return grant{}, ctx.Err()
	case err != nil, code == http.StatusTooManyRequests, code >= 500:
		return grant{}, fmt.Errorf("%w: renewing the token: %s", extract.ErrTransient, resp.Status)
	case code != http.StatusOK && code != http.StatusCreated:
		// RFC 6749 §5.2: error is one word, e.g. invalid_grant; the rest of the answer is not shown.
		var says struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(body, &says)
		do := connectAgain
		if code == http.StatusUnauthorized || says.Error == "invalid_client" {
			do = whereAppsAre
		}
		return grant{}, extract.Advise(fmt.Errorf("%w: the token could not be renewed: %s %s", extract.ErrAuth, resp.Status, extract.Clip(says.Error)), do)
	}
	var got struct {
		AccessToken  string      `json:"access_token"`
		TokenType    string      `json:"token_type"`
		RefreshToken string      `json:"refresh_token"`
		ExpiresIn    json.Number `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &got); err != nil || got.AccessToken == "" {
		return grant{}, extract.Advise(fmt.Errorf("%w: the answer to renewing the token holds none", extract.ErrMalformed), connectAgain)
	}
	next := grant{AccessToken: got.AccessToken, TokenType: got.TokenType, RefreshToken: got.RefreshToken}
	if next.RefreshToken == "" { // RFC 6749 §6: the old one goes on
		next.RefreshToken = have.RefreshToken
	}
	if n, err := got.ExpiresIn.Int64(); err == nil && n > 0 {
		next.Expiry = g.now().Add(time.Duration(n) * time.Second).UTC()
	}
	return next, nil
}

// consent is where a person lets kvitt read the account. It is nil when a token does that.
func consent(cfg extract.Config) *extract.Consent {
	if cfg.Keys["access_token"] != "" || cfg.Keys["client_id"] == "" {
		return nil
	}
	base := strings.TrimRight(cfg.BaseURL, "/")
	auth := authorizeURL
	if base == "" {
		base = defaultBase
	} else if base != defaultBase {
		auth = base + "/oauth2/authorize" // a test server has one address for both
	}
	return &extract.Consent{
		AuthURL: auth, TokenURL: base + tokenPath,
		ClientID: cfg.Keys["client_id"], ClientSecret: cfg.Keys["client_secret"],
		Scopes: []string{"settlements.read", "payments.read", "refunds.read", "orders.read"},
	}
}
