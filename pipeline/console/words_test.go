package console

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every text of the console has a Swedish one that takes the same values.
func TestEveryTextIsTranslated(t *testing.T) {
	used := map[string]string{}
	collect := func(name, text string, patterns ...string) {
		for _, p := range patterns {
			for _, m := range regexp.MustCompile(p).FindAllStringSubmatch(text, -1) {
				for _, q := range m[1:] {
					s, err := strconv.Unquote(q)
					if err != nil {
						t.Errorf("%s: %s: %v", name, q, err)
					}
					used[s] = name
				}
			}
		}
	}
	const str = `("(?:[^"\\]|\\.)*")`
	pagesFound, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range pagesFound {
		b, err := files.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		collect(n, string(b), `\.T `+str, `\.N \.\w+ `+str+` `+str)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sources {
		if strings.HasSuffix(n, "_test.go") {
			continue
		}
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		collect(n, string(b), `v\.T\(`+str, `signInWrong\([^"]*`+str)
	}
	if len(used) < 300 {
		t.Fatalf("only %d texts found", len(used))
	}
	verbs := regexp.MustCompile(`%[ds]`)
	for s, where := range used {
		sv, ok := swedish[s]
		if !ok {
			t.Errorf("%s: no Swedish for %q", where, s)
			continue
		}
		if a, b := strings.Join(verbs.FindAllString(s, -1), ""), strings.Join(verbs.FindAllString(sv, -1), ""); a != b {
			t.Errorf("%q takes %s, its Swedish %s", s, a, b)
		}
	}
}
