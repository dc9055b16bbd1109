// Package fortnox posts to Fortnox over its API v3: vouchers, or orders, invoices, credit
// invoices and payments, each exactly once.
//
// How a document gets there once, although Fortnox knows no idempotency keys: every object
// carries kvitt's reference ("kvitt:" and the document's ID) in a field that can be searched.
// The pipeline keeps what it is about to send on disk first. When no answer came, or a 5xx, or
// the process was killed, Send looks for the reference before each step and goes on from what
// it finds. A POST is repeated only after a look that found nothing, or after an answer that
// says it was not carried out (429, 401).
//
// Where things are:
//
//	auth.go     tokens: client credentials, or a refresh token that is used once
//	window.go   25 requests in any 5 seconds, shared with other processes
//	client.go   one request: retries, sign-in, errors
//	errors.go   Fortnox's codes as advice
//	types.go    its JSON, read leniently
//	register.go years, accounts, series, modes of payment, customers
//	voucher.go, invoice.go, order.go, payment.go   the documents
//	check.go    the pre-flight
//	audit.go    reading back
//
// Source: Fortnox's OpenAPI file and developer pages.
package fortnox

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

// Addresses of production.
const (
	DefaultBaseURL = "https://api.fortnox.se/3"
	DefaultAuthURL = "https://apps.fortnox.se/oauth-v1"
)

// Options are the settings of New.
type Options struct {
	BaseURL, AuthURL       string // "" for production's
	ClientID, ClientSecret string
	TenantID               string // DatabaseNumber of the company: client credentials; "" for the tokens in the vault
	Series                 string // of vouchers
	// ReferenceField is the invoice field that holds the order's reference, and that an invoice of
	// another system is found by; "" is ExternalInvoiceReference1.
	ReferenceField string
	Period         string // first_open | hold: a date in Fortnox's locked period
	Orders         bool   // make an order of each sale before its invoice

	Client *http.Client // makes one try and reads the whole body; retrying is done here
	Vault  load.Vault
	Window string // file where the times of requests are kept for other processes; "" keeps them in memory
	Early  string // used while the folder of Window is not there yet; "" for none
	Wall   func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error // nil waits
	Log    *slog.Logger
	Name   func(account int) string // in Swedish, for advice; may be nil
	// Report returns a file of the archive, to be attached to a payout's voucher; nil attaches none.
	Report func(ctx context.Context, sha256 string) ([]byte, error)
	// ReadSIE reads an exported SIE 4 file; nil reads voucher by voucher.
	ReadSIE func(file []byte) ([]SIEVoucher, error)
	// Requests is told every answer's status; may be nil.
	Requests func(status int)
}

// A Target is one company at Fortnox. It may be used from many goroutines.
type Target struct {
	o    Options
	auth auth
	win  *window

	mu       sync.Mutex
	register register
	invoices map[string]*sync.Mutex // one payment of an invoice at a time

	looking sync.Mutex // of before
	before  struct {
		invoices *picture[wireInvoice]
		payments *picture[wirePayment]
		vouchers map[int]*picture[wireVoucher]
		links    *picture[fileLink]
		sent     map[string]bool // by this process, by ID of the document
	}
}

var _ load.Outbox = (*Target)(nil)

// New returns a target. It never dials.
func New(o Options) *Target {
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	o.AuthURL = strings.TrimRight(o.AuthURL, "/")
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.AuthURL == "" {
		o.AuthURL = DefaultAuthURL
	}
	if o.ReferenceField == "" {
		o.ReferenceField = "ExternalInvoiceReference1"
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: time.Minute}
	}
	t := &Target{o: o, invoices: map[string]*sync.Mutex{}}
	t.win = newWindow(o.Window, o.Early, o.Wall, o.Sleep)
	t.auth.t = t
	return t
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// reference is what marks an object as the one of document id.
func reference(id string) string { return "kvitt:" + id }

// Send makes d be there once. See load.Outbox.
func (t *Target) Send(ctx context.Context, d load.Document, again bool) (load.Posted, error) {
	if t.begun(d.ID) && again {
		t.lookAgain()
	}
	d, moved, err := t.dated(ctx, d)
	if err != nil {
		return load.Posted{}, err
	}
	var p load.Posted
	switch d.Kind {
	case load.KindVoucher:
		p, err = t.sendVoucher(ctx, d, again)
	case load.KindInvoice, load.KindCredit:
		p, err = t.sendInvoice(ctx, d, again)
	case load.KindPayment:
		p, err = t.sendPayment(ctx, d, again)
	case load.KindOrder:
		p, err = t.sendOrder(ctx, d, again)
	}
	if err != nil {
		return load.Posted{}, err
	}
	p.VoucherID, p.At = d.ID, t.o.Wall().UTC()
	if moved && p.Date == "" {
		p.Date = day(d.Date)
	}
	return p, nil
}

// dated moves d out of Fortnox's locked period, or refuses it, by the period policy. Source: posting_rules §6.
func (t *Target) dated(ctx context.Context, d load.Document) (load.Document, bool, error) {
	locked, err := t.LockedThrough(ctx)
	if err != nil || locked == "" || day(d.Date) > locked {
		return d, false, err
	}
	if t.o.Period == "hold" {
		return d, false, &load.Refusal{Code: "2000401", Why: "its date " + day(d.Date) + " is in Fortnox's locked period, which ends " + locked,
			Do: `open the period in Fortnox (Inställningar, Bokföring, Låst period), or set [erp] period = "first_open"`, Err: load.ErrRefused}
	}
	until, err := time.Parse(time.DateOnly, locked)
	if err != nil {
		return d, false, err
	}
	d.Text += " (" + day(d.Date) + ", period locked)"
	d.Date = until.AddDate(0, 0, 1)
	return d, true, nil
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

// Cost is how many requests ds take. See load.Outbox.
func (t *Target) Cost(ds []load.Document) (requests, seconds int) {
	for _, d := range ds {
		switch d.Kind {
		case load.KindVoucher:
			requests++
			if d.Proof != nil && t.o.Report != nil {
				requests += 2
			}
		case load.KindInvoice:
			requests += 2
			if needsVoucher(d.Sale) {
				requests++
			}
		case load.KindCredit:
			requests += 4
			if needsVoucher(d.Sale) {
				requests++
			}
		case load.KindPayment:
			requests += 2
		case load.KindOrder:
			requests++
			if d.Sale.Order != "" {
				requests++
			}
		}
	}
	if requests > 0 {
		requests += 12 // the pre-flight
	}
	return requests, (requests*int(windowLength/time.Second) + windowSize - 1) / windowSize
}

// sum adds the rows of one account.
func sum(rows []load.Row, account int) ledger.Minor {
	var n ledger.Minor
	for _, r := range rows {
		if r.Account == account {
			n += r.Amount
		}
	}
	return n
}
