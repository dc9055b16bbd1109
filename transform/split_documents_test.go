package transform

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/sql/duck"
)

// doc is a document of order 1 with its own lines, if any; kind/number is its ID.
func doc(kind, id string, amount int64, groups ...Group) saleDocument {
	return saleDocument{id: id, kind: kind, source: "klarna", order: "1", amount: duck.NullInt64{Int64: amount, Valid: true}, groups: groups}
}

func TestSplitOrder(t *testing.T) {
	clothes := goods("SE", 2500, 114900, 22980)
	book := goods("SE", 600, 10100, 572)
	order := doc("order", "o", 125000, clothes, book)
	type part struct {
		Document string
		Rate     int
		Class    string
		Gross    int64
		VAT      int64
	}
	type held struct {
		Document, Kind string
		Minor          int64
	}
	for _, tt := range []struct {
		name      string
		docs      []saleDocument
		tolerance int64
		want      []part
		held      []held
	}{
		{name: "nothing happened"},
		{name: "ordered, not delivered", docs: []saleDocument{order}},
		{name: "documents with lines need no split", docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r", 10100, book)}},
		{
			name: "a refund without lines takes its share of each rate",
			docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r", 15000)},
			want: []part{{"r", 600, "goods", 1212, 69}, {"r", 2500, "goods", 13788, 2758}},
		},
		{
			name: "the second refund takes its share of what the first left, the third takes the rest",
			docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r1", 15000), doc("refund", "r2", 10000), doc("refund", "r3", 100000)},
			want: []part{
				{"r1", 600, "goods", 1212, 69}, {"r1", 2500, "goods", 13788, 2758},
				{"r2", 600, "goods", 808, 46}, {"r2", 2500, "goods", 9192, 1838},
				{"r3", 2500, "goods", 91920, 18384}, {"r3", 600, "goods", 8080, 457},
			},
		},
		{
			name: "an amount after a refund with lines falls on what the lines left",
			docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r1", 10100, book), doc("refund", "r2", 5000)},
			want: []part{{"r2", 2500, "goods", 5000, 1000}},
		},
		{
			name: "all of it given back by amount takes exactly what was sold",
			docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r", 125000)},
			want: []part{{"r", 2500, "goods", 114900, 22980}, {"r", 600, "goods", 10100, 572}},
		},
		{
			name: "a refund of more than was delivered is held",
			docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r", 125001)},
			held: []held{{"r", "refund_exceeds_remaining", 1}},
		},
		{
			name: "a held refund takes nothing from those after it",
			docs: []saleDocument{order, doc("delivery", "d", 10100, book), doc("refund", "r1", 10101), doc("refund", "r2", 10100)},
			want: []part{{"r2", 600, "goods", 10100, 572}},
			held: []held{{"r1", "refund_exceeds_remaining", 1}},
		},
		{
			name: "what is ordered and not delivered cannot be refunded",
			docs: []saleDocument{order, doc("delivery", "d", 10100, book), doc("refund", "r", 15000)},
			held: []held{{"r", "refund_exceeds_remaining", 4900}},
		},
		{name: "a refund of nothing, goods put back only, is nothing", docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r", 0)}},
		{name: "less than nothing is held", docs: []saleDocument{order, doc("delivery", "d", 125000, clothes, book), doc("refund", "r", -1)}, held: []held{{"r", "document_does_not_add_up", -1}}},
		{
			name: "a refund without any delivery is held",
			docs: []saleDocument{order, doc("refund", "r", 100)},
			held: []held{{"r", "refund_exceeds_remaining", 100}},
		},
		{
			name:      "a refund with lines may exceed what is left by its rounding row",
			docs:      []saleDocument{order, doc("delivery", "d", 10100, book), doc("refund", "r", 10150, book)},
			tolerance: 100,
		},
		{
			name:      "and by no more than that",
			docs:      []saleDocument{order, doc("delivery", "d", 10100, book), doc("refund", "r", 10201, book)},
			tolerance: 100,
			held:      []held{{"r", "refund_exceeds_remaining", 101}},
		},
		{
			name:      "a refund without lines has no rounding row",
			docs:      []saleDocument{order, doc("delivery", "d", 10100, book), doc("refund", "r", 10101)},
			tolerance: 100,
			held:      []held{{"r", "refund_exceeds_remaining", 1}},
		},
		{
			name: "a delivery of all that was ordered, without lines, is the order",
			docs: []saleDocument{order, doc("delivery", "d", 125000)},
			want: []part{{"d", 2500, "goods", 114900, 22980}, {"d", 600, "goods", 10100, 572}},
		},
		{
			name: "two part deliveries without lines make up the order, and can be refunded",
			docs: []saleDocument{order, doc("delivery", "d1", 15000), doc("delivery", "d2", 110000), doc("refund", "r", 125000)},
			want: []part{
				{"d1", 600, "goods", 1212, 69}, {"d1", 2500, "goods", 13788, 2758},
				{"d2", 2500, "goods", 101112, 20222}, {"d2", 600, "goods", 8888, 503},
				{"r", 600, "goods", 10100, 572}, {"r", 2500, "goods", 114900, 22980},
			},
		},
		{
			name: "a delivery without lines after one with lines takes what is left of the order",
			docs: []saleDocument{order, doc("delivery", "d1", 10100, book), doc("delivery", "d2", 114900)},
			want: []part{{"d2", 2500, "goods", 114900, 22980}},
		},
		{
			name: "a delivery without lines of more than was ordered is held, and cannot be refunded",
			docs: []saleDocument{order, doc("delivery", "d", 125001), doc("refund", "r", 100)},
			held: []held{{"d", "document_does_not_add_up", 1}, {"r", "refund_exceeds_remaining", 100}},
		},
		{
			name: "a delivery without lines of an order without lines is held",
			docs: []saleDocument{doc("order", "o", 1000), doc("delivery", "d", 1000)},
			held: []held{{"d", "document_does_not_add_up", 1000}},
		},
		{
			name: "a gift card used on the order: all of it given back gives the card back too",
			docs: []saleDocument{order, doc("delivery", "d", 80000, goods("SE", 2500, 100000, 20000), card(-20000)), doc("refund", "r1", 30000), doc("refund", "r2", 50000)},
			want: []part{
				{"r1", 2500, "goods", 30000, 6000},
				{"r2", 2500, "goods", 70000, 14000}, {"r2", 0, "gift_card", -20000, 0},
			},
		},
		{
			name: "a gift card sold with goods: a part refund falls on the goods",
			docs: []saleDocument{order, doc("delivery", "d", 150000, goods("SE", 2500, 100000, 20000), card(50000)), doc("refund", "r", 40000)},
			want: []part{{"r", 2500, "goods", 40000, 8000}},
		},
		{
			name: "a discount on a line of its own rate is given back with the rest",
			docs: []saleDocument{order, doc("delivery", "d", 90000, goods("SE", 2500, 100000, 20000), goods("SE", 0, -10000, 0)), doc("refund", "r1", 40000), doc("refund", "r2", 50000)},
			want: []part{
				{"r1", 2500, "goods", 40000, 8000},
				{"r2", 2500, "goods", 60000, 12000}, {"r2", 0, "goods", -10000, 0},
			},
		},
		{
			name: "a document without an amount is left to be held as malformed",
			docs: []saleDocument{order, {id: "d", kind: "delivery"}, doc("delivery", "d2", 125000), {id: "r", kind: "refund"}},
			want: []part{{"d2", 2500, "goods", 114900, 22980}, {"d2", 600, "goods", 10100, 572}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, holds := splitOrder(tt.docs, tt.tolerance)
			var got []part
			for _, r := range rows {
				got = append(got, part{r.DocumentID, r.RateBP, r.Class, r.Gross, r.VAT})
			}
			var gotHeld []held
			for _, h := range holds {
				gotHeld = append(gotHeld, held{h.DocumentID, h.Kind, h.Minor})
				if h.Text == "" || h.Suggestion == "" {
					t.Errorf("%s is held without a reason or a suggestion: %+v", h.DocumentID, h)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("groups mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.held, gotHeld); diff != "" {
				t.Errorf("holds mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever is delivered and refunded by amount, no rate is refunded beyond what was
// delivered at it, and an order that is delivered and refunded whole comes out at zero.
func TestRefundsStayWithinTheOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		ordered := sale(r, 300_00)
		total := gross(ordered)
		docs := []saleDocument{doc("order", "o", total, ordered...)}
		for left := total; left > 0; {
			n := min(left, 1+r.Int64N(total))
			docs = append(docs, doc("delivery", "d", n))
			left -= n
		}
		for left := total; left > 0; {
			n := min(left, 1+r.Int64N(total))
			docs = append(docs, doc("refund", "r", n))
			left -= n
		}
		rows, holds := splitOrder(docs, 0)
		if len(holds) > 0 {
			t.Fatalf("of %v: %v", docs, holds)
		}
		gross, vat := map[groupKey]int64{}, map[groupKey]int64{}
		for _, row := range rows {
			k := groupKey{row.Class, row.Country, row.RateBP}
			sign := int64(1)
			if row.DocumentID == "r" {
				sign = -1
			}
			gross[k] += sign * row.Gross
			vat[k] += sign * row.VAT
			if gross[k] < 0 || vat[k] < 0 {
				t.Fatalf("of %v, %v is refunded below zero", docs, k)
			}
		}
		for k, n := range gross {
			if n != 0 || vat[k] != 0 {
				t.Fatalf("of %v, %v keeps %d and VAT %d", docs, k, n, vat[k])
			}
		}
	}
}

// A delivery whose lines miss its total by a rounding row can be given back whole: the
// rounding comes back with it.
func TestAWholeDeliveryWithItsRoundingCanBeRefunded(t *testing.T) {
	docs := []saleDocument{doc("delivery", "d", 10001, goods("SE", 2500, 10000, 2000)), doc("refund", "r", 10001)}
	rows, holds := splitOrder(docs, 100)
	if len(holds) > 0 || len(rows) == 0 {
		t.Errorf("rows %+v, holds %+v; want the refund of 100.01 split", rows, holds)
	}
}

// A payment that states no lines is no riddle for the provider: the shop knows its VAT.
func TestASaleWithoutAnyLinesNamesTheShop(t *testing.T) {
	_, holds := splitOrder([]saleDocument{doc("order", "o", 13300), doc("delivery", "d", 13300)}, 100)
	if len(holds) != 1 || !strings.Contains(holds[0].Text, "VAT of its 133.00") || !strings.Contains(holds[0].Suggestion, "shop") {
		t.Errorf("%+v", holds)
	}
}

// A hold never claims that too much is refunded when it is less than what is left.
func TestAHoldSaysWhatIsTheMatter(t *testing.T) {
	for _, docs := range [][]saleDocument{
		{doc("delivery", "d", 150000, goods("SE", 2500, 100000, 20000), card(50000)), doc("refund", "r", 120000)},
		{doc("delivery", "d", 10000, goods("SE", 2500, 10000, 2000)), doc("refund", "r", 0)},
	} {
		_, holds := splitOrder(docs, 0)
		for _, h := range holds {
			if h.Kind == "refund_exceeds_remaining" && h.Minor <= 0 {
				t.Errorf("%+v", h)
			}
		}
	}
}
