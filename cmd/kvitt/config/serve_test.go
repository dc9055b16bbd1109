package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
)

const listenLine = "[serve]\nlisten = \"127.0.0.1:8740\"\n"

func TestServeAndNotify(t *testing.T) {
	testProblems(t, []problem{
		{"a jitter", []string{`payouts = "0 23 * * *"`, "payouts = \"0 23 * * *\"\njitter = \"5 minutes\""}, `60:10: jitter = "5 minutes" is no duration up to six hours: write e.g. jitter = "5m"`},
		{"a flow that is none", []string{`payouts = "0 23 * * *"`, `payout = "0 23 * * *"`}, `59:1: unknown key "payout" in [schedule]: did you mean "payouts"?`},
		{"a source's own", []string{"[source.accounts]", "[source.schedule]\norders = \"* * *\"\norder = 1\n[source.accounts]"}, "22:10: orders = \"* * *\" is no cron expression: it has 3 fields, not 5: write minute, hour, day, month and weekday: orders = \"0 23 * * *\"\n23:1: unknown key \"order\" in [source.schedule] of [[source]] \"klarna\": did you mean \"orders\"?"},
		{"a certificate without a key", []string{listenLine, "[serve]\ntls_cert = \"a.pem\"\n"}, `62:12: [serve] has tls_cert and no tls_key: write e.g. tls_key = "tls/tls_key.pem"`},
		{"a user without a role", []string{listenLine, "[serve]\n[[serve.user]]\nname = \"vera\"\npassword_hash = \"x\"\n"}, `62:1: [[serve.user]] has no roles: write some of "viewer", "accountant" and "operator": roles = ["viewer"]`},
		{"a role nobody has", []string{listenLine, "[serve]\n[[serve.user]]\nname = \"vera\"\npassword_hash = \"x\"\nroles = [\"acountant\"]\n"}, `65:9: role "acountant" is not known: did you mean "accountant"?`},
		{"a misspelt user key", []string{listenLine, "[serve]\n[[serve.user]]\nname = \"vera\"\npassword_hsh = \"x\"\nroles = [\"viewer\"]\n"}, `64:1: unknown key "password_hsh" in [[serve.user]]: did you mean "password_hash"?`},
		{"an issuer", []string{listenLine, "[serve.oidc]\nclient_id = \"x\"\n"}, `61:1: [serve.oidc] has no issuer: write e.g. issuer = "https://id.exempel.se"`},
		{"mail without a server", []string{listenLine, listenLine + "[notify]\nemail = \"a@exempel.se\"\nfrom = \"b@exempel.se\"\n"}, `63:1: [notify] has email and no smtp: write e.g. smtp = "smtp.exempel.se:587"`},
		{"no address", []string{listenLine, listenLine + "[notify]\nemail = [\"a at exempel.se\"]\nfrom = \"b@exempel.se\"\nsmtp = \"x\"\n"}, "64:9: \"a at exempel.se\" is no e-mail address: write e.g. \"ekonomi@exempel.se\"\n66:8: smtp = \"x\" is no host and port: write e.g. smtp = \"smtp.exempel.se:587\""},
		{"when", []string{listenLine, listenLine + "[notify]\nwhen = \"new\"\n"}, `64:8: when = "new" is not known: did you mean "news"?`},
		{"a header in an address", []string{listenLine, listenLine + "[notify]\nemail = \"a@exempel.se\\r\\nBcc: x@exempel.se\"\nfrom = \"b@exempel.se\"\nsmtp = \"x:25\"\n"}, "64:9: \"a@exempel.se\\r\\nBcc: x@exempel.se\" is no e-mail address: write e.g. \"ekonomi@exempel.se\""},
	})
}

func TestServeAndNotifyLoad(t *testing.T) {
	text := edit(t, good, listenLine, `[serve]
listen = "0.0.0.0:443"
tls_cert = "a.pem"
tls_key = "/b.pem"
public_url = "https://kvitt.exempel.se/"
metrics_token = "${TOKEN}"
[[serve.user]]
name = "vera"
password_hash = "$argon2id$x"
roles = ["viewer", "accountant"]
[serve.oidc]
issuer = "https://id.exempel.se"
client_id = "kvitt"
client_secret = "${TOKEN}"
[[serve.oidc.role]]
match = "books"
roles = "operator"
[notify]
email = ["a@exempel.se", "b@exempel.se"]
from = "k@exempel.se"
smtp = "smtp.exempel.se:587"
smtp_password = "${TOKEN}"
webhook = "https://hooks.slack.com/services/T0/B0/x?y=1"
`, `payouts = "0 23 * * *"`, "payouts = \"0 23 * * *\"\njitter = \"5m\"", "[source.accounts]", "[source.schedule]\norders = \"* * * * *\"\n[source.accounts]")
	c := mustLoad(t, text, nil)
	want := Serve{Listen: "0.0.0.0:443", TLSCert: c.Dir + "/a.pem", TLSKey: "/b.pem", PublicURL: "https://kvitt.exempel.se", MetricsToken: "hush-token",
		Users: []User{{"vera", "$argon2id$x", []string{"viewer", "accountant"}}},
		OIDC:  &OIDC{Issuer: "https://id.exempel.se", ClientID: "kvitt", ClientSecret: "hush-token", GroupsClaim: "groups", Roles: map[string][]string{"books": {"operator"}}}}
	want.at = c.Serve.at
	if diff := cmp.Diff(want, c.Serve, cmp.AllowUnexported(Serve{}, place{})); diff != "" {
		t.Errorf("[serve] (-want +got):\n%s", diff)
	}
	if err := c.Serve.MayListen(); err != nil {
		t.Error(err)
	}
	notify := Notify{Email: []string{"a@exempel.se", "b@exempel.se"}, From: "k@exempel.se", SMTP: "smtp.exempel.se:587", SMTPPassword: "hush-token", Webhook: "https://hooks.slack.com/services/T0/B0/x?y=1", When: "news"}
	if diff := cmp.Diff(notify, c.Notify); diff != "" {
		t.Errorf("[notify] (-want +got):\n%s", diff)
	}
	if c.Jitter != 5*time.Minute {
		t.Errorf("jitter %v", c.Jitter)
	}
	if s, _ := c.Source("klarna"); s.Schedule["orders"] != "* * * * *" {
		t.Errorf("schedule of klarna: %v", s.Schedule)
	}
	if got := fmt.Sprint(warnings(c)); !strings.Contains(got, "the secret webhook stands in the file") || strings.Contains(got, "hooks.slack.com") {
		t.Errorf("warnings: %s", got)
	}
	if strings.Contains(string(c.Redacted()), "hush") || strings.Contains(string(c.Redacted()), "slack") || strings.Contains(string(c.Redacted()), "argon") {
		t.Errorf("a secret is archived: %s", c.Redacted())
	}
}

func TestWhereItMayListen(t *testing.T) {
	user := "[[serve.user]]\nname = \"vera\"\npassword_hash = \"x\"\nroles = [\"viewer\"]\n"
	tls := "tls_cert = \"a\"\ntls_key = \"b\"\n"
	for _, tt := range []struct{ listen, more, want string }{
		{"127.0.0.1:8740", "", ""},
		{"localhost:8740", "", ""},
		{"[::1]:0", "", ""},
		{"127.0.0.2:80", "", ""},
		{"0.0.0.0:8740", "", "give it tls_cert and tls_key"},
		{":8740", "", "give it tls_cert and tls_key"},
		{"[::]:8740", user, "give it tls_cert and tls_key"},
		{"localhost.exempel.se:8740", user, "give it tls_cert and tls_key"},
		{"192.168.1.5:8740", tls, "say who may sign in"},
		{"192.168.1.5:8740", tls + user, ""},
		{"0.0.0.0:8740", "behind_proxy = true\n", "say who may sign in"},
		{"0.0.0.0:8740", "behind_proxy = true\n" + user, ""},
		{"127.0.0.1:8740", "behind_proxy = true\n", "say who may sign in"},
	} {
		c := mustLoad(t, edit(t, good, listenLine, fmt.Sprintf("[serve]\nlisten = %q\n%s", tt.listen, tt.more)), nil)
		err := c.Serve.MayListen()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q: %v, want %q", tt.listen, tt.more, err, tt.want)
		}
	}
}

// A provider that does not sign its calls has a key for what stands in their address.
func TestUnsignedWebhooksHaveASecret(t *testing.T) {
	sources := testSources()
	sources[1].Hook = &extract.Hook{Unsigned: true}
	sources[2].Hook = &extract.Hook{}
	text := edit(t, good, "[source.accounts]", "webhook_secret = \"${TOKEN}\"\n[source.accounts]")
	c, err := parseConfig("kvitt.toml", []byte(text), testEnv, sources)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := c.Source("klarna"); s.Extract.Keys["webhook_secret"] != "hush-token" {
		t.Errorf("keys: %v", s.Extract.Keys)
	}
	if strings.Contains(string(c.Redacted()), "hush-token") {
		t.Error("the secret is archived")
	}
	if _, err := load(t, text, nil); err == nil || !strings.Contains(err.Error(), `unknown key "webhook_secret"`) {
		t.Errorf("a provider without webhooks: %v", err)
	}
}
