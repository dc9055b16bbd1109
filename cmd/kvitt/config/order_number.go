package config

import (
	"fmt"
	"slices"
	"strings"
)

var placeholders = []string{"{order_number}", "{order_id}", "{order_name}", "{source}"}

// orderNumber reads the pattern of the order number that an order gets in the ERP.
func (r *reader) orderNumber(file section) string {
	s := file.sub("order_number", inOrderNumber, "[order_number]")
	s.refuseUnknown(nil)
	const fallback = "{order_number}"
	pattern := s.text("pattern", fallback, fallback)
	if !s.has("pattern") {
		return fallback
	}
	fail := func(why, do string) { r.fail(s.place("pattern"), s.key("pattern"), why, do) }

	rest, found := pattern, false
	for {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			break
		}
		end := strings.IndexByte(rest[i:], '}')
		if rest[i] == '}' || end < 0 {
			fail(fmt.Sprintf("pattern = %q has a brace without its other", pattern), "placeholders are "+list(placeholders))
			return fallback
		}
		word := rest[i : i+end+1]
		if !slices.Contains(placeholders, word) {
			do := "placeholders are " + list(placeholders)
			if k := nearest(word, placeholders); k != "" {
				do = fmt.Sprintf("did you mean %q? Also %s", k, list(placeholders))
			}
			fail(fmt.Sprintf("pattern has an unknown placeholder %q", word), do)
			return fallback
		}
		found = found || word != "{source}"
		rest = rest[i+end+1:]
	}
	if !found {
		fail(fmt.Sprintf("pattern = %q gives every order of a source the same number", pattern), fmt.Sprintf("put one of %s in it", list(placeholders[:3])))
		return fallback
	}
	return pattern
}
