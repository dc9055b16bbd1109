package fortnox

import (
	"strings"
	"unicode"
)

// taken are the signs Fortnox takes in texts besides letters and digits; anything else is error 2000359.
// Source: Fortnox's page on parameters.
const taken = "’\\–:.`´,;^¤#%§£$€¢¥©™°&/()=+-*_!?²³®½@ \n\u00a0'"

// clean respells s so that Fortnox takes it, at most max letters of it.
func clean(s string, max int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune(taken, r):
		case r == '"', r == '“', r == '”', r == '„', r == '«', r == '»':
			r = '´'
		case r == '<', r == '[', r == '{':
			r = '('
		case r == '>', r == ']', r == '}':
			r = ')'
		case r == '|':
			r = '/'
		case r == '~', r == '—':
			r = '-'
		case unicode.IsSpace(r):
			r = ' '
		default:
			continue
		}
		if r == ' ' && (space || n == 0) {
			continue
		}
		space = r == ' '
		if n++; n > max {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
