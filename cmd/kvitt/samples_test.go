package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
)

// Every connector's sample is a configuration that loads without a warning.
func TestSamplesLoad(t *testing.T) {
	env := func(name string) (string, bool) { return "value-of-" + name, true }
	for _, src := range all.Sources() {
		t.Run(src.Name, func(t *testing.T) {
			sample, err := os.ReadFile(filepath.Join("..", "..", "extract", src.Name, "sample.toml"))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "kvitt.toml")
			text := "[company]\nname = \"Exempel\"\norg_number = \"556000-0167\"\ncountry = \"SE\"\ncurrency = \"SEK\"\n\n" + string(sample) +
				"\n[[sales]]\ncountry = \"SE\"\nvat_rate = \"25\"\nsales = 3001\nvat = 2611\n"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(path, env, all.Sources())
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range cfg.Warnings {
				t.Error(w)
			}
		})
	}
}
