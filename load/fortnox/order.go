package fortnox

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/load"
)

// sendOrder makes an order be there.
func (t *Target) sendOrder(ctx context.Context, d load.Document, again bool) (load.Posted, error) {
	customer, err := t.customer(ctx, d.Sale)
	if err != nil {
		return load.Posted{}, err
	}
	outVAT, err := t.vatAccounts(ctx)
	if err != nil {
		return load.Posted{}, err
	}
	included, ref := yes(true), text(reference("order-"+d.ID))
	body := wireOrder{CustomerNumber: text(customer), OrderDate: text(day(d.Date)), Currency: "SEK", VATIncluded: &included,
		YourOrderNumber: text(clean(d.Sale.OrderNumber, 75)), Comments: text(clean("kvitt "+d.Sale.DocumentID, 1024)),
		ExternalInvoiceReference1: text(clean(d.Sale.OrderNumber, 80)), ExternalInvoiceReference2: ref}
	for _, r := range invoiceRows(d.Sale, outVAT) {
		r.OrderedQuantity = r.DeliveredQuantity
		body.OrderRows = append(body.OrderRows, r)
	}
	o, err := once(ctx, t, again, func() (*wireOrder, error) {
		var found *wireOrder
		err := list(ctx, t, "/orders", "Orders", url.Values{strings.ToLower("ExternalInvoiceReference2"): {string(ref)}}, func(o wireOrder) string { return string(o.DocumentNumber) }, func(o wireOrder) bool {
			if o.ExternalInvoiceReference2 == ref {
				found = &o
			}
			return found == nil
		})
		return found, err
	}, func() (*wireOrder, error) {
		var got wrapped[wireOrder]
		err := t.write(ctx, http.MethodPost, "/orders", nil, wrapped[wireOrder]{Order: &body}, &got)
		if err == nil && (got.Order == nil || got.Order.DocumentNumber == "") {
			err = fmt.Errorf("fortnox: an order without a number: %w", load.ErrUnsure)
		}
		return got.Order, err
	})
	if err != nil {
		return load.Posted{}, err
	}
	p := load.Posted{}
	p.Number = string(o.DocumentNumber)
	return p, nil
}
