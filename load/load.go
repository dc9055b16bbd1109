// Package load is the contract between the ledger and the systems that keep the
// official books: what is planned, what was sent, what was answered.
package load

import (
	"context"
	"errors"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// A Voucher is what the ERP gets in voucher mode. Its rows sum to zero.
type Voucher struct {
	ID       string // derived from what it books; the same entries give the same ID
	Group    string // what it gathers: "klarna/delivery/2026-03-02/SEK", "adyen/payout/4"
	Date     time.Time
	Text     string // names source, date and kind
	Rows     []Row
	Entries  int    // how many ledger entries it books
	Currency string // the currency its documents are in; amounts are in the company's
}

// A Row is one account and VAT rate of a voucher.
type Row struct {
	Account int
	Amount  ledger.Minor // company currency, debit > 0
	Text    string       // VAT rate and references
}

// A Receipt is what the target answered for one voucher.
type Receipt struct {
	VoucherID string
	Number    string // the target's own number; a SIE file with the voucher's place in it
	At        time.Time
}

// ErrUnknown is returned by Find for a post that the target never took.
var ErrUnknown = errors.New("not posted")

// A Batch is what one post sends in one piece: for SIE, one file of one fiscal year.
type Batch struct {
	Name     string // where the target will keep it, chosen before it is sent
	Vouchers []Voucher
}

// A Target posts vouchers. Splitting, naming and sending are apart so that an intent
// can be on disk before anything is sent.
type Target interface {
	// Prepare divides vouchers into batches and names each. It writes nothing, and the
	// same vouchers at the same time give the same names.
	Prepare(vs []Voucher, now time.Time) ([]Batch, error)
	// Find returns the receipts of a batch that was sent, or ErrUnknown.
	Find(ctx context.Context, name string) ([]Receipt, error)
	// Post sends b. It may have posted even if it returns an error: ask Find before trying again.
	Post(ctx context.Context, b Batch, now time.Time) ([]Receipt, error)
}

// A Kept is a voucher as the target keeps it, read back.
type Kept struct {
	VoucherID string
	Number    string
	Debit     ledger.Minor // the sum of its debits
	Text      string       // as it is kept, in the target's spelling
}

// An Auditor is a target that can read back everything that was posted to it.
type Auditor interface {
	// Audit returns every voucher of ours that the target keeps, and what is wrong with
	// the rest: what was altered, doubled or cannot be read, each naming where.
	Audit(ctx context.Context) ([]Kept, []error)
}

// ---------- targets that take one document at a time

// The kinds of a Document, in the order they are sent: what is paid must be there first.
const (
	KindOrder   = "order"
	KindInvoice = "invoice"
	KindCredit  = "credit_invoice"
	KindPayment = "payment"
	KindVoucher = "voucher"
)

// A Document is one thing that an ERP is to hold: a voucher, or what makes the ERP write one. Rows
// are always all that it books, whatever its kind.
type Document struct {
	Voucher
	Kind  string
	Sale  *Sale       `json:",omitempty"` // of an order, invoice or credit invoice
	Pays  *Settlement `json:",omitempty"` // of a payment
	Proof *Proof      `json:",omitempty"` // of a payout's voucher: the report to attach
	Seal  string      `json:",omitempty"` // names the archive that it stands on; written into what the ERP keeps
}

// A Sale is what an invoice says. Its amounts are in the company's currency, and negative in a credit invoice.
type Sale struct {
	Source      string // as configured
	DocumentID  string // of the ledger: "klarna/delivery/…"
	OrderNumber string // as it is to be shown, by [order_number] pattern
	References  []string
	Country     string // where VAT is due
	Business    bool
	Receivable  int
	Lines       []SaleLine
	Credits     string // the ERP's number of the invoice that a credit invoice is about; "" when it is not there
	Order       string // the ERP's number of the order that this is the first invoice of, or of an order that was changed; "" for none
	Was         string // "1 250.00 EUR" when the document is in another currency
	Cancelled   bool   `json:",omitempty"` // an order that came to nothing: Order is to be cancelled
	Net         bool   // a delivery that became smaller: what is open of its invoice is set off against this one
}

// A SaleLine is one row of an invoice.
type SaleLine struct {
	Text       string
	Gross, VAT ledger.Minor // VAT is in Gross
	RateBP     int64        // basis points; -1 when VAT has nothing to do with it
	Account    int
	VATAccount int // where VAT goes; 0 for none
}

// A Settlement is a payment of one invoice, or of one that another system made.
type Settlement struct {
	DocumentID string   // of the ledger, whose invoice it pays; "" when it must be searched for
	Invoice    string   // the ERP's number
	InvoiceAt  string   // its date, YYYY-MM-DD
	Search     []string // references an invoice of another system may carry, the likeliest first
	Receivable int
	Amount     ledger.Minor // by which it lowers what is open, > 0; < 0 pays a credit invoice
	Main       int          // the account the money is on: clearing
	Known      []string     `json:",omitempty"` // payments of the invoice that are other documents of ours, where this one is looked for
	More       []string     // further invoices of the same document: it became larger
}

// A Proof is a file that belongs with a voucher.
type Proof struct {
	Name   string
	Blob   string // SHA-256 in the archive
	Source string
}

// Errors of an Outbox, for errors.Is.
var (
	// ErrRefused is about this document: it is not there, sending it again as it is does not
	// help, and the others go on.
	ErrRefused = errors.New("refused")
	// ErrStop is about all of them: a licence, a key, a setting. Nothing more is sent.
	ErrStop = errors.New("stopped")
	// ErrUnsure is when no answer came, or one that says nothing: it may be there.
	ErrUnsure = errors.New("unsure whether it arrived")
	// ErrLater is when it waits for something else: an invoice that is not there yet.
	ErrLater = errors.New("not yet")
)

// A Refusal says why, and what a person can do.
type Refusal struct {
	Code string // the ERP's, "2000401"
	Why  string
	Do   string
	Err  error // wraps one of the errors above
}

func (r *Refusal) Error() string {
	s := r.Why
	if r.Code != "" {
		s += " (" + r.Code + ")"
	}
	if r.Do != "" {
		s += ": " + r.Do
	}
	return s
}

func (r *Refusal) Unwrap() error { return r.Err }

// A Posted is what an Outbox answers for a document: where it is and what the ERP made of it.
type Posted struct {
	Receipt
	Voucher string // series, number and year of the voucher: "B 12 1"
	Date    string // the day it is booked on, YYYY-MM-DD, when it is another than asked for
	// Differs is what the ERP's voucher says beyond Rows: an öre of VAT computed otherwise.
	Differs []Row  `json:",omitempty"`
	Parts   []Part `json:",omitempty"` // what else was made for it
	Wrong   string `json:",omitempty"` // it is there, and books what it should not: a person must look, nothing more is sent
}

// A Part is something an Outbox had to make beside the document itself.
type Part struct{ Kind, Number, Voucher string }

// An Outbox is a target that takes documents one by one.
type Outbox interface {
	// Check looks at everything that n needs, before anything is written.
	Check(ctx context.Context, n Needs) []Finding
	// Send makes d be there once, and booked. again says that it may have been sent before, any part of
	// it: what is there is looked up before each step.
	//
	// Errors: wrap ErrRefused, ErrStop, ErrUnsure or ErrLater; ctx's.
	Send(ctx context.Context, d Document, again bool) (Posted, error)
	// Cost is how many requests ds take, and how many seconds.
	Cost(ds []Document) (requests, seconds int)
	// LockedThrough is the last day of the ERP's locked period, YYYY-MM-DD, or "".
	LockedThrough(ctx context.Context) (string, error)
}

// A KeptVoucher is a voucher of the ERP, read back whole.
type KeptVoucher struct {
	Name string // "B 12 1": series, number, financial year
	Date string // YYYY-MM-DD
	Text string
	Rows map[int]ledger.Minor // by account
}

// A Reader is an Outbox that can read back the ERP's vouchers.
type Reader interface {
	// ReadBack returns the vouchers of the financial years that from and to reach into: all of them, or where that
	// cannot be had, ours, and whatever carries a reference of ours.
	ReadBack(ctx context.Context, from, to string, ours []string) ([]KeptVoucher, error)
	// Reference is how a document's voucher is marked.
	Reference(id string) string
}

// Needs are what a plan uses of the ERP.
type Needs struct {
	OrgNumber   string
	Currency    string
	Accounts    []int
	Receivables []int
	Clearing    []int
	From, To    string // first and last date, YYYY-MM-DD; "" for none
	Currencies  []string
	VAT         []VATNeed
	Documents   bool // invoices and payments
	Orders      bool
	Invoices    bool // are made, and not only paid
}

// A VATNeed is one [[sales]] row.
type VATNeed struct {
	Country    string
	RateBP     int64
	Sales, VAT int
}

// A Finding is one line of a pre-flight.
type Finding struct {
	Light string // green, yellow, red
	What  string
	Says  string // and what to do
}

// A Vault keeps tokens; see extract.Vault.
type Vault interface {
	Update(ctx context.Context, name string, change func(kept []byte) ([]byte, error)) error
}
