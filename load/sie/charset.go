package sie

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// A Charset is what the bytes of a file mean.
type Charset string

const (
	CP437 Charset = "CP437"        // the only one the format permits (section 5.8)
	UTF8  Charset = "UTF-8"        // found in files converted on the way
	Latin Charset = "windows-1252" // Latin-1 with Windows' additions
)

var bom = []byte("\xef\xbb\xbf")

// swedish holds å ä ö Å Ä Ö é ü in code page 437 and in Latin-1. The bytes of one
// are box drawing and Greek, or controls and typographic marks, in the other.
var swedish = map[Charset]string{
	CP437: "\x86\x84\x94\x8f\x8e\x99\x82\x81",
	Latin: "\xe5\xe4\xf6\xc5\xc4\xd6\xe9\xfc",
}

// detect says what the bytes of a file mean. The #FORMAT record is no help: it says
// PC8 in files of every kind. Text in another set that is valid UTF-8 by chance is
// rare enough to be taken as UTF-8; Latin-1 must have the majority, since files in
// code page 437 may carry a path in Latin-1.
func detect(b []byte) Charset {
	n := map[Charset]int{}
	high := false
	for _, c := range b {
		if c < utf8.RuneSelf {
			continue
		}
		high = true
		for set, letters := range swedish {
			if strings.IndexByte(letters, c) >= 0 {
				n[set]++
			}
		}
	}
	switch {
	case high && utf8.Valid(b):
		return UTF8
	case n[Latin] > n[CP437]:
		return Latin
	}
	return CP437
}

// decode returns b as a Go string.
func (c Charset) decode(b []byte) string {
	var m *charmap.Charmap
	switch c {
	case UTF8:
		return string(b)
	case Latin:
		m = charmap.Windows1252
	default:
		m = charmap.CodePage437
	}
	s := make([]byte, 0, len(b))
	for _, x := range b {
		if x < utf8.RuneSelf {
			s = append(s, x)
		} else {
			s = utf8.AppendRune(s, m.DecodeByte(x))
		}
	}
	return string(s)
}

// toCP437 returns b in code page 437, with ? for what that lacks.
func (c Charset) toCP437(b []byte) []byte {
	if c == CP437 {
		return b
	}
	return encode(c.decode(b))
}

// encode returns s in code page 437, with ? for what that lacks.
func encode(s string) []byte {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		b, ok := charmap.CodePage437.EncodeRune(r)
		if !ok {
			b = '?'
		}
		out = append(out, b)
	}
	return out
}
