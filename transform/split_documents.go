package transform

import (
	"fmt"
	"slices"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/sql/duck"
)

// A saleDocument is one delivery or refund of an order, for the splits.
type saleDocument struct {
	id, kind, source, order string
	currency                duck.NullString
	amount                  duck.NullInt64
	at                      duck.NullTime
	groups                  []Group // of its own lines; empty when it states an amount only. On an order: what was ordered
	accepted                string  // the kind of exception that a person accepted the document in spite of
	off                     int64   // by how much, minor units
}

// money writes an amount of the document for people.
func (d saleDocument) money(minor int64) string {
	return ledger.Minor(minor).Decimal(ledger.Exponent(d.currency.String)) + " " + d.currency.String
}

// A hold is why a split could not be made, for 30_document_states.sql.
type hold struct {
	DocumentID string `json:"document_id"`
	Kind       string `json:"kind"`
	Text       string `json:"text"`
	Minor      int64  `json:"minor"`
	Evidence   string `json:"evidence"`
	Suggestion string `json:"suggestion"`
}

// A groupRow is a row of document_groups.
type groupRow struct {
	DocumentID string `json:"document_id"`
	Class      string `json:"class"`
	Country    string `json:"country"`
	RateBP     int    `json:"rate_bp"`
	Gross      int64  `json:"gross_minor"`
	VAT        int64  `json:"vat_minor"`
	How        string `json:"how"`
}

// splits gives groups to the documents that state an amount without lines, and holds
// refunds of more than is left. Orders where every document has lines and nothing was
// refunded never come here.
func (b *booking) splits() {
	if b.err != nil {
		return
	}
	var rows []groupRow
	var holds []hold
	var order []saleDocument
	flush := func() {
		r, h := splitOrder(order, b.tolerance)
		rows, holds, order = append(rows, r...), append(holds, h...), nil
	}
	err := b.db.Each(b.ctx, `
		with todo as (
			select distinct d.source, d.order_id
			from documents as d
			inner join todo_documents using (document_id)
			where d.kind = 'refund'
				or (d.kind = 'delivery' and d.document_id not in (select document_id from document_lines))
		)
		select d.document_id, d.kind, d.source, d.order_id, d.currency, d.amount_minor, d.event_at,
			g.class, g.country, g.rate_bp, g.gross_minor, g.vat_minor, coalesce(x.kind, ''), coalesce(x.amount_minor, 0)
		from documents as d
		left join document_decisions as x on x.document_id = d.document_id and x.kind in ('document_does_not_add_up', 'refund_exceeds_remaining') and x.action in ('accept', 'account')
		inner join todo as t on t.source = d.source and t.order_id = d.order_id
		left join document_groups as g on g.document_id = d.document_id and g.class in ('goods', 'gift_card')
		where d.kind in ('order', 'delivery', 'refund')
		order by d.source, d.order_id, case d.kind when 'order' then 0 when 'delivery' then 1 else 2 end,
			d.event_at, d.document_id, g.class, g.country, g.rate_bp`,
		func(scan func(...any) error) error {
			var d saleDocument
			var class, country duck.NullString
			var rate, grossMinor, vat duck.NullInt64
			if err := scan(&d.id, &d.kind, &d.source, &d.order, &d.currency, &d.amount, &d.at, &class, &country, &rate, &grossMinor, &vat, &d.accepted, &d.off); err != nil {
				return err
			}
			if len(order) > 0 && (order[0].source != d.source || order[0].order != d.order) {
				flush()
			}
			if len(order) == 0 || order[len(order)-1].id != d.id {
				order = append(order, d)
			}
			if class.Valid {
				last := &order[len(order)-1]
				last.groups = append(last.groups, Group{Class: class.String, Country: country.String, Rate: int(rate.Int64), Gross: grossMinor.Int64, VAT: vat.Int64})
			}
			return nil
		})
	if err != nil {
		b.err = fmt.Errorf("transform: splits: %w", err)
		return
	}
	flush()
	b.insert("document_groups", rows)
	b.insert("document_holds", holds)
}

// splitOrder walks one order: deliveries first, then refunds as they happened.
func splitOrder(docs []saleDocument, tolerance int64) (rows []groupRow, holds []hold) {
	give := func(d saleDocument, groups []Group, how string) {
		for _, g := range groups {
			rows = append(rows, groupRow{d.id, g.Class, g.Country, g.Rate, g.Gross, g.VAT, how})
		}
	}
	var ordered, left []Group
	for _, d := range docs {
		switch {
		case d.kind == "order":
			ordered = d.groups
		case !d.amount.Valid:
			// No amount, no split: 30_document_states.sql holds it as malformed.
		case d.kind == "delivery":
			if len(d.groups) == 0 {
				parts, ok := share(d.amount.Int64, ordered)
				if off := max(d.amount.Int64-gross(ordered), 0); !ok && d.accepted == "document_does_not_add_up" && d.off == off {
					parts, ok = []Group{{Class: "rounding", Gross: d.amount.Int64}}, true
				}
				if !ok {
					h := hold{d.id, "document_does_not_add_up",
						fmt.Sprintf("it has no lines, and its %s cannot be split over the %s that are left of the order", d.money(d.amount.Int64), d.money(gross(ordered))),
						max(d.amount.Int64-gross(ordered), 0), "", "ask the provider what was delivered"}
					if len(ordered) == 0 {
						h.Text = fmt.Sprintf("neither it nor its order has lines: the VAT of its %s is not known", d.money(d.amount.Int64))
						h.Suggestion = fmt.Sprintf("where a shop says what was sold, let it deliver the sales and keep flows = [\"payouts\"] for %s; otherwise ask the provider what was delivered", d.source)
					}
					holds = append(holds, h)
					continue
				}
				give(d, parts, "split of the order's lines in proportion")
				d.groups = parts
			}
			ordered = subtract(ordered, d.groups)
			// The rounding row between lines and total was delivered too, and is given back with the last of it.
			if off := d.amount.Int64 - gross(d.groups); off != 0 && off >= -tolerance && off <= tolerance {
				d.groups = append(slices.Clone(d.groups), Group{Class: "rounding", Gross: off})
			}
			left = subtract(left, negated(d.groups))
		case d.kind == "refund" && d.amount.Int64 == 0 && len(d.groups) == 0:
			// Goods were put back and no money was owed: shops write such refunds, and there is nothing to book.
		case d.kind == "refund" && d.amount.Int64 < 0: // 0 with lines: all of it onto a gift card
			holds = append(holds, hold{d.id, "document_does_not_add_up", fmt.Sprintf("it refunds %s", d.money(d.amount.Int64)),
				d.amount.Int64, "", "ask the provider what the refund is for"})
		case d.kind == "refund":
			remaining := gross(left)
			excess := d.amount.Int64 - remaining
			decided := d.accepted == "refund_exceeds_remaining" && d.off == excess
			if decided && len(d.groups) == 0 {
				// What is left is given back at its rates; what exceeds it is on the account that was named.
				parts := append(slices.Clone(left), Group{Class: "rounding", Gross: excess})
				parts = slices.DeleteFunc(parts, func(g Group) bool { return g.Gross == 0 && g.VAT == 0 })
				give(d, parts, "what was left, and the rest as decided")
				left = subtract(left, parts)
				continue
			}
			if d.amount.Int64 > remaining+lineSlack(d, tolerance) && !decided {
				holds = append(holds, hold{d.id, "refund_exceeds_remaining",
					fmt.Sprintf("it refunds %s, and %s are left of what was delivered", d.money(d.amount.Int64), d.money(remaining)),
					d.amount.Int64 - remaining, "", "check whether a delivery is missing or the refund was made twice"})
				continue
			}
			if len(d.groups) == 0 {
				parts, ok := share(d.amount.Int64, left)
				if !ok && d.accepted == "refund_exceeds_remaining" && d.off == d.amount.Int64 {
					parts, ok = []Group{{Class: "rounding", Gross: d.amount.Int64}}, true
				}
				if !ok {
					holds = append(holds, hold{d.id, "refund_exceeds_remaining",
						fmt.Sprintf("it refunds %s, and no goods of that value are left of what was delivered", d.money(d.amount.Int64)), d.amount.Int64, "",
						"check whether a delivery is missing, or whether a gift card was refunded"})
					continue
				}
				give(d, parts, "split of what was left in proportion")
				d.groups = parts
			}
			left = subtract(left, d.groups)
		}
	}
	return rows, holds
}

// share takes all of left when amount is all of it, gift cards included; else it splits
// amount over the goods.
func share(amount int64, left []Group) ([]Group, bool) {
	if amount > 0 && amount == gross(left) {
		var all []Group
		for _, g := range left {
			if g.Gross != 0 || g.VAT != 0 {
				all = append(all, g)
			}
		}
		return all, true
	}
	if amount > gross(left) {
		return nil, false
	}
	var goods []Group
	for _, g := range left {
		if g.Class == "goods" {
			goods = append(goods, g)
		}
	}
	return Split(amount, goods)
}

// lineSlack is what a refund with lines may exceed the rest by: its own rounding row.
// An amount without lines may not.
func lineSlack(d saleDocument, tolerance int64) int64 {
	if len(d.groups) == 0 {
		return 0
	}
	return tolerance
}

func negated(groups []Group) []Group {
	out := make([]Group, len(groups))
	for i, g := range groups {
		g.Gross, g.VAT = -g.Gross, -g.VAT
		out[i] = g
	}
	return out
}
