package config

import (
	"fmt"
	"regexp"
	"strconv"
)

var spanForm = regexp.MustCompile(`^[1-9][0-9]{0,4}[dy]$`)

// retention reads [retention]. Swedish accounting information is kept to the end of the seventh year after the calendar
// year in which the fiscal year ended (bokföringslagen 7 kap. 2 §).
func (r *reader) retention(file section, country string) Retention {
	s := file.sub("retention", inRetention, "[retention]")
	s.refuseUnknown(nil)
	span := func(name, otherwise string) string {
		v := s.text(name, otherwise, "7y")
		if v != "" && !spanForm.MatchString(v) {
			r.fail(s.place(name), s.key(name), fmt.Sprintf("%s = %q is no time to keep something", name, v), fmt.Sprintf(`write years or days: %s = "7y", or "90d"`, name))
			return otherwise
		}
		return v
	}
	out := Retention{Accounting: span("accounting", ""), Personal: span("personal", ""), Unbooked: span("unbooked", "")}
	if v := out.Accounting; v != "" && country == "SE" {
		if n, _ := strconv.Atoi(v[:len(v)-1]); v[len(v)-1] == 'd' || n < 7 {
			r.fail(s.place("accounting"), s.key("accounting"), fmt.Sprintf("accounting = %q is shorter than Swedish law allows (bokföringslagen 7 kap. 2 §)", v), `write accounting = "7y", or more`)
		}
	}
	return out
}
