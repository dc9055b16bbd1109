package console

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fill writes a sentence with values in its places.
func fill(ps []piece, values map[string]string) string {
	var b strings.Builder
	for _, p := range ps {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(values[p.name])
		}
	}
	return b.String()
}

// A value is what stood in a place of the English, and what must stand in the Swedish.
type value struct{ en, sv string }

// plainValues are of each kind what commonly stands there.
var plainValues = map[string][]value{
	"amount": {{"1250.00 SEK", ""}, {"-0.01 EUR", ""}, {"0.00 JPY", ""}},
	"n":      {{"12", ""}, {"-0.50", ""}, {"25.5", ""}, {"1510", ""}},
	"date":   {{"2026-03-31", ""}, {"2025-12-01", ""}, {"2026-01-02", ""}},
	"id":     {{"klarna/delivery/5719c1c8-8904", ""}, {"DKK", ""}, {"klarna-se", ""}, {"1001", ""}},
	"item":   {{"Settled/visa", ""}, {"93360", ""}, {"settlement fee", ""}},
	"ref":    {{"93360", ""}, {"#1001", ""}, {"settlement 12/SEK", ""}},
	"text":   {{"93360", ""}, {"A 17/B", ""}, {"payout 4", ""}},
	"word":   {{"delivery", "leverans"}, {"payout_line", "utbetalningsrad"}, {"unmatched_line", "omatchad rad"}},
	"sentence": {
		{"event_id 7f3a", "händelse-ID 7f3a"}, {"its rows have not come yet", "raderna har inte kommit ännu"},
		{"Fortnox answers 500", "Fortnox svarar 500"},
	},
	"any": {{"event_id 7f3a", "händelse-ID 7f3a"}, {"93360", ""}, {"connection reset by peer", ""}},
}

// Every sentence is said in Swedish, whatever usually stands in its places.
func TestEverySentenceIsSaidWithItsValues(t *testing.T) {
	for _, s := range swedishSentences().all {
		for turn := range 4 {
			en, sv, used := map[string]string{}, map[string]string{}, map[string]int{}
			for _, p := range s.en {
				if p.name == "" {
					continue
				}
				vs := plainValues[p.kind]
				v := vs[(turn+used[p.kind])%len(vs)]
				used[p.kind]++
				en[p.name], sv[p.name] = v.en, v.sv
				if v.sv == "" {
					sv[p.name] = v.en
				}
			}
			text, want := fill(s.en, en), fill(s.sv, sv)
			if got, ok := Swedish(text); !ok || got != want {
				t.Errorf("sentences_sv.txt:%d: %q\n\tis said %q (%t),\n\twant    %q", s.line, text, got, ok, want)
				break
			}
		}
	}
}

// What is said of several things stands in one text.
func TestListsAreSaidPartByPart(t *testing.T) {
	for _, list := range [][]string{
		{"klarna/delivery/a-1 (order_number 1001, open 12000 minor units)", "klarna/delivery/a-1 (ordernummer 1001, öppet 12000 i valutans minsta enhet)"},
		{"klarna/refund/b (reference A 17, open 0 minor units, other currency)", "klarna/refund/b (referens A 17, öppet 0 i valutans minsta enhet, annan valuta)"},
		{"invoice 7, open -179.00 SEK", "faktura 7, öppet -179.00 SEK"},
		{"invoice 8, open 716.00", "faktura 8, öppet 716.00"},
		{"new: Settled A 17 12.00 SEK", "ny: Settled A 17 12.00 SEK"},
		{"gone: FEE 9 -1.00 SEK", "borta: FEE 9 -1.00 SEK"},
		{"line 1 0.00 SEK, 25 % would be 20.00 SEK", "rad 1: 0.00 SEK, 25 % vore 20.00 SEK"},
		{"sale_amount says 3810727, the rows 3809493", "sale_amount säger 3810727, raderna 3809493"},
	} {
		for n := 1; n <= 13; n += 3 { // candidates are five at most
			if n > 5 && strings.Contains(list[0], " (") {
				break
			}
			en, sv := strings.Repeat("; "+list[0], n)[2:], strings.Repeat("; "+list[1], n)[2:]
			if got, ok := Swedish(en); !ok || got != sv {
				t.Errorf("%d of %q are said %q (%t)", n, list[0], short(got, 300), ok)
			}
		}
	}
	keys := []string{"order_id 5719c1c8", "event_id 7f3a", "reference A 17"}
	said := []string{"order-ID 5719c1c8", "händelse-ID 7f3a", "referens A 17"}
	for from := range keys {
		for to := from + 1; to <= len(keys); to++ {
			if got, ok := Swedish(strings.Join(keys[from:to], ", ")); !ok || got != strings.Join(said[from:to], ", ") {
				t.Errorf("%q is said %q (%t)", keys[from:to], got, ok)
			}
		}
	}
}

// Whatever stands in a place comes out as it went in, or the sentence stays in English: also words that are the sentence's
// own, what another sentence begins or ends with, and what would mean something to a template or to a page.
func TestNoValueIsAltered(t *testing.T) {
	all := swedishSentences().all
	odd := []string{"x", " ", "  a", "a ", "of", " of ", "; ", ", ", ": ", "a; b", "a, b", "a: b", "(1)", ") (", "{id}", "{text}", "}{", "%s", "%!d", "<b>&amp;", `"`, "'", "\\", "\t", "\n",
		"0.00", "-1", "1250.00 SEK", "2026-03-31", "Å", "日本", "\xff\xfe", "SEK", "the", "its rows add up to", "minor units", "open", "order", "no delivery known for order 1", "ask the provider; 12", "event_id 9", "held", "delivery", strings.Repeat("a; b, c: d (e) ", 40)}
	said := 0
	for i, s := range all {
		var own []string
		for _, p := range s.en {
			if p.name == "" {
				own = append(own, p.text, "x"+p.text+"y", strings.TrimSpace(p.text))
			}
		}
		// Of other sentences, those nearby, which are alike.
		for _, o := range all[max(0, i-3):min(len(all), i+4)] {
			own = append(own, o.en[0].text, o.en[len(o.en)-1].text)
		}
		for turn, v := range append(own, odd...) {
			en := map[string]string{}
			places := 0
			for _, p := range s.en {
				if p.name == "" {
					continue
				}
				places++
				usual := plainValues[p.kind][places%len(plainValues[p.kind])].en
				switch {
				case p.kind == "amount" || p.kind == "n" || p.kind == "date" || p.kind == "word" || p.kind == "sentence":
					en[p.name] = usual // nothing else is ever written there
				case fits[p.kind](v) && (turn%2 == 0 || places%2 == turn/2%2):
					en[p.name] = v
				default:
					en[p.name] = usual
				}
			}
			if places == 0 {
				break
			}
			got, ok := Swedish(fill(s.en, en))
			if !ok {
				continue
			}
			said++
			// What is put into Swedish itself may come out as either.
			wants := []map[string]string{{}}
			for _, p := range s.en {
				if p.name == "" {
					continue
				}
				forms := []string{en[p.name]}
				if p.kind == "word" {
					forms = []string{swedishWords[en[p.name]]}
				}
				if p.kind == "sentence" || p.kind == "any" {
					if sv, ok := Swedish(en[p.name]); ok {
						forms = append(forms, sv)
					}
				}
				var next []map[string]string
				for _, w := range wants {
					for _, f := range forms {
						x := map[string]string{p.name: f}
						for k, v := range w {
							x[k] = v
						}
						next = append(next, x)
					}
				}
				wants = next
			}
			right := false
			for _, w := range wants {
				right = right || got == fill(s.sv, w)
			}
			if !right {
				t.Errorf("sentences_sv.txt:%d: %q\n\tis said %q", s.line, fill(s.en, en), got)
			}
		}
	}
	if said < 1000 {
		t.Errorf("only %d sentences were said at all", said)
	}
}

// What nobody wrote a pair for is shown as it is, and a provider's names cannot make a page wait.
func TestWhatIsNoSentenceStaysAsItIs(t *testing.T) {
	for _, s := range []string{"", "x", "Kunden ångrade sig", "no delivery known for", "its rows add up to ten SEK, its totals say 2 SEK: off by 1 SEK", strings.Repeat("; ", 5000), strings.Repeat("a; ", 5000) + "b"} {
		if got, ok := Swedish(s); ok {
			t.Errorf("%.40q is said %.40q", s, got)
		}
	}
	v := &view{Lang: "sv"}
	for _, hard := range []string{" of 1.00 SEK has no fee, where others by ", "event_id 1, ", "event_id 1, reference ", "a (order ", "; the ", "new: a; "} {
		for _, text := range []string{strings.Repeat(hard, maxText/len(hard)), "sale " + strings.Repeat(hard, maxText/len(hard)-1), strings.Repeat(hard, maxText)} {
			began := time.Now()
			v.Says(text)
			if took := time.Since(began); took > time.Second { // it takes some ten milliseconds
				t.Errorf("%.40q took %s", text, took)
			}
		}
	}
	if got := (&view{Lang: "en"}).Says("its rows have not come yet"); got != "its rows have not come yet" {
		t.Errorf("an English page says %q", got)
	}
	wrong := `kvitt.toml:12:1: [[source]] "svea" has no secret: write secret = "${SVEA_SECRET}"` + "\n" + `sales.csv:3:1: "SWE" is no country code: two upper-case letters, as in ISO 3166, or *: write e.g. SE`
	if got, want := v.Says(wrong), `kvitt.toml:12:1: [[source]] "svea" saknar secret: skriv secret = "${SVEA_SECRET}"`+"\n"+`sales.csv:3:1: "SWE" är ingen landskod: två versaler, som i ISO 3166, eller *: skriv till exempel SE`; got != want {
		t.Errorf("what is wrong in a form is said %q", got)
	}
	if got := v.Says("its rows have not come yet\nX\nthe file is empty"); got != "raderna har inte kommit ännu\nX\nfilen är tom" {
		t.Errorf("of several lines it says %q", got)
	}
}

func TestPairsThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"a\n":                       ":1: no Swedish below it",
		"a\nb\n\tc\n":               ":2: the line above has no Swedish below it",
		"\ta\n":                     ":1: Swedish without its English above it",
		"a {id}\n\tb\n":             ":2: a place of the English is lacking",
		"a {id}\n\tb {id2}\n":       ":2: {id2} is not in the English",
		"a {id} {id}\n\tb {id}\n":   ":1: {id} is there twice",
		"a {what}\n\tb {what}\n":    ":1: {what is no place",
		"a {id}{n}\n\tb {id} {n}\n": ":1: nothing stands before {n} to tell where it begins",
		"a\n\tb\n\n# c\na\n\td\n":   ":5: it is in line 1 already",
		"a {id\n\tb {id}\n":         ":1: {id is no place",
		"a {n}\n\tb {n} {n}\n":      ":2: {n} is there twice",
	} {
		if _, err := readSentences(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func BenchmarkSays(b *testing.B) {
	v := &view{Lang: "sv"}
	rows := []string{
		"no delivery known for order 93360", "kvitt backfill --source klarna --ids 5719c1c8-8904-4924-932d-933670df4b40 reads the order again",
		"its rows add up to 5965.93 SEK, its totals say 5978.27 SEK: off by -12.34 SEK", "get the report from the provider again, or ask what the difference is",
		"event_id 7f3a, order_id 5719c1c8, reference 93360", "a text that nobody wrote a pair for; and another",
	}
	for b.Loop() {
		for _, r := range rows {
			v.Says(r)
		}
	}
}

// A list is in Swedish however long it is, where each of its parts is a sentence; else it stays as it is.
func TestALongListIsInSwedish(t *testing.T) {
	var en, sv []string
	for i := range 400 {
		row := fmt.Sprintf("SALE %d %d.50 SEK", 10000+i, i)
		en, sv = append(en, "gone: "+row), append(sv, "borta: "+row)
	}
	if got, ok := Swedish(strings.Join(en, "; ")); !ok || got != strings.Join(sv, "; ") {
		t.Errorf("%v, %.200s", ok, got)
	}
	odd := strings.Join(append(en, "what nobody writes"), "; ")
	if got, ok := Swedish(odd); ok || got != odd {
		t.Errorf("%v, %.200s", ok, got)
	}
}
