package klarna_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/klarna"
)

func TestOpen(t *testing.T) {
	const secret = "top secret\n"
	for _, tt := range []struct {
		name, username, password, base string
		wrong                          []string // words of the errors; nil opens
	}{
		{name: "the default host", username: "K1_a", password: "p"},
		{name: "a host and a path before Klarna's", username: "K1_a", password: "p", base: "https://example.test/deep/klarna/"},
		{name: "a server on this machine without TLS", username: "K1_a", password: "p", base: "http://127.0.0.1:8080/klarna"},
		{name: "one beside it", username: "K1_a", password: "p", base: "http://sandbox:8080"},
		{name: "one on the container's host", username: "K1_a", password: "p", base: "http://host.docker.internal:8080"},
		{name: "no key", wrong: []string{"username: is empty", "password: is empty", "Klarna merchant portal"}},
		{name: "a password with a line break", username: "K1_a", password: secret, wrong: []string{"password: holds a line break"}},
		{name: "a password with a blank", username: "K1_a", password: " p", wrong: []string{"password: begins or ends with a blank"}},
		{name: "a username with a colon", username: "K1:a", password: "p", wrong: []string{"username: holds a colon"}},
		{name: "the key on the way in the clear", username: "K1_a", password: "p", base: "http://api.klarna.com", wrong: []string{"in the clear"}},
		{name: "no scheme", username: "K1_a", password: "p", base: "api.klarna.com", wrong: []string{"does not begin with https://"}},
		{name: "another scheme", username: "K1_a", password: "p", base: "ftp://api.klarna.com", wrong: []string{"does not begin with https://"}},
		{name: "no host", username: "K1_a", password: "p", base: "https:///x", wrong: []string{"does not begin with https://"}},
		{name: "a query", username: "K1_a", password: "p", base: "https://api.klarna.com?x=1", wrong: []string{"query"}},
		{name: "a key in the address", username: "K1_a", password: "p", base: "https://u:topsecret@api.klarna.com", wrong: []string{"keys of their own"}},
		{name: "no address", username: "K1_a", password: "p", base: "https://u:topsecret@api klarna.com:x", wrong: []string{"is not an address"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := klarna.Open(extract.Config{
				Name: "klarna-se", BaseURL: tt.base, Keys: map[string]string{"username": tt.username, "password": tt.password},
				Client: http.DefaultClient, Now: time.Now,
			})
			if (err != nil) != (tt.wrong != nil) {
				t.Fatalf("err = %v", err)
			}
			for _, w := range tt.wrong {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "top secret") || !strings.Contains(err.Error(), "klarna-se")) {
				t.Errorf("%q holds a secret, or not the source", err)
			}
		})
	}
	if _, err := klarna.Open(extract.Config{Name: "k", Keys: map[string]string{"username": "u", "password": "p"}}); err == nil {
		t.Error("opened without a client and a clock")
	}
}

// A key of the wrong world is named as such, without being shown.
func TestWrongKeyAdvice(t *testing.T) {
	for _, tt := range []struct{ base, password, says string }{
		{"https://api.playground.klarna.com", "klarna_live_api_abc", "the password is a live one"},
		{"https://api.klarna.com", "klarna_test_api_abc", "the password is a playground one"},
		{"https://api.klarna.com", "kco_abc", "https://api.kustom.co"},
		{"https://api.playground.klarna.com", "abc", "takes playground keys only"},
		{"https://api.klarna.com", "abc", "live keys work at"},
	} {
		x, err := klarna.Open(extract.Config{
			Name: "klarna-se", BaseURL: tt.base, Keys: map[string]string{"username": "K1_a", "password": tt.password},
			Client: &http.Client{Transport: refusing{}}, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, errs := collect(x, t.Context(), extract.Request{Stream: "payouts", Window: march})
		if len(errs) != 1 || !strings.Contains(errs[0].Do, tt.says) || strings.Contains(errs[0].Error(), tt.password) {
			t.Errorf("%s: %v, want advice with %q", tt.base, errs, tt.says)
		}
	}
}

// refusing answers 401 to everything.
type refusing struct{}

func (refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 401, Status: "401 Unauthorized", Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}
