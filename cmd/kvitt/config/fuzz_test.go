package config

import (
	"errors"
	"testing"
)

// Whatever the file holds, reading it returns a configuration that its archived form restores,
// or problems that each have a place in the file and a message.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", good, Template(), head, "\ufeff[[source]]\r\n", "a.b.c = 1", "[a.b]\n[[a.c]]\n[a.c.d]", "source = [{name = 'x'}, 1]",
		"[[source]]\n[source.accounts]\nfee = 1e3\n[[source.method]]\n[[source.method]]", "[source]\nmethod = 1", "x = [[1, [2]], {y = []}]",
		"company = {name = 'å', country = 'SE', currency = 'SEK'}", "[[sales]]\nvat_rate = 0x7f\ncountry = '*'", "[fx]\nrates_file = 'kvitt.toml'",
		"sales_file = 'kvitt.toml'\n\"\" = 1", "[accounts]\ntolerance = \"99999999999999999999\"",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir() // other files it may name are looked for here
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(dir+"/kvitt.toml", data, testEnv, testSources(), Targets("sie", "fortnox"))
		if err == nil {
			if _, err := Restore(c.Redacted()); err != nil {
				t.Fatal(err)
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("error %v is not Errors", err)
		}
		for _, e := range errs {
			if e.Line < 1 || e.Column < 1 || e.Message == "" {
				t.Errorf("no place or message: %#v", e)
			}
		}
	})
}

// What is read as a rate or a price is what was written.
func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"1", "0.5", "11.2500", "00.1", ".5", "5.", "1e3", "-1", "99999999999999999999.99999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDecimal(s)
		if !ok {
			return
		}
		again, ok := parseDecimal(d.String())
		if !ok || again.scale != d.scale || again.digits.Cmp(d.digits) != 0 {
			t.Errorf("%q is read as %s, and that as %s", s, d, again)
		}
		if d.scale <= priceDecimals && ratio(d, one).String() != d.String() {
			t.Errorf("%q divided by one is %s", s, ratio(d, one))
		}
	})
}
