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
