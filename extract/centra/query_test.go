package centra

import (
	"regexp"
	"strings"
	"testing"
)

var marked = regexp.MustCompile(`(?:\w+:)?(\w+)(?:\([^)]*\))?\?`)

// Whichever of its optional fields a server lacks, the rest is still a query: braces are in pairs, none is empty, and
// the field is not in it.
func TestAQueryWithoutAField(t *testing.T) {
	for _, selection := range []string{orderFields, returnFields} {
		names := marked.FindAllStringSubmatch(selection, -1)
		if len(names) < 10 {
			t.Fatalf("%d optional fields found", len(names))
		}
		for _, m := range append(names, []string{"", "none of them"}) {
			name := m[1]
			got := fields(selection, map[string]bool{name: true})
			depth, last := 0, ""
			for _, tok := range strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(got)) {
				switch tok {
				case "{":
					depth++
				case "}":
					depth--
					if last == "{" {
						t.Errorf("without %s: an empty block in %s", name, got)
					}
				case name:
					// required elsewhere: lineValue, id and createdAt are optional in some places only
					if !strings.Contains(selection, name+" ") {
						t.Errorf("without %s it is still asked for: %s", name, got)
					}
				}
				if depth < 0 {
					break
				}
				last = tok
			}
			if depth != 0 {
				t.Errorf("without %s: braces are not in pairs: %s", name, got)
			}
			if strings.Contains(got, "?") {
				t.Errorf("without %s: a mark is left in %s", name, got)
			}
		}
	}
}
