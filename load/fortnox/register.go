package fortnox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

// A register is what was read of the company's settings and holds for a run.
type register struct {
	years     []wireYear
	haveYears bool
	locked    *string
	modes     []wireMode
	haveModes bool
	outVAT    map[int64]int // rate in basis points: account Fortnox books its VAT on
	customers map[string]bool
	open      map[string]ledger.Minor // balance of invoices by number
	haveOpen  bool
	named     map[string][]wireInvoice // those open, by their reference field
	paid      map[string]string        // payments of this process: the reference of each
	verified  map[string]bool          // kinds of invoices whose voucher was read and found as wanted
}

func (t *Target) loadYears(ctx context.Context) ([]wireYear, error) {
	if t.register.haveYears {
		return t.register.years, nil
	}
	var years []wireYear
	err := list(ctx, t, "/financialyears", "FinancialYears", nil, func(y wireYear) string { return fmt.Sprint(y.ID) },
		func(y wireYear) bool { years = append(years, y); return true })
	if err != nil {
		return nil, err
	}
	t.register.years, t.register.haveYears = years, true
	return years, nil
}

// year returns the financial year of a date.
//
// Errors: *load.Refusal when there is none.
func (t *Target) year(ctx context.Context, date string) (wireYear, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	years, err := t.loadYears(ctx)
	if err != nil {
		return wireYear{}, err
	}
	for _, y := range years {
		if string(y.FromDate) <= date && date <= string(y.ToDate) {
			return y, nil
		}
	}
	return wireYear{}, &load.Refusal{Why: "Fortnox has no financial year for " + date,
		Do: "add it in Fortnox (Inställningar, Bokföring, Räkenskapsår); kvitt does not make years", Err: load.ErrRefused}
}

// LockedThrough is the last day of the locked period. See load.Outbox.
func (t *Target) LockedThrough(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.register.locked != nil {
		return *t.register.locked, nil
	}
	var said struct{ LockedPeriod struct{ EndDate text } }
	err := t.get(ctx, "/settings/lockedperiod", nil, &said)
	if e := (*Error)(nil); errors.As(err, &e) && e.Status == http.StatusNotFound {
		err = nil // nothing was ever locked
	}
	if err != nil {
		return "", err
	}
	end := string(said.LockedPeriod.EndDate)
	if len(end) > 10 {
		end = end[:10]
	}
	if strings.HasPrefix(end, "0000") {
		end = ""
	}
	t.register.locked = &end
	return end, nil
}

// mode returns the code of the mode of payment that books on account. One that is missing is made:
// without it no payment could say where the money is.
func (t *Target) mode(ctx context.Context, account int) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.loadModes(ctx); err != nil {
		return "", err
	}
	if code := modeOf(t.register.modes, account); code != "" {
		return code, nil
	}
	code := modeCode(account)
	made := wireMode{Code: text(code), Description: text("kvitt " + strconv.Itoa(account)), AccountNumber: text(strconv.Itoa(account))}
	err := t.write(ctx, http.MethodPost, "/modesofpayments", nil, wrapped[wireMode]{ModeOfPayment: &made}, nil)
	if err != nil {
		// It may be there after all: made just now, or by another process.
		t.register.haveModes = false
		if e := t.loadModes(ctx); e == nil && modeOf(t.register.modes, account) != "" {
			return modeOf(t.register.modes, account), nil
		}
		return "", err
	}
	t.o.Log.Info("fortnox: made a mode of payment", "code", code, "account", account)
	t.register.modes = append(t.register.modes, made)
	return code, nil
}

func modeCode(account int) string { return "KV" + strconv.Itoa(account) }

func modeOf(modes []wireMode, account int) string {
	for _, m := range modes {
		if m.AccountNumber.number() == account {
			return string(m.Code)
		}
	}
	return ""
}

func (t *Target) loadModes(ctx context.Context) error {
	if t.register.haveModes {
		return nil
	}
	var modes []wireMode
	err := list(ctx, t, "/modesofpayments", "ModesOfPayments", nil, func(m wireMode) string { return string(m.Code) },
		func(m wireMode) bool { modes = append(modes, m); return true })
	if err != nil {
		return err
	}
	t.register.modes, t.register.haveModes = modes, true
	return nil
}

// vatAccounts returns where Fortnox books the VAT it computes, by rate.
func (t *Target) vatAccounts(ctx context.Context) (map[int64]int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.register.outVAT != nil {
		return t.register.outVAT, nil
	}
	out := map[int64]int{2500: 2611, 1200: 2621, 600: 2631} // BAS, and what a new company at Fortnox has
	type predefined struct {
		Name    text
		Account intText
	}
	err := list(ctx, t, "/predefinedaccounts", "PreDefinedAccounts", nil, func(p predefined) string { return string(p.Name) }, func(p predefined) bool {
		for name, rate := range map[string]int64{"OUTVAT_MP1": 2500, "OUTVAT_MP2": 1200, "OUTVAT_MP3": 600} {
			if string(p.Name) == name && p.Account > 0 {
				out[rate] = int(p.Account)
			}
		}
		return true
	})
	if e := (*Error)(nil); errors.As(err, &e) && e.Class != stop && e.Class != retry {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	t.register.outVAT = out
	return out, nil
}

// customer returns the number of the customer that invoices of s are made out to: one for each source
// and country. kvitt knows no names; a shop's own connector keeps those.
func (t *Target) customer(ctx context.Context, s *load.Sale) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.register.customers == nil {
		t.register.customers = map[string]bool{}
	}
	number := customerNumber(s)
	if t.register.customers[number] {
		return number, nil
	}
	c := wireCustomer{CustomerNumber: text(number), Name: text(clean("Kunder "+s.Source+" "+s.Country, 100)), Type: "PRIVATE", VATType: "SEVAT"}
	if s.Business {
		c.Type = "COMPANY"
		c.Name = text(clean("Företagskunder "+s.Source+" "+s.Country, 100))
	}
	if len(s.Country) == 2 {
		c.CountryCode = text(s.Country)
		if s.Country != "SE" {
			c.VATType = "EXPORT"
			if isEU(s.Country) {
				c.VATType = "EUVAT"
			}
		}
	}
	path := "/customers/" + url.PathEscape(number)
	there := func() (bool, error) {
		var got wrapped[wireCustomer]
		err := t.get(ctx, path, nil, &got)
		var e *Error
		if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Code == 2000433) {
			return false, nil
		}
		if err == nil && got.Customer != nil && got.Customer.Active != nil && !bool(*got.Customer.Active) {
			return false, &load.Refusal{Why: "customer " + number + " is inactive in Fortnox", Do: "activate it in Fortnox (Register, Kunder)", Err: load.ErrRefused}
		}
		return err == nil, err
	}
	for range 4 {
		ok, err := there()
		if err != nil {
			return "", err
		}
		if ok {
			t.register.customers[number] = true
			return number, nil
		}
		err = t.write(ctx, http.MethodPost, "/customers", nil, wrapped[wireCustomer]{Customer: &c}, nil)
		var e *Error
		switch {
		case err == nil:
			t.register.customers[number] = true
			return number, nil
		case errors.As(err, &e) && e.Code == 2000637:
			if ok, err := there(); err != nil || ok {
				continue
			}
			return "", &load.Refusal{Code: "2000637", Why: "customer number " + number + " was deleted in Fortnox, which never gives a number out again",
				Do: "rename the source in kvitt.toml, or restore the customer", Err: load.ErrStop}
		case errors.Is(err, load.ErrUnsure) && ctx.Err() == nil:
			if err := t.o.Sleep(ctx, backoff(1)); err != nil {
				return "", err
			}
		default:
			return "", err
		}
	}
	return "", fmt.Errorf("fortnox: customer %s: %w", number, load.ErrUnsure)
}

func customerNumber(s *load.Sale) string {
	var b strings.Builder
	for _, r := range s.Source {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	n := "KVITT" + strings.ToUpper(b.String()) + s.Country
	if s.Business {
		n += "B"
	}
	return n
}

func isEU(country string) bool {
	return strings.Contains(" AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK ", " "+country+" ")
}

// loadOpen reads all invoices that have something open.
func (t *Target) loadOpen(ctx context.Context) error {
	if t.register.haveOpen {
		return nil
	}
	if t.register.open == nil {
		t.register.open = map[string]ledger.Minor{}
	}
	t.register.named = map[string][]wireInvoice{}
	err := list(ctx, t, "/invoices", "Invoices", url.Values{"filter": {"unpaid"}}, func(i wireInvoice) string { return string(i.DocumentNumber) }, func(i wireInvoice) bool {
		if _, known := t.register.open[string(i.DocumentNumber)]; !known && i.Balance != nil {
			t.register.open[string(i.DocumentNumber)] = ledger.Minor(*i.Balance)
		}
		if name := normal(t.field(i)); name != "" {
			t.register.named[name] = append(t.register.named[name], i)
		}
		return true
	})
	t.register.haveOpen = err == nil
	return err
}

// balance returns what is open of an invoice. Those open are read once, five hundred at a time.
func (t *Target) balance(ctx context.Context, number string) (ledger.Minor, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok := t.register.open[number]; ok {
		return n, nil
	}
	if err := t.loadOpen(ctx); err != nil {
		return 0, err
	}
	if n, ok := t.register.open[number]; ok {
		return n, nil
	}
	var got wrapped[wireInvoice]
	if err := t.get(ctx, "/invoices/"+url.PathEscape(number), nil, &got); err != nil {
		return 0, err
	}
	if got.Invoice == nil || got.Invoice.Balance == nil {
		return 0, fmt.Errorf("fortnox: invoice %s has no balance: %w", number, load.ErrUnsure)
	}
	t.register.open[number] = ledger.Minor(*got.Invoice.Balance)
	return t.register.open[number], nil
}

// opened says what is open of an invoice from now on.
func (t *Target) opened(number string, n ledger.Minor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.register.open == nil {
		t.register.open = map[string]ledger.Minor{}
	}
	t.register.open[number] = n
}

// forget makes the balance of an invoice be read again.
func (t *Target) forget(number string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.register.open, number)
}
