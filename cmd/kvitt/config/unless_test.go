package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/extract"
)

// A required key may be left out when the one that stands in for it is there.
func TestAKeyThatStandsInForAnother(t *testing.T) {
	sources := []extract.Source{{
		Name: "p", Title: "P", Flows: []string{"payouts"},
		Keys: []extract.Key{{Name: "access_token", Secret: true, Required: true, Unless: "client_id"}, {Name: "client_id"}},
		Open: func(extract.Config) (extract.Extractor, error) { return nil, errors.New("not in this test") },
	}}
	for keys, says := range map[string]string{
		"":                               "has no access_token",
		`client_id = "app_1"`:            "",
		`access_token = "${TOKEN_OF_P}"`: "",
	} {
		path := filepath.Join(t.TempDir(), "kvitt.toml")
		text := "[company]\nname = \"E\"\norg_number = \"556000-0167\"\ncountry = \"SE\"\ncurrency = \"SEK\"\n[[source]]\nname = \"p\"\nprovider = \"p\"\n" + keys +
			"\n[[sales]]\ncountry = \"SE\"\nvat_rate = \"25\"\nsales = 3001\nvat = 2611\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, func(string) (string, bool) { return "x", true }, sources)
		if says == "" && err != nil {
			t.Errorf("%q: %v", keys, err)
		} else if says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v, want %q", keys, err, says)
		}
	}
}
