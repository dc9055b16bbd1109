package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
)

func configFile(t *testing.T, text string) (*config.File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kvitt.toml")
	if text != "" {
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return config.NewFile(path, func(string) (string, bool) { return "", false }, all.Sources()), path
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const company = "# my own words\n[company]\nname = \"Exempel AB\"\ncountry = \"SE\"\ncurrency = \"SEK\"\n\n[[sales]]\ncountry = \"SE\"\nvat_rate = \"25\"\nsales = 3001\nvat = 2611"

const klarnaBlock = "\n[[source]]\nname = \"klarna\"\nprovider = \"klarna\"\nusername = \"u\"\npassword = \"file:secrets/klarna-password\"\n"

// From nothing: the company, then a source. Each is refused only for what is wrong in itself.
func TestAddToAnEmptyConfiguration(t *testing.T) {
	f, path := configFile(t, "")
	if err := f.Add(company, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Add(klarnaBlock, map[string]string{"secrets/klarna-password": "hemligt"}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != company+"\n"+klarnaBlock {
		t.Errorf("the file is\n%s", got)
	}
	c, err := config.Load(path, nil, all.Sources())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Sources[0].Extract.Keys["password"]; got != "hemligt" {
		t.Errorf("the password is %q", got)
	}
	st, err := os.Stat(filepath.Join(filepath.Dir(path), "secrets", "klarna-password"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file: %v, %v", st.Mode(), err)
	}
}

func TestAddRefusesAndChangesNothing(t *testing.T) {
	for name, block := range map[string]string{
		"a key nobody knows":     "\n[[source]]\nname = \"x\"\nprovider = \"klarna\"\nuser = \"u\"\n",
		"a name taken twice":     klarnaBlock,
		"no TOML":                "\n[[source\n",
		"a provider nobody has":  "\n[[source]]\nname = \"x\"\nprovider = \"nobody\"\n",
		"a second [company]":     "\n[company]\nname = \"Another\"\n",
		"a broken out of string": "\n[[source]]\nname = \"x\"\nprovider = \"klarna\"\nusername = \"a\"\n[erp]\nauto_post = 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, path := configFile(t, company)
			if err := f.Add(klarnaBlock, map[string]string{"secrets/klarna-password": "hemligt"}); err != nil {
				t.Fatal(err)
			}
			before := content(t, path)
			err := f.Add(block, map[string]string{"secrets/new": "x"})
			if err == nil {
				t.Fatal("it was added")
			}
			if strings.Contains(err.Error(), "hemligt") {
				t.Errorf("the message shows a secret: %v", err)
			}
			if content(t, path) != before {
				t.Error("the file was changed")
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "secrets", "new")); err == nil {
				t.Error("the secret was left behind")
			}
		})
	}
}

func TestASecretReplacesNothingAndStaysBelow(t *testing.T) {
	f, path := configFile(t, company)
	if err := f.Add(klarnaBlock, map[string]string{"secrets/klarna-password": "first"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secrets/klarna-password", "../outside", "/etc/kvitt-test", "secrets/../../outside"} {
		if err := f.Add("\n# x\n", map[string]string{name: "second"}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if got := content(t, filepath.Join(filepath.Dir(path), "secrets", "klarna-password")); got != "first\n" {
		t.Errorf("the secret is %q", got)
	}
}

func TestWriteSales(t *testing.T) {
	f, path := configFile(t, "sales_file = \"sales.csv\"\n[company]\nname = \"Exempel AB\"\ncountry = \"SE\"\ncurrency = \"SEK\"\n[[source]]\nname = \"adyen\"\nprovider = \"adyen\"\ninbox = \"inbox\"\n")
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "sales.csv"), []byte("country,vat_rate,sales,vat\nSE,25,3001,2611\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := f.WriteSales([]byte("country;vat_rate;sales;vat;oss\nSE;25;3001;2611;\nFI;25.5;3106;2670;true\n"))
	if err != nil || n != 2 {
		t.Fatalf("%d rows, %v", n, err)
	}
	_, before, err := f.SalesFile()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"country,vat_rate,sales,vat\nSE,25,30010,2611\n", "a,b\n1,2\n", "country,vat_rate,sales,vat\nSE,250,3001,2611\n"} {
		if _, err := f.WriteSales([]byte(bad)); err == nil {
			t.Errorf("taken: %q", bad)
		}
		if _, now, _ := f.SalesFile(); string(now) != string(before) {
			t.Errorf("after %q the file is %q", bad, now)
		}
	}
}
