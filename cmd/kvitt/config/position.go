package config

import (
	"bytes"
	"errors"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A place is where something stands in a file: line and column from 1, columns in characters.
type place struct {
	file      string
	line, col int
}

// A node is a value of the file with its place. The decoder of go-toml would forget the
// place, and turn "25.5" without quotes into a float; this tree keeps both the place and
// the source text.
type node struct {
	kind  unstable.Kind // Table, Array, String, Integer, Float, Bool, or one of the dates
	text  string        // a string's value; the source text of any other scalar
	at    place         // of the value; of the header for a table
	key   place         // of the key that names it
	names []string      // a table's keys, in file order
	table map[string]*node
	items []*node // an array's elements
}

// parse reads a TOML document. Column 1 of line 1 is what follows a byte order mark.
//
// Errors: Errors with the one problem at which TOML's own rules stopped.
func parse(file string, data []byte) (*node, Errors) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, Errors{{File: file, Line: 1, Column: 1, Message: "the file is UTF-16", Do: "save it as UTF-8"}}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	t := &tree{file: file, data: data}
	for i, c := range data {
		if c == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}

	// The decoder knows the rules the parser does not: keys defined twice, numbers and
	// dates that do not exist.
	var discard map[string]any
	if err := toml.Unmarshal(data, &discard); err != nil {
		return nil, Errors{t.syntaxError(err)}
	}

	root := newTable(t.place(0))
	here := root
	t.parser.Reset(data)
	for t.parser.NextExpression() {
		switch e := t.parser.Expression(); e.Kind {
		case unstable.Table:
			here = t.header(root, e, false)
		case unstable.ArrayTable:
			here = t.header(root, e, true)
		case unstable.KeyValue:
			t.keyValue(here, e)
		}
	}
	if err := t.parser.Error(); err != nil {
		return nil, Errors{{File: file, Line: 1, Column: 1, Message: err.Error()}}
	}
	return root, nil
}

type tree struct {
	file   string
	data   []byte
	lines  []int // offsets of the second and later lines
	parser unstable.Parser
}

func newTable(at place) *node {
	return &node{kind: unstable.Table, at: at, key: at, table: make(map[string]*node)}
}

func (t *tree) place(offset int) place {
	n := sort.SearchInts(t.lines, offset+1)
	start := t.lineStart(n)
	return place{t.file, n + 1, utf8.RuneCount(t.data[start:offset]) + 1}
}

// lineStart returns the offset of the line numbered from 0.
func (t *tree) lineStart(n int) int {
	if n == 0 {
		return 0
	}
	return t.lines[n-1]
}

// header opens the table of a [header] or [[header]] and returns it.
func (t *tree) header(root *node, e *unstable.Node, array bool) *node {
	here := root
	keys := e.Key()
	for keys.Next() {
		k := keys.Node()
		at := t.headerPlace(int(k.Raw.Offset))
		if array && keys.IsLast() {
			return here.appendTable(string(k.Data), at)
		}
		here = here.child(string(k.Data), at)
		if keys.IsLast() {
			here.at, here.key = at, at // a table that was only implied so far now has a header
		}
	}
	return here
}

// headerPlace returns where the line of a header begins: people look for the bracket.
func (t *tree) headerPlace(key int) place {
	p := t.place(key)
	start := t.lineStart(p.line - 1)
	for start < key && (t.data[start] == ' ' || t.data[start] == '\t') {
		start++
	}
	return t.place(start)
}

func (t *tree) keyValue(here *node, e *unstable.Node) {
	keys := e.Key()
	for keys.Next() {
		k := keys.Node()
		at := t.place(int(k.Raw.Offset))
		if !keys.IsLast() {
			here = here.child(string(k.Data), at)
			continue
		}
		v := t.value(e.Value(), t.place(t.afterEquals(int(k.Raw.Offset+k.Raw.Length))))
		v.key = at
		here.set(string(k.Data), v)
	}
}

// afterEquals returns the offset of the value that belongs to a key ending at offset.
func (t *tree) afterEquals(offset int) int {
	for offset < len(t.data) && strings.IndexByte(" \t=", t.data[offset]) >= 0 {
		offset++
	}
	return offset
}

func (t *tree) value(n *unstable.Node, at place) *node {
	v := &node{kind: n.Kind, text: string(n.Data), at: at, key: at}
	switch n.Kind {
	case unstable.Array:
		v.text = ""
		for it := n.Children(); it.Next(); {
			item := it.Node()
			itemAt := at
			if item.Raw.Length > 0 {
				itemAt = t.place(int(item.Raw.Offset))
			}
			v.items = append(v.items, t.value(item, itemAt))
		}
	case unstable.InlineTable:
		v.kind = unstable.Table
		v.table = make(map[string]*node)
		for it := n.Children(); it.Next(); {
			t.keyValue(v, it.Node())
		}
	}
	return v
}

// child returns the table called name, made if there is none; of an array of tables its
// last one. The decoder has refused any other kind of value by then.
func (n *node) child(name string, at place) *node {
	c := n.table[name]
	if c != nil && len(c.items) > 0 {
		c = c.items[len(c.items)-1]
	}
	if c == nil || c.table == nil {
		c = newTable(at)
		n.set(name, c)
	}
	return c
}

func (n *node) appendTable(name string, at place) *node {
	a := n.table[name]
	if a == nil {
		a = &node{kind: unstable.Array, at: at, key: at}
		n.set(name, a)
	}
	item := newTable(at)
	a.items = append(a.items, item)
	return item
}

func (n *node) set(name string, v *node) {
	if n.table[name] == nil {
		n.names = append(n.names, name)
	}
	n.table[name] = v
}

// syntaxError puts the decoder's words at their place and adds a hint for the slips that
// people who do not write TOML every day make.
func (t *tree) syntaxError(err error) *Error {
	e := &Error{File: t.file, Line: 1, Column: 1, Message: strings.TrimPrefix(err.Error(), "toml: ")}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		line, col := de.Position()
		if line >= 1 && line <= len(t.lines)+1 {
			offset := min(t.lineStart(line-1)+max(col-1, 0), len(t.data))
			p := t.place(offset)
			e.Line, e.Column = p.line, p.col
		}
		e.Key = strings.Join(de.Key(), ".")
	}
	for _, h := range syntaxHints {
		if strings.Contains(e.Message, h.says) {
			e.Do = h.do
			break
		}
	}
	return e
}

var syntaxHints = []struct{ says, do string }{
	{"at start of value", `text goes in quotes, numbers and true or false do not: name = "text"`},
	{"U+002C ','", `decimals have a point and go in quotes: vat_rate = "25.5"`},
	{"expected newline", "one setting a line; text goes in quotes"},
	{"already exists as an array of tables", "write it with double brackets here too: [[…]]"},
	{"already defined", "keep one of the two"},
	{"already exists", "put all its keys under one header"},
	{"cannot have new lines", "close the quotes on the same line"},
	{"unterminated basic string", "close the quotes"},
	{"invalid UTF-8", "save the file as UTF-8"},
	{"invalid escape character", `write \\ for a backslash, or use single quotes: 'C:\reports'`},
	{"leading zeroes", "write the number without the leading zero"},
}
