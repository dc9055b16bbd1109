package config

import (
	"os"
	"strings"
	"testing"
)

const head = `[company]
name = "Exempel"
country = "SE"
currency = "SEK"
[[sales]]
country = "SE"
vat_rate = 25
sales = 3001
vat = 2611
`

func TestSourcesTogether(t *testing.T) {
	klarna := func(name, user, flows string) string {
		return "[[source]]\nname = \"" + name + "\"\nprovider = \"klarna\"\nusername = \"" + user + "\"\npassword = \"${TOKEN}\"\n" + flows + "\n"
	}
	mollie := func(name, token string) string {
		return "[[source]]\nname = \"" + name + "\"\nprovider = \"mollie\"\naccess_token = \"" + token + "\"\n"
	}
	adyen := func(name, inbox, more string) string {
		return "[[source]]\nname = \"" + name + "\"\nprovider = \"adyen\"\ninbox = \"" + inbox + "\"\n" + more + "\n"
	}
	for _, tt := range []struct{ name, text, err string }{
		{"two accounts", klarna("a", "K1", "") + klarna("b", "K2", ""), ""},
		{"one account, different flows", klarna("a", "K1", `flows = ["orders", "invoices"]`) + klarna("b", "K1", `flows = ["payouts"]`), ""},
		{"one account, one flow too many", klarna("a", "K1", `flows = ["orders", "invoices"]`) + klarna("b", "K1", `flows = ["invoices", "payouts"]`),
			`kvitt.toml:21:9: sources "a" and "b" read the same account at Klarna and both have invoices on: this would book a sale twice: remove "invoices" from flows of "b": flows = ["payouts"]`},
		{"one account twice", klarna("a", "K1", "") + klarna("b", "K1", ""),
			`kvitt.toml:16:1: sources "a" and "b" read the same account at Klarna and both have orders, invoices, refunds and payouts on: this would book a sale twice: remove one of the two blocks, or "orders", "invoices", "refunds" and "payouts" from flows of one of them`},
		{"payouts twice", klarna("a", "K1", `flows = ["payouts"]`) + klarna("b", "K1", `flows = ["payouts", "refunds"]`),
			`kvitt.toml:21:9: sources "a" and "b" read the same account at Klarna and both have payouts on: this would book a payout twice: remove "payouts" from flows of "b": flows = ["refunds"]`},
		{"two tokens", mollie("a", "${TOKEN}") + mollie("b", "${KLARNA_PASSWORD}"), ""},
		{"one token twice", mollie("a", "${TOKEN}") + mollie("b", "${TOKEN}"),
			`kvitt.toml:14:1: sources "a" and "b" read the same account at Mollie and both have orders, invoices, refunds and payouts on: this would book a sale twice: remove one of the two blocks, or "orders", "invoices", "refunds" and "payouts" from flows of one of them`},
		{"two folders", adyen("a", "inbox/a", "") + adyen("b", "inbox/b", ""), ""},
		{"two folders of one account", adyen("a", "inbox/a", `merchant_account = "M"`) + adyen("b", "inbox/b", `merchant_account = "M"`),
			`kvitt.toml:15:1: sources "a" and "b" read the same account at Adyen and both have payouts on: this would book a payout twice: remove one of the two blocks, or "payouts" from flows of one of them`},
		{"one folder", adyen("a", "inbox/a", "") + adyen("b", "inbox/../inbox/a/", ""),
			`kvitt.toml:18:9: sources "a" and "b" read the same folder "inbox/../inbox/a/": every payout in it would be booked twice: give each a folder of its own, or remove one of the blocks`},
		{"one name", adyen("a", "inbox/a", "") + klarna("a", "K1", ""),
			`kvitt.toml:16:8: the name "a" is taken by the [[source]] at line 10: write another: name = "a-2"`},
		{"a folder for a provider without report files", "[[source]]\nname = \"m\"\nprovider = \"mollie\"\ninbox = \"x\"\n",
			`kvitt.toml:13:9: kvitt cannot read report files of Mollie: remove inbox and write the keys: access_token`},
		{"no folder for a provider with report files only", "[[source]]\nname = \"a\"\nprovider = \"adyen\"\nmerchant_account = \"M\"\n",
			`kvitt.toml:10:1: [[source]] "a" has no inbox, and this version reads Adyen from its report files only: write e.g. inbox = "inbox/a"`},
		{"a folder makes keys needless", "[[source]]\nname = \"k\"\nprovider = \"klarna\"\ninbox = \"inbox\"\n", ""},
		{"an empty folder name", adyen("a", "", ""), `kvitt.toml:13:9: inbox is empty: write the folder of the report files, or remove the key`},
		{"a file for a folder", adyen("a", "kvitt.toml", ""), `kvitt.toml:13:9: inbox = "kvitt.toml" is a file: write the folder it is in: inbox = "."`},
		{"no source at all", "", "kvitt.toml:1:1: there is no [[source]]: nothing to read from: write one for each account at a provider or shop\n\n" + sourceBlock},
		{"flows the provider lacks, and no other", adyen("a", "inbox", `flows = ["orders", "refunds"]`),
			`kvitt.toml:14:9: Adyen delivers none of the flows of [[source]] "a": write flows = ["payouts"] or remove the block`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, head+tt.text, nil)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.err {
				t.Errorf("error\n%s\nwant\n%s", got, tt.err)
			}
		})
	}
}

func TestInboxBehindALink(t *testing.T) {
	inFolder(t, map[string]string{"real/x.csv": "", "kvitt.toml": head + `
[[source]]
name = "a"
provider = "adyen"
inbox = "real"
[[source]]
name = "b"
provider = "adyen"
inbox = "link"
`})
	if err := os.Symlink("real", "link"); err != nil {
		t.Skip(err)
	}
	if _, err := Load("kvitt.toml", testEnv, testSources()); err == nil || !strings.Contains(err.Error(), "read the same folder") {
		t.Errorf("error: %v", err)
	}
}

// Report files hold payouts only, whatever their provider has over HTTP.
func TestFlowsOfAFolder(t *testing.T) {
	for _, tt := range []struct{ flows, warning string }{
		{"", ""},
		{`flows = ["payouts"]`, ""},
		{`flows = ["orders", "payouts"]`, "kvitt.toml:14:10: a folder of report files cannot deliver orders: it delivers payouts"},
	} {
		c := mustLoad(t, head+"[[source]]\nname = \"k\"\nprovider = \"klarna\"\ninbox = \"inbox\"\n"+tt.flows+"\n", nil)
		if got := strings.Join(warnings(c), "\n"); got != tt.warning {
			t.Errorf("%s: warnings %q, want %q", tt.flows, got, tt.warning)
		}
		if got := c.Settings.Sources[0].Flows; len(got) != 1 || got[0] != "payouts" {
			t.Errorf("%s: flows %v", tt.flows, got)
		}
	}
}

// What the provider cannot deliver is off, and said.
func TestFlowTheProviderLacks(t *testing.T) {
	c := mustLoad(t, head+`
[[source]]
name = "a"
provider = "adyen"
inbox = "inbox"
flows = ["payouts", "refunds", "payouts"]
`, nil)
	want := `kvitt.toml:15:21: Adyen cannot deliver refunds: it delivers payouts`
	if got := strings.Join(warnings(c), "\n"); got != want {
		t.Errorf("warnings %s, want %s", got, want)
	}
	if got := c.Settings.Sources[0].Flows; len(got) != 1 || got[0] != "payouts" {
		t.Errorf("flows %v", got)
	}
}

func TestWarnings(t *testing.T) {
	text := edit(t, good, "556000-0167", "556000-0168", "country  = \"FI\"", "country = \"SE\"", "currency = \"SEK\"\nunmatched", "currency = \"EUR\"\nunmatched")
	text = edit(t, text, "[order_number]", "[[sales]]\ncountry = \"*\"\nvat_rate = \"0\"\nsales = 3105\nvat = 2611\n[order_number]")
	c := mustLoad(t, text, nil)
	want := `kvitt.toml:5:15: the check digit of org_number = "556000-0168" is wrong: is a digit mistyped?
kvitt.toml:19:12: [[source]] "klarna" is in EUR and there is no [fx]: its documents will be held until there are rates
kvitt.toml:40:1: oss = true for SE, the company's own country: OSS is for sales to other EU countries
kvitt.toml:47:1: a VAT account at the rate 0 is never used`
	if got := strings.Join(warnings(c), "\n"); got != want {
		t.Errorf("warnings\n%s\nwant\n%s", got, want)
	}
	if last := c.Settings.Sales[2]; last.VAT != 0 {
		t.Errorf("sale %+v", last)
	}
}
