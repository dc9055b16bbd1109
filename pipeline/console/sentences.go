package console

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// What the ledger says of a document, its reasons, suggestions, evidence and causes, is in English in the views and on
// the command line: both are a public contract. A Swedish page puts such a sentence into Swedish when it is written, by
// the pairs of sentences_sv.txt. Figures, IDs and names stand in the places of a sentence and are carried over
// as they are.
//
// A sentence that is in no pair, or that can be read in two ways which would not come to the same, is shown as it was
// written. A reason in English is a nuisance; a figure or a name in the wrong place is wrong.

//go:embed sentences_sv.txt
var sentencePairs string

// swedishSentences are the pairs of sentences_sv.txt.
var swedishSentences = sync.OnceValue(func() *sentences {
	s, err := readSentences(sentencePairs, swedishWords)
	if err != nil {
		panic(err) // the file is in the binary, and a test reads it
	}
	return s
})

// Swedish is what a Swedish page says for a sentence of the ledger. It reports false for one that is shown
// as it is.
func Swedish(text string) (string, bool) {
	if len(text) > maxText {
		return swedishList(text)
	}
	r := reading{of: swedishSentences(), tries: maxTries, known: map[string]outcome{}}
	out, n := r.read(text)
	return out, n == 1 && r.tries >= 0
}

// swedishList is Swedish for a long text: a list with "; " between its parts, each a sentence by itself, as the rows are that a
// payout delivered again lacks. Any other is shown as it is.
func swedishList(text string) (string, bool) {
	parts := strings.Split(text, "; ")
	for i, part := range parts {
		if len(part) > maxText {
			return text, false
		}
		said, ok := Swedish(part)
		if !ok {
			return text, false
		}
		parts[i] = said
	}
	return strings.Join(parts, "; "), true
}

// Says is a sentence of the ledger in the view's language. Of several lines each is a sentence.
func (v *view) Says(text string) string {
	if v.Lang != "sv" || text == "" {
		return text
	}
	if !strings.Contains(text, "\n") {
		if s, ok := Swedish(text); ok {
			return s
		}
		return text
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = v.Says(l)
	}
	return strings.Join(lines, "\n")
}

// A sentence is a pair: what is written in English, and how it is said in Swedish.
type sentence struct {
	line int // of the file
	en   []piece
	sv   []piece
}

// A piece is a text that stands as it is, or a place. Two places never meet.
type piece struct {
	text string // "" for a place
	name string
	kind string
	at   int // in the Swedish: which of the English places it takes
}

// fits says of each kind of place what can stand there.
var fits = map[string]func(string) bool{
	"amount": func(s string) bool {
		n, currency, ok := strings.Cut(s, " ")
		return ok && isNumber(n) && len(currency) == 3 && strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	},
	"n":    isNumber,
	"date": dateForm.MatchString,
	"id":   func(s string) bool { return !strings.ContainsAny(s, " \t\n") },
	"item": func(s string) bool { return !strings.Contains(s, "; ") },
	"ref":  func(s string) bool { return !strings.Contains(s, " (") },
	"text": func(string) bool { return true },
	// What is put into Swedish itself: a word of swedishWords; a sentence or several; a sentence or anything else.
	"word": func(string) bool { return true }, "sentence": func(string) bool { return true }, "any": func(string) bool { return true },
}

func isNumber(s string) bool {
	whole, part, has := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	return whole != "" && strings.Trim(whole+part, "0123456789") == "" && (!has || part != "")
}

// sentences are the pairs, where they are soon found.
type sentences struct {
	all    []*sentence
	words  map[string]string
	begin  [256][]*sentence // by the first byte of what they begin with
	placed []*sentence      // those that begin with a place
}

// readSentences reads pairs: a line in English, below it and behind a tab the line in Swedish. {amount}, {n}, {id}… are
// places, of the kinds that fits lists; a digit behind tells two of a kind apart.
func readSentences(text string, words map[string]string) (*sentences, error) {
	c := &sentences{words: words}
	var last *sentence
	known := map[string]int{}
	no := 0
	for line := range strings.Lines(text) {
		no++
		line = strings.TrimRight(line, "\n")
		wrong := func(what string) error { return fmt.Errorf("sentences_sv.txt:%d: %s: %s", no, what, line) }
		var err error
		switch swedish, isSwedish := strings.CutPrefix(line, "\t"); {
		case line == "" || line[0] == '#':
		case isSwedish && last == nil:
			return nil, wrong("Swedish without its English above it")
		case isSwedish:
			if last.sv, err = pieces(swedish); err != nil {
				return nil, wrong(err.Error())
			}
			if err := last.join(); err != nil {
				return nil, wrong(err.Error())
			}
			last = nil
		case last != nil:
			return nil, wrong("the line above has no Swedish below it")
		case known[line] > 0:
			return nil, wrong(fmt.Sprintf("it is in line %d already", known[line]))
		default:
			known[line] = no
			last = &sentence{line: no}
			if last.en, err = pieces(line); err != nil {
				return nil, wrong(err.Error())
			}
			c.all = append(c.all, last)
			if begins := last.en[0].text; begins != "" {
				c.begin[begins[0]] = append(c.begin[begins[0]], last)
			} else {
				c.placed = append(c.placed, last)
			}
		}
	}
	if last != nil {
		return nil, fmt.Errorf("sentences_sv.txt:%d: no Swedish below it", last.line)
	}
	return c, nil
}

// pieces parts a line into texts and places.
func pieces(line string) ([]piece, error) {
	var out []piece
	for line != "" {
		text, rest, has := strings.Cut(line, "{")
		if text != "" {
			out = append(out, piece{text: text})
		}
		if !has {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		kind := strings.TrimRight(name, "0123456789")
		switch {
		case !closed || fits[kind] == nil:
			return nil, fmt.Errorf("{%s is no place", name)
		case slices.ContainsFunc(out, func(p piece) bool { return p.name == name }):
			return nil, fmt.Errorf("{%s} is there twice", name)
		case text == "" && len(out) > 0:
			return nil, fmt.Errorf("nothing stands before {%s} to tell where it begins", name)
		}
		out = append(out, piece{name: name, kind: kind})
		line = after
	}
	return out, nil
}

// join finds for each place of the Swedish the one of the English.
func (s *sentence) join() error {
	n := 0
	for _, p := range s.en {
		if p.name != "" {
			n++
		}
	}
	for i, p := range s.sv {
		if p.name == "" {
			continue
		}
		n--
		at := slices.IndexFunc(s.en, func(e piece) bool { return e.name == p.name })
		if at < 0 {
			return fmt.Errorf("{%s} is not in the English", p.name)
		}
		s.sv[i].at = at
	}
	if n != 0 {
		return fmt.Errorf("a place of the English is lacking")
	}
	return nil
}

// write says the sentence in Swedish with values in its places, by their place in the English.
func (s *sentence) write(values []string) string {
	var b strings.Builder
	for _, p := range s.sv {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(values[p.at])
		}
	}
	return b.String()
}

// A reading looks for all the ways in which a text can be read.
type reading struct {
	of    *sentences
	tries int
	known map[string]outcome // of parts that were read: a list is read from each of its separators
}

// An outcome is what a text is in Swedish, and how many different outcomes there are.
type outcome struct {
	said string
	n    int
}

// What one text may cost is bounded, for a provider's names may hold anything.
const (
	maxText  = 2000
	maxTries = 12_000
)

// read returns what a text is in Swedish: a sentence, or several with "; " or ", " between them. n is how many
// different outcomes there are; of two or more only that there are two is told.
func (r *reading) read(text string) (out string, n int) {
	if x, ok := r.known[text]; ok {
		return x.said, x.n
	}
	defer func() { r.known[text] = outcome{out, n} }()
	add := func(s string, m int) {
		if m > 0 && (n == 0 || n == 1 && m == 1 && s == out) {
			out, n = s, m
		} else if m > 0 {
			n = 2
		}
	}
	add(r.one(text))
	for _, sep := range []string{"; ", ", "} {
		for at := strings.Index(text, sep); at > 0 && n < 2 && r.tries >= 0; r.tries-- {
			if first, m := r.one(text[:at]); m > 0 {
				if rest, k := r.read(text[at+len(sep):]); k > 0 {
					add(first+sep+rest, max(m, k))
				}
			}
			next := strings.Index(text[at+1:], sep)
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	return out, n
}

// one returns what a text is as one sentence.
func (r *reading) one(text string) (out string, n int) {
	if text == "" {
		return "", 0
	}
	var values [16]string
	for _, list := range [][]*sentence{r.of.begin[text[0]], r.of.placed} {
		for _, s := range list {
			if last := s.en[len(s.en)-1]; !strings.HasSuffix(text, last.text) {
				continue
			}
			r.match(s, 0, text, values[:], func() bool {
				if got := s.write(values[:]); n == 0 {
					out, n = got, 1
				} else if got != out {
					n = 2
				}
				return n < 2
			})
			if n == 2 || r.tries < 0 {
				return out, n
			}
		}
	}
	return out, n
}

// match tells found of every way in which rest is the sentence from its at-th piece on. It reports false when it was told to stop.
func (r *reading) match(s *sentence, at int, rest string, values []string, found func() bool) bool {
	if at == len(s.en) {
		return rest != "" || found()
	}
	p := s.en[at]
	if p.name == "" {
		after, ok := strings.CutPrefix(rest, p.text)
		return !ok || r.match(s, at+1, after, values, found)
	}
	for end := 0; end < len(rest); {
		if at+1 == len(s.en) {
			end = len(rest)
		} else {
			i := strings.Index(rest[end+1:], s.en[at+1].text)
			if i < 0 {
				return true
			}
			end += 1 + i
		}
		if r.tries--; r.tries < 0 {
			return false
		}
		if !fits[p.kind](rest[:end]) {
			continue
		}
		said, ok := r.value(p.kind, rest[:end])
		if !ok {
			continue
		}
		values[at] = said
		if !r.match(s, at+1, rest[end:], values, found) {
			return false
		}
	}
	return true
}

// value is what stands in a place of the Swedish for what stood in the English.
func (r *reading) value(kind, text string) (string, bool) {
	switch kind {
	case "word":
		s, ok := r.of.words[text]
		return s, ok
	case "sentence", "any":
		// What can be read in two ways stays as it is, and so does anything that need be no sentence.
		s, n := r.read(text)
		if n == 1 {
			return s, true
		}
		return text, n > 1 || kind == "any"
	}
	return text, true
}
