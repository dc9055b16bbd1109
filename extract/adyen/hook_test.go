package adyen_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/adyen"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/adyen"
)

const (
	goKey     = "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"
	pythonKey = "74F490DD33F7327BAECC88B2947C011FC02D014A473AAA33A8EC93E4DC069174"
	testKey   = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
	javaKey   = "9064450A8892A093D9E97EFCC9639DE31B74F3A7803135555A3C96F5A57915D6"
)

// hook reads a notification with the given keys.
func hook(cfg extract.Config, body string) ([]extract.Hint, error) {
	return adyen.Source().Hook.Read(cfg, extract.Call{Method: "POST", Body: []byte(body)})
}

func envelope(items ...string) string {
	return `{"live":"false","notificationItems":[{"NotificationRequestItem":` + strings.Join(items, `},{"NotificationRequestItem":`) + `}]}`
}

// The vectors of Adyen's own libraries: field by field, and what is signed.
func TestPublishedSignatures(t *testing.T) {
	for _, tt := range []struct{ name, key, psp, original, account, reference, value, event, signature string }{
		{"Go library", goKey, "pspReference", "originalReference", "merchantAccount", "reference", "1000", "EVENT", "ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="},
		{"a colon in front", pythonKey, "M8NB66SBZSGLNK82", "", "AntoniStroinski", ":slashes are fun", "1000", "AUTHORISATION", "2EQYm7YJpKO4EtHSPu55SQTyWf8dkW5u2nD1tJFpViA="},
		{"slashes of both kinds", pythonKey, "ZVWN7D3WSMK2WN82", "", "AntoniStroinski", `\:/\/slashes are fun`, "1000", "AUTHORISATION", "CZErGCNQaSsxbaQfZaJlakqo7KPP+mIa8a+wx3yNs9A="},
		{"Python library", testKey, "7914073381342284", "", "TestMerchant", "TestPayment-1407325143704", "1130", "AUTHORISATION", "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},
		{"Java library, a report", javaKey, "test_REPORT_AVAILABLE", "", "Magento2Rik", "testMerchantRef1", "0", "REPORT_AVAILABLE", "NuEkADFmlCC6VgX+wcoPAegIWxVPNBPCuKlM4Hzo5qc="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			item := func(reference, value string) string {
				b, err := json.Marshal(map[string]any{
					"additionalData": map[string]string{"hmacSignature": tt.signature}, "amount": map[string]any{"currency": "EUR", "value": json.RawMessage(value)},
					"eventCode": tt.event, "merchantAccountCode": tt.account, "merchantReference": reference, "originalReference": tt.original,
					"pspReference": tt.psp, "success": "true", "reason": "whatever",
				})
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			cfg := config("", map[string]string{"hmac_key": tt.key})
			if _, err := hook(cfg, envelope(item(tt.reference, tt.value))); err != nil {
				t.Errorf("refused: %v", err)
			}
			if _, err := hook(cfg, envelope(item(tt.reference, `"`+tt.value+`"`))); err != nil {
				t.Errorf("refused with the amount as text: %v", err)
			}
			if _, err := hook(cfg, envelope(item(tt.reference+".", tt.value))); !errors.Is(err, extract.ErrAuth) {
				t.Errorf("another reference: %v, want ErrAuth", err)
			}
			if _, err := hook(config("", map[string]string{"hmac_key": fake.HMACKey}), envelope(item(tt.reference, tt.value))); !errors.Is(err, extract.ErrAuth) {
				t.Errorf("another key: %v, want ErrAuth", err)
			}
		})
	}
}

// Real signed payloads, whole, where they are at hand.
func TestPublishedPayloads(t *testing.T) {
	files, err := filepath.Glob("../../../shared/data/adyen/python_hmac/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the samples of Adyen's libraries are not beside the checkout")
	}
	cfg := config("", map[string]string{"hmac_key": pythonKey})
	for _, f := range append(files, "../../../shared/data/adyen/java_notifications/hmac-validation-webhook.json") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		body := string(b)
		if !strings.Contains(body, "notificationItems") {
			body = envelope(body)
		}
		if hints, err := hook(cfg, body); err != nil || len(hints) != 0 {
			t.Errorf("%s: %v, %v", filepath.Base(f), hints, err)
		}
	}
}

// Every kind of notification that Adyen documents can be read; none is taken for signed.
func TestDocumentedNotifications(t *testing.T) {
	files, err := filepath.Glob("../../../shared/data/adyen/openapi_webhooks/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("Adyen's OpenAPI examples are not beside the checkout")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hook(config("", nil), string(b)); !errors.Is(err, extract.ErrAuth) && !strings.Contains(err.Error(), "without items") {
			t.Errorf("%s: %v, want ErrAuth: its signature is an example", filepath.Base(f), err)
		}
	}
}

// report is a notification about a report of batch 63, with fields set over the usual ones.
func report(key string, set map[string]any) string {
	item := map[string]any{
		"eventCode": "REPORT_AVAILABLE", "merchantAccountCode": fake.Account, "pspReference": "settlement_detail_report_batch_63.csv",
		"reason":  "https://ca-live.adyen.com/reports/download/MerchantAccount/" + fake.Account + "/settlement_detail_report_batch_63.csv",
		"success": "true", "amount": map[string]any{"value": 0, "currency": "EUR"},
	}
	for k, v := range set {
		item[k] = v
	}
	return string(fake.Signed(key, item))
}

func TestHints(t *testing.T) {
	const path = "/reports/download/MerchantAccount/" + fake.Account + "/settlement_detail_report_batch_63.csv"
	batch63 := []extract.Hint{{Stream: adyen.Reports, ID: fake.Account + "/settlement_detail_report_batch_63.csv"}}
	for _, tt := range []struct {
		name string
		base string
		set  map[string]any
		want []extract.Hint
		err  error
	}{
		{name: "a report of ours", want: batch63},
		{name: "at the test host", set: map[string]any{"reason": "https://ca-test.adyen.com" + path}, want: batch63},
		{name: "at base_url", base: "http://127.0.0.1:8080/adyen", set: map[string]any{"reason": "http://127.0.0.1:8080/adyen" + path}, want: batch63},
		{name: "at base_url's port only", base: "http://127.0.0.1:8080/adyen", set: map[string]any{"reason": "http://127.0.0.1:9090/adyen" + path}, err: extract.ErrMalformed},
		{name: "an amount of 10.00", set: map[string]any{"amount": map[string]any{"value": 1000, "currency": "EUR"}}, want: batch63},
		{name: "without a reference", set: map[string]any{"merchantReference": nil}, want: batch63},
		{name: "a name without a number", set: map[string]any{"pspReference": "settlement_detail_report_2026_03_14_9f2.csv",
			"reason": "https://ca-live.adyen.com/reports/download/MerchantAccount/" + fake.Account + "/settlement_detail_report_2026_03_14_9f2.csv"},
			want: []extract.Hint{{Stream: adyen.Reports, ID: fake.Account + "/settlement_detail_report_2026_03_14_9f2.csv"}}},
		{name: "another's host", set: map[string]any{"reason": "https://evil.example" + path}, err: extract.ErrMalformed},
		{name: "a host that ends alike", set: map[string]any{"reason": "https://notadyen.com" + path}, err: extract.ErrMalformed},
		{name: "a host that begins alike", set: map[string]any{"reason": "https://ca-live.adyen.com.evil.example" + path}, err: extract.ErrMalformed},
		{name: "a host behind a user", set: map[string]any{"reason": "https://ca-live.adyen.com@evil.example" + path}, err: extract.ErrMalformed},
		{name: "in the clear", set: map[string]any{"reason": "http://ca-live.adyen.com" + path}, err: extract.ErrMalformed},
		{name: "another port", set: map[string]any{"reason": "https://ca-live.adyen.com:8443" + path}, err: extract.ErrMalformed},
		{name: "another account's path", set: map[string]any{"reason": "https://ca-live.adyen.com/reports/download/MerchantAccount/Other/settlement_detail_report_batch_63.csv"}, err: extract.ErrMalformed},
		{name: "another path", set: map[string]any{"reason": "https://ca-live.adyen.com/ca/login?x=" + path}, err: extract.ErrMalformed},
		{name: "a path that climbs", set: map[string]any{"reason": "https://ca-live.adyen.com/x/.." + path}, err: extract.ErrMalformed},
		{name: "another file than is named", set: map[string]any{"reason": strings.Replace("https://ca-live.adyen.com"+path, "63", "64", 1)}, err: extract.ErrMalformed},
		{name: "no address", set: map[string]any{"reason": "URL_TO_DOWNLOAD_REPORT"}, err: extract.ErrMalformed},
		{name: "another account", set: map[string]any{"merchantAccountCode": "Other"}},
		{name: "another report", set: map[string]any{"pspReference": "payments_accounting_report_2026_03_14.csv"}},
		{name: "the report as a spreadsheet", set: map[string]any{"pspReference": "settlement_detail_report_batch_63.xlsx"}},
		{name: "another event", set: map[string]any{"eventCode": "CAPTURE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := hook(config(tt.base, nil), report(fake.HMACKey, tt.set))
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("err = %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeysOfHooks(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		err       error
	}{
		{"the key", fake.HMACKey, nil},
		{"in lower case", strings.ToLower(fake.HMACKey), nil},
		{"the old and the new", goKey + "," + fake.HMACKey, nil},
		{"the new and the old, apart", fake.HMACKey + ", " + goKey, nil},
		{"another", goKey, extract.ErrAuth},
		{"none", "", extract.ErrAuth},
		{"commas", " , ", extract.ErrAuth},
		{"no hexadecimal", "0A1B2C-0D", extract.ErrAuth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := hook(config("", map[string]string{"hmac_key": tt.key}), report(fake.HMACKey, nil))
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("err = %v, want %v", err, tt.err)
			}
			if err != nil && tt.key != "" && strings.Contains(err.Error(), tt.key) && len(tt.key) > 3 {
				t.Errorf("%v holds the key", err)
			}
		})
	}
}

// One item that is forged refuses all; bodies that are no notifications are malformed.
func TestWhatIsNoNotification(t *testing.T) {
	var two struct {
		Items []json.RawMessage `json:"notificationItems"`
	}
	if err := json.Unmarshal([]byte(report(fake.HMACKey, nil)), &two); err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(two.Items[0]), `"success":"true"`, `"success":"false"`, 1)
	for _, tt := range []struct {
		name, body string
		err        error
	}{
		{"a second item that is forged", `{"notificationItems":[` + string(two.Items[0]) + "," + forged + `]}`, extract.ErrAuth},
		{"unsigned", envelope(`{"eventCode":"REPORT_AVAILABLE","pspReference":"settlement_detail_report_batch_63.csv"}`), extract.ErrAuth},
		{"a signature that is none", envelope(`{"additionalData":{"hmacSignature":"***"}}`), extract.ErrAuth},
		{"no items", `{"live":"false","notificationItems":[]}`, extract.ErrMalformed},
		{"an empty item", `{"notificationItems":[{}]}`, extract.ErrMalformed},
		{"no JSON", "pspReference=1", extract.ErrMalformed},
		{"nothing", "", extract.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if hints, err := hook(config("", nil), tt.body); !errors.Is(err, tt.err) || len(hints) != 0 {
				t.Errorf("%v, %v; want %v", hints, err, tt.err)
			}
		})
	}
	typ, body := adyen.Source().Hook.Reply(extract.Call{})
	if typ != "text/plain" || string(body) != "[accepted]" {
		t.Errorf("reply %s %q", typ, body)
	}
}
