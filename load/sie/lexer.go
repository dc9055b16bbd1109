package sie

import (
	"bytes"
	"fmt"
	"strings"
)

// A record is one line of a file, still in the file's own bytes.
type record struct {
	line   int
	label  []byte // as written, with #; empty for a brace
	fields []field
	brace  byte // '{' or '}' alone on the line, else 0
}

// A field is a value, or an object list.
type field struct {
	value  []byte // without quotes and escapes
	list   [][]byte
	isList bool
}

// name returns the label in upper case.
func (r record) name() string { return strings.ToUpper(string(r.label)) }

// lex divides a file into records, without the blank lines (sections 5.3 to 5.7).
//
// Errors: *Error wrapping ErrSyntax.
func lex(b []byte) ([]record, error) {
	// DOS programs end a text file with Ctrl-Z.
	b = bytes.TrimRight(b, "\x1a")
	var rs []record
	for i, line := range bytes.Split(b, []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		line = bytes.Trim(line, " \t")
		if len(line) == 0 {
			continue
		}
		r, err := lexLine(line)
		if err != nil {
			return nil, &Error{Line: i + 1, Label: r.name(), What: err.Error(), Err: ErrSyntax}
		}
		r.line = i + 1
		rs = append(rs, r)
	}
	return rs, nil
}

func lexLine(line []byte) (record, error) {
	var r record
	switch line[0] {
	case '{', '}':
		if len(line) > 1 {
			return r, fmt.Errorf("%c is not alone on its line", line[0])
		}
		r.brace = line[0]
		return r, nil
	case '#':
	default:
		return r, fmt.Errorf("no label, the line begins with %.20q", line)
	}
	i := bytes.IndexAny(line, " \t")
	if i < 0 {
		i = len(line)
	}
	r.label = line[:i]
	for {
		if i = skipBlanks(line, i); i == len(line) {
			return r, nil
		}
		var f field
		if line[i] == '{' {
			f.isList = true
			for i = skipBlanks(line, i+1); i < len(line) && line[i] != '}'; i = skipBlanks(line, i) {
				var v []byte
				v, i = lexField(line, i, true)
				f.list = append(f.list, v)
			}
			if i == len(line) {
				return r, fmt.Errorf("the object list is not closed")
			}
			i++
		} else {
			f.value, i = lexField(line, i, false)
		}
		r.fields = append(r.fields, f)
	}
}

// lexField returns the value that begins at i, and where it ends. A brace ends it in
// an object list only.
//
// Programs forget the backslash before a quote, cut a text together with its closing
// quote, and write C:\ at the end of one. So a quote closes a field only where a
// field can end, and the end of the line closes what is open.
func lexField(line []byte, i int, inList bool) ([]byte, int) {
	ends := func(i int) bool {
		return i == len(line) || isBlank(line[i]) || inList && line[i] == '}'
	}
	quoted := line[i] == '"'
	if quoted {
		i++
	}
	v := []byte{}
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && i+1 < len(line) && line[i+1] == '"':
			i++
			if quoted && i+1 == len(line) {
				return append(v, '\\'), len(line)
			}
			v = append(v, '"')
		case quoted && c == '"' && ends(i+1):
			return v, i + 1
		case !quoted && ends(i):
			return v, i
		default:
			v = append(v, c)
		}
	}
	return v, i
}

func skipBlanks(line []byte, i int) int {
	for i < len(line) && isBlank(line[i]) {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
