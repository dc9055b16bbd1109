package bank

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A Payout is what a provider says it paid.
type Payout struct {
	Source, ID string
	Reference  string // what it says the statement shows; "" if nothing
	Names      []string
	Date       string // "YYYY-MM-DD"
	Currency   string
	Amount     int64 // minor units; never 0
}

// A Match says which line of a statement is which payout. Lines and payouts are indexes.
type Match struct {
	Line, Payout int
	How          string // reference | amount_date
	Difference   int64  // of the line less its payouts; on the first of several
}

// A transfer may be on the account a few days before the day that its report is dated, and over a
// long weekend after it.
const (
	daysBefore = 3
	daysAfter  = 10
	// A date and an amount alone say less than a reference: they must lie closer.
	daysAfterPlain = 6
)

// Find finds the payouts in the lines. The first rung that fits decides:
//
//  1. the line carries the payout's reference, and the amount is the same, of this payout alone or
//     of all that share the reference;
//  2. amount, currency and date are the same, the line names the provider, and no other line or
//     payout fits as well;
//  3. the line carries the reference, and the amount is another: a match with a difference.
//
// Amount and date without the provider's name are no match: two buyers may pay the same.
func Find(lines []Line, payouts []Payout) []Match {
	f := finder{lines: lines, payouts: payouts, lineTaken: map[int]bool{}, payoutTaken: map[int]bool{}}
	for _, l := range lines {
		f.texts = append(f.texts, plain(strings.Join(append(slices.Clone(l.Texts), l.Reference), " ")))
		f.names = append(f.names, strings.ToLower(strings.Join(append(slices.Clone(l.Texts), l.Party), " ")))
		f.days = append(f.days, day(l.Booked))
	}
	// Payouts that share a reference are one transfer, or several of it.
	groups := map[string][]int{}
	var keys []string
	for i, p := range payouts {
		k := strings.Join([]string{p.Source, p.Reference, p.Currency}, "\x00")
		if p.Reference == "" {
			k += "\x00" + p.ID
		}
		if groups[k] == nil {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], i)
	}
	slices.SortStableFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(payouts[groups[a][0]].Date, payouts[groups[b][0]].Date), cmp.Compare(a, b))
	})
	for _, exact := range []bool{true, false} {
		for _, k := range keys {
			group := f.free(groups[k])
			if len(group) == 0 {
				continue
			}
			for _, p := range group {
				f.one(p, exact)
			}
			if group = f.free(group); len(group) > 1 {
				f.together(group, exact)
			}
		}
		if exact {
			f.byAmount()
		}
	}
	slices.SortFunc(f.out, func(a, b Match) int { return cmp.Or(a.Line-b.Line, a.Payout-b.Payout) })
	return f.out
}

type finder struct {
	lines                  []Line
	payouts                []Payout
	texts, names           []string
	days                   []time.Time
	lineTaken, payoutTaken map[int]bool
	out                    []Match
}

func (f *finder) free(group []int) []int {
	return slices.DeleteFunc(slices.Clone(group), func(i int) bool { return f.payoutTaken[i] })
}

// one finds the line of one payout by its reference: with the same amount, or with any.
func (f *finder) one(p int, exact bool) {
	best, bestAway := -1, time.Duration(0)
	for i := range f.lines {
		if !f.fits(i, p) || exact != (f.lines[i].Amount == f.payouts[p].Amount) {
			continue
		}
		away := f.days[i].Sub(day(f.payouts[p].Date)).Abs()
		if best < 0 || away < bestAway {
			best, bestAway = i, away
		}
	}
	if best >= 0 {
		f.take(best, "reference", f.lines[best].Amount-f.payouts[p].Amount, p)
	}
}

// together finds the one line that pays all of group, which share a reference.
func (f *finder) together(group []int, exact bool) {
	var sum int64
	for _, p := range group {
		sum += f.payouts[p].Amount
	}
	for i := range f.lines {
		if f.fits(i, group[0]) && exact == (f.lines[i].Amount == sum) {
			f.take(i, "reference", f.lines[i].Amount-sum, group...)
			return
		}
	}
}

// fits reports whether a free line carries the reference of a payout, about its day.
func (f *finder) fits(line, payout int) bool {
	l, p := f.lines[line], f.payouts[payout]
	return !f.lineTaken[line] && l.Currency == p.Currency && (l.Amount > 0) == (p.Amount > 0) &&
		f.near(line, payout, daysAfter) && carries(f.texts[line], p)
}

func (f *finder) near(line, payout, after int) bool {
	d := day(f.payouts[payout].Date)
	return !f.days[line].Before(d.AddDate(0, 0, -daysBefore)) && !f.days[line].After(d.AddDate(0, 0, after))
}

// carries reports whether a text holds the payout's reference, or, where that is a phrase, the
// word of it that is most its own.
func carries(text string, p Payout) bool {
	for _, r := range []string{p.Reference, p.ID} {
		whole := plain(r)
		if len(whole) >= 6 && strings.Contains(text, whole) {
			return true
		}
		for _, word := range strings.FieldsFunc(r, func(c rune) bool { return unicode.IsSpace(c) || c == ',' || c == '/' || c == ';' }) {
			w := plain(word)
			if len(w) >= 8 && strings.ContainsAny(w, "0123456789") && strings.ContainsFunc(w, unicode.IsLetter) && strings.Contains(text, w) {
				return true
			}
		}
	}
	return false
}

// byAmount matches what has no reference in common: same amount, about the same day, the provider
// named, and nothing else that fits.
func (f *finder) byAmount() {
	byLine, byPayout := map[int][]int{}, map[int][]int{}
	for p, po := range f.payouts {
		if f.payoutTaken[p] {
			continue
		}
		for i, l := range f.lines {
			if f.lineTaken[i] || l.Amount != po.Amount || l.Currency != po.Currency || !f.near(i, p, daysAfterPlain) || !f.isNamed(i, po.Names) {
				continue
			}
			byLine[i] = append(byLine[i], p)
			byPayout[p] = append(byPayout[p], i)
		}
	}
	for p := range f.payouts {
		if ls := byPayout[p]; len(ls) == 1 && len(byLine[ls[0]]) == 1 {
			f.take(ls[0], "amount_date", 0, p)
		}
	}
}

func (f *finder) isNamed(line int, names []string) bool {
	return Named(f.names[line], names)
}

// Named reports whether a text holds one of names, case ignored.
func Named(text string, names []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(names, func(n string) bool { return len(n) >= 3 && strings.Contains(text, strings.ToLower(n)) })
}

func (f *finder) take(line int, how string, difference int64, payouts ...int) {
	f.lineTaken[line] = true
	for i, p := range payouts {
		f.payoutTaken[p] = true
		if i > 0 {
			difference = 0
		}
		f.out = append(f.out, Match{line, p, how, difference})
	}
}

// plain is a text as references are compared: letters and digits, upper case.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToUpper(c)
		}
		return -1
	}, s)
}

func day(s string) time.Time {
	t, _ := time.Parse("2006-01-02", s) // both sides were read as dates; a zero time fits nothing
	return t
}

// Kept are the words of a line's texts that are worth keeping: those that may be references. A bank
// line also holds private people's names, which nothing here needs.
func Kept(texts []string) string {
	var out []string
	for _, t := range texts {
		for _, w := range strings.Fields(t) {
			if len(w) >= 4 && strings.ContainsAny(w, "0123456789") && !personalNumber(w) && !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return strings.Join(out, " ")
}

// personalNumber reports whether a word has the form of a Swedish personal identity number.
func personalNumber(w string) bool {
	var digits []byte
	for i := range len(w) {
		switch c := w[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c-'0')
		case c == '-' || c == '+':
		default:
			return false
		}
	}
	if len(digits) == 12 {
		digits = digits[2:]
	}
	if len(digits) != 10 {
		return false
	}
	month, dayOf := digits[2]*10+digits[3], digits[4]*10+digits[5]
	if dayOf > 60 {
		dayOf -= 60 // a coordination number
	}
	return month >= 1 && month <= 12 && dayOf >= 1 && dayOf <= 31
}
