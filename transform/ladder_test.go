package transform

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var march = time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)

// pays is a payout line of a sale; refunds is one of a refund.
func pays(id string, amount int64, cs ...Candidate) Line {
	return Line{ID: id, Source: "klarna", Payout: "P1", Settles: "delivery", Amount: amount, At: march, Candidates: cs}
}

func refunds(id string, amount int64, cs ...Candidate) Line {
	l := pays(id, amount, cs...)
	l.Settles = "refund"
	return l
}

// by is a document that shares a key of the given rung with a line.
func by(rung int, kind, id string) Candidate {
	return Candidate{Document: id, Kind: kind, State: "booked", Rung: rung, Evidence: Rungs[rung] + " x", SameCurrency: true, At: march.AddDate(0, 0, -4), OrderID: "order 1"}
}

func delivery(rung int, id string) Candidate { return by(rung, "delivery", id) }

func held(c Candidate) Candidate {
	c.State = "held"
	return c
}

func abroad(c Candidate) Candidate {
	c.SameCurrency = false
	return c
}

func old(c Candidate) Candidate {
	c.At = march.AddDate(0, 0, -32)
	return c
}

type amounts map[string]int64

// items is what is open: the amounts of the documents, nothing settled or delivered.
func items(a amounts) *OpenItems {
	return &OpenItems{Amount: a, Settled: map[string]int64{}, Delivered: map[string]int64{}}
}

// says writes matches and issues the short way: "line document rung state amount after before rounding".
func says(ms []Match, is []Issue) []string {
	var out []string
	for _, m := range ms {
		out = append(out, fmt.Sprintf("%s settles %d of %s by %s, %s, after %d, rounding %d", m.Line, m.Amount, m.Document, m.Rung, m.State, m.Before, m.Rounding))
	}
	for _, i := range is {
		out = append(out, fmt.Sprintf("%s: %s", i.Line, i.Kind))
	}
	return out
}

func TestClimb(t *testing.T) {
	for _, tt := range []struct {
		name      string
		lines     []Line
		open      *OpenItems
		tolerance int64
		want      []string
	}{
		{name: "no lines", open: items(nil)},
		{
			name:  "the provider's capture ID names the delivery",
			lines: []Line{pays("l1", 1000, delivery(1, "d1"))},
			open:  items(amounts{"d1": 1000}),
			want:  []string{"l1 settles 1000 of d1 by event_id, matched, after 0, rounding 0"},
		},
		{
			name:  "capture ID beats order ID",
			lines: []Line{pays("l1", 1000, delivery(2, "d2"), delivery(1, "d1"), delivery(2, "d1"))},
			open:  items(amounts{"d1": 1000, "d2": 1000}),
			want:  []string{"l1 settles 1000 of d1 by event_id, matched, after 0, rounding 0"},
		},
		{
			name:  "order ID beats the shop's payment ID, which beats a reference",
			lines: []Line{pays("l1", 1000, delivery(4, "d4"), delivery(3, "d3"), delivery(2, "d2")), pays("l2", 1000, delivery(4, "d4"), delivery(3, "d3"))},
			open:  items(amounts{"d2": 1000, "d3": 1000, "d4": 1000}),
			want: []string{
				"l1 settles 1000 of d2 by order_id, matched, after 0, rounding 0",
				"l2 settles 1000 of d3 by payment_id, matched, after 0, rounding 0",
			},
		},
		{
			name:  "of two deliveries of one order the amount decides",
			lines: []Line{pays("l1", 400, delivery(2, "d1"), delivery(2, "d2"))},
			open:  items(amounts{"d1": 600, "d2": 400}),
			want:  []string{"l1 settles 400 of d2 by order_amount_date, matched, after 0, rounding 0"},
		},
		{
			name:  "the larger of two deliveries is the only one with room",
			lines: []Line{pays("l1", 600, delivery(2, "d1"), delivery(2, "d2"))},
			open:  items(amounts{"d1": 600, "d2": 400}),
			want:  []string{"l1 settles 600 of d1 by order_id, matched, after 0, rounding 0"},
		},
		{
			name:  "two deliveries of one order for the same amount: a person says which",
			lines: []Line{pays("l1", 400, delivery(2, "d1"), delivery(2, "d2"))},
			open:  items(amounts{"d1": 400, "d2": 400}),
			want:  []string{"l1: ambiguous_match"},
		},
		{
			name:  "two orders under one reference, told apart by the provider's order ID",
			lines: []Line{pays("l1", 400, delivery(2, "d1"), delivery(4, "d1"), delivery(4, "d2"))},
			open:  items(amounts{"d1": 400, "d2": 400}),
			want:  []string{"l1 settles 400 of d1 by order_id, matched, after 0, rounding 0"},
		},
		{
			name:  "the amount decides only within a month",
			lines: []Line{pays("l1", 400, old(delivery(4, "d1")), delivery(4, "d2"))},
			open:  items(amounts{"d1": 400, "d2": 400}),
			want:  []string{"l1 settles 400 of d2 by order_amount_date, matched, after 0, rounding 0"},
		},
		{
			name:  "an old delivery is settled by its own ID all the same",
			lines: []Line{pays("l1", 400, old(delivery(1, "d1")))},
			open:  items(amounts{"d1": 400}),
			want:  []string{"l1 settles 400 of d1 by event_id, matched, after 0, rounding 0"},
		},
		{
			name:  "more than is open is refused",
			lines: []Line{pays("l1", 1001, delivery(1, "d1"))},
			open:  items(amounts{"d1": 1000}),
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "what is settled already is refused",
			lines: []Line{pays("l1", 1000, delivery(1, "d1"))},
			open:  &OpenItems{Amount: amounts{"d1": 1000}, Settled: amounts{"d1": 1000}},
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "the same delivery paid twice settles it once",
			lines: []Line{pays("l1", 1000, delivery(1, "d1")), pays("l2", 1000, delivery(1, "d1"))},
			open:  items(amounts{"d1": 1000}),
			want:  []string{"l1 settles 1000 of d1 by event_id, matched, after 0, rounding 0", "l2: unmatched_line"},
		},
		{
			name:  "several lines settle one delivery, each after the one before",
			lines: []Line{pays("l1", 300, delivery(1, "d1")), pays("l2", 200, delivery(1, "d1")), pays("l3", 500, delivery(1, "d1")), pays("l4", 1, delivery(1, "d1"))},
			open:  items(amounts{"d1": 1000}),
			want: []string{
				"l1 settles 300 of d1 by event_id, matched, after 0, rounding 0",
				"l2 settles 200 of d1 by event_id, matched, after 300, rounding 0",
				"l3 settles 500 of d1 by event_id, matched, after 500, rounding 0",
				"l4: unmatched_line",
			},
		},
		{
			name:  "what earlier payouts settled counts",
			lines: []Line{pays("l1", 300, delivery(1, "d1"))},
			open:  &OpenItems{Amount: amounts{"d1": 1000}, Settled: amounts{"d1": 700}},
			want:  []string{"l1 settles 300 of d1 by event_id, matched, after 700, rounding 0"},
		},
		{
			name:      "a krona too much settles the delivery, the krona is income",
			lines:     []Line{pays("l1", 1100, delivery(1, "d1"))},
			open:      items(amounts{"d1": 1000}),
			tolerance: 100,
			want:      []string{"l1 settles 1000 of d1 by event_id, matched, after 0, rounding 100"},
		},
		{
			name:      "a krona too little settles the delivery, the krona is a cost",
			lines:     []Line{pays("l1", 900, delivery(1, "d1"))},
			open:      items(amounts{"d1": 1000}),
			tolerance: 100,
			want:      []string{"l1 settles 1000 of d1 by event_id, matched, after 0, rounding -100"},
		},
		{
			name:      "a krona too much given back is a cost",
			lines:     []Line{refunds("l1", 1100, by(1, "refund", "r1"))},
			open:      items(amounts{"r1": 1000}),
			tolerance: 100,
			want:      []string{"l1 settles 1000 of r1 by event_id, matched, after 0, rounding -100"},
		},
		{
			name:      "a krona too little given back is income",
			lines:     []Line{refunds("l1", 900, by(1, "refund", "r1"))},
			open:      items(amounts{"r1": 1000}),
			tolerance: 100,
			want:      []string{"l1 settles 1000 of r1 by event_id, matched, after 0, rounding 100"},
		},
		{
			name:      "more than the tolerance too much is refused",
			lines:     []Line{pays("l1", 1101, delivery(1, "d1"))},
			open:      items(amounts{"d1": 1000}),
			tolerance: 100,
			want:      []string{"l1: unmatched_line"},
		},
		{
			name:      "more than the tolerance too little settles a part",
			lines:     []Line{pays("l1", 899, delivery(1, "d1"))},
			open:      items(amounts{"d1": 1000}),
			tolerance: 100,
			want:      []string{"l1 settles 899 of d1 by event_id, matched, after 0, rounding 0"},
		},
		{
			name:      "the last of several lines takes the rounding",
			lines:     []Line{pays("l1", 500, delivery(1, "d1")), pays("l2", 501, delivery(1, "d1"))},
			open:      items(amounts{"d1": 1000}),
			tolerance: 100,
			want: []string{
				"l1 settles 500 of d1 by event_id, matched, after 0, rounding 0",
				"l2 settles 500 of d1 by event_id, matched, after 500, rounding 1",
			},
		},
		{
			name:  "another currency never matches",
			lines: []Line{pays("l1", 1000, abroad(delivery(1, "d1")))},
			open:  items(amounts{"d1": 1000}),
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "a sale is never settled by a refund, nor a refund by a delivery",
			lines: []Line{pays("l1", 1000, by(1, "refund", "r1")), refunds("l2", 1000, delivery(1, "d1"))},
			open:  items(amounts{"d1": 1000, "r1": 1000}),
			want:  []string{"l1: unmatched_line", "l2: unmatched_line"},
		},
		{
			name:  "a refund finds the refund among the documents of its order",
			lines: []Line{refunds("l1", 250, delivery(2, "d1"), by(2, "refund", "r1"), by(2, "order", "o1"))},
			open:  items(amounts{"d1": 1000, "r1": 250, "o1": 1000}),
			want:  []string{"l1 settles 250 of r1 by order_id, matched, after 0, rounding 0"},
		},
		{
			name:  "a sale taken back has no document",
			lines: []Line{{ID: "l1", Amount: 100, At: march, Candidates: []Candidate{delivery(1, "d1")}}},
			open:  items(amounts{"d1": 1000}),
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "a row whose columns disagree is not matched, however well its ID fits",
			lines: []Line{{ID: "l1", Settles: "delivery", Amount: 1000, At: march, RowOff: 1, Candidates: []Candidate{delivery(1, "d1")}}},
			open:  items(amounts{"d1": 1000}),
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "a line of a held delivery waits for it and settles nothing",
			lines: []Line{pays("l1", 1000, held(delivery(1, "d1"))), pays("l2", 1000, held(delivery(1, "d1")))},
			open:  items(amounts{"d1": 1000}),
			want: []string{
				"l1 settles 1000 of d1 by event_id, held_document, after 0, rounding 0",
				"l2 settles 1000 of d1 by event_id, held_document, after 0, rounding 0",
			},
		},
		{
			name:  "an order that is paid before its delivery",
			lines: []Line{pays("l1", 1000, by(2, "order", "o1"))},
			open:  items(amounts{"o1": 1000}),
			want:  []string{"l1 settles 1000 of o1 by order_id, not_delivered, after 0, rounding 0"},
		},
		{
			name:  "an order is paid no more than it was ordered for",
			lines: []Line{pays("l1", 600, by(2, "order", "o1")), pays("l2", 600, by(2, "order", "o1"))},
			open:  items(amounts{"o1": 1000}),
			want:  []string{"l1 settles 600 of o1 by order_id, not_delivered, after 0, rounding 0", "l2: unmatched_line"},
		},
		{
			name:  "an order paid in two parts before its delivery",
			lines: []Line{pays("l1", 600, by(2, "order", "o1")), pays("l2", 400, by(2, "order", "o1"))},
			open:  items(amounts{"o1": 1000}),
			want: []string{
				"l1 settles 600 of o1 by order_id, not_delivered, after 0, rounding 0",
				"l2 settles 400 of o1 by order_id, not_delivered, after 600, rounding 0",
			},
		},
		{
			name:  "what is delivered of an order is paid by its delivery, not by the order",
			lines: []Line{pays("l1", 700, by(2, "order", "o1"), delivery(2, "d1"))},
			open:  &OpenItems{Amount: amounts{"o1": 1000, "d1": 600}, Settled: amounts{"d1": 600}, Delivered: amounts{"order 1": 600}},
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "the rest of an order delivered in part can be paid ahead",
			lines: []Line{pays("l1", 400, by(2, "order", "o1"), delivery(2, "d1"))},
			open:  &OpenItems{Amount: amounts{"o1": 1000, "d1": 600}, Settled: amounts{"d1": 600}, Delivered: amounts{"order 1": 600}},
			want:  []string{"l1 settles 400 of o1 by order_id, not_delivered, after 0, rounding 0"},
		},
		{
			name:  "money taken for all of an order at its purchase, whatever of it is delivered since",
			lines: []Line{pays("l1", 1000, by(1, "order", "o1"), delivery(1, "d1"))},
			open:  &OpenItems{Amount: amounts{"o1": 1000, "d1": 600}, Settled: amounts{}, Delivered: amounts{"order 1": 600}},
			want:  []string{"l1 settles 1000 of o1 by event_id, not_delivered, after 0, rounding 0"},
		},
		{
			name:  "the same, when all of it was delivered at once",
			lines: []Line{pays("l1", 1000, by(1, "order", "o1"), delivery(1, "d1"))},
			open:  &OpenItems{Amount: amounts{"o1": 1000, "d1": 1000}, Settled: amounts{}, Delivered: amounts{"order 1": 1000}},
			want:  []string{"l1 settles 1000 of d1 by event_id, matched, after 0, rounding 0"},
		},
		{
			name:  "it is taken once",
			lines: []Line{pays("l1", 1000, by(1, "order", "o1")), pays("l2", 1000, by(1, "order", "o1"))},
			open:  &OpenItems{Amount: amounts{"o1": 1000}, Settled: amounts{}, Delivered: amounts{"order 1": 600}},
			want:  []string{"l1 settles 1000 of o1 by event_id, not_delivered, after 0, rounding 0", "l2: unmatched_line"},
		},
		{
			name:  "a refund is never paid ahead",
			lines: []Line{refunds("l1", 100, by(2, "order", "o1"))},
			open:  items(amounts{"o1": 1000}),
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "an order in another currency is not paid ahead",
			lines: []Line{pays("l1", 100, abroad(by(2, "order", "o1")))},
			open:  items(amounts{"o1": 1000}),
			want:  []string{"l1: unmatched_line"},
		},
		{
			name:  "a line that several deliveries fit is not taken for a payment ahead",
			lines: []Line{pays("l1", 400, delivery(2, "d1"), delivery(2, "d2"), by(2, "order", "o1"))},
			open:  items(amounts{"d1": 400, "d2": 400, "o1": 2000}),
			want:  []string{"l1: ambiguous_match"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			matches, issues := Climb(tt.lines, tt.open, tt.tolerance)
			if diff := cmp.Diff(tt.want, says(matches, issues)); diff != "" {
				t.Errorf("Climb() mismatch (-want +got):\n%s", diff)
			}
			for _, i := range issues {
				if i.Reason == "" || i.Suggestion == "" {
					t.Errorf("%s is left without a reason or a suggestion: %+v", i.Line, i)
				}
			}
		})
	}
}

func TestTwoOrdersThatFitAreAmbiguous(t *testing.T) {
	line := pays("l1", 100, by(4, "order", "o1"), by(4, "order", "o2"))
	_, issues := Climb([]Line{line}, items(amounts{"o1": 1000, "o2": 1000}), 0)
	if diff := cmp.Diff([]string{"l1: ambiguous_match"}, says(nil, issues)); diff != "" {
		t.Errorf("issues mismatch (-want +got):\n%s", diff)
	}
}

func TestAnIssueListsTheNearDocuments(t *testing.T) {
	line := pays("l1", 2000, delivery(4, "d2"), abroad(delivery(1, "d1")), delivery(2, "d2"))
	_, issues := Climb([]Line{line}, items(amounts{"d1": 2000, "d2": 1500}), 0)
	want := []Issue{{Line: "l1", Source: "klarna", Payout: "P1", Kind: "unmatched_line",
		Reason:     "a document shares its reference, but is settled, too small or in another currency",
		Evidence:   "d1 (event_id x, open 2000 minor units, other currency); d2 (order_id x, open 1500 minor units)",
		Suggestion: "look at the documents listed; the provider may have paid it twice"}}
	if diff := cmp.Diff(want, issues); diff != "" {
		t.Errorf("issues mismatch (-want +got):\n%s", diff)
	}
}

func TestAnIssueListsFiveDocumentsAtMost(t *testing.T) {
	var cs []Candidate
	open := amounts{}
	for i := range 9 {
		id := fmt.Sprintf("d%d", i)
		cs = append(cs, delivery(4, id))
		open[id] = 100
	}
	_, issues := Climb([]Line{pays("l1", 100, cs...)}, items(open), 0)
	if len(issues) != 1 || strings.Count(issues[0].Evidence, ";") != 4 {
		t.Errorf("issues = %+v, want one that lists five documents", issues)
	}
}

// chance makes lines that share keys with a few documents of three orders.
func chance(r *rand.Rand) ([]Line, *OpenItems) {
	open := items(amounts{})
	var docs []Candidate
	for i := range 8 {
		c := by(1, []string{"delivery", "delivery", "delivery", "refund", "order"}[r.IntN(5)], fmt.Sprintf("doc %d", i))
		c.OrderID = fmt.Sprintf("order %d", r.IntN(3))
		if r.IntN(8) == 0 {
			c.State = "held"
		}
		c.SameCurrency = r.IntN(10) > 0
		c.At = march.AddDate(0, 0, -r.IntN(50))
		open.Amount[c.Document] = 100 * (1 + r.Int64N(4))
		if c.Kind == "delivery" {
			open.Delivered[c.OrderID] += open.Amount[c.Document]
		}
		docs = append(docs, c)
	}
	var lines []Line
	for i := range 12 {
		l := pays(fmt.Sprintf("line %d", i), 50*(1+r.Int64N(9))+r.Int64N(3)-1)
		if r.IntN(4) == 0 {
			l.Settles = "refund"
		}
		for range r.IntN(5) {
			c := docs[r.IntN(len(docs))]
			c.Rung = 1 + r.IntN(4)
			c.Evidence = fmt.Sprintf("key of rung %d", c.Rung)
			l.Candidates = append(l.Candidates, c)
		}
		lines = append(lines, l)
	}
	return lines, open
}

// A line ends as one match or one issue. Deliveries and refunds are never settled beyond
// their amount, and Before tells what was settled before; the rounding is within the
// tolerance and is exactly what line and document differ by. An order is never paid
// beyond what is left to deliver, save the tolerance.
func TestNothingIsSettledTwice(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 13))
	for range 20_000 {
		tolerance := []int64{0, 1, 60}[r.IntN(3)]
		lines, open := chance(r)
		of := map[string]Line{}
		for _, l := range lines {
			of[l.ID] = l
		}
		matches, issues := Climb(lines, open, tolerance)
		if len(matches)+len(issues) != len(lines) {
			t.Fatalf("%d lines end as %d matches and %d issues", len(lines), len(matches), len(issues))
		}
		settled := map[string]int64{}
		for _, m := range matches {
			l := of[m.Line]
			diff := m.Rounding
			if l.Settles == "refund" {
				diff = -diff
			}
			if m.Amount+diff != l.Amount || max(diff, -diff) > tolerance {
				t.Fatalf("%+v of %+v: rounding", m, l)
			}
			if m.Before != settled[m.Document] {
				t.Fatalf("%+v: %d were settled before", m, settled[m.Document])
			}
			limit := open.Amount[m.Document]
			switch m.State {
			case "held_document":
				continue
			case "not_delivered":
				limit += tolerance
			}
			settled[m.Document] += m.Amount
			if settled[m.Document] > limit {
				t.Fatalf("%s of %d is settled to %d: %v", m.Document, open.Amount[m.Document], settled[m.Document], matches)
			}
		}
	}
}

// The order in which a line's candidates are found does not matter for what it settles.
func TestTheOrderOfCandidatesDoesNotMatter(t *testing.T) {
	short := func(ms []Match, is []Issue) []string {
		for i := range ms {
			ms[i].Evidence = ""
			if ms[i].State == "not_delivered" {
				ms[i].Rung = "" // the first that names the order
			}
		}
		for i := range is {
			is[i].Evidence = ""
		}
		return says(ms, is)
	}
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 17))
		lines, open := chance(r)
		again, openAgain := chance(rand.New(rand.NewPCG(seed, 17)))
		for _, l := range again {
			r.Shuffle(len(l.Candidates), func(i, j int) { l.Candidates[i], l.Candidates[j] = l.Candidates[j], l.Candidates[i] })
		}
		want := short(Climb(lines, open, 1))
		if diff := cmp.Diff(want, short(Climb(again, openAgain, 1))); diff != "" {
			t.Fatalf("seed %d: matches mismatch (-in order +shuffled):\n%s", seed, diff)
		}
	}
}

// Lines that want different documents find them whatever comes first.
func TestLinesOfDifferentDocumentsDoNotDisturbEachOther(t *testing.T) {
	lines := []Line{pays("l1", 100, delivery(1, "d1")), pays("l2", 200, delivery(2, "d2")), refunds("l3", 50, by(1, "refund", "r1"))}
	open := func() *OpenItems { return items(amounts{"d1": 100, "d2": 200, "r1": 50}) }
	forward, _ := Climb(lines, open(), 0)
	backward, _ := Climb([]Line{lines[2], lines[1], lines[0]}, open(), 0)
	if diff := cmp.Diff(forward, []Match{backward[2], backward[1], backward[0]}); diff != "" {
		t.Errorf("matches mismatch (-forward +backward):\n%s", diff)
	}
}

// An order number that two lines carry is settled by the one that carries its ID too, wherever it stands in the payout. The next
// payout's lines come after it.
func TestAnIDGoesBeforeANumber(t *testing.T) {
	stranger, own, later := pays("l1", 100, delivery(4, "d1")), pays("l2", 100, delivery(2, "d1"), delivery(4, "d1")), pays("l0", 100, delivery(1, "d1"))
	later.Payout = "the next"
	matches, issues := Climb([]Line{stranger, own, later}, items(amounts{"d1": 100}), 0)
	want := []string{"l2 d1", "unmatched l1", "unmatched l0"}
	var got []string
	for _, m := range matches {
		got = append(got, m.Line+" "+m.Document)
	}
	for _, i := range issues {
		got = append(got, "unmatched "+i.Line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Two shops may both have an order 1001. The provider's own ID of the order says which is meant, also while
// only the other one could be paid.
func TestAWeakerKeyNamesNoOtherOrder(t *testing.T) {
	other := delivery(4, "d2")
	other.OrderID = "order 1001 of another shop"
	undelivered := by(2, "order", "o1")
	got := says(Climb([]Line{pays("l1", 400, undelivered, other)}, items(amounts{"o1": 400, "d2": 400}), 100))
	if diff := cmp.Diff([]string{"l1 settles 400 of o1 by order_id, not_delivered, after 0, rounding 0"}, got); diff != "" {
		t.Errorf("with its own order (-want +got):\n%s", diff)
	}
	got = says(Climb([]Line{pays("l1", 400, other)}, items(amounts{"d2": 400}), 100))
	if diff := cmp.Diff([]string{"l1 settles 400 of d2 by reference, matched, after 0, rounding 0"}, got); diff != "" {
		t.Errorf("without it (-want +got):\n%s", diff)
	}
}

// Refunds of one order and amount that no ID tells apart are settled one after the other, the
// oldest first; of two orders a person says which.
func TestRefundsThatAreAlikeAreSettledInTurn(t *testing.T) {
	day := func(n int, c Candidate) Candidate { c.At = march.AddDate(0, 0, -n); return c }
	first, second := day(5, by(2, "refund", "r2")), day(3, by(2, "refund", "r1"))
	lines := []Line{refunds("l1", 100, second, first), refunds("l2", 100, second, first), refunds("l3", 100, second, first)}
	matches, issues := Climb(lines, items(amounts{"r1": 100, "r2": 100}), 0)
	want := []string{
		"l1 settles 100 of r2 by order_amount_date, matched, after 0, rounding 0",
		"l2 settles 100 of r1 by order_id, matched, after 0, rounding 0",
		"l3: unmatched_line",
	}
	if diff := cmp.Diff(want, says(matches, issues)); diff != "" {
		t.Errorf("Climb() mismatch (-want +got):\n%s", diff)
	}
	other := first
	other.OrderID = "order 2"
	_, issues = Climb([]Line{refunds("l1", 100, second, other)}, items(amounts{"r1": 100, "r2": 100}), 0)
	if diff := cmp.Diff([]string{"l1: ambiguous_match"}, says(nil, issues)); diff != "" {
		t.Errorf("issues mismatch (-want +got):\n%s", diff)
	}
	_, issues = Climb([]Line{refunds("l1", 100, second, held(first))}, items(amounts{"r1": 100, "r2": 100}), 0)
	if diff := cmp.Diff([]string{"l1: ambiguous_match"}, says(nil, issues)); diff != "" {
		t.Errorf("issues mismatch (-want +got):\n%s", diff)
	}
}

// A shop's order is paid at once and may leave in several parcels, none of them worth the payment.
func TestAPaymentOfSeveralParcelsIsOfTheShopsOrder(t *testing.T) {
	shop := func(c Candidate) Candidate { c.Shop = true; return c }
	line := pays("l1", 1000, shop(delivery(3, "D1")), shop(delivery(3, "D2")), shop(by(3, "order", "O1")))
	open := func() *OpenItems {
		return &OpenItems{Amount: map[string]int64{"D1": 600, "D2": 400, "O1": 1000}, Settled: map[string]int64{}, Delivered: map[string]int64{"order 1": 1000}}
	}
	matches, issues := Climb([]Line{line}, open(), 100)
	if len(issues) != 0 || len(matches) != 1 || matches[0].Document != "O1" || matches[0].Amount != 1000 {
		t.Errorf("matched %+v, issues %+v; want the order", matches, issues)
	}
	twice := []Line{line, line}
	twice[1].ID = "l2"
	if matches, issues = Climb(twice, open(), 100); len(matches) != 1 || len(issues) != 1 {
		t.Errorf("paid twice: %d matches and %d issues, want one of each", len(matches), len(issues))
	}
	b := open()
	b.Settled["D1"] = 600
	if matches, issues = Climb([]Line{line}, b, 100); len(matches) != 0 || len(issues) != 1 {
		t.Errorf("one parcel is paid already: %+v, want an issue", matches)
	}
}

func TestAPaymentIDAndAmountAreEnough(t *testing.T) {
	line := pays("l1", 400, delivery(3, "D1"), delivery(3, "D2"))
	b := &OpenItems{Amount: map[string]int64{"D1": 600, "D2": 400}, Settled: map[string]int64{}}
	matches, _ := Climb([]Line{line}, b, 0)
	if len(matches) != 1 || matches[0].Document != "D2" {
		t.Errorf("matched %+v, want the delivery of that amount", matches)
	}
}
