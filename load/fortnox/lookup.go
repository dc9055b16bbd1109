package fortnox

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What an interrupted post may have made is looked up document by document. Asking for each by itself would take a
// request each, 25 in five seconds; so the first that is asked for brings all of ours, five hundred to a page. That
// picture is taken once nothing older can be under way (quiet), and is used for documents that were sent before this
// process began only: what this process makes itself it asks for by name.

// mostPages is how many pages of a list are read to save single requests. Beyond, each document is asked for by itself.
const mostPages = 12

// A picture is a list of ours as it was when this process began; without is what it could not be taken of.
type picture[T any] struct {
	by      map[string][]T
	without bool
}

// take fills p from a list. key sorts its rows; "" leaves one out.
func take[T any](ctx context.Context, t *Target, path, name string, q url.Values, id, key func(T) string) (*picture[T], error) {
	p := &picture[T]{by: map[string][]T{}}
	pages, err := listed(ctx, t, path, name, q, mostPages, id, func(row T) bool {
		if k := key(row); k != "" {
			p.by[k] = append(p.by[k], row)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	p.without = pages > mostPages
	return p, nil
}

// lookAgain forgets the pictures.
func (t *Target) lookAgain() {
	t.looking.Lock()
	defer t.looking.Unlock()
	t.before.invoices, t.before.payments, t.before.vouchers, t.before.links = nil, nil, nil, nil
}

// begun notes that this process sends document id, and reports whether it did so before: no picture shows that.
func (t *Target) begun(id string) bool {
	t.looking.Lock()
	defer t.looking.Unlock()
	if t.before.sent == nil {
		t.before.sent = map[string]bool{}
	}
	was := t.before.sent[id]
	t.before.sent[id] = true
	return was
}

// invoiceBefore returns the invoice with our reference ref as the picture has it. ok says that there is a picture.
func (t *Target) invoiceBefore(ctx context.Context, ref string) (found *wireInvoice, ok bool, err error) {
	t.looking.Lock()
	defer t.looking.Unlock()
	if t.before.invoices == nil {
		field := t.tokenField()
		t.before.invoices, err = take(ctx, t, "/invoices", "Invoices", url.Values{strings.ToLower(field): {"kvitt:"}}, func(i wireInvoice) string { return string(i.DocumentNumber) }, func(i wireInvoice) string {
			if bool(i.Cancelled) {
				return ""
			}
			return i.token(field)
		})
		if err != nil {
			return nil, false, err
		}
	}
	if got := t.before.invoices.by[ref]; len(got) > 0 {
		i := got[0]
		return &i, true, nil
	}
	return nil, !t.before.invoices.without, nil
}

// paymentsBefore returns the payments of an invoice as the picture has them.
func (t *Target) paymentsBefore(ctx context.Context, invoice string) (found []wirePayment, ok bool, err error) {
	t.looking.Lock()
	defer t.looking.Unlock()
	if t.before.payments == nil {
		t.before.payments, err = take(ctx, t, "/invoicepayments", "InvoicePayments", nil, func(p wirePayment) string { return string(p.Number) }, func(p wirePayment) string {
			if p.InvoiceNumber == 0 {
				return ""
			}
			return strconv.Itoa(int(p.InvoiceNumber))
		})
		if err != nil {
			return nil, false, err
		}
	}
	return t.before.payments.by[invoice], !t.before.payments.without, nil
}

// allPaymentsBefore returns all payments of the picture.
func (t *Target) allPaymentsBefore(ctx context.Context) (all []wirePayment, ok bool, err error) {
	if _, ok, err = t.paymentsBefore(ctx, ""); err != nil || !ok {
		return nil, ok, err
	}
	t.looking.Lock()
	defer t.looking.Unlock()
	for _, ps := range t.before.payments.by {
		all = append(all, ps...)
	}
	slices.SortFunc(all, func(a, b wirePayment) int { return cmp.Compare(a.Number.number(), b.Number.number()) })
	return all, true, nil
}

// voucherBefore returns the voucher with our reference ref, in the financial year of that ID.
func (t *Target) voucherBefore(ctx context.Context, year int, ref string) (found *wireVoucher, ok bool, err error) {
	t.looking.Lock()
	defer t.looking.Unlock()
	p := t.before.vouchers[year]
	if p == nil {
		p, err = take(ctx, t, "/vouchers/sublist/"+url.PathEscape(t.o.Series), "Vouchers", url.Values{"financialyear": {strconv.Itoa(year)}}, voucherKey, func(v wireVoucher) string {
			for _, w := range strings.Fields(string(v.Description)) {
				if strings.HasPrefix(w, "kvitt:") {
					return w
				}
			}
			return ""
		})
		if err != nil {
			return nil, false, err
		}
		if t.before.vouchers == nil {
			t.before.vouchers = map[int]*picture[wireVoucher]{}
		}
		t.before.vouchers[year] = p
	}
	if got := p.by[ref]; len(got) > 0 {
		v := got[0]
		return &v, true, nil
	}
	return nil, !p.without, nil
}
