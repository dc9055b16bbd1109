package mollie_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	connector "github.com/kvitt/kvitt/extract/mollie"
	"github.com/kvitt/kvitt/fixtures/sandbox/fake"
	"github.com/kvitt/kvitt/fixtures/sandbox/mollie"
)

// memory is a vault that forgets.
type memory struct {
	mu   sync.Mutex
	kept map[string][]byte
	fail error // instead of keeping
}

func (m *memory) Update(_ context.Context, name string, change func([]byte) ([]byte, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, err := change(m.kept[name])
	if err != nil {
		return err
	}
	if m.fail != nil {
		return m.fail
	}
	m.kept[name] = next
	return nil
}

var app = map[string]string{"client_id": mollie.ClientID, "client_secret": mollie.ClientSecret}

// connected is what kvitt connect leaves behind: a token that has run out.
func connected() *memory {
	return &memory{kept: map[string][]byte{"mollie-se": []byte(`{"access_token":"access_old","token_type":"bearer","refresh_token":"` + mollie.RefreshToken + `","expiry":"2026-04-25T20:59:00Z"}`)}}
}

func count(x extract.Extractor, r extract.Request) (blobs int, err error) {
	for _, e := range x.Extract(context.Background(), r) {
		if e != nil {
			return blobs, e
		}
		blobs++
	}
	return blobs, nil
}

// TestAnAppsTokenIsRenewedOnce reads with eight requests in flight on a token that has run out,
// then from a second process, then after Mollie has revoked the token before its time.
func TestAnAppsTokenIsRenewedOnce(t *testing.T) {
	w := mollie.Month(mollie.MonthConfig{Seed: 8, Sales: 60})
	server := mollie.Handler(w, mollie.Options{Prefix: "/mollie", Trouble: fake.Trouble{Faults: []fake.Fault{
		{Kind: fake.Unavailable, Every: 1, Times: 1, Path: "/oauth2"}, {Kind: fake.TooMany, Every: 2, Times: 1, Path: "/oauth2"}}}})
	srv := httptest.NewServer(server)
	defer srv.Close()
	vault := connected()
	r := extract.Request{Stream: "settlements", Window: march}
	x := open(t, srv.URL+"/mollie", app, vault)
	n, err := count(x, r)
	if err != nil || n < 5 {
		t.Fatalf("%d settlements, %v", n, err)
	}
	if server.Traded() != 1 {
		t.Errorf("the refresh token was traded %d times", server.Traded())
	}
	var kept struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		Expiry       time.Time
	}
	if err := json.Unmarshal(vault.kept["mollie-se"], &kept); err != nil || kept.AccessToken != "access_granted1" || kept.RefreshToken != "refresh_1" || !kept.Expiry.Equal(now.Add(time.Hour)) {
		t.Errorf("kept %s (%v)", vault.kept["mollie-se"], err)
	}
	if _, err := count(open(t, srv.URL+"/mollie", app, vault), r); err != nil || server.Traded() != 1 {
		t.Errorf("another process: %v, traded %d times", err, server.Traded())
	}
	server.Revoke()
	if _, err := count(x, r); err != nil || server.Traded() != 2 {
		t.Errorf("revoked before its time: %v, traded %d times", err, server.Traded())
	}
}

func TestATokenThatCannotBeRenewedSaysWhatToDo(t *testing.T) {
	srv := httptest.NewServer(mollie.Handler(mollie.NewWorld(1, "SEK"), mollie.Options{}))
	defer srv.Close()
	full := errors.New("the disk is full")
	for name, tt := range map[string]struct {
		vault *memory
		keys  map[string]string
		is    error
		do    string
	}{
		"never connected": {&memory{kept: map[string][]byte{}}, app, extract.ErrAuth, "kvitt connect"},
		"used up":         {&memory{kept: map[string][]byte{"mollie-se": []byte(`{"refresh_token":"refresh_used"}`)}}, app, extract.ErrAuth, "kvitt connect"},
		"unreadable":      {&memory{kept: map[string][]byte{"mollie-se": []byte(`x`)}}, app, extract.ErrAuth, "kvitt connect"},
		"another app":     {connected(), map[string]string{"client_id": "app_other", "client_secret": "wrong-secret"}, extract.ErrAuth, "client_id"},
		"not kept":        {&memory{kept: connected().kept, fail: full}, app, full, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := count(open(t, srv.URL, tt.keys, tt.vault), extract.Request{Stream: "settlements", Window: march})
			var e *extract.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.is) || !strings.Contains(e.Do, tt.do) {
				t.Fatalf("error %v", err)
			}
			for _, secret := range []string{"refresh_used", mollie.RefreshToken, "wrong-secret", mollie.ClientSecret} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		keys map[string]string
		base string
		says string
	}{
		"nothing":              {map[string]string{}, "", "access_token: is empty"},
		"the key of a profile": {map[string]string{"access_token": "live_aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, "", "cannot read settlements"},
		"a blank":              {map[string]string{"access_token": "access_a b"}, "", "holds a blank"},
		"half an app":          {map[string]string{"client_id": "app_1"}, "", "client_secret: is empty"},
		"an app and no vault":  {app, "", "no place to keep"},
		"plain http":           {map[string]string{"access_token": "access_a"}, "http://api.mollie.com", "in the clear"},
		"testmode":             {map[string]string{"access_token": "access_a", "testmode": "yes"}, "", "neither true nor false"},
	} {
		_, err := connector.Open(extract.Config{Name: "m", BaseURL: tt.base, Keys: tt.keys, Client: patient(), Now: func() time.Time { return now }})
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "access_a") {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

func TestConsent(t *testing.T) {
	ask := connector.Source().Consent
	if c := ask(extract.Config{Keys: map[string]string{"access_token": "access_a"}}); c != nil {
		t.Errorf("an access token needs no consent: %+v", c)
	}
	c := ask(extract.Config{Keys: app})
	if c == nil || c.AuthURL != "https://my.mollie.com/oauth2/authorize" || c.TokenURL != "https://api.mollie.com/oauth2/tokens" || c.ClientID != mollie.ClientID || len(c.Scopes) == 0 {
		t.Errorf("%+v", c)
	}
	if c := ask(extract.Config{Keys: app, BaseURL: "http://127.0.0.1:1/mollie/"}); c == nil || c.TokenURL != "http://127.0.0.1:1/mollie/oauth2/tokens" || c.AuthURL != "http://127.0.0.1:1/mollie/oauth2/authorize" {
		t.Errorf("%+v", c)
	}
}
