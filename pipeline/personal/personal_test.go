package personal

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rules = Rules{Keys: []string{"email", "given_name", "phone", "billing", "_billing_pno", "paramsjson", "postal_code", "national_id"}, Not: []string{"country", "pspreference"}}

func open(t *testing.T, dir string) *Keys {
	t.Helper()
	k, err := Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *Keys) must(t *testing.T, body string) string {
	t.Helper()
	out, err := k.JSON([]byte(body), rules, "shop", 2026)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Commit(); err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestWhatIsAboutAPersonIsSealedAndTheRestIsNot: nothing of the person is left in clear, what is not about anyone is
// there byte for byte, the same bytes are sealed alike, and with the keys everything comes back as it was.
func TestWhatIsAboutAPersonIsSealedAndTheRestIsNot(t *testing.T) {
	for name, tt := range map[string]struct {
		body   string
		gone   []string
		stays  []string
		asJSON bool
	}{
		"an order":                {body: `{"order_id": "A1", "amount": 12.50, "billing": {"given_name": "Ann\u0061", "country": "SE", "email": "anna@example.com", "lines": ["Storgatan 1", ""]}, "note": null, "phone": ""}`, gone: []string{"Ann", "anna@", "Storgatan"}, stays: []string{`"order_id": "A1", "amount": 12.50`, `"country": "SE"`, `"phone": ""`, `null`, `""`}},
		"a number":                {body: `{"id": 7, "postal_code": 11122, "x": 0}`, gone: []string{"11122"}, stays: []string{`"id": 7`, `"x": 0`}},
		"a pair":                  {body: `{"id":1,"meta_data":[{"id":1,"key":"_billing_pno","value":"19800101-1234"},{"key":"_ref","value":"K1"},{"value":"19900202-2222","key":"_billing_pno"}]}`, gone: []string{"19800101", "19900202"}, stays: []string{`"_ref","value":"K1"`, `"key":"_billing_pno"`}},
		"an address elsewhere":    {body: `{"id":1,"text":"call anna@example.com or bo%40example.com; ref 77"}`, gone: []string{"anna@", "bo%40"}, stays: []string{"call kvitt:", "; ref 77"}},
		"JSON in a text":          {body: `{"id":1,"paramsJSON":"{\"pspReference\":\"P9\",\"raw\":\"{\\\"name\\\":\\\"Anna\\\",\\\"pspReference\\\":\\\"P8\\\"}\"}"}`, gone: []string{"Anna"}, stays: []string{`\"pspReference\":\"P9\"`, `P8`}, asJSON: true},
		"a sequence":              {body: "\x1e{\"order_id\":\"A\",\"email\":\"anna@example.com\"}\n\x1e{\"captures\":[{\"given_name\":\"Anna\"}]}\n", gone: []string{"anna@", `"Anna"`}, stays: []string{"\n\x1e{\"captures\"", `"order_id":"A"`}},
		"cut off":                 {body: `{"order_id":"A","email":"anna@example.com","given_name":"Ann`, gone: []string{"anna@", "Ann"}, stays: []string{`{"order_id":"A"`}},
		"no JSON":                 {body: `<html>anna@example.com was here</html>`, gone: []string{"anna@"}, stays: []string{"<html>kvitt:", " was here</html>"}},
		"nothing about anyone":    {body: `[1, {"a": [true, {"b": "c"}]}]`, stays: []string{`[1, {"a": [true, {"b": "c"}]}]`}},
		"an escape in a key name": {body: `{"EMAIL":"anna@example.com"}`, gone: []string{"anna@"}, stays: []string{"EMAIL"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t, filepath.Join(t.TempDir(), "personal"))
			out := k.must(t, tt.body)
			for _, s := range tt.gone {
				if strings.Contains(out, s) {
					t.Errorf("%q is in clear: %s", s, out)
				}
			}
			for _, s := range tt.stays {
				if !strings.Contains(out, s) {
					t.Errorf("%q is not there: %s", s, out)
				}
			}
			again := open(t, k.dir)
			if got := again.must(t, tt.body); got != out {
				t.Errorf("the same bytes were sealed otherwise:\n%s\n%s", out, got)
			}
			if got := string(again.Unseal([]byte(out))); got != tt.body && !tt.asJSON && name != "cut off" {
				t.Errorf("it comes back as\n%s\nnot\n%s", got, tt.body)
			}
		})
	}
}

// TestAListIsOfSeveralPersons: each element is of the one it names; one without an address is none of the others.
func TestAListIsOfSeveralPersons(t *testing.T) {
	k := open(t, filepath.Join(t.TempDir(), "personal"))
	body := `{"orders":[{"id":1,"email":"anna@example.com","billing":{"given_name":"Anna"}},{"id":2,"billing":{"given_name":"Bo","phone":"+46 70 123 45 67"}},{"id":3,"email":"ANNA@example.com ","given_name":"Anna"}]}`
	out := k.must(t, body)
	anna, err := k.Find(Email("Anna@Example.com"))
	if err != nil || len(anna) != 1 {
		t.Fatalf("%v, %v", anna, err)
	}
	bo, err := k.Find(Phone("0701234567"))
	if err != nil || len(bo) != 1 || bo[0] == anna[0] {
		t.Fatalf("by telephone: %v, %v", bo, err)
	}
	if got := k.Values([]byte(out), map[string]bool{anna[0].ID: true}); !slices.Equal(got, []string{"anna@example.com", "Anna", "ANNA@example.com ", "Anna"}) {
		t.Errorf("of Anna: %q", got)
	}
	if got := k.Values([]byte(out), map[string]bool{bo[0].ID: true}); !slices.Equal(got, []string{"Bo", "+46 70 123 45 67"}) {
		t.Errorf("of Bo: %q", got)
	}

	if err := k.Erase([]string{anna[0].ID}, k.Lookups(anna[0])); err != nil {
		t.Fatal(err)
	}
	k = open(t, k.dir)
	if left, _ := k.Find(Email("anna@example.com")); len(left) > 0 {
		t.Errorf("Anna is still known: %v", left)
	}
	if got := string(k.Unseal([]byte(out))); strings.Contains(got, "Anna") || strings.Contains(got, "anna") || !strings.Contains(got, `"given_name":"Bo"`) {
		t.Errorf("after the erasure %s", got)
	}
	if got := k.must(t, body); strings.Count(got, Erased) != 4 {
		t.Errorf("Anna is kept again: %s", got)
	}
}

func TestAReportsColumnsAreSealedRowByRow(t *testing.T) {
	k := open(t, filepath.Join(t.TempDir(), "personal"))
	in := "\ufeffRef;Email;Postal_Code;Amount\r\n1;anna@example.com;\"111 \"\"22\";10,00\r\n2;;;5,00\r\n\"3;\r\n4\";bo@example.com;;1,00"
	var out bytes.Buffer
	sealed, err := k.CSV(strings.NewReader(in), &out, rules, "shop", 2026)
	if err != nil || !sealed {
		t.Fatal(sealed, err)
	}
	got := out.String()
	for _, s := range []string{"anna@", "111", "bo@"} {
		if strings.Contains(got, s) {
			t.Errorf("%q is in clear: %s", s, got)
		}
	}
	if strings.Count(got, "\n") != strings.Count(in, "\n") || !strings.Contains(got, "\r\n2;;;5,00\r\n\"3;\r\n4\";kvitt:") || !strings.HasSuffix(got, ";;1,00") {
		t.Errorf("%q", got)
	}
	if back := string(k.Unseal(out.Bytes())); back != in {
		t.Errorf("it comes back as %q", back)
	}
	if sealed, err := k.CSV(strings.NewReader("Ref,Amount\n1,2\n"), &out, rules, "shop", 2026); sealed || err != nil {
		t.Errorf("a report without such columns: %v, %v", sealed, err)
	}
}

// TestAFlippedBitInTheKeysIsFound flips every bit of every file, and cuts each file off everywhere.
func TestAFlippedBitInTheKeysIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "personal")
	k := open(t, dir)
	k.must(t, `{"id":1,"email":"anna@example.com"}`)
	k.must(t, `{"id":2,"email":"bo@example.com"}`)
	bo, _ := k.Find(Email("bo@example.com"))
	k.must(t, `{"id":3,"email":"cia@example.com"}`)
	if err := k.Erase([]string{bo[0].ID}, k.Lookups(bo[0])); err != nil {
		t.Fatal(err)
	}
	heads, err := k.Heads()
	if err != nil || len(heads) != 3 {
		t.Fatal(heads, err)
	}
	if wrong := Check(dir, heads); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	for name := range heads {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		check := func(b []byte, what string, at int) {
			t.Helper()
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if wrong := Check(dir, heads); len(wrong) != 1 || !strings.HasPrefix(wrong[0], name) {
				t.Fatalf("%s, %s at %d: %q", name, what, at, wrong)
			}
		}
		for i := 0; i < len(whole); i += 7 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << (i % 8)
			check(b, "a bit", i)
			check(whole[:i], "cut off", i)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if wrong := Check(dir, heads); len(wrong) != 1 {
			t.Fatalf("%s is gone: %q", name, wrong)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What a killed run added and never noted is no damage.
	k = open(t, dir)
	k.must(t, `{"id":4,"email":"dan@example.com"}`)
	if wrong := Check(dir, heads); len(wrong) > 0 {
		t.Errorf("later keys: %q", wrong)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"email":"a@b.se","x":[{"key":"phone","value":"070"}]}`)
	f.Add("\x1e{\"given_name\":\"A\"}\n")
	k, err := Open(filepath.Join(f.TempDir(), "personal"), false)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if _, err := k.JSON([]byte(body), rules, "shop", 2026); err != nil {
			t.Fatal(err)
		}
	})
}
