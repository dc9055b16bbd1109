package personal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Rules say which values are about a person.
type Rules struct {
	Keys []string // of JSON members, at any depth, and of report columns; lower case
	Not  []string // keys within such a member whose values are about nobody: a country, a transaction's ID
}

func (r Rules) personal(key string) bool { return slices.Contains(r.Keys, key) }

// Email, Phone and NationalID are the identities that a person is found by, in whatever way they are written.
func Email(s string) string { return "e:" + strings.ToLower(strings.TrimSpace(s)) }

func Phone(s string) string { return "p:" + lastDigits(s, 9) }

func NationalID(s string) string { return "n:" + lastDigits(s, 10) }

// lastDigits keeps the digits that a number has with and without a country's prefix, or a century.
func lastDigits(s string, n int) string {
	var d []byte
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			d = append(d, s[i])
		}
	}
	return string(d[max(0, len(d)-n):])
}

var (
	addressRE = regexp.MustCompile(`[A-Za-z0-9._%+'\-]*[A-Za-z0-9_%+\-](?:@|%40)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,24}`)
	wholeRE   = regexp.MustCompile(`^\s*[^\s@"<>,;]+@[^\s@"<>,;]+\.[^\s@"<>,;]+\s*$`)
	tokenRE   = regexp.MustCompile(mark + `[A-Za-z0-9_\-]{33,}|` + Erased)
)

// A leaf is a value that is sealed, or a text in which addresses are.
type leaf struct {
	start, end int
	node       int
	key        string
	personal   bool
}

// A node is an object or an array.
type node struct {
	parent int
	array  bool
	email  int    // the first leaf in it that is an e-mail address; -1
	id     string // what its own members call it
	pair   string // of an object that names its value: {"key": …, "value": …}
}

// tooDeep bounds how deep JSON may be nested.
const tooDeep = 200

var errJSON = errors.New("not JSON")

// A scanner finds the values of a text that are about a person. It reads as far as the text is JSON.
type scanner struct {
	b      []byte
	rules  Rules
	nodes  []node
	leaves []leaf
}

func (s *scanner) blank(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\t' || s.b[i] == '\r') {
		i++
	}
	return i
}

// text steps over a string that begins at i.
func (s *scanner) text(i int) (int, error) {
	for i++; i < len(s.b); i++ {
		switch s.b[i] {
		case '\\':
			i++
		case '"':
			return i + 1, nil
		}
	}
	return len(s.b), errJSON
}

// value reads one value. What is inside a personal member is personal, but for the keys that are not.
func (s *scanner) value(i, parent int, key string, personal bool, depth int) (int, error) {
	i = s.blank(i)
	if i >= len(s.b) || depth > tooDeep {
		return i, errJSON
	}
	switch c := s.b[i]; c {
	case '{', '[':
		return s.inside(i, parent, key, personal, depth)
	case '"':
		end, err := s.text(i)
		if err != nil && end-i < 2 {
			return end, err
		}
		s.leaf(leaf{i, end, parent, key, personal})
		return end, err
	default:
		end := i
		for end < len(s.b) && strings.IndexByte(" \t\r\n,]}:\"", s.b[end]) < 0 {
			end++
		}
		if end == i {
			return i, errJSON
		}
		if c == '-' || (c >= '0' && c <= '9') {
			s.leaf(leaf{i, end, parent, key, personal})
		} else if c != 't' && c != 'f' && c != 'n' {
			return i, errJSON
		}
		return end, nil
	}
}

func (s *scanner) inside(i, parent int, key string, personal bool, depth int) (int, error) {
	self := len(s.nodes)
	isArray := s.b[i] == '['
	s.nodes = append(s.nodes, node{parent: parent, array: isArray, email: -1})
	first := len(s.leaves)
	i++
	for {
		i = s.blank(i)
		if i >= len(s.b) {
			return i, errJSON
		}
		if s.b[i] == '}' || s.b[i] == ']' {
			if isArray != (s.b[i] == ']') {
				return i, errJSON
			}
			break
		}
		name, inner := key, personal
		if !isArray {
			if s.b[i] != '"' {
				return i, errJSON
			}
			end, err := s.text(i)
			if err != nil {
				return i, err
			}
			name = strings.ToLower(string(s.b[i+1 : end-1]))
			inner = (personal || s.rules.personal(name)) && !slices.Contains(s.rules.Not, name)
			if i = s.blank(end); i >= len(s.b) || s.b[i] != ':' {
				return i, errJSON
			}
			i++
		}
		end, err := s.value(i, self, name, inner, depth+1)
		if err == nil && !isArray {
			s.member(self, name, s.b[s.blank(i):end])
		}
		if err != nil {
			return end, err
		}
		if i = s.blank(end); i < len(s.b) && s.b[i] == ',' {
			i++
		}
	}
	// {"key": "_billing_pno", "value": "…"}: the member's name is a value.
	if pair := s.nodes[self].pair; pair != "" && s.rules.personal(pair) {
		for n := first; n < len(s.leaves); n++ {
			if l := &s.leaves[n]; l.node == self && l.key == "value" {
				l.personal, l.key = true, pair
			}
		}
	}
	return i + 1, nil
}

// member notes what an object says of itself.
func (s *scanner) member(self int, name string, raw []byte) {
	n := &s.nodes[self]
	switch name {
	case "key", "name":
		if len(raw) > 2 && raw[0] == '"' {
			n.pair = strings.ToLower(string(raw[1 : len(raw)-1]))
		}
	}
	if n.id == "" && len(raw) > 0 && raw[0] != '{' && raw[0] != '[' && (name == "id" || name == "number" ||
		strings.HasSuffix(name, "order_id") || strings.HasSuffix(name, "orderid") || strings.HasSuffix(name, "orderno") || strings.HasSuffix(name, "order_number") || strings.HasSuffix(name, "ordernumber")) {
		if id := plain(raw); id != "" && id != "null" {
			n.id = name + " " + id
		}
	}
}

// leaf keeps a value if there may be something of a person in it.
func (s *scanner) leaf(l leaf) {
	raw := s.b[l.start:l.end]
	if l.personal {
		// Nothing is said of anybody, and models may tell that from something.
		if v := strings.TrimSpace(plain(raw)); v == "" || v == "0" {
			return
		}
	} else if raw[0] != '"' || l.key != "value" && !bytes.ContainsRune(raw, '@') && !bytes.Contains(raw, []byte("%40")) {
		return // of a pair that names a personal value, the value is kept until the name is known
	}
	s.leaves = append(s.leaves, l)
	if l.personal && wholeRE.MatchString(plain(raw)) {
		for n := l.node; n >= 0 && s.nodes[n].email < 0; n = s.nodes[n].parent {
			s.nodes[n].email = len(s.leaves) - 1
		}
	}
}

// plain is the text of a string, or a number as it is written.
func plain(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return string(raw)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(bytes.TrimSuffix(raw[1:], []byte(`"`)))
	}
	var t string
	if json.Unmarshal(raw, &t) != nil {
		return string(raw[1:])
	}
	return t
}

// primary is the identity of the person that a leaf is about: the nearest e-mail address around it; else
// what the object around it is called; else the values themselves.
//
// A list in which some have an address and one has none is a list of persons: that one is not any of the others.
func (s *scanner) primary(l leaf, doc string) string {
	scope := l.node
	for n := l.node; n >= 0; n = s.nodes[n].parent {
		if e := s.nodes[n].email; e >= 0 {
			return Email(plain(s.b[s.leaves[e].start:s.leaves[e].end]))
		}
		scope = n
		if p := s.nodes[n].parent; p >= 0 && s.nodes[p].array && s.nodes[p].email >= 0 {
			break
		}
	}
	for n := l.node; n >= 0; n = s.nodes[n].parent {
		if s.nodes[n].id != "" {
			return "o:" + doc + " " + s.nodes[n].id
		}
		if n == scope {
			break
		}
	}
	h := sha256.New()
	for _, other := range s.leaves {
		if other.personal && s.within(other.node, scope) {
			h.Write(s.b[other.start:other.end])
		}
	}
	return "o:" + doc + " " + b64.EncodeToString(h.Sum(nil))
}

func (s *scanner) within(n, scope int) bool {
	for n > scope {
		n = s.nodes[n].parent
	}
	return n == scope
}

// aliasOf is what else the person of a leaf is found by; "" for nothing.
func aliasOf(key, text string) string {
	id := ""
	switch {
	case strings.Contains(key, "phone") || strings.Contains(key, "mobile"):
		id = Phone(text)
	case strings.Contains(key, "national") || strings.Contains(key, "personal") || strings.Contains(key, "pno"):
		id = NationalID(text)
	case wholeRE.MatchString(text):
		return Email(text)
	}
	if len(id) < 2+6 {
		return ""
	}
	return id
}

// A sealer seals values of one document.
type sealer struct {
	k       *Keys
	doc     string
	year    int
	persons map[string]sealed // by primary identity
}

type sealed struct {
	id  string
	key []byte
}

func (e *sealer) token(primary, alias string, value []byte) (string, error) {
	p, ok := e.persons[primary]
	if !ok || alias != "" && alias != primary {
		var others []string
		if alias != "" && alias != primary {
			others = []string{alias}
		}
		id, key, err := e.k.person(e.year, primary, others)
		if err != nil {
			return "", err
		}
		p = sealed{id, key}
		e.persons[primary] = p
	}
	if p.id == "" {
		return Erased, nil
	}
	return seal(p.id, p.key, value), nil
}

// JSON seals the values of a body that are about a person: every value under the rules' keys, and any e-mail address in
// another text. The rest stays as it is, byte for byte. Doc tells documents without an e-mail address apart: whose
// they are. What is not JSON is read as far as it is; addresses are sealed in the rest.
func (k *Keys) JSON(body []byte, r Rules, doc string, year int) ([]byte, error) {
	if len(r.Keys) == 0 {
		return body, nil
	}
	e := &sealer{k, doc, year, map[string]sealed{}}
	return e.json(body, r, "", 0)
}

// json is JSON; primary is whose the values are that say nothing of their own, in a text within a text.
func (e *sealer) json(body []byte, r Rules, primary string, depth int) ([]byte, error) {
	s := &scanner{b: body, rules: r}
	at, parent := 0, -1
	if len(body) > 0 && body[0] == 0x1e { // a sequence of answers is one document
		s.nodes, parent = append(s.nodes, node{parent: -1, email: -1}), 0
	}
	for {
		for at = s.blank(at); at < len(body) && body[at] == 0x1e; {
			at = s.blank(at + 1)
		}
		if at >= len(body) {
			break
		}
		end, err := s.value(at, parent, "", false, 0)
		if parent == 0 && s.nodes[0].id == "" && len(s.nodes) > 1 {
			s.nodes[0].id = s.nodes[1].id
		}
		if err != nil {
			at = max(at, end)
			break
		}
		at = end
	}
	var out []byte
	copied := 0
	put := func(from, to int, text string) {
		out = append(append(out, body[copied:from]...), text...)
		copied = to
	}
	for _, l := range s.leaves {
		raw := body[l.start:l.end]
		if !l.personal {
			text, err := e.addresses(raw)
			if err != nil {
				return nil, err
			}
			if text != nil {
				put(l.start, l.end, string(text))
			}
			continue
		}
		text := plain(raw)
		whose := s.primary(l, e.doc)
		if primary != "" && !strings.HasPrefix(whose, "e:") {
			whose = primary
		}
		// JSON in a text keeps its own shape, so that what is not about anyone can be read.
		if t := strings.TrimSpace(text); depth < 3 && len(t) > 1 && (t[0] == '{' || t[0] == '[') && json.Valid([]byte(t)) {
			within, err := e.inner([]byte(t), r, whose, depth)
			if err != nil {
				return nil, err
			}
			put(l.start, l.end, within)
			continue
		}
		token, err := e.token(whose, aliasOf(l.key, text), raw)
		if err != nil {
			return nil, err
		}
		put(l.start, l.end, `"`+token+`"`)
	}
	if at < len(body) && copied <= at { // it ends in what is no JSON
		tail, err := e.addresses(body[max(copied, at):])
		if err != nil {
			return nil, err
		}
		if tail != nil {
			out = append(append(out, body[copied:max(copied, at)]...), tail...)
			copied = len(body)
		}
	}
	if copied == 0 {
		return body, nil
	}
	return append(out, body[copied:]...), nil
}

// inner seals every value of a JSON text that stands under a personal key, but for those that are about nobody.
func (e *sealer) inner(text []byte, r Rules, primary string, depth int) (string, error) {
	wrapped := append(append([]byte(`{"`+r.Keys[0]+`":`), text...), '}')
	done, err := e.json(wrapped, r, primary, depth+1)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(string(done[len(r.Keys[0])+4 : len(done)-1])); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// addresses seals the e-mail addresses in a text; nil when it has none.
func (e *sealer) addresses(text []byte) ([]byte, error) {
	found := addressRE.FindAllIndex(text, -1)
	if found == nil {
		return nil, nil
	}
	var out []byte
	copied := 0
	for _, f := range found {
		value := text[f[0]:f[1]]
		token, err := e.token(Email(strings.Replace(string(value), "%40", "@", 1)), "", value)
		if err != nil {
			return nil, err
		}
		out = append(append(out, text[copied:f[0]]...), token...)
		copied = f[1]
	}
	return append(out, text[copied:]...), nil
}

// CSV seals the columns of a report that are about a person, from in to out. It reports whether there were any: if not,
// nothing needs to be kept of out. Every line stays the line it was.
func (k *Keys) CSV(in io.Reader, out io.Writer, r Rules, doc string, year int) (bool, error) {
	br := bufio.NewReaderSize(in, 1<<20)
	head, err := record(br)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	comma := byte(',')
	for _, c := range []byte(";\t|") {
		if bytes.Count(head, []byte{c}) > bytes.Count(head, []byte{comma}) {
			comma = c
		}
	}
	keys := map[int]string{}
	for i, c := range cells(head, comma) {
		name := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(cell(head[c[0]:c[1]]), "\ufeff")))
		if r.personal(name) {
			keys[i] = name
		}
	}
	if len(keys) == 0 {
		return false, nil
	}
	w := bufio.NewWriterSize(out, 1<<20)
	if _, err := w.Write(head); err != nil {
		return false, err
	}
	for {
		line, err := record(br)
		if len(line) == 0 && err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return false, err
		}
		done, serr := k.row(line, comma, keys, doc, year)
		if serr != nil {
			return false, serr
		}
		if _, err := w.Write(done); err != nil {
			return false, err
		}
	}
	return true, w.Flush()
}

func (k *Keys) row(line []byte, comma byte, keys map[int]string, doc string, year int) ([]byte, error) {
	at := cells(line, comma)
	primary := ""
	h := sha256.New()
	for i, c := range at {
		if _, ok := keys[i]; !ok {
			continue
		}
		v := cell(line[c[0]:c[1]])
		if primary == "" && wholeRE.MatchString(v) {
			primary = Email(v)
		}
		io.WriteString(h, v+"\x00")
	}
	if primary == "" {
		primary = "o:" + doc + " " + b64.EncodeToString(h.Sum(nil))
	}
	e := &sealer{k, doc, year, map[string]sealed{}}
	var out []byte
	copied := 0
	for i, c := range at {
		key, ok := keys[i]
		v := cell(line[c[0]:c[1]])
		if !ok || strings.TrimSpace(v) == "" || v == "0" {
			continue
		}
		token, err := e.token(primary, aliasOf(key, v), line[c[0]:c[1]])
		if err != nil {
			return nil, err
		}
		out = append(append(out, line[copied:c[0]]...), token...)
		copied = c[1]
	}
	return append(out, line[copied:]...), nil
}

// record reads one row with its line end: quoted cells may hold line ends.
func record(br *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := br.ReadSlice('\n')
		all = append(all, part...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil || bytes.Count(all, []byte{'"'})%2 == 0 {
			return all, err
		}
	}
}

// cells returns where the cells of a row begin and end.
func cells(row []byte, comma byte) [][2]int {
	end := len(bytes.TrimRight(row, "\r\n"))
	var out [][2]int
	start, quoted := 0, false
	for i := 0; i < end; i++ {
		switch {
		case row[i] == '"':
			quoted = !quoted
		case row[i] == comma && !quoted:
			out = append(out, [2]int{start, i})
			start = i + 1
		}
	}
	return append(out, [2]int{start, end})
}

func cell(raw []byte) string {
	t := strings.TrimSpace(string(raw))
	if len(t) >= 2 && t[0] == '"' && t[len(t)-1] == '"' {
		t = strings.ReplaceAll(t[1:len(t)-1], `""`, `"`)
	}
	return t
}

// Tokens returns the IDs of the persons that a text holds something of, each once.
func Tokens(text []byte) []string {
	var ids []string
	seen := map[string]bool{}
	for _, t := range tokenRE.FindAll(text, -1) {
		if id, _ := split(string(t)); id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// Count is how many values of the persons of ids a text holds.
func Count(text []byte, ids map[string]bool) int {
	n := 0
	for _, t := range tokenRE.FindAll(text, -1) {
		if id, _ := split(string(t)); ids[id] {
			n++
		}
	}
	return n
}

// Hide puts instead in the place of every token.
func Hide(text []byte, instead string) []byte {
	return tokenRE.ReplaceAllLiteral(text, []byte(instead))
}

// Sealed reports whether a text is a token.
func Sealed(text string) bool { return strings.HasPrefix(text, mark) }

// Values returns what is known of persons in a text: the keys in it and the values that a key is still there for.
func (k *Keys) Values(text []byte, ids map[string]bool) []string {
	var out []string
	for _, t := range tokenRE.FindAll(text, -1) {
		if id, _ := split(string(t)); ids[id] {
			if v, ok := k.open(string(t)); ok {
				out = append(out, plain(v))
			}
		}
	}
	return out
}

// Unseal puts back what was sealed, where the key is still there.
func (k *Keys) Unseal(text []byte) []byte {
	return regexpReplace(text, func(t []byte, quoted bool) []byte {
		v, ok := k.open(string(t))
		if !ok || !utf8.Valid(v) {
			return nil
		}
		return v
	})
}

// regexpReplace replaces tokens, with the quotes around one when its value brings its own or is a number.
func regexpReplace(text []byte, with func(t []byte, quoted bool) []byte) []byte {
	var out []byte
	copied := 0
	for _, f := range tokenRE.FindAllIndex(text, -1) {
		quoted := f[0] > 0 && f[1] < len(text) && text[f[0]-1] == '"' && text[f[1]] == '"'
		v := with(text[f[0]:f[1]], quoted)
		if v == nil {
			continue
		}
		from, to := f[0], f[1]
		if quoted && (v[0] == '"' || json.Valid(v)) {
			from, to = from-1, to+1
		}
		out = append(append(out, text[copied:from]...), v...)
		copied = to
	}
	return append(out, text[copied:]...)
}
