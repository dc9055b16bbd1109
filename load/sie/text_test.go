package sie

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpelling(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		runes          string // warned about
	}{
		{"Swedish", "Räksmörgås & Åäö ÉÜ", "Räksmörgås & Åäö ÉÜ", ""},
		{"what code page 437 has", "ß £ ½ Ω ñ æ «x»", "ß £ ½ Ω ñ æ «x»", ""},
		{"letters with loose accents", "a\u030a o\u0308", "å ö", ""},
		{"Danish and Norwegian", "Smørrebrød ØL", "Smörrebröd ÖL", "øØ"},
		{"Polish", "Łukasz Żółć", "Lukasz Zólc", "ŁŻłć"},
		{"Czech, Croatian, Hungarian", "Šimůnek čž Đorđe Erdős űr", "Simunek cz Dorde Erdös ür", "ŠůčžĐđőű"},
		{"Icelandic, French", "Þórður Œuvre", "Thórdur OEuvre", "ÞðŒ"},
		{"money", "10 € ¤", "10 EUR $", "€¤"},
		{"dashes", "a–b—c−d\u2011e", "a-b-c-d-e", "–—−\u2011"},
		{"quotes", "“a” ‘b’ „c“", `"a" 'b' "c"`, "“”‘’„"},
		{"an ellipsis", "och…", "och...", "…"},
		{"wide and small forms", "ＡＢＣ ﬁ ³ ™", "ABC fi 3 TM", "ＡＢＣﬁ³™"},
		{"a paragraph", "3 kap. 4 §", "3 kap. 4 par.", "§"},
		{"line breaks", "a\r\nb\tc", "a  b c", "\r\n\t"},
		{"controls", "a\x00b\x1b\x7fc\u0085", "abc", "\x00\x1b\x7f\u0085"},
		{"invisible", "a\u200bb\ufeff\u00ad", "ab", "\u200b\ufeff\u00ad"},
		{"blanks of other kinds", "1\u00a0000\u202f000", "1 000 000", "\u202f"},
		{"blanks around", "  a ", "a", ""},
		{"what nobody can spell", "東京 😀", "?? ?", "東京😀"},
		{"not UTF-8", "a\xffb", "a?b", "\ufffd"},
		{"one warning for a rune", "øøø", "ööö", "ø"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w speller
			if got := w.text("voucher 1", tt.in, maxText); got != tt.want {
				t.Errorf("text(%q) = %q, want %q", tt.in, got, tt.want)
			}
			var runes strings.Builder
			for _, x := range w.warnings {
				runes.WriteRune(x.Rune)
				if x.Text != tt.in || x.Where != "voucher 1" {
					t.Errorf("warning %+v", x)
				}
			}
			if diff := cmp.Diff(tt.runes, runes.String()); diff != "" {
				t.Errorf("warned about (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStrictSpelling(t *testing.T) {
	w := speller{strict: true}
	if got, want := w.text("", "Große ± ÷ 5 µ° Ω åäöÅÄÖé", maxText), "Grosse +/- / 5 uo ? åäöÅÄÖé"; got != want {
		t.Errorf("text() = %q, want %q", got, want)
	}
	for r := rune(0); r <= 0x10ffff; r++ {
		s, _ := spell(r, true)
		if b := encode(s); detect(b) != CP437 || CP437.decode(b) != s {
			t.Fatalf("%U is spelled %q", r, s)
		}
	}
}

func TestEveryRuneIsSpelledInCodePage437(t *testing.T) {
	for r := rune(0); r <= 0x10ffff; r++ {
		s, same := spell(r, false)
		if got := CP437.decode(encode(s)); got != s || len(s) > 20 && r < 0x3000 {
			t.Fatalf("%U is spelled %q, read back %q", r, s, got)
		}
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%U is spelled %q", r, s)
		}
		if same && s != string(r) && r != '\u00a0' {
			t.Fatalf("%U is spelled %q without a warning", r, s)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		s    string
		max  int
		want string
	}{
		{"Dagskassa", 9, "Dagskassa"},
		{"Dagskassa 1", 10, "Dagskas..."},
		{"Klarna delivery 2026-03-02", 24, "Klarna delivery..."},
		{"Klarna, delivery 2026-03-02", 11, "Klarna..."},
		{"a verylongwordindeed", 12, "a verylon..."},
		{"ööööööööööö", 10, "ööööööö..."},
	} {
		if got := cut(tt.s, tt.max); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.s, tt.max, got, tt.want)
		}
	}
}

func TestCutWarns(t *testing.T) {
	var w speller
	long := strings.Repeat("order ", 30)
	got := w.text("voucher 1 row 2", long, maxText)
	want := []Warning{{Where: "voucher 1 row 2", Text: long, Instead: got}}
	if diff := cmp.Diff(want, w.warnings); diff != "" || len(got) > maxText || !strings.HasSuffix(got, "order...") {
		t.Errorf("%q (-want +got):\n%s", got, diff)
	}
	if s := (Warning{Where: "account 1930", Text: "Smør", Rune: 'ø', Instead: "ö"}).String(); s != `account 1930: "Smør": 'ø' (U+00F8) written as "ö"` {
		t.Error(s)
	}
	if s := (Warning{Where: "account 1930", Text: "Smör", Instead: "S..."}).String(); s != `account 1930: "Smör" cut to "S..."` {
		t.Error(s)
	}
}

func TestID(t *testing.T) {
	for _, tt := range []struct{ text, id, want string }{
		{"Klarna 2026-03-02", "1a2b3c4d5e6f", "Klarna 2026-03-02 [kv 1a2b3c4d5e6f]"},
		{"", "1a2b", "[kv 1a2b]"},
		{"Klarna", "", "Klarna"},
		{"twice [kv 1]", "2", "twice [kv 1] [kv 2]"},
	} {
		got := withID(tt.text, tt.id)
		if got != tt.want {
			t.Errorf("withID(%q, %q) = %q, want %q", tt.text, tt.id, got, tt.want)
		}
		if text, id := cutID(got); text != tt.text || id != tt.id {
			t.Errorf("cutID(%q) = %q, %q", got, text, id)
		}
	}
	for _, s := range []string{"", "x [kv ]", "x[kv 1]", "[kv 1] x", "[kv a b]", "[KV 1]"} {
		if text, id := cutID(s); text != s || id != "" {
			t.Errorf("cutID(%q) = %q, %q", s, text, id)
		}
	}
}
