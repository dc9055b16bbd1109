package transform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rungs names the steps of the match ladder, from the surest down. The first that gives
// exactly one document with the same currency and sign and an amount not above what is
// open decides. Source: posting_rules §8.
var Rungs = map[int]string{
	1: "event_id",   // the provider's own ID of the capture or refund
	2: "order_id",   // the provider's ID of the order
	3: "payment_id", // the shop's ID of the payment
	4: "reference",  // merchant references against order number, name and references
	5: "order_amount_date",
}

// dateWindow is how far a document may lie from a line on rung 5.
const dateWindow = 31 * 24 * time.Hour

// A Line is a payout line that looks for its document.
type Line struct {
	ID, Source, Payout string
	Settles            string // delivery | refund; "" when no document can have its sign
	Amount             int64  // minor units, > 0
	At                 time.Time
	RowOff             int64 // its own columns disagree by this: nothing is matched on it
	Converted          bool  // Amount is what was sold, in another currency than is paid: there is no öre to round
	Candidates         []Candidate
}

// A Candidate is a document that shares a key with a line.
type Candidate struct {
	Document     string
	Kind         string // delivery | refund | order
	State        string // booked | held | known
	Rung         int
	Evidence     string // the key they share
	SameCurrency bool
	Converted    bool // in the currency that the provider converted from
	At           time.Time
	OrderID      string
	Shop         bool // a shop's document: what is paid at once may be delivered in several parts
}

// A Match says which document a line settles, by which rung and key.
type Match struct {
	Line, Source, Payout, Document string
	Rung                           string
	State                          string // matched | held_document | not_delivered
	Amount                         int64  // of the document, > 0
	Before                         int64  // of the document, settled by earlier lines
	Rounding                       int64  // line less document
	Evidence                       string
}

// An Issue says why a line found no document.
type Issue struct {
	Line, Source, Payout string
	Kind                 string // unmatched_line | ambiguous_match
	Reason               string
	Evidence             string
	Suggestion           string
}

// OpenItems knows what is open. Amounts are minor units, > 0.
type OpenItems struct {
	Amount    map[string]int64 // of each document
	Settled   map[string]int64 // of each document, so far
	Delivered map[string]int64 // of each order, by order ID
}

func (b *OpenItems) open(doc string) int64 { return b.Amount[doc] - b.Settled[doc] }

// Climb matches lines in the order given and marks what they settle in b. Lines must
// come in a fixed order (date, payout, ID), so that the same data always matches the same way. Of one
// payout those go first that carry an ID: what is one line's by its ID, no other takes by an order number.
func Climb(lines []Line, b *OpenItems, tolerance int64) ([]Match, []Issue) {
	var matches []Match
	var issues []Issue
	for _, l := range surestFirst(lines) {
		m, issue := climb(l, b, tolerance)
		if m != nil {
			if m.State == "matched" {
				b.Settled[m.Document] += m.Amount
			}
			if m.State == "not_delivered" {
				b.Settled[m.Document] += m.Amount
			}
			matches = append(matches, *m)
			continue
		}
		issues = append(issues, *issue)
	}
	return matches, issues
}

// surestFirst returns lines with those of each payout that share an ID with a document before those that
// only share a reference.
func surestFirst(lines []Line) []Line {
	out := slices.Clone(lines)
	for from := 0; from < len(out); {
		to := from + 1
		for to < len(out) && out[to].Payout == out[from].Payout && out[to].Source == out[from].Source {
			to++
		}
		slices.SortStableFunc(out[from:to], func(a, c Line) int { return cmp.Compare(a.unsure(), c.unsure()) })
		from = to
	}
	return out
}

// unsure is 0 for a line that shares an ID with a document, else 1.
func (l Line) unsure() int {
	if slices.ContainsFunc(l.Candidates, func(c Candidate) bool { return c.Rung <= 3 }) {
		return 0
	}
	return 1
}

func climb(l Line, b *OpenItems, tolerance int64) (*Match, *Issue) {
	if l.Converted {
		tolerance = 0
		l.Candidates = slices.Clone(l.Candidates)
		for i, c := range l.Candidates { // what is in the currency it was paid in is another amount
			l.Candidates[i].SameCurrency = c.Converted
		}
	}
	if l.RowOff != 0 {
		return nil, &Issue{Line: l.ID, Source: l.Source, Payout: l.Payout, Kind: "unmatched_line",
			Reason:     "the row's gross, fees and net disagree, so the amount it settles is not sure",
			Evidence:   describe(l.Candidates, b),
			Suggestion: "ask the provider what the row should say"}
	}
	l.Candidates = ofStrongest(l.Candidates)
	ambiguous := 0
	for rung := 1; rung <= 5; rung++ {
		fits := fitting(l, b, tolerance, rung)
		if len(fits) > 1 && ofOneShopOrder(fits) {
			if fits = exact(fits, l, b); len(fits) == 0 {
				continue // the order as a whole may be what is paid
			}
		}
		if len(fits) > 1 && ambiguous == 0 {
			ambiguous = rung
		}
		if len(fits) == 1 {
			return settle(l, fits[0], b, tolerance, rung), nil
		}
	}
	m, several := notDelivered(l, b, tolerance)
	if m != nil && ambiguous == 0 {
		return m, nil
	}
	if several > 0 && ambiguous == 0 {
		ambiguous = several
	}
	issue := &Issue{Line: l.ID, Source: l.Source, Payout: l.Payout, Kind: "unmatched_line", Evidence: describe(l.Candidates, b)}
	switch {
	case ambiguous > 0:
		issue.Kind = "ambiguous_match"
		issue.Reason = fmt.Sprintf("several documents fit by %s", Rungs[ambiguous])
		issue.Suggestion = "say which one it settles"
	case l.Settles == "":
		issue.Reason = "no document has this sign: a sale taken back or a refund returned"
		issue.Suggestion = "book it by hand from suspense"
	default:
		issue.Reason = "a document shares its reference, but is settled, too small or in another currency"
		issue.Suggestion = "look at the documents listed; the provider may have paid it twice"
	}
	return nil, issue
}

// ofStrongest leaves out what a weaker key says of other orders than those that the strongest key
// names: two shops may both have an order 1001, and the provider's own ID says which is meant.
func ofStrongest(cs []Candidate) []Candidate {
	strongest := 0
	for _, c := range cs {
		if strongest == 0 || c.Rung < strongest {
			strongest = c.Rung
		}
	}
	var out []Candidate
	for _, c := range cs {
		if c.Rung == strongest || c.OrderID == "" || slices.ContainsFunc(cs, func(o Candidate) bool { return o.Rung == strongest && (o.OrderID == c.OrderID || o.OrderID == "") }) {
			out = append(out, c)
		}
	}
	return out
}

// fitting returns the documents of one rung that l can settle, each once.
func fitting(l Line, b *OpenItems, tolerance int64, rung int) []Candidate {
	var out []Candidate
	for _, c := range l.Candidates {
		if c.Kind != l.Settles || !c.SameCurrency || slices.ContainsFunc(out, func(o Candidate) bool { return o.Document == c.Document }) {
			continue
		}
		open := b.open(c.Document)
		if open <= 0 {
			continue
		}
		if rung == 5 {
			if c.Rung < 2 || c.Rung > 4 {
				continue
			}
			if away := l.At.Sub(c.At).Abs(); open != l.Amount || away > dateWindow {
				continue
			}
		} else if c.Rung != rung || l.Amount > open+tolerance {
			continue
		}
		out = append(out, c)
	}
	if rung == 5 && l.Settles == "refund" && alike(out) {
		return slices.SortedFunc(slices.Values(out), func(a, c Candidate) int {
			return cmp.Or(a.At.Compare(c.At), cmp.Compare(a.Document, c.Document))
		})[:1]
	}
	return out
}

// alike reports whether it makes no difference which refund of cs is settled: they are of one
// order, and what is open of each is the same (rung 5 saw to it). Where a provider gives its
// refunds no ID nobody can tell them apart, the provider included; the oldest is settled first.
func alike(cs []Candidate) bool {
	for _, c := range cs {
		if c.OrderID == "" || c.OrderID != cs[0].OrderID || c.State != cs[0].State {
			return false
		}
	}
	return len(cs) > 1
}

func settle(l Line, c Candidate, b *OpenItems, tolerance int64, rung int) *Match {
	m := &Match{Line: l.ID, Source: l.Source, Payout: l.Payout, Document: c.Document, Rung: Rungs[rung],
		State: "matched", Amount: l.Amount, Before: b.Settled[c.Document], Evidence: c.Evidence}
	if c.State == "held" {
		m.State = "held_document"
		return m
	}
	if d := l.Amount - b.open(c.Document); d != 0 && d >= -tolerance && d <= tolerance {
		m.Amount, m.Rounding = l.Amount-d, d
		if l.Settles == "refund" {
			m.Rounding = -d
		}
	}
	return m
}

// notDelivered finds the one order that l pays before its delivery (posting_rules §2, 5b), or
// that a shop has delivered in parts smaller than what l pays.
// When several fit it returns none, and the rung they fit by.
func notDelivered(l Line, b *OpenItems, tolerance int64) (m *Match, several int) {
	if l.Settles != "delivery" {
		return nil, 0
	}
	var found []Candidate
	for _, c := range l.Candidates {
		if c.Kind != "order" || !c.SameCurrency || slices.ContainsFunc(found, func(o Candidate) bool { return o.Document == c.Document }) {
			continue
		}
		taken := b.Delivered[c.OrderID]
		switch {
		case c.Rung == 1:
			// The provider's own ID names the order itself: the money was taken for all of it, whatever of it
			// has been delivered since. Other references may mean a delivery.
			taken = 0
		case c.Shop:
			taken = settledOf(l, b, c.OrderID)
		}
		if l.Amount <= b.open(c.Document)-taken+tolerance {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return nil, 0
	case 1:
		c := found[0]
		return &Match{Line: l.ID, Source: l.Source, Payout: l.Payout, Document: c.Document, Rung: Rungs[c.Rung],
			State: "not_delivered", Amount: l.Amount, Before: b.Settled[c.Document], Evidence: c.Evidence}, 0
	}
	return nil, found[0].Rung
}

// ofOneShopOrder reports whether all are documents of the same order of a shop.
func ofOneShopOrder(cs []Candidate) bool {
	for _, c := range cs {
		if !c.Shop || c.OrderID != cs[0].OrderID {
			return false
		}
	}
	return true
}

// exact returns the oldest document of which exactly l's amount is open: of several alike in one order it
// does not matter which is settled first.
func exact(cs []Candidate, l Line, b *OpenItems) []Candidate {
	var best []Candidate
	for _, c := range cs {
		if b.open(c.Document) != l.Amount {
			continue
		}
		if len(best) == 0 || c.At.Before(best[0].At) || c.At.Equal(best[0].At) && c.Document < best[0].Document {
			best = []Candidate{c}
		}
	}
	return best
}

// settledOf returns what is settled of an order's deliveries. At a provider a payment is
// of one capture; in a shop it is of the order, however many parcels the order leaves in.
func settledOf(l Line, b *OpenItems, order string) int64 {
	var n int64
	seen := map[string]bool{}
	for _, c := range l.Candidates {
		if c.Kind == "delivery" && c.OrderID == order && !seen[c.Document] {
			seen[c.Document] = true
			n += b.Settled[c.Document]
		}
	}
	return n
}

// describe lists the near candidates for a person.
func describe(cs []Candidate, b *OpenItems) string {
	cs = slices.Clone(cs)
	slices.SortFunc(cs, func(a, c Candidate) int {
		return cmp.Or(cmp.Compare(a.Rung, c.Rung), cmp.Compare(a.Document, c.Document))
	})
	var parts []string
	seen := map[string]bool{}
	for _, c := range cs {
		if seen[c.Document] || len(parts) == 5 {
			continue
		}
		seen[c.Document] = true
		why := ""
		if !c.SameCurrency {
			why = ", other currency"
		}
		parts = append(parts, fmt.Sprintf("%s (%s, open %d minor units%s)", c.Document, c.Evidence, b.open(c.Document), why))
	}
	return strings.Join(parts, "; ")
}
