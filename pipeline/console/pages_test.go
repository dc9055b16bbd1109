package console

import (
	"net/url"
	"strings"
	"testing"
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
