package fortnox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitt/kvitt/load"
)

// sendOrder makes an order be there, as it is at its source: new, changed or cancelled.
func (t *Target) sendOrder(ctx context.Context, d load.Document, again bool) (load.Posted, error) {
	if d.Sale.Cancelled {
		return t.cancelOrder(ctx, d)
	}
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
	if d.Sale.Order != "" {
		return t.changeOrder(ctx, d, body)
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

// readOrder returns an order of ours that is there, nil when it is gone.
func (t *Target) readOrder(ctx context.Context, number string) (*wireOrder, error) {
	var got wrapped[wireOrder]
	err := t.get(ctx, "/orders/"+url.PathEscape(number), nil, &got)
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Code == 2000439) {
		return nil, nil
	}
	if err == nil && got.Order == nil {
		err = fmt.Errorf("fortnox: order %s is empty: %w", number, load.ErrUnsure)
	}
	return got.Order, err
}

// invoiced is the number of the invoice made of o, or "".
func (o *wireOrder) invoiced() string {
	if n := string(o.InvoiceReference); n != "0" {
		return n
	}
	return ""
}

// changeOrder writes all rows of an order anew. Said twice it is the same, so that nothing need be looked up.
func (t *Target) changeOrder(ctx context.Context, d load.Document, body wireOrder) (load.Posted, error) {
	var p load.Posted
	p.Number = d.Sale.Order
	o, err := t.readOrder(ctx, d.Sale.Order)
	switch {
	case err != nil:
		return p, err
	case o == nil || bool(o.Cancelled):
		return p, nil // a person took it away: when it is delivered, its invoice stands by itself
	case o.invoiced() != "":
		return p, &load.Refusal{Why: "order " + d.Sale.Order + " was changed at its source, and is invoiced in Fortnox already (invoice " + o.invoiced() + "), not by kvitt",
			Do: "compare the invoice with the order; kvitt makes its own when the order is delivered", Err: load.ErrRefused}
	}
	_, err = once(ctx, t, false, func() (*wireOrder, error) { return nil, nil }, func() (*wireOrder, error) {
		var got wrapped[wireOrder]
		err := t.write(ctx, http.MethodPut, "/orders/"+url.PathEscape(d.Sale.Order), nil, wrapped[wireOrder]{Order: &body}, &got)
		return &wireOrder{}, err
	})
	return p, err
}

// cancelOrder cancels an order; cancelled twice, or gone, is cancelled.
func (t *Target) cancelOrder(ctx context.Context, d load.Document) (load.Posted, error) {
	var p load.Posted
	p.Number = d.Sale.Order
	if d.Sale.Order == "" {
		return p, &load.Refusal{Why: "an order without a number cannot be cancelled", Do: "please report it", Err: load.ErrRefused}
	}
	off := func() (*wireOrder, error) {
		o, err := t.readOrder(ctx, d.Sale.Order)
		switch {
		case err != nil:
			return nil, err
		case o == nil:
			return &wireOrder{}, nil
		case bool(o.Cancelled):
			return o, nil
		case o.invoiced() != "":
			return nil, &load.Refusal{Why: "order " + d.Sale.Order + " was cancelled at its source, and is invoiced in Fortnox (invoice " + o.invoiced() + ")",
				Do: "cancel or credit that invoice in Fortnox", Err: load.ErrRefused}
		}
		return nil, nil
	}
	if o, err := off(); err != nil || o != nil {
		return p, err
	}
	_, err := once(ctx, t, false, off, func() (*wireOrder, error) {
		return &wireOrder{}, t.write(ctx, http.MethodPut, "/orders/"+url.PathEscape(d.Sale.Order)+"/cancel", nil, nil, nil)
	})
	return p, err
}
