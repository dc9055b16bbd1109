package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/transform"
)

func TestFeesAndBank(t *testing.T) {
	text := edit(t, Template(), "# [bank]\n# statements = \"inbox/bank\"", "[bank]\nstatements = \"inbox/bank\"")
	text = edit(t, text, "# [[source.fee]]                 #", "[[source.fee]] #")
	text = edit(t, text, "# method  = \"card\"\n# percent = \"2.79\"\n# fixed   = \"3.00\"",
		"method = \"Card\"\npercent = \"2,79\"\nfixed = \"3.00\"\nfrom = 2026-01-01\n[[source.fee]]\nfixed = \"1.5\"\ncurrency = \"EUR\"")
	c := mustLoad(t, text, nil)
	want := []transform.Fee{{Method: "card", PercentE4: 27900, Fixed: 300, Currency: "SEK", From: "2026-01-01"}, {Method: "*", Fixed: 150, Currency: "EUR"}}
	if diff := cmp.Diff(want, c.Settings.Sources[0].Fees); diff != "" {
		t.Errorf("fees mismatch (-want +got):\n%s", diff)
	}
	if !filepath.IsAbs(c.BankStatements) || !strings.HasSuffix(filepath.ToSlash(c.BankStatements), "inbox/bank") {
		t.Errorf("statements in %q", c.BankStatements)
	}
	// The archive keeps the path as it is written: settings do not change with the folder.
	if s := string(c.Redacted()); !strings.Contains(s, `"bank_statements":"inbox/bank"`) {
		t.Errorf("redacted: %s", s)
	}
}
