package console

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Where the sentences are written that a page may show: SQL whole, but for the comments on columns, and of Go files every
// string that is a phrase. What is in a file and on no page is in unsaid.
var written = []string{
	"transform/rules/*.sql", "sql/marts/exceptions.sql", "sql/marts/proof.sql", "sql/marts/decisions.sql", "sql/checks/*.sql", "sql/schema/line_postings.sql",
	"transform/book.go", "transform/causes.go", "transform/ladder.go", "transform/match.go", "transform/split_documents.go",
	"pipeline/stage*.go", "pipeline/bank.go", "pipeline/bank/camt.go", "pipeline/resolve.go", "pipeline/reverse.go", "pipeline/verify.go",
	"pipeline/lock.go", "pipeline/outbox.go", "pipeline/post.go",
	"load/fortnox/auth.go", "load/fortnox/check.go", "load/fortnox/errors.go", "load/fortnox/fortnox.go", "load/fortnox/invoice.go", "load/fortnox/order.go", "load/fortnox/payment.go", "load/fortnox/register.go",
	"cmd/kvitt/check.go", "cmd/kvitt/config/sales_file.go", "cmd/kvitt/config/check_sources.go",
}

// unsaid are phrases that no page shows as a sentence, and why.
var unsaid = map[string]string{
	"3 gift cards": sorted, "malformed_record bank ": named,
	"the payout line settles this document (its ID, or an order number that names one)":                                                      help,
	"post it, or the difference, to this account; account:N/M with M for the VAT of a sale without accounts":                                 help,
	"what the provider's word means: sale refund chargeback chargeback_reversed fee reserve loan; kind:WORD=KIND where a payout has several": help,
	"right as it is: a total, a difference (to the rounding account), the newer delivery of a payout, a date in a locked period":             help,
	"the first delivery of a payout is right, not the one that came later":                                                                   help, "the same sale as this document: it is not booked, and what names it means the other": help,
	"the price of one unit of its currency in the company's, on its date": help, "nothing is to be done; needs --reason": help, "look at it again, after something was mended": help,
	"a green or red line per setting and connection, before anything is touched": help, "speak to nobody": help,
	"%w: no alias %q is in force; kvitt resolve --list lists them": command, "%w: a decision says who took it: --by NAME": command, "%w: name one; kvitt exceptions lists them": command,
	"one is enough": command, "%w: blobs are read while posting only": bug, "no bytes %s in the archive": bug, "no digest: %q": bug, "%s: there is no entity %q": bug,
	"%w: %s changed while it was read; run again": passing, "the answer is 429": passing, "the answer is %d": passing,
	"# the lines above: ": "a file's own sum", "Reversal of ": voucher, "Kredit av order ": voucher, "Kredit av faktura ": voucher,
	"kvitt resolve %s --as account:NUMBER": "a command, which is written alike in both languages",
	"inte manuell":                         theirs, "förvalt konto": theirs, "the refresh token": "a part of a sentence", "kvitt serve": "a name",
	" AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK ": "a list of countries",
}

const (
	sorted  = "it is what postings are sorted by"
	named   = "a name is made of it"
	help    = "the command's own help"
	command = "only the command line comes to it"
	bug     = "it cannot happen but by a mistake in the program"
	passing = "it stands within an error of the network, which is shown as it is"
	voucher = "it is written to the ERP"
	theirs  = "it is looked for in what Fortnox says"
)

var (
	isSQL  = regexp.MustCompile(`(?i)^\s*(select|insert into|update|delete from|create|drop|attach|detach|concat_ws|tag_of|with|and \(?\w+(\.\w+)?[ ,]|null::|\|\|)\b|\|\| |\(select |\bis not distinct\b|\bpartition by\b|^\w+ (bigint|varchar|boolean|timestamp)$`)
	verb   = regexp.MustCompile(`%[-+#0]*(\[\d+\])?[0-9.]*[a-zA-Z]`)
	phrase = regexp.MustCompile(`\pL{2,},? \pL{2,}`)
)

// inSQL are the texts of SQL, comments left out.
func inSQL(text string) []string {
	if i := strings.Index(text, "\ncomment on "); i >= 0 {
		text = text[:i]
	}
	var out []string
	for {
		i := strings.IndexAny(text, `'-"`)
		if i < 0 {
			return out
		}
		switch rest := text[i:]; {
		case strings.HasPrefix(rest, "--"):
			_, text, _ = strings.Cut(rest, "\n")
		case rest[0] == '-':
			text = rest[1:]
		case rest[0] == '"':
			_, text, _ = strings.Cut(rest[1:], `"`)
		default:
			var b strings.Builder
			for {
				said, after, _ := strings.Cut(rest[1:], "'")
				b.WriteString(said)
				if rest = after; !strings.HasPrefix(rest, "'") {
					break
				}
				b.WriteByte('\'')
			}
			out, text = append(out, b.String()), rest
		}
	}
}

// inGo are the strings of a Go file, the texts of its SQL taken apart. Unless all are wanted, what is logged and what an error
// is wrapped in are left out.
func inGo(t *testing.T, name string, all bool) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && !all {
				if x, ok := f.X.(*ast.SelectorExpr); ok && x.Sel.Name == "Log" {
					return false
				}
				if f.Sel.Name == "exec" && len(n.Args) > 1 { // a step's name, and its SQL
					n.Args = n.Args[1:]
				}
			}
		case *ast.Field:
			return n.Tag == nil
		case *ast.BasicLit:
			if n.Kind != token.STRING {
				return true
			}
			s, err := strconv.Unquote(n.Value)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case isSQL.MatchString(s):
				out = append(out, inSQL(s)...)
			case strings.HasSuffix(s, "%w") && !all:
			default:
				out = append(out, s)
			}
		}
		return true
	})
	return out
}

// Whatever the rules, the staging and the ERP say has a Swedish form, and what has one is said somewhere: so a sentence
// that is new or worded anew fails here.
func TestEverySentenceThatIsWrittenHasASwedishForm(t *testing.T) {
	var pairs []string // in English, the places as NUL
	for _, s := range swedishSentences().all {
		var b strings.Builder
		for _, p := range s.en {
			if p.name == "" {
				b.WriteString(p.text)
			} else {
				b.WriteByte(0)
			}
		}
		pairs = append(pairs, b.String())
	}
	for _, pattern := range written {
		names, err := filepath.Glob("../../" + pattern)
		if err != nil || len(names) == 0 {
			t.Errorf("%s: no such file (%v)", pattern, err)
		}
		for _, name := range names {
			var texts []string
			switch {
			case strings.HasSuffix(name, "_test.go"):
			case strings.HasSuffix(name, ".go"):
				texts = inGo(t, name, false)
			default:
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				texts = inSQL(string(b))
			}
			for _, text := range texts {
				for _, part := range verb.Split(strings.ReplaceAll(text, "%%", "\x01"), -1) {
					part = strings.Trim(part, " :;,.()\n\t\"\x01")
					if !phrase.MatchString(part) || unsaid[text] != "" {
						continue
					}
					if !slices.ContainsFunc(pairs, func(p string) bool { return strings.Contains(p, part) }) {
						t.Errorf("%s says %q: %q is in no line of sentences_sv.txt; write the sentence there, with its Swedish below it", strings.TrimPrefix(name, "../../"), text, part)
					}
				}
			}
		}
	}
}

// A sentence that nobody writes any more is no use: it was worded anew, and its Swedish is lost.
func TestEverySentenceIsWrittenSomewhere(t *testing.T) {
	var all strings.Builder
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() && (d.Name() == "fixtures" || d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "bin"):
			return cmp.Or(err, fs.SkipDir)
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			all.WriteString(strings.Join(inGo(t, name, true), "\n") + "\n")
		case strings.HasSuffix(name, ".sql"):
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			all.WriteString(strings.ReplaceAll(string(b), "''", "'") + "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Put together out of parts.
	together := []string{"of an unknown number of rows are here", "no refund known for order", "no delivery known for order", "no open exception is called"}
	for _, s := range swedishSentences().all {
		for _, p := range s.en {
			for _, part := range regexp.MustCompile(`[;:,()|\x60"]`).Split(p.text, -1) {
				if part = strings.TrimPrefix(strings.TrimSpace(part), "fortnox "); phrase.MatchString(part) && !slices.Contains(together, part) && !strings.Contains(all.String(), part) {
					t.Errorf("sentences_sv.txt:%d: nobody writes %q", s.line, part)
				}
			}
		}
	}
}
