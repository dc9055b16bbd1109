package console

import (
	"context"
	"errors"
	"html"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

var everyPage = []string{"/", "/payouts", "/exceptions", "/explain", "/explain?q=klarna", "/plan", "/proof", "/open-items", "/oss", "/runs", "/sql", "/setup", "/setup/test", "/setup/sync", "/setup/sales", "/audit"}

// Every page is written whole in both languages, and the strict policy stays true: nothing inline.
func TestPagesAreWholeInBothLanguages(t *testing.T) {
	b := open(t, options(booked(t)))
	for _, lang := range []string{"en", "sv"} {
		if code, _ := b.post("/language", url.Values{"language": {lang}, "to": {"/"}}); code != 303 {
			t.Fatalf("language: %d", code)
		}
		for _, p := range everyPage {
			code, body := b.get(p)
			if code != 200 && !(p == "/explain?q=klarna" && code == 404) {
				t.Errorf("%s: %d %s", p, code, short(plain(body), 500))
			}
			if !strings.Contains(body, `<html lang="`+lang+`">`) || !strings.Contains(body, "</html>") {
				t.Errorf("%s is not whole in %s", p, lang)
			}
			for _, inline := range []string{" style=", "<style", " onclick=", " onload=", "javascript:", "%!", "<no value>", "ZgotmplZ"} {
				if strings.Contains(body, inline) {
					t.Errorf("%s holds %q", p, inline)
				}
			}
		}
	}
}

// english are words that Swedish has not, and that a sentence in English hardly does without.
var english = strings.Fields("the its it is are was were has have of and with which from does says no what this that other said known books book row rows lines line amount held open missing change changed read")

// What is not in the console's words: what a source sent, SQL, what is typed, IDs.
var notSaid = regexp.MustCompile(`(?s)<td data-label="skickad".*?</td>|<(pre|textarea|script|style|select|svg)\b.*?</(pre|textarea|script|style|select|svg)>|<(\w+)[^>]*class="[^"]*\bmono\b[^"]*"[^>]*>.*?</\w+>`)

// causing ranks causes as kvitt serve does.
type causing struct{}

func (causing) Causes(ctx context.Context, db *duck.DB, x pipeline.KnownException) ([]Cause, error) {
	found, err := x.Causes(ctx, db)
	var out []Cause
	for _, f := range found {
		out = append(out, Cause{Says: f.Says, Evidence: []string{f.Evidence, "→ " + f.Action}})
	}
	return out, err
}

func (causing) Resolve(ctx context.Context, p *pipeline.Project, id string, d Decision) (pipeline.Result, error) {
	res, err := p.Resolve(ctx, pipeline.Decision{Exception: id, As: d.As + ":" + d.To, Reason: d.Note, By: d.By})
	return res.Result, err
}

// A page in Swedish says nothing in English: no reason, no suggestion, no cause, no heading.
func TestSwedishPagesAreSwedish(t *testing.T) {
	dir := copied(t)
	if err := os.Remove(filepath.Join(dir, "data", "audit.jsonl")); err != nil && !errors.Is(err, fs.ErrNotExist) { // what other tests asked for
		t.Fatal(err)
	}
	o := options(dir)
	o.Resolve = causing{}
	b := open(t, o)
	if code, _ := b.post("/language", url.Values{"language": {"sv"}, "to": {"/"}}); code != 303 {
		t.Fatalf("language: %d", code)
	}
	seen := map[string]bool{}
	look := func(path, body string) {
		if path == "/plan" { // a voucher's own text is what the ERP gets
			body = regexp.MustCompile(`(?s)<td data-label="Text".*?</td>`).ReplaceAllString(body, "")
		}
		for _, part := range regexp.MustCompile(`<(?:/?(?:p|td|th|li|h\d|dt|dd|div|span|a|strong|label|button|summary|br|option)\b[^>]*)>`).Split(notSaid.ReplaceAllString(body, " "), -1) {
			text := html.UnescapeString(plain(part))
			for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("_/", r) }) {
				if slices.Contains(english, w) && !seen[text] && text[0] != '{' {
					seen[text] = true
					t.Errorf("%s says %q in %q", path, w, short(text, 300))
				}
			}
		}
	}
	// Every heading of a table and every state is a Swedish word of ours.
	words := slices.Concat(slices.Collect(maps.Values(swedish)), slices.Collect(maps.Values(swedishWords)), []string{"", "OSS", "0–7", "8–30", "31–60", "61–90", "> 90"})
	heads := func(path, body string) {
		for _, m := range regexp.MustCompile(`<th[^>]*>([^<]*)</th>|<span class="tag[^"]*">([^<]*)</span>`).FindAllStringSubmatch(body, -1) {
			if text := html.UnescapeString(m[1] + m[2]); !slices.Contains(words, text) && !seen[text] && !strings.ContainsAny(text, "0123456789") {
				seen[text] = true
				t.Errorf("%s has no Swedish word for %q: see words.go", path, text)
			}
		}
	}
	visit := func(path string) string {
		body := b.page(path)
		look(path, body)
		heads(path, body)
		return body
	}
	texts := func(query string) []string {
		t.Helper()
		p := project(dir, "")
		db, err := p.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		out, err := db.Texts(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, p := range everyPage {
		if p != "/explain?q=klarna" {
			visit(p)
		}
	}
	ids := texts("select distinct on (kind, regexp_replace(reason, '[0-9]+', '', 'g')) exception_id::varchar from recon.exceptions where status = 'open'")
	if len(ids) < 3 {
		t.Errorf("only %d exceptions", len(ids))
	}
	for _, id := range ids {
		visit("/exceptions/" + id)
	}
	for i, p := range texts("select source || '/' || payout_id from recon.payouts order by status desc, payout_id") {
		if i < 12 {
			visit("/payouts/" + p)
		}
	}
	for _, ref := range texts("select document_id from (select *, row_number() over (partition by kind, status order by document_id) as n from recon.documents where kind <> 'chargeback') where n <= 2 union select document_id from recon.exceptions") {
		visit("/explain?q=" + url.QueryEscape(ref))
	}
	run := texts("select run_id from recon.runs limit 1")[0]
	visit("/runs/" + run)
	visit("/runs/diff?to=" + run)
	_, to := b.post("/proof/verify", nil)
	look(to, b.finish(to))
	_, to = b.post("/exceptions/"+ids[0]+"/resolve", url.Values{"as": {"rate"}, "to": {"x"}})
	look(to, b.finish(to))
	for _, path := range []string{"/no-such-page", "/payouts/klarna/none", "/exceptions/x", "/jobs/x", "/oss?quarter=2"} {
		_, body := b.get(path)
		look(path, body)
	}
}
