package fortnox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

// maxRows of an invoice. Source: help desks of other connectors.
const maxRows = 500

// computed are the rates whose VAT Fortnox computes itself; every company has them from the start.
// Any other rate, and VAT that belongs on another account (OSS), is a row of its own: VAT of an invoice
// row is a whole per cent in Fortnox's schema, and 25.5 is not.
var computed = []int64{2500, 1200, 600}

// byFortnox says for each line of s whether Fortnox computes its VAT: where its rate and account are those Fortnox has, and
// what it would make of the rate's total is what is stated, to the öre. VAT that was stated otherwise, or in another
// currency, is a row of its own too.
func byFortnox(s *load.Sale, outVAT map[int64]int) func(load.SaleLine) bool {
	has := func(l load.SaleLine) bool {
		return s.Country == "SE" && slices.Contains(computed, l.RateBP) && l.VATAccount != 0 && outVAT[l.RateBP] == l.VATAccount
	}
	gross, vat := map[int64]ledger.Minor{}, map[int64]ledger.Minor{}
	for _, l := range s.Lines {
		if has(l) {
			gross[l.RateBP] += l.Gross
			vat[l.RateBP] += l.VAT
		}
	}
	return func(l load.SaleLine) bool {
		return has(l) && (vatInside(gross[l.RateBP], l.RateBP)-vat[l.RateBP]).Abs() <= 1
	}
}

// needsVoucher reports whether the invoice's VAT total alone may not say how it is booked.
func needsVoucher(s *load.Sale) bool {
	rates := map[int64]bool{}
	for _, l := range s.Lines {
		if slices.Contains(computed, l.RateBP) {
			rates[l.RateBP] = true
		}
	}
	return len(rates) > 1
}

// invoiceRows writes s as rows whose total is that of its lines to the öre: quantity one, prices with VAT in them.
func invoiceRows(s *load.Sale, outVAT map[int64]int) []wireRow {
	lines, computes := s.Lines, byFortnox(s, outVAT)
	if count(lines, computes) > maxRows || strays(lines, computes) {
		lines = gather(lines)
	}
	var rows []wireRow
	add := func(what string, price ledger.Minor, account, vat int) {
		if price == 0 {
			return
		}
		quantity := "1"
		if price < 0 {
			quantity, price = "-1", -price
		}
		rows = append(rows, wireRow{AccountNumber: account, DeliveredQuantity: quantity, Description: clean(what, 255), Price: amount(price), VAT: vat})
	}
	for _, l := range lines {
		what := l.Text
		if what == "" {
			what = "Försäljning"
		}
		if computes(l) {
			add(what, l.Gross, l.Account, int(l.RateBP/100))
			continue
		}
		add(what, l.Gross-l.VAT, l.Account, 0)
		add("Moms "+s.Country+" "+percent(l.RateBP)+" % "+what, l.VAT, l.VATAccount, 0)
	}
	return rows
}

// strays reports whether VAT rounded row by row would be off by more than an öre at some rate: then the rows of a
// rate are sent as one, which is off by an öre at most however Fortnox rounds.
func strays(lines []load.SaleLine, computes func(load.SaleLine) bool) bool {
	off := map[int64]ledger.Minor{}
	for _, l := range lines {
		if computes(l) {
			off[l.RateBP] += vatInside(l.Gross, l.RateBP) - l.VAT
		}
	}
	for _, n := range off {
		if n.Abs() > 1 {
			return true
		}
	}
	return false
}

// vatInside is the VAT in a gross amount, half away from zero.
func vatInside(gross ledger.Minor, bp int64) ledger.Minor {
	n, d := int64(gross)*bp, 10000+bp
	if n < 0 {
		return ledger.Minor(-((-2*n + d) / (2 * d)))
	}
	return ledger.Minor((2*n + d) / (2 * d))
}

func count(lines []load.SaleLine, computes func(load.SaleLine) bool) int {
	n := 0
	for _, l := range lines {
		n++
		if !computes(l) && l.VAT != 0 {
			n++
		}
	}
	return n
}

// gather adds up lines of one rate and account.
func gather(lines []load.SaleLine) []load.SaleLine {
	type key struct {
		rate         int64
		account, vat int
	}
	at := map[key]int{}
	var out []load.SaleLine
	counts := map[key]int{}
	for _, l := range lines {
		k := key{l.RateBP, l.Account, l.VATAccount}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, load.SaleLine{RateBP: l.RateBP, Account: l.Account, VATAccount: l.VATAccount})
		}
		out[i].Gross += l.Gross
		out[i].VAT += l.VAT
		counts[k]++
		out[i].Text = fmt.Sprintf("%d rader", counts[k])
		if l.RateBP >= 0 {
			out[i].Text += " " + percent(l.RateBP) + " %"
		}
	}
	return out
}

// percent writes basis points: 2550 is 25.5.
func percent(bp int64) string {
	if bp < 0 {
		return ""
	}
	s := fmt.Sprintf("%d.%02d", bp/100, bp%100)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// total is what the invoice must come to.
func total(s *load.Sale) (gross ledger.Minor) {
	for _, l := range s.Lines {
		gross += l.Gross
	}
	return gross
}

// tokenField is the invoice field that holds kvitt's own reference.
func (t *Target) tokenField() string {
	if strings.EqualFold(t.o.ReferenceField, "ExternalInvoiceReference2") {
		return "ExternalInvoiceReference1"
	}
	return "ExternalInvoiceReference2"
}

func (t *Target) invoiceBody(ctx context.Context, d load.Document, customer string) (wireInvoice, error) {
	outVAT, err := t.vatAccounts(ctx)
	if err != nil {
		return wireInvoice{}, err
	}
	included, s := yes(true), d.Sale
	none := amount(0)
	i := wireInvoice{
		CustomerNumber: text(customer), InvoiceDate: text(day(d.Date)), DueDate: text(day(d.Date)), DeliveryDate: text(day(d.Date)),
		Currency: "SEK", InvoiceType: "INVOICE", VATIncluded: &included, Freight: &none, AdministrationFee: &none,
		YourOrderNumber: text(clean(s.OrderNumber, 75)), InvoiceRows: invoiceRows(s, outVAT),
		Comments: text(sealed(clean("kvitt "+s.DocumentID, 900), d)),
	}
	if s.Was != "" {
		i.Remarks = text(clean("Belopp i valuta: "+s.Was, 1024))
	}
	ref := text(clean(s.OrderNumber, 80))
	switch strings.ToLower(t.o.ReferenceField) {
	case "externalinvoicereference1":
		i.ExternalInvoiceReference1 = ref
	case "externalinvoicereference2":
		i.ExternalInvoiceReference2 = ref
	case "yourreference":
		i.YourReference = text(clean(s.OrderNumber, 50))
	case "ourreference":
		i.OurReference = text(clean(s.OrderNumber, 50))
	case "ocr":
		i.OCR = text(clean(s.OrderNumber, 50))
	}
	if t.tokenField() == "ExternalInvoiceReference1" {
		i.ExternalInvoiceReference1 = text(reference(d.ID))
	} else {
		i.ExternalInvoiceReference2 = text(reference(d.ID))
		if i.ExternalInvoiceReference1 == "" {
			i.ExternalInvoiceReference1 = ref
		}
	}
	if d.Kind == load.KindCredit {
		about := "Kredit av order " + s.OrderNumber
		if s.Credits != "" {
			about = "Kredit av faktura " + s.Credits + ", order " + s.OrderNumber
		}
		i.Remarks = text(clean(strings.TrimSpace(about+" "+string(i.Remarks)), 1024))
	}
	return i, nil
}

func (i *wireInvoice) token(field string) string {
	if field == "ExternalInvoiceReference1" {
		return string(i.ExternalInvoiceReference1)
	}
	return string(i.ExternalInvoiceReference2)
}

// findInvoice looks an invoice up by kvitt's reference. The search is for text within the field; only equal counts.
func (t *Target) findInvoice(ctx context.Context, ref string) (*wireInvoice, error) {
	var found *wireInvoice
	field := t.tokenField()
	err := list(ctx, t, "/invoices", "Invoices", url.Values{strings.ToLower(field): {ref}}, func(i wireInvoice) string { return string(i.DocumentNumber) }, func(i wireInvoice) bool {
		if i.token(field) == ref && !bool(i.Cancelled) {
			found = &i
		}
		return found == nil
	})
	return found, err
}

// lockInvoice makes what concerns one invoice happen one after the other.
func (t *Target) lockInvoice(number string) func() {
	t.mu.Lock()
	m := t.invoices[number]
	if m == nil {
		m = &sync.Mutex{}
		t.invoices[number] = m
	}
	t.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func (t *Target) sendInvoice(ctx context.Context, d load.Document, again bool) (load.Posted, error) {
	if _, err := t.year(ctx, day(d.Date)); err != nil {
		return load.Posted{}, err
	}
	customer, err := t.customer(ctx, d.Sale)
	if err != nil {
		return load.Posted{}, err
	}
	body, err := t.invoiceBody(ctx, d, customer)
	if err != nil {
		return load.Posted{}, err
	}
	if len(body.InvoiceRows) == 0 {
		return load.Posted{}, &load.Refusal{Why: "an invoice without rows", Do: "please report it", Err: load.ErrRefused}
	}
	first := again
	find := func() (*wireInvoice, error) {
		if first {
			first = false
			if got, ok, err := t.invoiceBefore(ctx, reference(d.ID)); ok || err != nil {
				return got, err
			}
		}
		return t.findInvoice(ctx, reference(d.ID))
	}
	create := func() (*wireInvoice, error) {
		var got wrapped[wireInvoice]
		err := t.write(ctx, http.MethodPost, "/invoices", nil, wrapped[wireInvoice]{Invoice: &body}, &got)
		if err == nil && (got.Invoice == nil || got.Invoice.DocumentNumber == "") {
			err = fmt.Errorf("fortnox: an invoice without a number: %w", load.ErrUnsure)
		}
		return got.Invoice, err
	}
	if d.Kind == load.KindInvoice && d.Sale.Order != "" {
		defer t.lockInvoice("order " + d.Sale.Order)()
		post := create
		create = func() (*wireInvoice, error) { return t.fromOrder(ctx, d, body, again, post) }
	}
	if d.Kind == load.KindCredit && d.Sale.Credits != "" {
		defer t.lockInvoice(d.Sale.Credits)()
		post := create
		create = func() (*wireInvoice, error) { return t.credit(ctx, d, body, again, post) }
	}
	inv, err := once(ctx, t, again, find, create)
	if err != nil {
		return load.Posted{}, err
	}
	made := inv
	if inv, err = t.bookInvoice(ctx, d, body, inv); err != nil {
		if errors.Is(err, load.ErrRefused) && !bool(made.Booked) {
			// Not booked is cancelled: it is made again once it can be, perhaps with other content.
			_ = t.write(ctx, http.MethodPut, "/invoices/"+url.PathEscape(string(made.DocumentNumber))+"/cancel", nil, nil, nil)
		}
		return load.Posted{}, err
	}
	p := load.Posted{Voucher: voucherName(inv.VoucherSeries, inv.VoucherNumber, inv.VoucherYear)}
	p.Number = string(inv.DocumentNumber)
	if inv.Balance != nil {
		t.opened(p.Number, ledger.Minor(*inv.Balance))
	}
	if d.Sale.Net && d.Sale.Credits != "" {
		if p.Parts, err = t.setOff(ctx, d, p.Number, again); err != nil {
			return load.Posted{}, err
		}
	}
	return t.compare(ctx, d, inv, p)
}

// credit makes the credit invoice that Fortnox links to the original. There is one of them for each invoice: when
// there is one already, a further refund is an invoice of its own, with what it is about in its text.
func (t *Target) credit(ctx context.Context, d load.Document, body wireInvoice, again bool, post func() (*wireInvoice, error)) (*wireInvoice, error) {
	path := "/invoices/" + url.PathEscape(d.Sale.Credits)
	var got wrapped[wireInvoice]
	if err := t.get(ctx, path, nil, &got); err != nil {
		return nil, err
	}
	original := got.Invoice
	if original != nil && body.YourOrderNumber == "" { // its order is gone from where it was sold
		body.YourOrderNumber = original.YourOrderNumber
		if body.ExternalInvoiceReference1 == "" {
			body.ExternalInvoiceReference1 = original.ExternalInvoiceReference1
		}
	}
	if original == nil || bool(original.Cancelled) || !bool(original.Booked) {
		return post()
	}
	number := linked(original)
	if number == "" {
		t.setVerified("crediting " + d.Sale.Credits)
		var made wrapped[wireInvoice]
		err := t.write(ctx, http.MethodPut, path+"/credit", nil, nil, &made)
		if err != nil && !errors.Is(err, load.ErrUnsure) {
			var e *Error
			if errors.As(err, &e) && e.Class != stop {
				t.o.Log.Debug("fortnox: it does not credit the invoice; a negative one is made", "invoice", d.Sale.Credits, "why", err)
				return post()
			}
			return nil, err
		}
		unsure := err
		// The answer is the credit invoice or the original, by who describes it.
		if err == nil && made.Invoice != nil {
			if n := string(made.Invoice.DocumentNumber); bool(made.Invoice.Credit) && n != d.Sale.Credits {
				number = n
			} else {
				number = linked(made.Invoice)
			}
		}
		if number == "" {
			if unsure != nil {
				if err := t.o.Sleep(ctx, backoff(2)); err != nil {
					return nil, err
				}
			}
			got = wrapped[wireInvoice]{}
			if err := t.get(ctx, path, nil, &got); err != nil {
				return nil, err
			}
			if got.Invoice != nil {
				number = linked(got.Invoice)
			}
		}
		if number == "" {
			if unsure != nil {
				return nil, unsure
			}
			return nil, fmt.Errorf("fortnox: the credit invoice of %s has no number: %w", d.Sale.Credits, load.ErrUnsure)
		}
	} else {
		var there wrapped[wireInvoice]
		if err := t.get(ctx, "/invoices/"+url.PathEscape(number), nil, &there); err != nil {
			return nil, err
		}
		c := there.Invoice
		// One that is not booked, and carries no reference of ours or that of the original, which is copied, is what a
		// crash left of ours.
		if c == nil || bool(c.Booked) || bool(c.Cancelled) {
			return post()
		}
		if ref := c.token(t.tokenField()); strings.HasPrefix(ref, "kvitt:") && ref != original.token(t.tokenField()) && ref != reference(d.ID) {
			return post()
		}
		if !again && !t.crediting(d.Sale.Credits) {
			return post()
		}
	}
	body.CustomerNumber = "" // as the original has it
	edit := body
	var made wrapped[wireInvoice]
	if err := t.write(ctx, http.MethodPut, "/invoices/"+url.PathEscape(number), nil, wrapped[wireInvoice]{Invoice: withCustomer(edit, original)}, &made); err != nil {
		return nil, err
	}
	if made.Invoice == nil || made.Invoice.DocumentNumber == "" {
		return nil, fmt.Errorf("fortnox: credit invoice %s: no answer: %w", number, load.ErrUnsure)
	}
	return made.Invoice, nil
}

// fromOrder makes the first invoice of an order out of it, so that the order counts as invoiced in Fortnox, and gives it the
// rows of what was delivered. Where that cannot be, the invoice stands by itself.
func (t *Target) fromOrder(ctx context.Context, d load.Document, body wireInvoice, again bool, post func() (*wireInvoice, error)) (*wireInvoice, error) {
	path := "/orders/" + url.PathEscape(d.Sale.Order)
	read := func() (string, error) {
		var got wrapped[wireOrder]
		err := t.get(ctx, path, nil, &got)
		if err != nil || got.Order == nil {
			return "", err
		}
		if n := string(got.Order.InvoiceReference); n != "0" {
			return n, nil
		}
		return "", nil
	}
	number, err := read()
	var e *Error
	if errors.As(err, &e) && e.Class != stop {
		return post()
	}
	if err != nil {
		return nil, err
	}
	if number == "" {
		t.setVerified("invoicing " + d.Sale.Order)
		var made wrapped[wireInvoice]
		err := t.write(ctx, http.MethodPut, path+"/createinvoice", nil, nil, &made)
		switch {
		case err == nil && made.Invoice != nil:
			number = string(made.Invoice.DocumentNumber)
		case errors.Is(err, load.ErrUnsure):
			if err := t.o.Sleep(ctx, backoff(2)); err != nil {
				return nil, err
			}
			if number, err = read(); err != nil {
				return nil, err
			}
		case errors.As(err, &e) && e.Class != stop:
			return post()
		}
		if number == "" {
			return nil, fmt.Errorf("fortnox: order %s: %w: %w", d.Sale.Order, load.ErrUnsure, err)
		}
	} else {
		t.mu.Lock()
		ours := again || t.register.verified["invoicing "+d.Sale.Order]
		t.mu.Unlock()
		var there wrapped[wireInvoice]
		if err := t.get(ctx, "/invoices/"+url.PathEscape(number), nil, &there); err != nil {
			return nil, err
		}
		i := there.Invoice
		if !ours || i == nil || bool(i.Booked) || bool(i.Cancelled) || strings.HasPrefix(i.token(t.tokenField()), "kvitt:") && i.token(t.tokenField()) != string(reference(d.ID)) && !t.copied(i) {
			return post()
		}
	}
	var made wrapped[wireInvoice]
	if err := t.write(ctx, http.MethodPut, "/invoices/"+url.PathEscape(number), nil, wrapped[wireInvoice]{Invoice: &body}, &made); err != nil {
		return nil, err
	}
	if made.Invoice == nil || made.Invoice.DocumentNumber == "" {
		return nil, fmt.Errorf("fortnox: invoice %s: no answer: %w", number, load.ErrUnsure)
	}
	return made.Invoice, nil
}

// copied reports whether an invoice carries the reference of its order, which Fortnox copies.
func (t *Target) copied(i *wireInvoice) bool {
	return strings.HasPrefix(string(i.ExternalInvoiceReference2), "kvitt:order-")
}

// withCustomer gives an edit the customer the schema requires.
func withCustomer(i wireInvoice, original *wireInvoice) *wireInvoice {
	i.CustomerNumber = original.CustomerNumber
	return &i
}

// crediting reports whether this process asked for the credit invoice of number: before it carries a reference, that
// is how it is known to be ours.
func (t *Target) crediting(number string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.register.verified["crediting "+number]
}

func (t *Target) setVerified(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.register.verified == nil {
		t.register.verified = map[string]bool{}
	}
	t.register.verified[what] = true
}

// linked is the number of the credit invoice of i, or "".
func linked(i *wireInvoice) string {
	if n := string(i.CreditInvoiceReference); n != "" && n != "0" {
		return n
	}
	return ""
}

// bookInvoice sees that the invoice says what it should, and books it.
func (t *Target) bookInvoice(ctx context.Context, d load.Document, body wireInvoice, inv *wireInvoice) (*wireInvoice, error) {
	path := "/invoices/" + url.PathEscape(string(inv.DocumentNumber))
	if !bool(inv.Booked) {
		if off(inv, d) {
			// Made with other content, or by a Fortnox that rounds: say it again, then look.
			body.CustomerNumber = text(first(string(inv.CustomerNumber), string(body.CustomerNumber)))
			var got wrapped[wireInvoice]
			if err := t.write(ctx, http.MethodPut, path, nil, wrapped[wireInvoice]{Invoice: &body}, &got); err != nil {
				return nil, err
			}
			if got.Invoice == nil {
				return nil, fmt.Errorf("fortnox: invoice %s: no answer: %w", inv.DocumentNumber, load.ErrUnsure)
			}
			inv = got.Invoice
			if off(inv, d) {
				why := fmt.Sprintf("invoice %s comes to %s in Fortnox, and to %s here", inv.DocumentNumber, said(inv.Total).Decimal(2), total(d.Sale).Decimal(2))
				if inv.RoundOff != 0 {
					why += fmt.Sprintf(" (Fortnox rounds it by %s)", ledger.Minor(inv.RoundOff).Decimal(2))
				}
				return nil, &load.Refusal{Why: why, Do: "switch off rounding to whole kronor for invoices in Fortnox (Inställningar, Order/Faktura); it is not booked until it agrees", Err: load.ErrRefused}
			}
		}
		booked, err := t.bookkeep(ctx, path)
		if err != nil {
			return nil, err
		}
		inv = booked
	}
	if inv.VoucherNumber == "" || inv.Balance == nil { // found by a list
		var got wrapped[wireInvoice]
		if err := t.get(ctx, path, nil, &got); err != nil {
			return nil, err
		}
		if got.Invoice != nil {
			inv = got.Invoice
		}
	}
	return inv, nil
}

// bookkeep books an invoice; booked twice is booked once.
func (t *Target) bookkeep(ctx context.Context, path string) (*wireInvoice, error) {
	inv, err := once(ctx, t, false, func() (*wireInvoice, error) {
		var got wrapped[wireInvoice]
		if err := t.get(ctx, path, nil, &got); err != nil {
			return nil, err
		}
		if got.Invoice != nil && bool(got.Invoice.Booked) {
			return got.Invoice, nil
		}
		return nil, nil
	}, func() (*wireInvoice, error) {
		var got wrapped[wireInvoice]
		err := t.write(ctx, http.MethodPut, path+"/bookkeep", nil, nil, &got)
		if err == nil && got.Invoice == nil {
			err = load.ErrUnsure
		}
		return got.Invoice, err
	})
	return inv, err
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func said(a *amount) ledger.Minor {
	if a == nil {
		return 0
	}
	return ledger.Minor(*a)
}

// off reports whether an unbooked invoice is not what it should be, as far as it says.
func off(inv *wireInvoice, d load.Document) bool {
	want := total(d.Sale)
	return inv.Total != nil && said(inv.Total) != want || inv.TotalToPay != nil && said(inv.TotalToPay) != want || inv.RoundOff != 0
}

// compare says how far Fortnox's voucher is from the ledger's postings. Where one rate is computed by Fortnox, the
// invoice's own VAT total tells; else the voucher is read. The first invoice of each kind is read in any case: a
// Fortnox whose accounts are set otherwise is found out at once.
func (t *Target) compare(ctx context.Context, d load.Document, inv *wireInvoice, p load.Posted) (load.Posted, error) {
	outVAT, err := t.vatAccounts(ctx)
	if err != nil {
		return p, err
	}
	computes := byFortnox(d.Sale, outVAT)
	rates := map[int64]ledger.Minor{}
	var at load.SaleLine
	kind := []string{"invoice"}
	for _, l := range d.Sale.Lines {
		kind = append(kind, fmt.Sprint(l.Account, l.VATAccount, l.RateBP, computes(l)))
		if computes(l) {
			rates[l.RateBP] += l.VAT
			at = l
		}
	}
	sort.Strings(kind)
	signature := strings.Join(slices.Compact(kind), ",")
	t.mu.Lock()
	known := t.register.verified[signature]
	t.mu.Unlock()
	if known && inv.TotalVAT != nil {
		switch len(rates) {
		case 0:
			return p, nil
		case 1:
			// Output VAT is credited: more VAT at Fortnox is less on the VAT account.
			if off := said(inv.TotalVAT) - rates[at.RateBP]; off != 0 {
				p.Differs = []load.Row{{Account: at.VATAccount, Amount: -off}, {Account: at.Account, Amount: off}}
			}
			if err := t.tolerable(d, p.Differs, len(d.Sale.Lines)); err != nil {
				p.Wrong, p.Differs = err.Error(), nil
			}
			return p, nil
		}
	}
	if inv.VoucherNumber == "" {
		return p, &load.Refusal{Why: "invoice " + p.Number + " is booked without a voucher", Do: "set the accounting method to Faktureringsmetoden (ACCRUAL) in Fortnox", Err: load.ErrStop}
	}
	sums, _, err := t.readVoucher(ctx, string(inv.VoucherSeries), string(inv.VoucherNumber), string(inv.VoucherYear))
	if err != nil {
		return p, err
	}
	for _, r := range d.Rows {
		sums[r.Account] -= r.Amount
	}
	for _, a := range sortedKeys(sums) {
		if sums[a] != 0 {
			p.Differs = append(p.Differs, load.Row{Account: a, Amount: sums[a]})
		}
	}
	if err := t.tolerable(d, p.Differs, max(1, len(rates))); err != nil {
		p.Wrong = err.Error()
		p.Differs = nil
		return p, nil
	}
	t.setVerified(signature)
	return p, nil
}

// tolerable reports differences that Fortnox's rounding of VAT does not explain.
func (t *Target) tolerable(d load.Document, differs []load.Row, most int) error {
	for _, r := range differs {
		if r.Amount.Abs() > ledger.Minor(most) || r.Account == d.Sale.Receivable {
			return fmt.Errorf("on account %[2]d Fortnox booked %[1]s more than the ledger", r.Amount.Decimal(2), r.Account)
		}
		if !slices.ContainsFunc(d.Sale.Lines, func(l load.SaleLine) bool { return l.Account == r.Account || l.VATAccount == r.Account }) {
			return fmt.Errorf("on account %[2]d, which the sale does not use, Fortnox booked %[1]s", r.Amount.Decimal(2), r.Account)
		}
	}
	return nil
}

func sortedKeys(m map[int]ledger.Minor) []int {
	var out []int
	for k := range m {
		out = append(out, k)
	}
	sort.Ints(out)
	return out
}
