package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is archived holds no secret, and the settings come back from it as they were.
func TestRedacted(t *testing.T) {
	text := edit(t, good, `username = "${KLARNA_USERNAME}"`, `username = "K123"`, "[accounts]", `
[[source]]
name = "adyen"
provider = "adyen"
inbox = "inbox/adyen"
merchant_account = "ExempelECOM"
report_password = "hush-literal"
first_batch = 380
[fx]
rates_file = "rates.csv"
[accounts]`)
	c := mustLoad(t, text, map[string]string{"rates.csv": "date,currency,rate\n2026-03-02,EUR,11.2000\n"})
	data := string(c.Redacted())
	if strings.Contains(data, "hush") {
		t.Errorf("a secret in %s", data)
	}
	for _, want := range []string{`"keys":{"username":"K123"},"hidden_keys":["password"]`, `"first_batch":"380"`, `"inbox":"inbox/adyen"`, `"data_dir":"data"`} {
		if !strings.Contains(data, want) {
			t.Errorf("%s is not in %s", want, data)
		}
	}
	got, err := Restore(c.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.Settings, got); diff != "" {
		t.Errorf("Restore() mismatch (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "{}", `{"version":2}`} {
		if _, err := Restore([]byte(bad)); err == nil {
			t.Errorf("Restore(%q) is no error", bad)
		}
	}
}

// The digest follows the settings, not the layout, the folder or the secrets.
func TestDigest(t *testing.T) {
	c := mustLoad(t, good, nil)
	if len(c.Digest) != 64 {
		t.Errorf("digest %q", c.Digest)
	}
	for _, tt := range []struct {
		name string
		text string
		same bool
	}{
		{"a comment", edit(t, good, "[erp]", "# where to\n[erp]"), true},
		{"a default stated", edit(t, good, "receivable = 1510", "receivable = 1510\nbank = 1930"), true},
		{"another secret", edit(t, good, `"${KLARNA_PASSWORD}"`, `"${TOKEN}"`), true},
		{"another account", edit(t, good, "rounding  = 3740", "rounding  = 3741"), false},
		{"another series", edit(t, good, `"K"`, `"L"`), false},
	} {
		if got := mustLoad(t, tt.text, nil); (got.Digest == c.Digest) != tt.same {
			t.Errorf("%s: same digest is %v", tt.name, !tt.same)
		}
	}
}
