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

	"github.com/kvitt/kvitt/load"
)

// Check looks at everything n needs, and writes nothing. See load.Outbox.
func (t *Target) Check(ctx context.Context, n load.Needs) []load.Finding {
	c := &checking{t: t, ctx: ctx, n: n}
	t.mu.Lock()
	t.register.haveYears, t.register.haveModes, t.register.locked = false, false, nil
	t.mu.Unlock()
	t.lookAgain()
	if !c.company() {
		return c.out
	}
	years := c.years()
	c.locked()
	for _, y := range years {
		c.accounts(y)
		c.series(y)
	}
	if n.Documents {
		c.documents()
	}
	if n.Orders {
		c.reach("orders", "/orders")
	}
	if t.o.Report != nil {
		c.evidence()
	}
	return c.out
}

type checking struct {
	t   *Target
	ctx context.Context
	n   load.Needs
	out []load.Finding
}

func (c *checking) add(light, what, says string, args ...any) {
	c.out = append(c.out, load.Finding{Light: light, What: "fortnox " + what, Says: fmt.Sprintf(says, args...)})
}

// failed adds err and reports whether there was one.
func (c *checking) failed(what string, err error) bool {
	if err == nil {
		return false
	}
	c.add("red", what, "%v", err)
	return true
}

func (c *checking) company() bool {
	var said struct {
		CompanyInformation struct {
			CompanyName        text
			OrganizationNumber text
			DatabaseNumber     text
		}
	}
	if c.failed("sign-in", c.t.get(c.ctx, "/companyinformation", nil, &said)) {
		return false
	}
	got := said.CompanyInformation
	digits := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, s)
	}
	want, have := digits(c.n.OrgNumber), digits(string(got.OrganizationNumber))
	if len(have) == 12 {
		have = have[2:]
	}
	switch {
	case want != "" && have != "" && want != have:
		c.add("red", "company", "it is %s %s, and [company] org_number says %s: correct one, or connect the right company (tenant_id)", got.CompanyName, got.OrganizationNumber, c.n.OrgNumber)
		return false
	case c.t.o.TenantID != "" && got.DatabaseNumber != "" && string(got.DatabaseNumber) != c.t.o.TenantID:
		c.add("red", "company", "it is tenant %s, and [erp] tenant_id says %s", got.DatabaseNumber, c.t.o.TenantID)
		return false
	}
	c.add("green", "company", "%s %s", got.CompanyName, got.OrganizationNumber)
	if c.n.Currency != "" && c.n.Currency != "SEK" {
		c.add("red", "currency", "the books are in %s; Fortnox keeps them in SEK", c.n.Currency)
	}
	return true
}

func (c *checking) years() []wireYear {
	c.t.mu.Lock()
	years, err := c.t.loadYears(c.ctx)
	c.t.mu.Unlock()
	if c.failed("financial years", err) {
		return nil
	}
	from, to := c.n.From, c.n.To
	if from == "" {
		from = day(c.t.o.Wall())
		to = from
	}
	var used []wireYear
	for _, y := range years {
		if string(y.FromDate) <= to && from <= string(y.ToDate) {
			used = append(used, y)
		}
	}
	slices.SortFunc(used, func(a, b wireYear) int { return strings.Compare(string(a.FromDate), string(b.FromDate)) })
	// Days of the span no year covers.
	next := from
	for _, y := range used {
		if string(y.FromDate) > next {
			break
		}
		next = string(y.ToDate)
	}
	if len(used) == 0 || next < to {
		c.add("red", "financial years", "none covers all of %s to %s: add the year in Fortnox (Inställningar, Bokföring, Räkenskapsår)", from, to)
	}
	for _, y := range used {
		if c.n.Documents && y.AccountingMethod == "CASH" {
			c.add("red", "financial year "+string(y.FromDate), "it uses Kontantmetoden: invoices are then booked when they are paid. Change it to Faktureringsmetoden in Fortnox, or set [erp] mode = \"voucher\"")
			continue
		}
		c.add("green", "financial year", "%s to %s", y.FromDate, y.ToDate)
	}
	return used
}

func (c *checking) locked() {
	locked, err := c.t.LockedThrough(c.ctx)
	if c.failed("locked period", err) {
		return
	}
	if locked == "" {
		c.add("green", "locked period", "none")
		return
	}
	light, says := "green", "through %s"
	if c.n.From != "" && c.n.From <= locked {
		light = "yellow"
		says = "through %s: what is dated before is booked on the first open day (period = \"first_open\")"
		if c.t.o.Period == "hold" {
			light, says = "red", "through %s: what is dated before is held. Open the period in Fortnox, or set [erp] period = \"first_open\""
		}
	}
	c.add(light, "locked period", says, locked)
}

func (c *checking) accounts(y wireYear) {
	have := map[int]wireAccount{}
	err := list(c.ctx, c.t, "/accounts", "Accounts", url.Values{"financialyear": {strconv.Itoa(int(y.ID))}},
		func(a wireAccount) string { return fmt.Sprint(a.Number) }, func(a wireAccount) bool { have[int(a.Number)] = a; return true })
	if c.failed("accounts", err) {
		return
	}
	good := 0
	for _, n := range c.n.Accounts {
		name := ""
		if c.t.o.Name != nil {
			name = " " + c.t.o.Name(n)
		}
		switch a, ok := have[n]; {
		case !ok:
			c.add("red", "account "+strconv.Itoa(n), "%d%s is not in the chart of %s: add it in Fortnox (Inställningar, Bokföring, Kontoplan), or use another in kvitt.toml", n, name, y.FromDate)
		case a.Active != nil && !bool(*a.Active):
			c.add("red", "account "+strconv.Itoa(n), "%d%s is inactive in %s: activate it in Fortnox (Inställningar, Bokföring, Kontoplan)", n, name, y.FromDate)
		default:
			good++
		}
	}
	if good == len(c.n.Accounts) {
		c.add("green", "accounts", "all %d are there and active in %s", good, y.FromDate)
	}
}

func (c *checking) series(y wireYear) {
	var got wireSeries
	found := false
	err := list(c.ctx, c.t, "/voucherseries", "VoucherSeriesCollection", url.Values{"financialyear": {strconv.Itoa(int(y.ID))}},
		func(s wireSeries) string { return string(s.Code) }, func(s wireSeries) bool {
			if strings.EqualFold(string(s.Code), c.t.o.Series) {
				got, found = s, true
			}
			return !found
		})
	if err == nil && found && got.Manual == nil || err == nil && !found {
		var one struct{ VoucherSeries *wireSeries }
		err = c.t.get(c.ctx, "/voucherseries/"+url.PathEscape(c.t.o.Series), url.Values{"financialyear": {strconv.Itoa(int(y.ID))}}, &one)
		var e *Error
		if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Class != stop) {
			err = nil
		} else if err == nil && one.VoucherSeries != nil {
			got, found = *one.VoucherSeries, true
		}
	}
	switch {
	case c.failed("voucher series", err):
	case !found:
		c.add("red", "voucher series", "%s does not exist in %s: add it in Fortnox (Inställningar, Bokföring, Verifikationsserier), marked as manual, or set [erp] series", c.t.o.Series, y.FromDate)
	case got.Manual != nil && !bool(*got.Manual):
		c.add("red", "voucher series", "%s is not manual in %s, so no voucher can be made in it: mark it as manual in Fortnox, or set [erp] series to one that is", c.t.o.Series, y.FromDate)
	default:
		c.add("green", "voucher series", "%s in %s", c.t.o.Series, y.FromDate)
	}
}

// reach sees that a licence and scope are there.
func (c *checking) reach(what, path string) bool {
	var raw map[string]any
	if c.failed(what, c.t.get(c.ctx, path, url.Values{"limit": {"1"}}, &raw)) {
		return false
	}
	c.add("green", what, "the licence and scope are there")
	return true
}

// evidence sees that reports can be attached. The books are right without them.
func (c *checking) evidence() {
	for _, path := range []string{"/inbox", "/voucherfileconnections"} {
		var raw map[string]any
		if err := c.t.get(c.ctx, path, nil, &raw); err != nil {
			c.add("yellow", "reports", "they will not be attached to the payouts' vouchers: %v", err)
			return
		}
	}
	c.add("green", "reports", "they can be attached to the payouts' vouchers")
}

func (c *checking) documents() {
	if !c.reach("invoices", "/invoices") || !c.reach("payments", "/invoicepayments") {
		return
	}
	if c.n.Invoices {
		c.reach("customers", "/customers")
	}
	c.t.mu.Lock()
	err := c.t.loadModes(c.ctx)
	modes := c.t.register.modes
	c.t.mu.Unlock()
	if !c.failed("modes of payment", err) {
		for _, a := range c.n.Clearing {
			if code := modeOf(modes, a); code != "" {
				c.add("green", "mode of payment", "%s books on %d", code, a)
			} else {
				c.add("yellow", "mode of payment", "none books on %d: post makes one, %s. Or make it in Fortnox first (Inställningar, Betalning, Betalningssätt)", a, modeCode(a))
			}
		}
	}
	c.predefined()
	if len(c.n.Currencies) > 0 {
		c.currencies()
	}
}

func (c *checking) predefined() {
	type predefined struct {
		Name    text
		Account intText
	}
	have := map[string]int{}
	err := list(c.ctx, c.t, "/predefinedaccounts", "PreDefinedAccounts", nil, func(p predefined) string { return string(p.Name) }, func(p predefined) bool {
		have[string(p.Name)] = int(p.Account)
		return true
	})
	if err != nil {
		c.add("yellow", "predefined accounts", "they cannot be read: %v", err)
		return
	}
	if claim := have["CUSTCLAIM"]; claim != 0 {
		for _, a := range c.n.Receivables {
			if a != claim {
				c.add("red", "receivable", "invoices are booked on %d in Fortnox (Automatkonton, Kundfordringar), and a source's receivable is %d: set one to the other", claim, a)
			}
		}
	}
	if !c.n.Invoices {
		return
	}
	names := map[int64]string{2500: "OUTVAT_MP1", 1200: "OUTVAT_MP2", 600: "OUTVAT_MP3"}
	for _, v := range c.n.VAT {
		a := have[names[v.RateBP]]
		if v.Country != "SE" || a == 0 || v.VAT == 0 {
			continue
		}
		if a != v.VAT {
			c.add("yellow", "VAT "+percent(v.RateBP)+" %", "Fortnox books it on %d, [[sales]] says %d: its VAT is sent as a row of its own. Set one to the other to have it on the invoice", a, v.VAT)
		} else {
			c.add("green", "VAT "+percent(v.RateBP)+" %", "on %d", a)
		}
	}
}

func (c *checking) currencies() {
	type currency struct{ Code text }
	have := map[string]bool{}
	err := list(c.ctx, c.t, "/currencies", "Currencies", nil, func(x currency) string { return string(x.Code) }, func(x currency) bool { have[string(x.Code)] = true; return true })
	if err != nil {
		c.add("yellow", "currencies", "they cannot be read: %v", err)
		return
	}
	for _, code := range c.n.Currencies {
		if have[code] {
			c.add("green", "currency "+code, "in the register")
		} else {
			c.add("yellow", "currency "+code, "not in Fortnox's register; kvitt's documents are in SEK and name the other amount in their text")
		}
	}
}
