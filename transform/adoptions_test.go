package transform

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// A delivered is one delivery of an order, as some source states it.
type delivered struct {
	source, order, ref string
	amount             int
	placed, at         string // on 2 March, "10:00", unless a date is given
	method             string
	keys               [][2]string // type and value
}

func TestAdoptions(t *testing.T) {
	const payment = "rP5nQ8xZ4kLm2"
	id := [][2]string{{"payment_id", payment}}
	number := [][2]string{{"order_number", "#1001"}}
	shop := delivered{source: "woo", order: "77", ref: "77-1", amount: 50000, placed: "10:00", at: "15:00", keys: id}
	klarna := delivered{source: "klarna", order: "k-1", ref: "c-1", amount: 50000, placed: "10:00", at: "15:01", keys: id}
	with := func(d delivered, change func(*delivered)) delivered { change(&d); return d }
	for _, tt := range []struct {
		name   string
		booked []delivered
		now    []delivered
		want   []string
	}{
		{name: "the same payment: the provider's document is the shop's", now: []delivered{klarna, shop},
			want: []string{"klarna/delivery/c-1 is woo/delivery/77-1 by payment_id " + payment}},
		{name: "what is booked stays, whoever it is of", booked: []delivered{klarna}, now: []delivered{shop},
			want: []string{"woo/delivery/77-1 is klarna/delivery/c-1 by payment_id " + payment}},
		{name: "the same payment and another amount is for a person", booked: []delivered{shop},
			now:  []delivered{with(klarna, func(d *delivered) { d.amount = 40000 })},
			want: []string{"klarna/delivery/c-1 resembles woo/delivery/77-1 by payment_id " + payment + ", amount false"}},
		{name: "an order number, amount and hour are for a person",
			booked: []delivered{with(shop, func(d *delivered) { d.keys = number })},
			now:    []delivered{with(klarna, func(d *delivered) { d.keys = [][2]string{{"reference", "1001"}}; d.placed = "10:02" })},
			want:   []string{"klarna/delivery/c-1 resembles woo/delivery/77-1 by reference 1001, amount true"}},
		{name: "the shop says who was to take the money",
			booked: []delivered{with(shop, func(d *delivered) { d.keys = number; d.method = "klarna_payments" })},
			now:    []delivered{with(klarna, func(d *delivered) { d.keys = number; d.placed = "10:02" })},
			want:   []string{"klarna/delivery/c-1 is woo/delivery/77-1 by order_number #1001"}},
		{name: "the same number on another day is another order",
			booked: []delivered{with(shop, func(d *delivered) { d.keys = number })},
			now:    []delivered{with(klarna, func(d *delivered) { d.keys = number; d.placed = "2026-03-05 10:00" })}},
		{name: "the same number and another amount is another order",
			booked: []delivered{with(shop, func(d *delivered) { d.keys = number })},
			now:    []delivered{with(klarna, func(d *delivered) { d.keys = number; d.amount = 49900 })}},
		{name: "two shops count alike",
			booked: []delivered{with(shop, func(d *delivered) { d.keys = number })},
			now:    []delivered{with(shop, func(d *delivered) { d.source = "shopify"; d.keys = number })}},
		{name: "a short number is no ID of its own",
			booked: []delivered{with(shop, func(d *delivered) { d.keys = [][2]string{{"order_id", "481516"}} })},
			now:    []delivered{with(klarna, func(d *delivered) { d.keys = [][2]string{{"order_id", "481516"}}; d.placed = "2026-03-05 10:00" })}},
		{name: "two alike are taken in turn", now: []delivered{
			shop, with(shop, func(d *delivered) { d.ref = "77-2"; d.at = "18:00" }),
			with(klarna, func(d *delivered) { d.ref = "c-9"; d.at = "16:00" }), with(klarna, func(d *delivered) { d.at = "18:01" })},
			want: []string{"klarna/delivery/c-1 is woo/delivery/77-2 by payment_id " + payment, "klarna/delivery/c-9 is woo/delivery/77-1 by payment_id " + payment}},
		{name: "one more than the other has is for a person", now: []delivered{
			shop, klarna, with(klarna, func(d *delivered) { d.ref = "c-2"; d.at = "18:00" })},
			want: []string{"klarna/delivery/c-1 is woo/delivery/77-1 by payment_id " + payment,
				"klarna/delivery/c-2 resembles woo/delivery/77-1 by payment_id " + payment + ", amount false"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, adoptions(t, tt.booked, tt.now)); diff != "" {
				t.Errorf("adoptions (-want +got):\n%s", diff)
			}
		})
	}
}

// adoptions says what rule 20 makes of deliveries, some of them booked before.
func adoptions(t *testing.T, booked, now []delivered) []string {
	t.Helper()
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if err := db.Exec(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(sql.Schema())
	exec(`insert into set_sources (source, provider, is_shop, invoices, refunds) values
		('woo', 'woocommerce', true, true, true), ('shopify', 'shopify', true, true, true), ('klarna', 'klarna', false, true, true)`)
	moment := func(s string) string {
		if len(s) == len("10:00") {
			return "2026-03-02 " + s
		}
		return s
	}
	put := func(d delivered, state string) {
		doc := d.source + "/delivery/" + d.ref
		order := d.source + "/order/" + d.order
		exec(fmt.Sprintf(`insert into documents (document_id, source, kind, order_id, currency, amount_minor, event_at)
			select '%s', '%s', 'order', '%s', 'SEK', %d, '%s' where not exists (select 1 from documents where document_id = '%[1]s')`,
			order, d.source, d.order, d.amount, moment(d.placed)))
		exec(fmt.Sprintf(`insert into documents (document_id, source, kind, order_id, currency, amount_minor, event_at, method)
			values ('%s', '%s', 'delivery', '%s', 'SEK', %d, '%s', nullif('%s', ''))`,
			doc, d.source, d.order, d.amount, moment(d.at), d.method))
		for _, k := range d.keys {
			exec(fmt.Sprintf("insert into document_keys values ('%s', '%s', '%s', normal_reference('%[3]s'))", doc, k[0], k[1]))
		}
		if state == "" {
			exec("insert into todo_documents values ('" + doc + "')")
			return
		}
		exec(fmt.Sprintf("insert into document_states (document_id, state) values ('%s', '%s')", doc, state))
	}
	for _, d := range booked {
		put(d, "booked")
	}
	for _, d := range now {
		put(d, "")
	}
	exec(rule("20_adoptions"))
	got, err := db.Texts(ctx, `select document_id || case when same_as is not null then ' is ' || same_as || ' by ' || evidence
		else ' resembles ' || resembles || ' by ' || evidence || ', amount ' || same_amount end from adoptions order by document_id`)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
