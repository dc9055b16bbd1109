package sie

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// A Warning says that a text stands in the file other than it was given.
type Warning struct {
	Where   string // "voucher 3 (1a2b3c4d5e6f)", "account 1930"
	Text    string // as given
	Rune    rune   // what code page 437 or the format lacks; 0 when the text was cut
	Instead string // what was written for it; when cut, the text that was written
}

func (w Warning) String() string {
	if w.Rune == 0 {
		return fmt.Sprintf("%s: %q cut to %q", w.Where, w.Text, w.Instead)
	}
	return fmt.Sprintf("%s: %q: %q (%U) written as %q", w.Where, w.Text, w.Rune, w.Rune, w.Instead)
}

// maxText is how many characters a text may have. The format sets no limit, the
// programs that read it do (section 7.6).
const maxText = 100

// instead holds what is written for runes that code page 437 lacks and that lose more
// than an accent when decomposed. Letters that Swedish has a form of its own for get that.
var instead = map[rune]string{
	'ø': "ö", 'Ø': "Ö", 'ő': "ö", 'Ő': "Ö", 'ű': "ü", 'Ű': "Ü",
	'ł': "l", 'Ł': "L", 'đ': "d", 'Đ': "D", 'ð': "d", 'Ð': "D",
	'þ': "th", 'Þ': "Th", 'ħ': "h", 'Ħ': "H", 'ı': "i", 'ŋ': "n", 'Ŋ': "N",
	'œ': "oe", 'Œ': "OE", 'ẞ': "SS", 'ß': "ss",
	'€': "EUR", '¤': "$", '§': "par.", '©': "(C)", '®': "(R)", '†': "+",
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-", '⁄': "/", '∕': "/",
	'‘': "'", '’': "'", '‚': "'", '‛': "'", '′': "'", '´': "'", '‹': "'", '›': "'",
	'“': `"`, '”': `"`, '„': `"`, '‟': `"`, '″': `"`,
	'…': "...", '•': "*", '·': "*", '×': "x", '÷': "/", '±': "+/-", '≤': "<=", '≥': ">=",
	'µ': "u", 'μ': "u", '°': "o",
	'\t': " ", '\n': " ", '\r': " ", '\u2028': " ", '\u2029': " ",
}

// spell returns how r is written, and whether that is r itself. A strict spelling uses
// only the letters of code page 437, not its signs, Greek and box drawing.
func spell(r rune, strict bool) (string, bool) {
	if r == ' ' || r == '\u00a0' {
		return " ", true // importers do not know the other kind of blank
	}
	if !unicode.IsControl(r) {
		if b, ok := charmap.CodePage437.EncodeRune(r); ok && (!strict || b < firstSign) {
			return string(r), true
		}
	}
	if s, ok := instead[r]; ok {
		return s, false
	}
	if unicode.In(r, unicode.Zs) {
		return " ", false
	}
	if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Mn, unicode.Me) {
		return "", false
	}
	parts := norm.NFKD.String(string(r))
	if parts == string(r) {
		return "?", false
	}
	var s strings.Builder
	for _, p := range parts {
		t, _ := spell(p, strict)
		s.WriteString(t)
	}
	return s.String(), false
}

// firstSign is the first byte of code page 437 that can begin a character of UTF-8, or
// be a letter in Latin-1. Below it lie the letters of Western Europe.
const firstSign = 0xc0

// A speller writes texts for one file, and notes what it had to change.
type speller struct {
	strict   bool
	warnings []Warning
}

// text returns s as the file can hold it: on one line, in code page 437, at most max
// characters long, without blanks around it.
func (w *speller) text(where, s string, max int) string {
	var b strings.Builder
	warned := map[rune]bool{}
	for _, r := range norm.NFC.String(s) {
		t, same := spell(r, w.strict)
		b.WriteString(t)
		if !same && !warned[r] {
			warned[r] = true
			w.warnings = append(w.warnings, Warning{Where: where, Text: s, Rune: r, Instead: t})
		}
	}
	t := strings.TrimSpace(b.String())
	if short := cut(t, max); short != t {
		w.warnings = append(w.warnings, Warning{Where: where, Text: s, Instead: short})
		t = short
	}
	return t
}

// field is text for a value that fills its quotes. There a backslash at the end would
// escape the closing quote (section 5.7 knows no escape for it).
func (w *speller) field(where, s string, max int) string {
	t := w.text(where, s, max)
	if strings.HasSuffix(t, `\`) {
		t = strings.TrimSuffix(t, `\`) + "/"
		w.warnings = append(w.warnings, Warning{Where: where, Text: s, Rune: '\\', Instead: "/"})
	}
	return t
}

// cut returns s with at most max characters. What is cut ends in "...", after a whole
// word if that leaves more than half.
func cut(s string, max int) string {
	const dots = "..."
	if utf8.RuneCountInString(s) <= max {
		return s
	}
	short := string([]rune(s)[:max-len(dots)])
	if i := strings.LastIndexByte(short, ' '); i > len(short)/2 {
		short = short[:i]
	}
	return strings.TrimRight(short, ` ,;:-\`) + dots
}

var (
	validID = regexp.MustCompile(`^[0-9A-Za-z._:-]{1,64}$`)
	textID  = regexp.MustCompile(`^(?s:(.*) )?\[kv ([0-9A-Za-z._:-]{1,64})\]$`)
)

// withID returns the text of a voucher as it stands in the file.
func withID(text, id string) string {
	if id == "" {
		return text
	}
	return strings.TrimPrefix(text+" [kv "+id+"]", " ")
}

// cutID is the inverse of withID.
func cutID(s string) (text, id string) {
	if m := textID.FindStringSubmatch(s); m != nil {
		return m[1], m[2]
	}
	return s, ""
}
