package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A problem is an edit of the good configuration and all that Load then says.
type problem struct {
	name  string
	edits []string // old, new pairs
	want  string   // lines without the file name; "" for none
}

func testProblems(t *testing.T, problems []problem) {
	t.Helper()
	for _, tt := range problems {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, edit(t, good, tt.edits...), nil)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), "kvitt.toml:", "")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("error mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSyntax(t *testing.T) {
	testProblems(t, []problem{
		{"text without quotes", []string{`"SEK"`, `SEK`}, `7:15: unexpected character U+0053 'S' at start of value: text goes in quotes, numbers and true or false do not: name = "text"`},
		{"a key twice", []string{`country     = "SE"`, "country = \"SE\"\ncountry = \"SE\""}, `7:1: key country is already defined: keep one of the two`},
		{"a section twice", []string{"[accounts]", "[company]\n[accounts]"}, `31:2: table company already exists: put all its keys under one header`},
		{"a decimal comma", []string{`"1.00"`, "1,00"}, `33:14: expected newline but got U+002C ',': decimals have a point and go in quotes: vat_rate = "25.5"`},
		{"an open quote after a letter of two bytes", []string{`"Exempel Handel AB"`, `"Åö`}, `4:18: basic strings cannot have new lines: close the quotes on the same line`},
		{"single brackets after double", []string{"country  = \"FI\"", "[sales]\ncountry  = \"FI\""}, `41:2: table sales already exists as an array of tables: write it with double brackets here too: [[…]]`},
		{"a number no computer holds", []string{"1510", "99999999999999999999"}, `22:14: decimal number is too large to fit in a 64-bit signed integer`},
		{"not UTF-8", []string{"Exempel", "\xc5"}, `4:16: invalid UTF-8 character in basic string: save the file as UTF-8`},
		{"UTF-16", []string{"data_dir", "\xff\xfed\x00"}, `1:1: the file is UTF-16: save it as UTF-8`},
		{"a backslash", []string{`"data"`, `"C:\data"`}, `1:15: invalid escape character U+0064 'd': write \\ for a backslash, or use single quotes: 'C:\reports'`},
	})
}

func TestUnknownKeys(t *testing.T) {
	testProblems(t, []problem{
		{"misspelt in a source", []string{"username =", "usrname ="}, `15:1: unknown key "usrname" in [[source]] "klarna": did you mean "username"?`},
		{"misspelt at the top", []string{"data_dir", "datadir"}, `1:1: unknown key "datadir" at the top of the file: did you mean "data_dir"?`},
		{"another case and hyphen", []string{"time_zone  ", "Time-Zone  "}, `8:1: unknown key "Time-Zone" in [company]: did you mean "time_zone"?`},
		{"from another section", []string{"fiscal_year = ", "series = \"K\"\nfiscal_year = "}, `9:1: unknown key "series" in [company]: it belongs under [erp]`},
		{"from the top, after a section", []string{"[order_number]", "sales_file = \"s.csv\"\n[order_number]"}, `47:1: unknown key "sales_file" in [[sales]]: it belongs at the top of the file, before the first [section]`},
		{"of the source, after its accounts", []string{"clearing   = 1585", "clearing = 1585\nunmatched2 = 1\npassword = \"x\"\nfee_vatt = 1"}, "24:1: unknown key \"unmatched2\" in [source.accounts] of [[source]] \"klarna\": keys here: receivable, clearing, bank, fee, fee_vat, reserve, dispute and loan\n25:1: unknown key \"password\" in [source.accounts] of [[source]] \"klarna\": it belongs under [[source]]\n26:1: unknown key \"fee_vatt\" in [source.accounts] of [[source]] \"klarna\": did you mean \"fee_vat\"?"},
		{"of another provider", []string{"password =", "access_token = \"x\"\npassword ="}, `16:1: unknown key "access_token" in [[source]] "klarna": it is a key of provider mollie; this one takes username and password`},
		{"a source's account among the company's", []string{"rounding  = 3740", "receivable = 1510"}, `32:1: unknown key "receivable" in [accounts]: it belongs under [source.accounts] or under [[source.method]]`},
		{"a section", []string{"[serve]", "[server]"}, `61:1: unknown section [server]: did you mean [serve]?`},
		{"a section without its parent", []string{"[[source.method]]", "[[method]]"}, `24:1: unknown section [[method]]: it belongs below a [[source]], as [[source.method]] or under [[source.fee]]`},
		{"a section below a source", []string{"[accounts]", "[source.erp]\nprovider = \"sie\"\n[accounts]"}, `31:1: unknown key "erp" in [[source]] "klarna": it belongs at the top level, as [erp]`},
		{"nothing near", []string{"[serve]\n", "[serve]\nwhatever = 1\n"}, `62:1: unknown key "whatever" in [serve]: keys here: listen, tls_cert, tls_key, behind_proxy, public_url, metrics_token, user and oidc`},
		{"of fortnox at sie", []string{"[erp]\n", "[erp]\nclient_id = \"x\"\n"}, `51:1: unknown key "client_id" in [erp]: it is a key of provider = "fortnox"`},
		{"in an inline table", []string{"[serve]\nlisten = \"127.0.0.1:8740\"\n", "[serve]\nlisten = \"127.0.0.1:8740\"\n[x]\ny = {z = 1}\n"}, `63:1: unknown section [x]: keys here: data_dir, company, source, accounts, sales, sales_file, bank, retention, fx, order_number, erp, schedule, serve, notify and vault_key`},
		{"dotted", []string{"data_dir = \"data\"", "data_dir = \"data\"\nserve.lisen = \"x\"", "[serve]\nlisten = \"127.0.0.1:8740\"\n", ""}, `2:7: unknown key "lisen" in [serve]: did you mean "listen"?`},
	})
}

func TestSections(t *testing.T) {
	testProblems(t, []problem{
		{"single brackets for a source", []string{"[[source]]", "[source]", "[[source.method]]", "[[source.method]]"}, `11:1: there may be several [[source]]: write it with double brackets: [[source]]`},
		{"double brackets for the company", []string{"[company]", "[[company]]"}, `3:1: there is one [company] only: write it with single brackets: [company]`},
		{"a value for a section", []string{"[serve]\nlisten =", "[serve2]\n#"}, `61:1: unknown section [serve2]: did you mean [serve]?`},
		{"values for sections", []string{"data_dir = \"data\"", "serve = 1\nfx = [1]\nsource = [3]", "[[source]]\n", "[x]\n", "[source.accounts]", "[x.accounts]", "[[source.method]]", "[[x.method]]", "[[source.line_type]]", "[[x.line_type]]", "[serve]\nlisten = \"127.0.0.1:8740\"\n", ""}, "1:1: serve is a section, not a value: write [serve] and its keys below\n2:1: fx is a section, not a value: write [fx] and its keys below\n3:11: source is a section, not a value: write [[source]] and its keys below\n13:1: unknown section [x]: keys here: data_dir, company, source, accounts, sales, sales_file, bank, retention, fx, order_number, erp, schedule, serve, notify and vault_key"},
	})
}

func TestCompany(t *testing.T) {
	testProblems(t, []problem{
		{"no name", []string{`name        = "Exempel Handel AB"`, ""}, `3:1: [company] has no name: write e.g. name = "Exempel Handel AB"`},
		{"an empty name", []string{`"Exempel Handel AB"`, `" "`}, `4:15: [company] has no name: write e.g. name = "Exempel Handel AB"`},
		{"a lower-case country", []string{`"SE"`, `"se"`}, `6:15: country = "se" is no country code: two upper-case letters, as in ISO 3166: write e.g. country = "SE"`},
		{"Greece", []string{`"SE"`, `"EL"`, `vat_rate = "25"`, `vat_rate = "25"`}, `6:15: country = "EL" is no country code: two upper-case letters, as in ISO 3166: write e.g. country = "GR"`},
		{"a country's name", []string{`"SE"`, `"Sverige"`}, `6:15: country = "Sverige" is no country code: two upper-case letters, as in ISO 3166: write e.g. country = "SE"`},
		{"a currency's symbol", []string{`"SEK"`, `"kr"`}, `7:15: currency = "kr" is no currency: three upper-case letters, as in ISO 4217: write e.g. currency = "SEK"`},
		{"a lower-case currency", []string{`"SEK"`, `"sek"`}, `7:15: currency = "sek" is no currency: three upper-case letters, as in ISO 4217: write e.g. currency = "SEK"`},
		{"a number for a currency", []string{`"SEK"`, `752`}, `7:15: currency is text: write it in quotes: currency = "SEK"`},
		{"ten digits", []string{"556000-0167", "5560000167"}, `5:15: org_number = "5560000167" is no Swedish organisation number: six digits, a hyphen, four digits: write e.g. org_number = "556000-0167"`},
		{"a VAT number", []string{"556000-0167", "SE556000016701"}, `5:15: org_number = "SE556000016701" is no Swedish organisation number: six digits, a hyphen, four digits: write e.g. org_number = "556000-0167"`},
		{"twelve digits", []string{"556000-0167", "165560000167"}, `5:15: org_number = "165560000167" is no Swedish organisation number: six digits, a hyphen, four digits: write e.g. org_number = "556000-0167"`},
		{"too few digits", []string{"556000-0167", "556-01"}, `5:15: org_number = "556-01" is no Swedish organisation number: six digits, a hyphen, four digits: write e.g. org_number = "556000-0167"`},
		{"a time zone that is none", []string{"Europe/Stockholm", "Europe/Stokholm"}, `8:15: time_zone = "Europe/Stokholm" is no time zone: write its IANA name, e.g. time_zone = "Europe/Stockholm"`},
		{"the machine's time zone", []string{"Europe/Stockholm", "Local"}, `8:15: time_zone = "Local" is no time zone: write its IANA name, e.g. time_zone = "Europe/Stockholm"`},
		{"no time zone outside Sweden", []string{`"SE"`, `"FI"`, `time_zone   = "Europe/Stockholm"`, ""}, `3:1: [company] has no time_zone: write e.g. time_zone = "Europe/Helsinki"`},
		{"a year from 29 February", []string{`"01-01"`, `"02-29"`}, `9:15: fiscal_year = "02-29" is no day of the year: write month and day on which it begins: fiscal_year = "01-01"`},
		{"a short date", []string{`"01-01"`, `"7-1"`}, `9:15: fiscal_year = "7-1" is no day of the year: write month and day on which it begins: fiscal_year = "07-01"`},
		{"a whole date", []string{`"01-01"`, `"2026-09-01"`}, `9:15: fiscal_year = "2026-09-01" is no day of the year: write month and day on which it begins: fiscal_year = "09-01"`},
	})
}

func TestSources(t *testing.T) {
	testProblems(t, []problem{
		{"no name", []string{"name     = \"klarna\"\n", ""}, `11:1: [[source]] number 1 has no name: write e.g. name = "klarna"`},
		{"a name with a blank", []string{`name     = "klarna"`, `name = "Klarna SE"`}, `12:8: "Klarna SE" cannot name a source: lower-case letters, digits, - and _, the first a letter or digit: write e.g. name = "klarna-se"`},
		{"no provider", []string{"provider = \"klarna\"\n", ""}, `11:1: [[source]] "klarna" has no provider: write one of "adyen", "klarna" or "mollie"`},
		{"a misspelt provider key", []string{"provider = \"klarna\"\n", "provder = \"klarna\"\n"}, `13:1: unknown key "provder" in [[source]] "klarna": did you mean "provider"?`},
		{"a misspelt section", []string{"[company]", "[compny]"}, `3:1: unknown section [compny]: did you mean [company]?`},
		{"an unknown provider", []string{`provider = "klarna"`, `provider = "klara"`}, `13:12: provider "klara" is not known: did you mean "klarna"? Known are adyen, klarna and mollie`},
		{"a provider of the contract", []string{`provider = "klarna"`, `provider = "svea"`}, `13:12: provider "svea" is not built into this version: it has adyen, klarna and mollie`},
		{"an unknown flow", []string{`"refunds", "payouts"]`, `"refund", 7]`}, "14:35: flow \"refund\" is not known: did you mean \"refunds\"?\n14:45: a flow is text: write e.g. flows = [\"orders\", \"invoices\", \"refunds\", \"payouts\"]"},
		{"no flow", []string{`["orders", "invoices", "refunds", "payouts"]`, "[]"}, `14:12: no flow of [[source]] "klarna" is on: write flows = ["orders", "invoices", "refunds", "payouts"] or remove the block`},
		{"flows as text", []string{`["orders", "invoices", "refunds", "payouts"]`, `"payouts"`}, `14:12: flows is a list: write e.g. flows = ["orders", "invoices", "refunds", "payouts"]`},
		{"no keys", []string{"username = \"${KLARNA_USERNAME}\"\npassword = \"${KLARNA_PASSWORD}\"\n", ""}, "11:1: [[source]] \"klarna\" has no username: write username = \"…\" or username = \"${KLARNA_USERNAME}\", or read report files: inbox = \"inbox/klarna\"\n11:1: [[source]] \"klarna\" has no password: write password = \"${KLARNA_PASSWORD}\", or read report files: inbox = \"inbox/klarna\""},
		{"fee_vat", []string{`"reported"`, `"reverse"`}, `18:12: fee_vat = "reverse" is not known: write "reported", "none" or "reverse_charge"`},
		{"unmatched", []string{`"suspense"`, `"2999"`}, `20:13: unmatched = "2999" is not known: write "suspense" or "receivable"`},
		{"currency", []string{"currency = \"SEK\"\nunmatched", "currency = \"Sek\"\nunmatched"}, `19:12: currency = "Sek" is no currency: three upper-case letters, as in ISO 4217: write e.g. currency = "SEK"`},
		{"start date and follow days", []string{"unmatched", "start_date = \"1/2 2026\"\nfollow_days = -1\nunmatched"}, "20:14: start_date is no date: write year, month and day: start_date = \"2026-01-31\"\n21:15: follow_days is a whole number from 0 to 3650, without quotes: write follow_days = 180"},
		{"no address", []string{"http://127.0.0.1:8080/klarna/", "api.klarna.com"}, `17:12: base_url is no address: write e.g. base_url = "https://api.example.com"`},
		{"an address with a password", []string{"http://127", "http://u:hush@127"}, `17:12: base_url holds a user name or password: take it out of the address and write it in the keys for it`},
		{"an address with a query", []string{"klarna/\"", "klarna/?x=1\""}, `17:12: base_url is the prefix of an address: nothing after ? or # belongs in it: leave that out`},
		{"a method without match or account", []string{"match = \"card\"\nfee   = 6040\n", ""}, "24:1: [[source.method]] of [[source]] \"klarna\" has no match: write the provider's word: match = \"card\"\n24:1: [[source.method]] of [[source]] \"klarna\" has no account: write e.g. fee = 6040; an account that is left out is the source's"},
		{"a method twice", []string{"[[source.line_type]]", "[[source.method]]\nmatch = \"CARD\"\nbank = 1940\n[[source.line_type]]"}, `28:9: a block above matches "CARD" already: keep one of the two`},
		{"a line type of no kind", []string{`kind  = "fee"`, `kind = "cost"`}, `29:8: kind = "cost" is not known: write "sale", "refund", "chargeback", "chargeback_reversed", "fee", "reserve", "loan", "carried", "payout" or "decision"`},
		{"a line type without kind", []string{"kind  = \"fee\"\n", ""}, `27:1: [[source.line_type]] of [[source]] "klarna" has no kind: write one of "sale", "refund", "chargeback", "chargeback_reversed", "fee", "reserve", "loan", "carried", "payout" or "decision"`},
		{"an empty match", []string{`"MiscCosts"`, `""`}, `28:9: match is empty: write the provider's word: match = "MiscCosts"`},
	})
}

func TestAccountsThatAreNone(t *testing.T) {
	testProblems(t, []problem{
		{"five digits", []string{"receivable = 1510", "receivable = 15100"}, `22:14: receivable = 15100 is no account: accounts have four digits, 1000 to 9999: write e.g. receivable = 1510`},
		{"text", []string{"clearing   = 1585", `clearing   = "1586"`}, `23:14: clearing = "1586" is text, and an account is a number: write it without quotes: clearing = 1586`},
		{"other text", []string{"clearing   = 1585", `clearing   = "PlusGiro"`}, `23:14: clearing = "PlusGiro" is text, and an account is a number: write it without quotes: clearing = 1585`},
		{"zero", []string{"rounding  = 3740", "rounding  = 0"}, `32:13: rounding = 0 is no account: accounts have four digits, 1000 to 9999: write e.g. rounding = 3740`},
		{"negative", []string{"rounding  = 3740", "rounding  = -3740"}, `32:13: rounding = -3740 is no account: accounts have four digits, 1000 to 9999: write e.g. rounding = 3740`},
		{"a float", []string{"rounding  = 3740", "rounding  = 3740.0"}, `32:13: rounding is no account: accounts are whole numbers of four digits, 1000 to 9999: write e.g. rounding = 3740`},
		{"in a method", []string{"fee   = 6040", "fee   = 60400"}, `26:9: fee = 60400 is no account: accounts have four digits, 1000 to 9999: write e.g. fee = 6040`},
		{"loan", []string{"clearing   = 1585", "loan = 23"}, `23:8: loan = 23 is no account: accounts have four digits, 1000 to 9999: write e.g. loan = 2390`},
		{"sales and vat", []string{"sales    = 3001", "sales = 30010", "vat      = 2611", "vat = true"}, "38:9: sales = 30010 is no account: accounts have four digits, 1000 to 9999: write e.g. sales = 3001\n39:7: vat is no account: accounts are whole numbers of four digits, 1000 to 9999: write e.g. vat = 2611"},
	})
}

func TestTolerance(t *testing.T) {
	testProblems(t, []problem{
		{"negative", []string{`"1.00"`, `"-1.00"`}, `33:13: tolerance cannot be less than 0: write e.g. tolerance = "1.00"`},
		{"a float", []string{`"1.00"`, `0.50`}, `33:13: tolerance is an amount, and a number with a point is not exact: write it in quotes: tolerance = "0.50"`},
		{"a comma", []string{`"1.00"`, `"0,50"`}, `33:13: tolerance has a comma: decimals have a point: write e.g. tolerance = "0.50"`},
		{"three decimals", []string{`"1.00"`, `"1.005"`}, `33:13: tolerance = "1.005" has more than the 2 decimals of SEK: write e.g. tolerance = "1.00"`},
		{"a word", []string{`"1.00"`, `"one"`}, `33:13: tolerance is an amount, as 1.00: write e.g. tolerance = "1.00"`},
		{"a boolean", []string{`"1.00"`, `true`}, `33:13: tolerance is an amount: write it in quotes: tolerance = "1.00"`},
		{"a whole number will do", []string{`"1.00"`, `2`}, ""},
		{"nothing will do", []string{`"1.00"`, `"0"`}, ""},
	})
}

func TestOrderNumberERPScheduleServe(t *testing.T) {
	testProblems(t, []problem{
		{"an unknown placeholder", []string{`"{order_number}"`, `"K-{order_nummer}"`}, `48:11: pattern has an unknown placeholder "{order_nummer}": did you mean "{order_number}"? Also {order_number}, {order_id}, {order_name} and {source}`},
		{"a brace too few", []string{`"{order_number}"`, `"{order_number"`}, `48:11: pattern = "{order_number" has a brace without its other: placeholders are {order_number}, {order_id}, {order_name} and {source}`},
		{"the same number for all", []string{`"{order_number}"`, `"{source}-1"`}, `48:11: pattern = "{source}-1" gives every order of a source the same number: put one of {order_number}, {order_id} and {order_name} in it`},
		{"two placeholders", []string{`"{order_number}"`, `"{source}-{order_id}"`}, ""},
		{"an unknown ERP", []string{`provider  = "sie"`, `provider = "visma"`}, `51:12: provider = "visma" is not known: write "sie" or "fortnox"`},
		{"fortnox is not built", []string{`provider  = "sie"`, "provider = \"fortnox\"\nclient_id = \"x\""}, `51:12: ERP provider "fortnox" is not built into this version: it has "sie"`},
		{"documents in a SIE file", []string{`mode      = "voucher"`, `mode = "document"`}, `52:8: mode = "document": a SIE file holds vouchers only: write mode = "voucher"`},
		{"words", []string{`"day"`, `"month"`, `"first_open"`, `"first-open"`, "auto_post = false", `auto_post = "no"`}, "53:13: aggregate = \"month\" is not known: write \"day\" or \"document\"\n55:13: auto_post is true or false, without quotes: write auto_post = true\n56:13: period = \"first-open\" is not known: did you mean \"first_open\"?"},
		{"a series with a hyphen", []string{`"K"`, `"K-1"`}, `54:13: series = "K-1" is no voucher series: letters and digits only: write e.g. series = "K"`},
		{"a locked date", []string{`series `, "locked_through = \"2026-02-30\"\nseries "}, `54:18: locked_through is no date: write year, month and day: locked_through = "2026-01-31"`},
		{"too few fields", []string{`"0 23 * * *"`, `"0 23 * *"`}, `59:11: payouts = "0 23 * *" is no cron expression: it has 4 fields, not 5: write minute, hour, day, month and weekday: payouts = "0 23 * * *"`},
		{"the 25th hour", []string{`"0 23 * * *"`, `"0 25 * * *"`}, `59:11: payouts = "0 25 * * *" is no cron expression: "25" is no hour, 0 to 23: write minute, hour, day, month and weekday: payouts = "0 23 * * *"`},
		{"steps and names", []string{`"0 23 * * *"`, `"*/15 6-22/2 1,15 jan-jun mon-fri"`}, ""},
		{"no step", []string{`"0 23 * * *"`, `"*/0 * * * *"`}, `59:11: payouts = "*/0 * * * *" is no cron expression: "*/0" is no step for the minute: write minute, hour, day, month and weekday: payouts = "0 23 * * *"`},
		{"no port", []string{`"127.0.0.1:8740"`, `"127.0.0.1"`}, `62:10: listen = "127.0.0.1" is no address to listen on: write host and port: listen = "127.0.0.1:8740"`},
	})
}

// Nothing hides behind the first problem, and they come in the order of the file.
func TestAllProblemsAreReported(t *testing.T) {
	text := edit(t, good, `"SEK"`, `"kr"`, "username =", "usrname =", "receivable = 1510", "receivable = 15100", `"K"`, `"-"`)
	_, err := load(t, text, nil)
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatalf("error %v is not Errors", err)
	}
	var lines []int
	for _, e := range errs {
		lines = append(lines, e.Line)
	}
	if diff := cmp.Diff([]int{7, 15, 22, 54}, lines); diff != "" {
		t.Errorf("lines mismatch (-want +got):\n%s", diff)
	}
	want := &Error{File: "kvitt.toml", Line: 22, Column: 14, Key: "source[0].accounts.receivable",
		Message: "receivable = 15100 is no account: accounts have four digits, 1000 to 9999", Do: "write e.g. receivable = 1510"}
	if diff := cmp.Diff(want, errs[2], cmp.AllowUnexported(Error{})); diff != "" {
		t.Errorf("error mismatch (-want +got):\n%s", diff)
	}
}

func TestTwentyProblemsArePrinted(t *testing.T) {
	_, err := load(t, good+strings.Repeat("[[source]]\nname = \"A\"\n", 15), nil)
	var errs Errors
	if !errors.As(err, &errs) || len(errs) < 30 {
		t.Fatalf("error %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || !strings.HasPrefix(lines[20], "and ") {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

// What is wrong in the configuration comes before what is wrong in the files it names.
func TestProblemsOfSeveralFiles(t *testing.T) {
	text := "sales_file = \"b.csv\"\n" + good + "[fx]\nrates_file = \"a.csv\"\ncurencies = []\n"
	_, err := load(t, text, map[string]string{"a.csv": "date,currency\n", "b.csv": "country,sales\n"})
	want := `kvitt.toml:66:1: unknown key "curencies" in [fx]: did you mean "currencies"?
a.csv:1:1: the header has no column "rate": the first row names the columns: date,currency,rate
b.csv:1:1: the header has no column "vat_rate": the first row names the columns: country,vat_rate,sales,vat,oss,customer`
	if errText(err) != want {
		t.Errorf("error\n%s\nwant\n%s", errText(err), want)
	}
}
