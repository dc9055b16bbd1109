package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	root   = "../.."
	module = "github.com/kvitt/kvitt/"
)

// A goFile is a file of the program, test files left out.
type goFile struct {
	pkg     string // below the module: "extract/adyen"
	path    string // below the module
	imports []string
	syntax  *ast.File
	set     *token.FileSet
}

func program(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f := goFile{path: filepath.ToSlash(rel), set: token.NewFileSet()}
		f.pkg = filepath.ToSlash(filepath.Dir(rel))
		if f.syntax, err = parser.ParseFile(f.set, path, nil, parser.SkipObjectResolution); err != nil {
			return err
		}
		for _, im := range f.syntax.Imports {
			p, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d files of the program found", len(out))
	}
	return out
}

func ours(path string) (string, bool) { return strings.CutPrefix(path, module) }

// in reports whether pkg is folder or lies below it.
func in(pkg string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return pkg == f || strings.HasPrefix(pkg, f+"/") })
}

// connector returns the folder of a provider, or "" for what belongs to all of them.
func connector(pkg string) string {
	name, ok := strings.CutPrefix(pkg, "extract/")
	name, _, _ = strings.Cut(name, "/")
	if !ok || name == "all" || name == "extracttest" {
		return ""
	}
	return name
}

func erp(pkg string) string {
	name, ok := strings.CutPrefix(pkg, "load/")
	name, _, _ = strings.Cut(name, "/")
	if !ok || name == "all" || name == "loadtest" {
		return ""
	}
	return name
}

func TestImportRules(t *testing.T) {
	files := program(t)
	for _, rule := range []struct {
		name   string
		broken func(pkg, imported string, isOurs bool) bool
	}{
		{"the ledger imports nothing of ours", func(pkg, im string, isOurs bool) bool {
			return in(pkg, "ledger") && isOurs && !in(im, "ledger")
		}},
		{"a connector imports no other connector", func(pkg, im string, isOurs bool) bool {
			return connector(pkg) != "" && isOurs && connector(im) != "" && connector(im) != connector(pkg)
		}},
		{"a connector knows neither ledger, rules, ERP nor tables", func(pkg, im string, isOurs bool) bool {
			return in(pkg, "extract") && isOurs && in(im, "ledger", "transform", "load", "sql")
		}},
		{"the rules know neither sources, ERP nor the network", func(pkg, im string, isOurs bool) bool {
			return in(pkg, "transform") && (isOurs && in(im, "extract", "load") || !isOurs && in(im, "net/http"))
		}},
		{"the ERP side sees only the ledger", func(pkg, im string, isOurs bool) bool {
			return in(pkg, "load") && isOurs && !in(im, "ledger", "load")
		}},
		{"an ERP imports no other ERP", func(pkg, im string, isOurs bool) bool {
			return erp(pkg) != "" && isOurs && erp(im) != "" && erp(im) != erp(pkg)
		}},
		{"the pipeline is handed its sources and its ERP", func(pkg, im string, isOurs bool) bool {
			return in(pkg, "pipeline") && isOurs && (connector(im) != "" || erp(im) != "" || in(im, "extract/all", "load/all", "fixtures"))
		}},
		{"only sql/duck speaks to DuckDB and Arrow", func(pkg, im string, isOurs bool) bool {
			return !in(pkg, "sql/duck") && !isOurs && in(im, "github.com/duckdb", "github.com/marcboeker", "github.com/apache/arrow", "github.com/apache/arrow-go")
		}},
		{"only sql/duck imports database/sql", func(pkg, im string, isOurs bool) bool {
			return !in(pkg, "sql/duck") && !isOurs && in(im, "database/sql")
		}},
		{"nothing imports cmd", func(pkg, im string, isOurs bool) bool {
			return !in(pkg, "cmd") && isOurs && in(im, "cmd")
		}},
	} {
		t.Run(rule.name, func(t *testing.T) {
			for _, f := range files {
				for _, im := range f.imports {
					name, isOurs := ours(im)
					if !isOurs {
						name = im
					}
					if rule.broken(f.pkg, name, isOurs) {
						t.Errorf("%s imports %s", f.path, im)
					}
				}
			}
		})
	}
}

// Everything else is handed its clock and its settings, so that a test or a rehearsal can
// hold them.
func TestOnlyTheCommandReadsClockAndEnvironment(t *testing.T) {
	forbidden := map[string][]string{
		"time": {"Now", "Since", "Until"},
		"os":   {"Getenv", "LookupEnv", "Environ", "ExpandEnv"},
	}
	for _, f := range program(t) {
		if in(f.pkg, "cmd", "fixtures/bench") { // a benchmark is a command: it says how long things took
			continue
		}
		names := map[string]string{} // as written in the file: import path
		for _, im := range f.syntax.Imports {
			p, _ := strconv.Unquote(im.Path.Value)
			if _, ok := forbidden[p]; !ok {
				continue
			}
			name := p
			if im.Name != nil {
				name = im.Name.Name
			}
			names[name] = p
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(forbidden[names[x.Name]], sel.Sel.Name) {
				t.Errorf("%s:%d uses %s.%s", f.path, f.set.Position(sel.Pos()).Line, names[x.Name], sel.Sel.Name)
			}
			return true
		})
	}
}

func TestTopLevelFoldersAreTheLayout(t *testing.T) {
	items, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range items {
		if it.IsDir() && !strings.HasPrefix(it.Name(), ".") && it.Name() != "bin" {
			got = append(got, it.Name())
		}
	}
	want := []string{"cmd", "extract", "fixtures", "ledger", "load", "pipeline", "sql", "transform"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("folders mismatch (-want +got):\n%s", diff)
	}
}
