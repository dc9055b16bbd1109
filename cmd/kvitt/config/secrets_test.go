package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecrets(t *testing.T) {
	const password = `password = "${KLARNA_PASSWORD}"`
	for _, tt := range []struct {
		name, line string
		files      map[string]string
		value      string
		warning    string
		err        string
	}{
		{name: "from the environment", line: `password = "${TOKEN}"`, value: "hush-token"},
		{name: "from a file, its newline left out", line: `password = "file:secrets/pw"`, files: map[string]string{"secrets/pw": "hush \n"}, value: "hush "},
		{name: "from a file of Windows", line: `password = "file:pw"`, files: map[string]string{"pw": "hush\r\n"}, value: "hush"},
		{name: "as it is", line: `password = "hush"`, value: "hush",
			warning: `kvitt.toml:16:12: the secret password stands in the file as it is: write password = "${KLARNA_PASSWORD}" or "file:PATH"`},
		{name: "a number as it is", line: `password = 1_234`, value: "1234",
			warning: `kvitt.toml:16:12: the secret password stands in the file as it is: write password = "${KLARNA_PASSWORD}" or "file:PATH"`},
		{name: "a variable that is not set", line: `password = "${NOT_SET}"`,
			err: `kvitt.toml:16:12: the environment variable NOT_SET of password is not set: set it before starting kvitt`},
		{name: "a variable that is empty", line: `password = "${EMPTY}"`,
			err: `kvitt.toml:16:12: the environment variable EMPTY of password is empty: give it a value before starting kvitt`},
		{name: "a variable within text", line: `password = "hush${TOKEN}"`,
			err: `kvitt.toml:16:12: password has a ${VARIABLE} within other text: let the variable hold all of it: password = "${KLARNA_PASSWORD}"`},
		{name: "a file that is not there", line: `password = "file:pw"`,
			err: `kvitt.toml:16:12: password cannot be read from "pw": no such file or directory: the path begins at the folder of this file; ~ is not expanded`},
		{name: "a file that is empty", line: `password = "file:pw"`, files: map[string]string{"pw": "\n"},
			err: `kvitt.toml:16:12: password is read from "pw", which is empty: write the secret into that file`},
		{name: "no file", line: `password = "file:"`,
			err: `kvitt.toml:16:12: password = "file:" names no file: write password = "file:secrets/password"`},
		{name: "a device", line: `password = "file:/dev/zero"`,
			err: `kvitt.toml:16:12: password cannot be read from "/dev/zero": this is not an ordinary file: the path begins at the folder of this file; ~ is not expanded`},
		{name: "a keyring", line: `password = "keyring:klarna"`,
			err: `kvitt.toml:16:12: password is in a keyring, and this build cannot read one: write password = "${KLARNA_PASSWORD}" or "file:PATH"`},
		{name: "empty", line: `password = ""`,
			err: `kvitt.toml:16:12: password is empty: write password = "${KLARNA_PASSWORD}" and set that variable`},
		{name: "a list", line: `password = ["hush"]`,
			err: `kvitt.toml:16:12: password is text: write it in quotes`},
		{name: "a float", line: `password = 12.50`,
			err: `kvitt.toml:16:12: password is text: write it in quotes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, edit(t, good, password, tt.line), tt.files)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Sources[0].Extract.Keys["password"]; got != tt.value {
				t.Errorf("password %q, want %q", got, tt.value)
			}
			if got := strings.Join(warnings(c), "\n"); got != tt.warning {
				t.Errorf("warnings mismatch (-want +got):\n%s", cmp.Diff(tt.warning, got))
			}
			if strings.Contains(string(c.Redacted()), tt.value) {
				t.Error("the password is in what is archived")
			}
		})
	}
}

// A password in the wrong place is reported, never shown.
func TestNoMessageShowsASecret(t *testing.T) {
	for _, line := range []string{
		`password = "hush${X}"`, `passwrd = "hush"`, `access_token = "hush"`, `base_url = "hush"`, `base_url = "https://hush:hush@x"`,
		`start_date = "hush"`, `inbox = "hush`, `password = hush`,
	} {
		text := edit(t, good, "base_url = \"http://127.0.0.1:8080/klarna/\"\n", "", `password = "${KLARNA_PASSWORD}"`, line)
		if _, err := load(t, text, nil); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestAddressFromTheEnvironment(t *testing.T) {
	inFolder(t, map[string]string{"kvitt.toml": edit(t, good, `"http://127.0.0.1:8080/klarna/"`, `"${KLARNA_URL}"`)})
	env := func(name string) (string, bool) {
		if name == "KLARNA_URL" {
			return "http://psp.example:8080/klarna//", true
		}
		return testEnv(name)
	}
	c, err := Load("kvitt.toml", env, testSources())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Sources[0].Extract.BaseURL; got != "http://psp.example:8080/klarna" {
		t.Errorf("BaseURL %q", got)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "base_url is http") {
		t.Errorf("warnings: %v", warnings(c))
	}
	if _, err := Load("kvitt.toml", nil, testSources()); err == nil || !strings.Contains(err.Error(), "KLARNA_URL") {
		t.Errorf("without an environment: %v", err)
	}
}

func TestFortnox(t *testing.T) {
	text := edit(t, good, `provider  = "sie"`, `provider = "fortnox"
client_id = "${FORTNOX_CLIENT_ID}"
client_secret = "${FORTNOX_CLIENT_SECRET}"
tenant_id = 123456
base_url = "http://127.0.0.1:1/fortnox/3/"
reference_field = "ExternalInvoiceReference1"`, `"voucher"`, `"document"`)
	c := mustLoad(t, text, nil, Targets("sie", "fortnox"))
	want := map[string]string{"client_id": "client", "client_secret": "hush-fortnox", "tenant_id": "123456", "base_url": "http://127.0.0.1:1/fortnox/3", "reference_field": "ExternalInvoiceReference1"}
	if diff := cmp.Diff(want, c.ERP.Keys); diff != "" {
		t.Errorf("keys mismatch (-want +got):\n%s", diff)
	}
	if s := string(c.Redacted()); strings.Contains(s, "hush") || !strings.Contains(s, `"hidden_keys":["client_id","client_secret"]`) {
		t.Errorf("redacted: %s", s)
	}
	_, err := load(t, edit(t, text, "client_secret =", "client_secrt ="), nil, Targets("sie", "fortnox"))
	if err == nil || err.Error() != `kvitt.toml:53:1: unknown key "client_secrt" in [erp]: did you mean "client_secret"?` {
		t.Errorf("error: %v", err)
	}
	_, err = load(t, edit(t, text, "client_id = \"${FORTNOX_CLIENT_ID}\"\n", ""), nil, Targets("sie", "fortnox"))
	if err == nil || err.Error() != `kvitt.toml:50:1: [erp] has no client_id: write client_id = "${FORTNOX_CLIENT_ID}"` {
		t.Errorf("error: %v", err)
	}
}
