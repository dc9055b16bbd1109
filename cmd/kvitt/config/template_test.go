package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplateLoads(t *testing.T) {
	c := mustLoad(t, Template(), nil)
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", warnings(c))
	}
	if diff := cmp.Diff([]string{"klarna", "adyen"}, c.SourceNames()); diff != "" {
		t.Errorf("sources mismatch (-want +got):\n%s", diff)
	}
}

// Every key that the template shows commented out is one that Load knows.
func TestTemplateExamplesLoad(t *testing.T) {
	text := Template()
	for _, example := range []string{
		"base_url =", "flows =", "start_date =", "[[source.method]]", `match = "card"`, "fee   = 6040",
		"[[source.fee]]", `method  = "card"`, `percent = "2.79"`, `fixed   = "3.00"`, "[bank]", "statements =",
		"[[source.line_type]]", `match = "MiscCosts"`, `kind  = "fee"`,
		"fx_gain", "fx_loss", "gift_cards", "reverse_charge_out", "reverse_charge_in",
		"[[sales]]                      # a consumer", `country  = "FI"`, `vat_rate = "25.5"`, "sales    = 3106", "vat      = 2670", "oss ",
		"[[sales]]                      # everywhere", `country  = "*"`, `vat_rate = "0"`, "sales    = 3105",
		"[fx]", "rates_file", "currencies", "locked_through",
	} {
		text = edit(t, text, "\n# "+example, "\n"+example)
	}
	c := mustLoad(t, text, map[string]string{"rates.csv": "date,currency,rate\n2026-01-02,EUR,11.25\n"})
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", warnings(c))
	}
}
