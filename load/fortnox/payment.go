package fortnox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

// sendPayment pays an invoice with the rows of d: what reached the provider's account is the payment, everything
// else (fees, their VAT, rounding) is written off. So its voucher is d's rows, row by row.
//
// Fortnox takes no payment that is dated before its invoice, nor more than is open. Then d is a voucher on its own
// date, and the invoice is closed against the receivable account, which books nothing: debit and credit on one account
// and day. The accounts are the ledger's every day, and no invoice that was paid stays open.
func (t *Target) sendPayment(ctx context.Context, d load.Document, again bool) (load.Posted, error) {
	s := *d.Pays
	d.Pays = &s
	if s.Invoice == "" && again {
		if err := t.quiet(ctx); err != nil {
			return load.Posted{}, err
		}
		if err := t.searchPaid(ctx, d, &s); err != nil {
			return load.Posted{}, err
		}
	}
	unlock, err := t.lockFound(ctx, d, &s)
	if err != nil {
		return load.Posted{}, err
	}
	defer unlock()
	var there *wirePayment
	if again {
		if err := t.quiet(ctx); err != nil {
			return load.Posted{}, err
		}
		found, err := t.findPayment(ctx, d, "", true)
		if err != nil {
			return load.Posted{}, err
		}
		if there = found; there == nil {
			// Was it begun as voucher and closing?
			v, err := t.findVoucher(ctx, d)
			if err != nil {
				return load.Posted{}, err
			}
			closed, err := t.findPayment(ctx, d, "c0", true)
			if err != nil {
				return load.Posted{}, err
			}
			if v != nil || closed != nil {
				return t.apart(ctx, d, true)
			}
		}
	}
	if there == nil {
		open, err := t.balance(ctx, s.Invoice)
		if err != nil {
			return load.Posted{}, err
		}
		main := sum(d.Rows, s.Main)
		early := s.InvoiceAt != "" && day(d.Date) < s.InvoiceAt
		if s.Main == s.Receivable {
			main = s.Amount
		}
		fits := sameSign(s.Amount, open) && s.Amount.Abs() <= open.Abs() && sameSign(main, s.Amount)
		if early || !fits {
			return t.apart(ctx, d, again)
		}
	}
	p, err := t.pay(ctx, d, paymentBody{amount: s.Amount, main: s.Main, writeOffs: writeOffs(d), date: day(d.Date), tag: ""}, there)
	if err == nil {
		p.Parts = append(p.Parts, load.Part{Kind: load.KindInvoice, Number: s.Invoice})
	}
	var e *Error
	if errors.As(err, &e) && apartHelps(e) {
		return t.apart(ctx, d, again)
	}
	return p, err
}

// apartHelps reports whether Fortnox refused the date or the amount of a payment, which is then made in two parts.
func apartHelps(e *Error) bool {
	low := strings.ToLower(e.Message)
	return e.Code == 2001089 || e.Class != stop && e.Class != retry &&
		(strings.Contains(low, "räkenskapsår") || strings.Contains(low, "fakturadatum") || strings.Contains(low, "betaldatum") || strings.Contains(low, "överstiger") || strings.Contains(low, "restbelopp"))
}

// lockFound locks the invoice that s pays. One of another system's is searched for, and once more when another payment took what was
// open of it meanwhile.
func (t *Target) lockFound(ctx context.Context, d load.Document, s *load.Settlement) (unlock func(), err error) {
	if s.Invoice != "" {
		return t.lockInvoice(s.Invoice), nil
	}
	for {
		if err := t.search(ctx, d, s); err != nil {
			return nil, err
		}
		unlock := t.lockInvoice(s.Invoice)
		open, err := t.balance(ctx, s.Invoice)
		if err == nil && sameSign(open, s.Amount) && open.Abs() >= s.Amount.Abs() {
			return unlock, nil
		}
		unlock()
		if err != nil {
			return nil, err
		}
	}
}

func sameSign(a, b ledger.Minor) bool { return a > 0 && b > 0 || a < 0 && b < 0 }

// A paymentBody is one payment to be made.
type paymentBody struct {
	amount    ledger.Minor // lowers what is open by this
	main      int
	writeOffs []wireWriteOff
	date      string
	tag       string // "" or that of a closing one: told apart by reference
}

// writeOffs are the rows of d that are neither the money nor what is open.
func writeOffs(d load.Document) []wireWriteOff {
	var out []wireWriteOff
	for _, r := range d.Rows {
		if r.Account == d.Pays.Main || r.Account == d.Pays.Receivable || r.Amount == 0 {
			continue
		}
		out = append(out, wireWriteOff{AccountNumber: intText(r.Account), Amount: amount(r.Amount), Currency: "SEK", Description: text(clean(r.Text, 200))})
	}
	return out
}

func (t *Target) paymentReference(d load.Document, tag string) string { return reference(d.ID) + tag }

// findPayment looks among the payments of the invoice for the one of d: by reference, and where Fortnox keeps none
// on payments, by date, amount and account, those of other documents left out. before says that what was there when
// this process began is enough.
func (t *Target) findPayment(ctx context.Context, d load.Document, tag string, before bool) (*wirePayment, error) {
	ref := t.paymentReference(d, tag)
	var there []wirePayment
	ok := false
	if before {
		var err error
		if there, ok, err = t.paymentsBefore(ctx, d.Pays.Invoice); err != nil {
			return nil, err
		}
	}
	if !ok {
		there = nil
		err := list(ctx, t, "/invoicepayments", "InvoicePayments", url.Values{"invoicenumber": {d.Pays.Invoice}}, func(p wirePayment) string { return string(p.Number) }, func(p wirePayment) bool {
			// The search is for text.
			if p.InvoiceNumber == 0 || strconv.Itoa(int(p.InvoiceNumber)) == d.Pays.Invoice {
				there = append(there, p)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	want := d.Pays.Amount
	for _, w := range writeOffs(d) {
		want -= ledger.Minor(w.Amount)
	}
	var like *wirePayment
	for _, p := range there {
		switch {
		case string(p.ExternalInvoiceReference1) == ref:
			return &p, nil
		case strings.HasPrefix(string(p.ExternalInvoiceReference1), "kvitt:"), t.taken(string(p.Number), ref):
			continue
		}
		// Lists leave things out: read it whole before it counts.
		var got wrapped[wirePayment]
		err := t.get(ctx, "/invoicepayments/"+url.PathEscape(string(p.Number)), nil, &got)
		var e *Error
		if errors.As(err, &e) && e.Status == http.StatusNotFound {
			continue // a person removed it meanwhile
		}
		if err != nil || got.InvoicePayment == nil {
			return nil, err
		}
		whole := got.InvoicePayment
		if string(whole.ExternalInvoiceReference1) == ref {
			return whole, nil
		}
		if tag == "" && like == nil && whole.ExternalInvoiceReference1 == "" && !slices.Contains(d.Pays.Known, string(whole.Number)) &&
			said(whole.Amount) == want && string(whole.PaymentDate) == day(d.Date) {
			like = whole
		}
	}
	return like, nil
}

// taken says that a payment is that of another document sent by this process.
func (t *Target) taken(number, reference string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := t.register.paid[number]
	return by != "" && by != reference
}

// take says that a payment is that of reference.
func (t *Target) take(number, reference string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.register.paid == nil {
		t.register.paid = map[string]string{}
	}
	t.register.paid[number] = reference
}

// pay makes one payment be there and books it. there is what was found of it.
func (t *Target) pay(ctx context.Context, d load.Document, b paymentBody, there *wirePayment) (load.Posted, error) {
	s, found := d.Pays, there != nil
	number, err := strconv.Atoi(s.Invoice)
	if err != nil {
		return load.Posted{}, &load.Refusal{Why: "invoice number " + s.Invoice + " is no number", Do: "pay it by hand in Fortnox", Err: load.ErrRefused}
	}
	if there == nil {
		code, err := t.mode(ctx, b.main)
		if err != nil {
			return load.Posted{}, err
		}
		money := amount(b.amount)
		for _, w := range b.writeOffs {
			money -= w.Amount
		}
		body := wirePayment{
			InvoiceNumber: intText(number), Amount: &money, AmountCurrency: &money, PaymentDate: text(b.date),
			ModeOfPayment: text(code), ModeOfPaymentAccount: intText(b.main), WriteOffs: b.writeOffs,
			ExternalInvoiceReference1: text(t.paymentReference(d, b.tag)),
		}
		there, err = once(ctx, t, false, func() (*wirePayment, error) {
			t.forget(s.Invoice)
			return t.findPayment(ctx, d, b.tag, false)
		}, func() (*wirePayment, error) {
			var got wrapped[wirePayment]
			err := t.write(ctx, http.MethodPost, "/invoicepayments", nil, wrapped[wirePayment]{InvoicePayment: &body}, &got)
			if err == nil && (got.InvoicePayment == nil || got.InvoicePayment.Number == "") {
				err = fmt.Errorf("fortnox: a payment without a number: %w", load.ErrUnsure)
			}
			return got.InvoicePayment, err
		})
		if err != nil {
			t.forget(s.Invoice)
			return load.Posted{}, err
		}
	}
	path := "/invoicepayments/" + url.PathEscape(string(there.Number))
	t.take(string(there.Number), t.paymentReference(d, b.tag))
	if !bool(there.Booked) || there.VoucherNumber == "" {
		number := there.Number
		there, err = once(ctx, t, bool(there.Booked), func() (*wirePayment, error) {
			var got wrapped[wirePayment]
			if err := t.get(ctx, path, nil, &got); err != nil {
				return nil, err
			}
			if got.InvoicePayment != nil && bool(got.InvoicePayment.Booked) {
				return got.InvoicePayment, nil
			}
			return nil, nil
		}, func() (*wirePayment, error) {
			var got wrapped[wirePayment]
			err := t.write(ctx, http.MethodPut, path+"/bookkeep", nil, nil, &got)
			if err == nil && got.InvoicePayment == nil {
				err = load.ErrUnsure
			}
			return got.InvoicePayment, err
		})
		if err != nil {
			t.forget(s.Invoice)
			if errors.Is(err, load.ErrRefused) {
				_, _ = t.do(ctx, http.MethodDelete, path, nil, "application/json", nil)
			}
			return load.Posted{}, err
		}
		there.Number = number
	}
	if found {
		t.forget(s.Invoice) // what was open may have been read with it or without
	} else {
		t.mu.Lock()
		if n, ok := t.register.open[s.Invoice]; ok {
			t.register.open[s.Invoice] = n - b.amount
		}
		t.mu.Unlock()
	}
	p := load.Posted{Voucher: voucherName(there.VoucherSeries, there.VoucherNumber, there.VoucherYear)}
	p.Number = string(there.Number)
	return p, nil
}

// findVoucher looks for the voucher that d may have become.
func (t *Target) findVoucher(ctx context.Context, d load.Document) (*wireVoucher, error) {
	y, err := t.year(ctx, day(d.Date))
	if err != nil {
		return nil, err
	}
	if found, ok, err := t.voucherBefore(ctx, int(y.ID), reference(d.ID)); ok || err != nil {
		return found, err
	}
	var found *wireVoucher
	err = list(ctx, t, "/vouchers/sublist/"+url.PathEscape(t.o.Series), "Vouchers", url.Values{"financialyear": {strconv.Itoa(int(y.ID))}}, voucherKey, func(v wireVoucher) bool {
		if holds(string(v.Description), reference(d.ID)) {
			found = &v
		}
		return found == nil
	})
	return found, err
}

// apart makes d a voucher, and closes as much of the invoice as is open against the receivable account.
func (t *Target) apart(ctx context.Context, d load.Document, again bool) (load.Posted, error) {
	s := d.Pays
	var p load.Posted
	if moves(d.Rows) {
		v, year, err := t.makeVoucher(ctx, d, again)
		if err != nil {
			return load.Posted{}, err
		}
		p.Number = string(v.VoucherSeries) + strconv.Itoa(int(v.VoucherNumber))
		p.Voucher = voucherName(v.VoucherSeries, text(fmt.Sprint(v.VoucherNumber)), text(fmt.Sprint(year)))
	}
	left := s.Amount
	for i, number := range append([]string{s.Invoice}, s.More...) {
		if left == 0 {
			break
		}
		if i > 0 {
			defer t.lockInvoice(number)()
		}
		made, closed, err := t.closeInvoice(ctx, d, number, left, fmt.Sprintf("c%d", i), max(day(d.Date), s.InvoiceAt), again)
		if err != nil {
			return load.Posted{}, err
		}
		if closed == 0 {
			continue // nothing to close: it was paid, or credited, already
		}
		left -= closed
		part := load.Part{Kind: load.KindPayment, Number: made.Number, Voucher: made.Voucher}
		if p.Number == "" {
			p = made
			continue
		}
		p.Parts = append(p.Parts, part)
	}
	p.Parts = append(p.Parts, load.Part{Kind: load.KindInvoice, Number: s.Invoice})
	return p, nil
}

// closeInvoice lowers what is open of an invoice by at most amount against the receivable account, and returns by how much.
func (t *Target) closeInvoice(ctx context.Context, d load.Document, number string, amount ledger.Minor, tag, date string, again bool) (load.Posted, ledger.Minor, error) {
	s := *d.Pays
	s.Invoice, d.Pays = number, &s
	b := paymentBody{main: s.Receivable, date: date, tag: tag}
	var there *wirePayment
	if again {
		found, err := t.findPayment(ctx, d, tag, true)
		if err != nil {
			return load.Posted{}, 0, err
		}
		if there = found; there != nil {
			b.amount = said(there.Amount)
		}
	}
	if there == nil {
		open, err := t.balance(ctx, number)
		if err != nil {
			return load.Posted{}, 0, err
		}
		if !sameSign(open, amount) {
			return load.Posted{}, 0, nil
		}
		b.amount = amount
		if open.Abs() < amount.Abs() {
			b.amount = open
		}
	}
	made, err := t.pay(ctx, d, b, there)
	var e *Error
	if errors.As(err, &e) && apartHelps(e) && s.InvoiceAt != "" && b.date != s.InvoiceAt {
		b.date = s.InvoiceAt // within the invoice's financial year
		made, err = t.pay(ctx, d, b, nil)
	}
	return made, b.amount, err
}

// setOff closes as much of a credit invoice and of the invoice it is about against each other as both have open.
func (t *Target) setOff(ctx context.Context, d load.Document, number string, again bool) ([]load.Part, error) {
	d.Pays = &load.Settlement{Invoice: number, InvoiceAt: day(d.Date), Receivable: d.Sale.Receivable, Main: d.Sale.Receivable}
	theirs, err := t.balance(ctx, d.Sale.Credits)
	if err != nil {
		return nil, err
	}
	ours, err := t.balance(ctx, number)
	if err != nil {
		return nil, err
	}
	if !sameSign(theirs, -ours) {
		theirs = 0
	}
	n := theirs
	if ours.Abs() < theirs.Abs() {
		n = -ours
	}
	if again {
		first := *d.Pays
		first.Invoice = d.Sale.Credits
		half := d
		half.Pays = &first
		found, err := t.findPayment(ctx, half, "n0", true)
		if err != nil {
			return nil, err
		}
		if found != nil {
			n = said(found.Amount)
		}
	}
	if n == 0 {
		return nil, nil
	}
	var parts []load.Part
	for i, x := range []string{d.Sale.Credits, number} {
		amount := n
		if i == 1 {
			amount = -n
		}
		made, closed, err := t.closeInvoice(ctx, d, x, amount, fmt.Sprintf("n%d", i), day(d.Date), again)
		if err != nil {
			return nil, err
		}
		if closed != 0 {
			if i == 0 {
				n = closed
			}
			parts = append(parts, load.Part{Kind: load.KindPayment, Number: made.Number, Voucher: made.Voucher})
		}
	}
	return parts, nil
}

// moves reports whether rows change any account.
func moves(rows []load.Row) bool {
	sums := map[int]ledger.Minor{}
	for _, r := range rows {
		sums[r.Account] += r.Amount
	}
	for _, n := range sums {
		if n != 0 {
			return true
		}
	}
	return false
}

// searchField is the list parameter of the reference field.
func (t *Target) searchField() string { return strings.ToLower(t.o.ReferenceField) }

// named returns the invoices whose reference field is ref: Fortnox looks for text within it, then equal counts, letters
// and digits compared. Lists leave most reference fields out; those are read invoice by invoice.
func (t *Target) named(ctx context.Context, ref string) ([]wireInvoice, error) {
	if len(strings.TrimSpace(ref)) < 2 {
		return nil, nil
	}
	var hits, out []wireInvoice
	err := list(ctx, t, "/invoices", "Invoices", url.Values{t.searchField(): {ref}}, func(i wireInvoice) string { return string(i.DocumentNumber) }, func(i wireInvoice) bool {
		hits = append(hits, i)
		return true
	})
	if err != nil {
		return nil, err
	}
	for n, i := range hits {
		if bool(i.Cancelled) {
			continue
		}
		if t.field(i) == "" && n < mostHits {
			var got wrapped[wireInvoice]
			if err := t.get(ctx, "/invoices/"+url.PathEscape(string(i.DocumentNumber)), nil, &got); err != nil {
				return nil, err
			}
			if got.Invoice != nil {
				i = *got.Invoice
			}
		}
		if normal(t.field(i)) == normal(ref) {
			out = append(out, i)
		}
	}
	return out, nil
}

// mostHits is how many invoices are read to see whether their reference is the one, and not only holds it.
const mostHits = 50

// searchPaid finds the invoice that d was paid on before this process began: its open amount says nothing any more. The
// payment is known by its amount and day first, and then by its reference.
func (t *Target) searchPaid(ctx context.Context, d load.Document, s *load.Settlement) error {
	if all, ok, err := t.allPaymentsBefore(ctx); err != nil {
		return err
	} else if ok {
		want := s.Amount
		for _, w := range writeOffs(d) {
			want -= ledger.Minor(w.Amount)
		}
		for _, p := range all {
			if n := said(p.Amount); n != want && n != s.Amount {
				continue
			}
			for _, tag := range []string{"", "c0"} {
				of := *s
				of.Invoice = strconv.Itoa(int(p.InvoiceNumber))
				half := d
				half.Pays = &of
				found, err := t.findPayment(ctx, half, tag, true)
				if err != nil {
					return err
				}
				if found == nil || string(found.ExternalInvoiceReference1) == "" && !t.isNamed(ctx, of.Invoice, s.Search) {
					continue
				}
				s.Invoice = of.Invoice
				return t.dateOf(ctx, s)
			}
		}
		// As a voucher with a closing payment of another amount?
		if v, err := t.findVoucher(ctx, d); err != nil || v == nil {
			return err
		}
	}
	for _, ref := range s.Search {
		named, err := t.named(ctx, ref)
		if err != nil {
			return err
		}
		for _, i := range named {
			of := *s
			of.Invoice = string(i.DocumentNumber)
			half := d
			half.Pays = &of
			for _, tag := range []string{"", "c0"} {
				found, err := t.findPayment(ctx, half, tag, true)
				if err != nil {
					return err
				}
				if found != nil {
					s.Invoice, s.InvoiceAt = of.Invoice, string(i.InvoiceDate)
					return nil
				}
			}
		}
	}
	return nil
}

// isNamed reports whether an invoice carries one of refs.
func (t *Target) isNamed(ctx context.Context, number string, refs []string) bool {
	var got wrapped[wireInvoice]
	if err := t.get(ctx, "/invoices/"+url.PathEscape(number), nil, &got); err != nil || got.Invoice == nil {
		return false
	}
	have := normal(t.field(*got.Invoice))
	return slices.ContainsFunc(refs, func(ref string) bool { return len(normal(ref)) > 1 && normal(ref) == have })
}

// dateOf fills in the date of an invoice.
func (t *Target) dateOf(ctx context.Context, s *load.Settlement) error {
	var got wrapped[wireInvoice]
	err := t.get(ctx, "/invoices/"+url.PathEscape(s.Invoice), nil, &got)
	if err == nil && got.Invoice != nil {
		s.InvoiceAt = string(got.Invoice.InvoiceDate)
	}
	return err
}

// search finds the invoice that another system made, by the reference field. Exactly one of the right sign and
// currency, with enough open, is it. Source: posting_rules §8.
func (t *Target) search(ctx context.Context, d load.Document, s *load.Settlement) error {
	var near []string
	looked := false
	look := func(named []wireInvoice) (fit []wireInvoice) {
		for _, i := range named {
			open := t.openNow(i)
			if i.Currency != "" && i.Currency != "SEK" || !sameSign(open, s.Amount) || open.Abs() < s.Amount.Abs() {
				near = append(near, fmt.Sprintf("invoice %s, open %s %s", i.DocumentNumber, open.Decimal(2), i.Currency))
				continue
			}
			fit = append(fit, i)
		}
		if len(fit) != 1 {
			for _, i := range fit {
				near = append(near, fmt.Sprintf("invoice %s, open %s", i.DocumentNumber, t.openNow(i).Decimal(2)))
			}
			return nil
		}
		s.Invoice, s.InvoiceAt = string(fit[0].DocumentNumber), string(fit[0].InvoiceDate)
		return fit
	}
	for _, ref := range s.Search {
		named, err := t.unpaidNamed(ctx, ref)
		if err != nil {
			return err
		}
		if len(look(named)) == 1 {
			return nil
		}
	}
	// Nothing that is open: why, is said by what is not.
	for _, ref := range s.Search {
		if len(near) > 0 || looked || !t.listed() {
			break
		}
		named, err := t.named(ctx, ref)
		if err != nil {
			return err
		}
		looked = len(normal(ref)) > 1
		if len(look(named)) == 1 {
			return nil
		}
	}
	why := fmt.Sprintf("no invoice in Fortnox has %s in %s with %s open", strings.Join(s.Search, " or "), t.o.ReferenceField, s.Amount.Decimal(2))
	if len(near) > 0 {
		slices.Sort(near)
		why += "; near: " + strings.Join(slices.Compact(near), "; ")
	}
	return &load.Refusal{Why: why, Do: "it is looked for again on every post; check that the shop's connector writes the reference there, or set [erp] reference_field", Err: load.ErrLater}
}

// listed reports whether lists of invoices show the reference field.
func (t *Target) listed() bool {
	return slices.Contains([]string{"externalinvoicereference1", "externalinvoicereference2", "ocr", "documentnumber"}, t.searchField())
}

// unpaidNamed returns the invoices named ref that have something open: where lists show the field, out of one reading of all that
// are unpaid; else by a search.
func (t *Target) unpaidNamed(ctx context.Context, ref string) ([]wireInvoice, error) {
	if !t.listed() {
		return t.named(ctx, ref)
	}
	if len(normal(ref)) < 2 {
		return nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.loadOpen(ctx); err != nil {
		return nil, err
	}
	return t.register.named[normal(ref)], nil
}

// openNow is what is open of an invoice of a list, after what this process paid.
func (t *Target) openNow(i wireInvoice) ledger.Minor {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok := t.register.open[string(i.DocumentNumber)]; ok {
		return n
	}
	return said(i.Balance)
}

// field is the value of the reference field.
func (t *Target) field(i wireInvoice) string {
	switch t.searchField() {
	case "externalinvoicereference2":
		return string(i.ExternalInvoiceReference2)
	case "yourordernumber":
		return string(i.YourOrderNumber)
	case "yourreference":
		return string(i.YourReference)
	case "ourreference":
		return string(i.OurReference)
	case "ocr":
		return string(i.OCR)
	case "documentnumber":
		return string(i.DocumentNumber)
	}
	return string(i.ExternalInvoiceReference1)
}

// normal compares references by letters and digits.
func normal(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127 {
			b.WriteRune(r)
		}
	}
	return b.String()
}
