package transform

import (
	"cmp"
	"math/bits"
	"slices"
)

// A Group is what a document holds at one class, country and VAT rate.
type Group struct {
	Class   string // goods | gift_card
	Country string
	Rate    int   // basis points
	Gross   int64 // minor units, VAT included
	VAT     int64
}

func (g Group) key() groupKey { return groupKey{g.Class, g.Country, g.Rate} }

type groupKey struct {
	class, country string
	rate           int
}

// Split divides amount over the groups of what is left of a sale in proportion to
// their gross, by largest remainder: the parts sum to amount exactly, and no group is
// given more than it has. VAT of a part is computed from its rate; a part that empties its
// group takes the VAT that is left. Groups without anything left get nothing.
//
// It returns false when amount is more than all groups together, or not positive.
// Source: posting_rules §3.
func Split(amount int64, left []Group) ([]Group, bool) {
	groups := slices.DeleteFunc(slices.Clone(left), func(g Group) bool { return g.Gross <= 0 })
	slices.SortFunc(groups, compareGroups)
	var total int64
	for _, g := range groups {
		total += g.Gross
	}
	if amount <= 0 || amount > total {
		return nil, false
	}
	parts := make([]int64, len(groups))
	rest := make([]uint64, len(groups))
	given := int64(0)
	for i, g := range groups {
		hi, lo := bits.Mul64(uint64(amount), uint64(g.Gross))
		q, r := bits.Div64(hi, lo, uint64(total))
		parts[i], rest[i] = int64(q), r
		given += parts[i]
	}
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	// Ties go to the first group in order of rate, so that the same sale always splits the same way.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for _, i := range order {
		if given == amount {
			break
		}
		if parts[i] < groups[i].Gross {
			parts[i]++
			given++
		}
	}
	var out []Group
	for i, g := range groups {
		if parts[i] == 0 {
			continue
		}
		p := g
		p.Gross = parts[i]
		p.VAT = g.VAT
		if parts[i] < g.Gross {
			p.VAT = min(VATInside(parts[i], g.Rate), g.VAT)
		}
		out = append(out, p)
	}
	return out, true
}

// VATInside returns the VAT in a gross amount at a rate in basis points, to the nearest
// minor unit, halves away from zero. Same rule as the macro vat_inside.
func VATInside(gross int64, rate int) int64 {
	neg := gross < 0
	if neg {
		gross = -gross
	}
	d := uint64(10000 + rate)
	hi, lo := bits.Mul64(uint64(gross), uint64(2*rate))
	lo, carry := bits.Add64(lo, d, 0)
	hi += carry
	q, _ := bits.Div64(hi, lo, 2*d)
	v := int64(q)
	if neg {
		v = -v
	}
	return v
}

func compareGroups(a, b Group) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Country, b.Country), cmp.Compare(a.Rate, b.Rate))
}

// subtract takes given from left, group by group; a group may go below zero.
func subtract(left, given []Group) []Group {
	at := make(map[groupKey]int, len(left))
	out := slices.Clone(left)
	for i, g := range out {
		at[g.key()] = i
	}
	for _, g := range given {
		i, ok := at[g.key()]
		if !ok {
			i = len(out)
			at[g.key()] = i
			out = append(out, Group{Class: g.Class, Country: g.Country, Rate: g.Rate})
		}
		out[i].Gross -= g.Gross
		out[i].VAT -= g.VAT
	}
	return out
}

func gross(groups []Group) int64 {
	var n int64
	for _, g := range groups {
		n += g.Gross
	}
	return n
}
