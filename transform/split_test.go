package transform

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func goods(country string, rate int, gross, vat int64) Group {
	return Group{Class: "goods", Country: country, Rate: rate, Gross: gross, VAT: vat}
}

func card(gross int64) Group { return Group{Class: "gift_card", Country: "SE", Gross: gross} }

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		amount int64
		left   []Group
		want   []Group
		refuse bool
	}{
		{
			name:   "150.00 of clothes at 25 % and a book at 6 %",
			amount: 15000,
			left:   []Group{goods("SE", 2500, 114900, 22980), goods("SE", 600, 10100, 572)},
			want:   []Group{goods("SE", 600, 1212, 69), goods("SE", 2500, 13788, 2758)},
		},
		{
			name:   "100.00 of what that leaves",
			amount: 10000,
			left:   []Group{goods("SE", 2500, 114900-13788, 22980-2758), goods("SE", 600, 10100-1212, 572-69)},
			want:   []Group{goods("SE", 600, 808, 46), goods("SE", 2500, 9192, 1838)},
		},
		{
			name:   "all of it takes all VAT, even where VAT is stated an öre off",
			amount: 12500,
			left:   []Group{goods("SE", 2500, 10000, 2001), goods("SE", 0, 2500, 0)},
			want:   []Group{goods("SE", 0, 2500, 0), goods("SE", 2500, 10000, 2001)},
		},
		{
			name:   "one öre over three equal groups goes to the lowest rate",
			amount: 1,
			left:   []Group{goods("SE", 2500, 100, 20), goods("SE", 1200, 100, 11), goods("SE", 600, 100, 6)},
			want:   []Group{goods("SE", 600, 1, 0)},
		},
		{
			name:   "the largest remainder gets the öre that is over",
			amount: 100,
			left:   []Group{goods("SE", 600, 1000, 57), goods("SE", 1200, 1000, 107), goods("SE", 2500, 1001, 200)},
			want:   []Group{goods("SE", 600, 33, 2), goods("SE", 1200, 33, 4), goods("SE", 2500, 34, 7)},
		},
		{
			name:   "a part never takes more VAT than is left",
			amount: 5000,
			left:   []Group{goods("SE", 2500, 10000, 3)},
			want:   []Group{goods("SE", 2500, 5000, 3)},
		},
		{
			name:   "a group with nothing left gets nothing",
			amount: 50,
			left:   []Group{goods("SE", 600, 0, 0), goods("SE", 1200, -40, -4), goods("SE", 2500, 100, 20)},
			want:   []Group{goods("SE", 2500, 50, 10)},
		},
		{
			name:   "two countries are two groups",
			amount: 20,
			left:   []Group{goods("SE", 2500, 100, 20), goods("DK", 2500, 100, 20)},
			want:   []Group{goods("DK", 2500, 10, 2), goods("SE", 2500, 10, 2)},
		},
		{
			name:   "amounts whose product is beyond 64 bits",
			amount: math.MaxInt64 / 2,
			left:   []Group{goods("SE", 0, math.MaxInt64/2, 0), goods("SE", 600, math.MaxInt64/2, 0)},
			want:   []Group{goods("SE", 0, math.MaxInt64/4+1, 0), goods("SE", 600, math.MaxInt64/4, 0)},
		},
		{name: "more than is left", amount: 101, left: []Group{goods("SE", 2500, 100, 20)}, refuse: true},
		{name: "a debt of one group is not another's to give", amount: 101, left: []Group{goods("SE", 600, -10, -1), goods("SE", 2500, 100, 20)}, refuse: true},
		{name: "nothing", amount: 0, left: []Group{goods("SE", 2500, 100, 20)}, refuse: true},
		{name: "less than nothing", amount: -1, left: []Group{goods("SE", 2500, 100, 20)}, refuse: true},
		{name: "nothing is left", amount: 1, refuse: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.left)
			got, ok := Split(tt.amount, tt.left)
			if ok == tt.refuse {
				t.Errorf("Split() = %v, want %v", ok, !tt.refuse)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Split() mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tt.left); diff != "" {
				t.Errorf("Split() changed what it was given (-before +after):\n%s", diff)
			}
		})
	}
}

// sale makes what is left of a sale: up to six groups, each at a rate of its own, with the
// VAT of its rate off by a little, as shops state it.
func sale(r *rand.Rand, largest int64) []Group {
	rates := []int{0, 600, 1200, 1900, 2500, 2550}
	r.Shuffle(len(rates), func(i, j int) { rates[i], rates[j] = rates[j], rates[i] })
	var out []Group
	for _, rate := range rates[:1+r.IntN(len(rates))] {
		gross := 1 + r.Int64N(largest)
		vat := VATInside(gross, rate)
		if rate > 0 {
			vat = min(max(vat+r.Int64N(3)-1, 0), gross)
		}
		out = append(out, goods([]string{"SE", "DE"}[r.IntN(2)], rate, gross, vat))
	}
	return out
}

// splitExactly says what Split must give, by rational numbers: the floor of each share,
// then an öre each to the largest remainders, ties to the lower class, country and rate.
func splitExactly(amount int64, left []Group) map[groupKey]int64 {
	groups := slices.Clone(left)
	slices.SortFunc(groups, compareGroups)
	total := big.NewInt(gross(groups))
	out := map[groupKey]int64{}
	type remainder struct {
		key  groupKey
		rest *big.Int
	}
	var rests []remainder
	missing := amount
	for _, g := range groups {
		share, rest := new(big.Int).DivMod(new(big.Int).Mul(big.NewInt(amount), big.NewInt(g.Gross)), total, new(big.Int))
		out[g.key()] = share.Int64()
		missing -= share.Int64()
		rests = append(rests, remainder{g.key(), rest})
	}
	slices.SortStableFunc(rests, func(a, b remainder) int { return b.rest.Cmp(a.rest) })
	for _, r := range rests[:missing] {
		out[r.key]++
	}
	for k, n := range out {
		if n == 0 {
			delete(out, k)
		}
	}
	return out
}

// The parts of a split sum to the amount to the öre, no part is larger than its group,
// each is its share by largest remainder, and the order of the groups does not matter.
func checkSplit(t *testing.T, r *rand.Rand, amount int64, left []Group) []Group {
	t.Helper()
	parts, ok := Split(amount, left)
	if !ok {
		t.Fatalf("%d of %v is refused", amount, left)
	}
	if gross(parts) != amount {
		t.Fatalf("%d of %v: the parts sum to %d: %v", amount, left, gross(parts), parts)
	}
	of := map[groupKey]Group{}
	for _, g := range left {
		of[g.key()] = g
	}
	got := map[groupKey]int64{}
	for _, p := range parts {
		g := of[p.key()]
		got[p.key()] = p.Gross
		switch {
		case p.Gross <= 0 || p.Gross > g.Gross:
			t.Fatalf("%d of %v: part %v of %v", amount, left, p, g)
		case p.Gross == g.Gross && p.VAT != g.VAT:
			t.Fatalf("%d of %v: %v empties %v and leaves VAT", amount, left, p, g)
		case p.VAT < 0 || p.VAT > g.VAT:
			t.Fatalf("%d of %v: %v takes more VAT than %v has", amount, left, p, g)
		}
	}
	if diff := cmp.Diff(splitExactly(amount, left), got); diff != "" {
		t.Fatalf("%d of %v is not by largest remainder (-want +got):\n%s", amount, left, diff)
	}
	shuffled := slices.Clone(left)
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again, _ := Split(amount, shuffled)
	if diff := cmp.Diff(parts, again); diff != "" {
		t.Fatalf("%d of %v splits otherwise in another order:\n%s", amount, left, diff)
	}
	return parts
}

func TestSplitIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		left := sale(r, []int64{10, 1000, 10_000_00, 1 << 60}[r.IntN(4)])
		if total := gross(left); total > 0 {
			checkSplit(t, r, 1+r.Int64N(total), left)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(uint64(1), int64(15000), int64(125000))
	f.Fuzz(func(t *testing.T, seed uint64, amount, largest int64) {
		if largest <= 0 || largest > 1<<60 {
			t.Skip()
		}
		r := rand.New(rand.NewPCG(seed, 2))
		left := sale(r, largest)
		if amount <= 0 || amount > gross(left) {
			if _, ok := Split(amount, left); ok {
				t.Fatalf("%d of %v is not refused", amount, left)
			}
			return
		}
		checkSplit(t, r, amount, left)
	})
}

// However a sale is given back, no group goes below zero, and when all of it is given back
// no gross and no VAT is left.
func TestRefundsUseUpASale(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	for range 3000 {
		sold := sale(r, 500_00)
		left := sold
		for n := 0; gross(left) > 0; n++ {
			amount := gross(left)
			if n < 8 {
				amount = 1 + r.Int64N(amount)
			}
			parts := checkSplit(t, r, amount, slices.DeleteFunc(slices.Clone(left), func(g Group) bool { return g.Gross == 0 }))
			left = subtract(left, parts)
			for _, g := range left {
				if g.Gross < 0 || g.VAT < 0 {
					t.Fatalf("of %v, %v is below zero", sold, g)
				}
			}
		}
		for _, g := range left {
			if g.Gross != 0 || g.VAT != 0 {
				t.Fatalf("of %v, %v is left", sold, g)
			}
		}
	}
}

// vatExactly is the VAT in gross by rational numbers, halves away from zero.
func vatExactly(gross int64, rate int) int64 {
	n := new(big.Int).Mul(big.NewInt(gross), big.NewInt(int64(2*rate)))
	d := big.NewInt(int64(10000 + rate))
	neg := n.Sign() < 0
	n.Abs(n).Add(n, d)
	v := n.Div(n, new(big.Int).Lsh(d, 1)).Int64()
	if neg {
		return -v
	}
	return v
}

func TestVATInside(t *testing.T) {
	for _, tt := range []struct {
		name  string
		gross int64
		rate  int
		want  int64
	}{
		{"25 % of 1 000.00 is 250.00", 125000, 2500, 25000},
		{"6 % in 101.00", 10100, 600, 572},
		{"12 % in 112.00", 11200, 1200, 1200},
		{"Finland's 25.5 % in 125.50", 12550, 2550, 2550},
		{"no VAT", 10000, 0, 0},
		{"a refund is the sale with the other sign", -10100, 600, -572},
		{"exactly half goes away from zero", 1, 10000, 1},
		{"exactly half of a refund goes away from zero", -1, 10000, -1},
		{"exactly half of three öre", 3, 10000, 2},
		{"the largest amount", math.MaxInt64, 2500, 1844674407370955161},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, VATInside(tt.gross, tt.rate)); diff != "" {
				t.Errorf("VATInside(%d, %d) mismatch (-want +got):\n%s", tt.gross, tt.rate, diff)
			}
		})
	}
}

func TestVATInsideIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for range 2_000_000 {
		amount := r.Int64N(10_000_000) - 5_000_000
		rate := []int{0, 600, 1200, 1900, 2500, 2550, 1350, r.IntN(10001)}[r.IntN(8)]
		if got, want := VATInside(amount, rate), vatExactly64(amount, rate); got != want {
			t.Fatalf("VATInside(%d, %d) = %d, want %d", amount, rate, got, want)
		}
	}
	for range 200_000 { // amounts of any size, by big integers
		amount := int64(r.Uint64()) >> r.IntN(63)
		rate := r.IntN(10001)
		if amount == math.MinInt64 {
			continue
		}
		if got, want := VATInside(amount, rate), vatExactly(amount, rate); got != want {
			t.Fatalf("VATInside(%d, %d) = %d, want %d", amount, rate, got, want)
		}
	}
}

// vatExactly64 is vatExactly where nothing can overflow, fast enough for millions of cases:
// twice the VAT, less or more than the next half, decides.
func vatExactly64(gross int64, rate int) int64 {
	n, d := gross*int64(rate), int64(10000+rate)
	q, rest := n/d, n%d // toward zero
	switch {
	case 2*rest >= d:
		return q + 1
	case -2*rest >= d:
		return q - 1
	}
	return q
}

func FuzzVATInside(f *testing.F) {
	f.Add(int64(10100), uint16(600))
	f.Add(int64(-12550), uint16(2550))
	f.Fuzz(func(t *testing.T, amount int64, rate uint16) {
		if amount == math.MinInt64 {
			t.Skip()
		}
		if got, want := VATInside(amount, int(rate)), vatExactly(amount, int(rate)); got != want {
			t.Errorf("VATInside(%d, %d) = %d, want %d", amount, rate, got, want)
		}
	})
}

func ExampleSplit() {
	parts, _ := Split(15000, []Group{
		{Class: "goods", Country: "SE", Rate: 2500, Gross: 114900, VAT: 22980},
		{Class: "goods", Country: "SE", Rate: 600, Gross: 10100, VAT: 572},
	})
	for _, p := range parts {
		fmt.Println(p.Rate, p.Gross, p.VAT)
	}
	// Output:
	// 600 1212 69
	// 2500 13788 2758
}
