package config

import (
	"strings"
	"testing"
)

func TestRetention(t *testing.T) {
	const section = "\n[retention]\n"
	c := mustLoad(t, good+section+"accounting = \"10y\"\npersonal = \"3y\"\nunbooked = \"90d\"\n", nil)
	if c.Retention != (Retention{"10y", "3y", "90d"}) {
		t.Errorf("%+v", c.Retention)
	}
	if s := string(c.Redacted()); !strings.Contains(s, `"unbooked":"90d"`) && !strings.Contains(s, `"Unbooked":"90d"`) {
		t.Errorf("redacted: %s", s)
	}
	if c := mustLoad(t, good, nil); c.Retention != (Retention{}) || strings.Contains(string(c.Redacted()), "retention") {
		t.Errorf("without the section: %+v", c.Retention)
	}
	for text, want := range map[string]string{
		`accounting = "5y"`:    "shorter than Swedish law allows",
		`accounting = "3000d"`: "shorter than Swedish law allows",
		`personal = "soon"`:    `write years or days: personal = "7y", or "90d"`,
		`unbooked = "0d"`:      `write years or days`,
		`personnal = "7y"`:     `personal`,
	} {
		if _, err := load(t, good+section+text+"\n", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
