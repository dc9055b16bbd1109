package sie

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/load"
)

// A Target writes vouchers as SIE 4I files under a folder: one file per post and fiscal
// year, <fiscal-year>/<time>-<digest>.si, written once and never changed by kvitt. The
// ledger that imports a file may set its flag.
//
// It has no lock of its own; one process at a time may post.
type Target struct {
	Dir         string // made when first needed
	Company     string
	OrgNumber   string // "" for none
	Currency    string // of the company, and of every amount; "" is SEK
	FiscalYear  string // "MM-DD", the day fiscal years begin; "" is 01-01
	Series      string // of every voucher; "" leaves it to the ledger that imports
	Program     string // who writes the files
	Version     string
	AccountName func(account int) string // nil or "": "Konto 1234"
	Warn        func(Warning)            // told what Post spells otherwise; may be nil

	create func(dir, pattern string) (tempFile, error) // nil: os.CreateTemp
}

var _ load.Target = (*Target)(nil)

// Prepare returns a batch for each fiscal year that vs reach into, the earliest first.
// A voucher belongs to the year of its calendar date, in the date's own zone. Within a
// batch they are in order of date and ID.
//
// The name of a batch is the slash-separated path of its file under Dir. It has the
// time in whole seconds and a digest of the vouchers as they will be written.
//
// Errors: *UnbalancedError or *RefusedError for what Post would refuse, also for an ID
// that is missing, used twice or not made of letters, digits and ._:-
func (t *Target) Prepare(vs []load.Voucher, now time.Time) ([]load.Batch, error) {
	if err := checkVouchers(vs); err != nil {
		return nil, err
	}
	years := map[fiscalYear][]load.Voucher{}
	for _, v := range vs {
		y, err := yearOf(t.FiscalYear, v.Date)
		if err != nil {
			return nil, err
		}
		years[y] = append(years[y], v)
	}
	var batches []load.Batch
	for y, vs := range years {
		sortVouchers(vs)
		d, _, err := prepare(t.document(y, vs, now))
		if err != nil {
			return nil, err
		}
		n := name{y.folder(), now, digest(d.Vouchers, d.Currency)}
		batches = append(batches, load.Batch{Name: n.String(), Vouchers: vs})
	}
	slices.SortFunc(batches, func(a, b load.Batch) int { return strings.Compare(a.Name, b.Name) })
	return batches, nil
}

// Post writes the file of b, so that it is on disk with its name when Post returns. The
// file depends on b, the settings and the zone of now alone: posting b again writes
// nothing and returns the same receipts. Number is the batch's name and the voucher's
// place in it, from 1; At is the time in the name.
//
// Errors: fs.ErrExist when a file of that name holds something else, the file system's
// own (syscall.ENOSPC for a full disk), *UnbalancedError, *RefusedError. After an error
// there is either no file or a whole one: ask Find.
func (t *Target) Post(ctx context.Context, b load.Batch, now time.Time) ([]load.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n, err := parseName(b.Name)
	if err != nil {
		return nil, err
	}
	if err := checkVouchers(b.Vouchers); err != nil {
		return nil, err
	}
	if len(b.Vouchers) == 0 {
		return nil, &RefusedError{What: "no vouchers in " + b.Name}
	}
	vs := slices.Clone(b.Vouchers)
	sortVouchers(vs)
	y, err := yearOf(t.FiscalYear, vs[0].Date)
	if err != nil {
		return nil, err
	}
	// The day of generation comes from the name: a second try is then the same file.
	d, warnings, err := prepare(t.document(y, vs, n.at.In(now.Location())))
	if err != nil {
		return nil, err
	}
	if y.folder() != n.folder || digest(d.Vouchers, d.Currency) != n.digest {
		return nil, &RefusedError{What: "the vouchers are not those that were named " + b.Name}
	}
	if err := t.put(filepath.Join(t.Dir, filepath.FromSlash(b.Name)), render(d)); err != nil {
		return nil, fmt.Errorf("sie: post %s: %w", b.Name, err)
	}
	if t.Warn != nil {
		for _, w := range warnings {
			t.Warn(w)
		}
	}
	return receipts(b.Name, n, d.Vouchers), nil
}

// Find returns the receipts of the batch called name, read from its file, in the order
// of the file.
//
// Errors: load.ErrUnknown when there is no such file, ErrChecksum, ErrTruncated,
// ErrSyntax or ErrAltered when it is not what Post wrote.
func (t *Target) Find(ctx context.Context, name string) ([]load.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n, err := parseName(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", load.ErrUnknown, err)
	}
	f, err := readStored(t.Dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("sie: %s: %w", name, load.ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("sie: find %s: %w", name, err)
	}
	return receipts(name, n, f.Vouchers), nil
}

// document turns vouchers of the fiscal year y into what Write takes.
func (t *Target) document(y fiscalYear, vs []load.Voucher, at time.Time) Document {
	d := Document{
		Program: t.Program, Version: t.Version, Generated: at,
		Company: t.Company, OrgNumber: t.OrgNumber, Currency: t.Currency,
		YearStart: y.start, YearEnd: y.end,
	}
	named := map[int]bool{}
	for _, v := range vs {
		out := Voucher{ID: v.ID, Series: t.Series, Date: v.Date, Text: v.Text, RegDate: at}
		for _, r := range v.Rows {
			account := strconv.Itoa(r.Account)
			out.Rows = append(out.Rows, Row{Account: account, Amount: r.Amount, Text: r.Text})
			if t.AccountName != nil && !named[r.Account] {
				named[r.Account] = true
				d.Accounts = append(d.Accounts, Account{Number: account, Name: t.AccountName(r.Account)})
			}
		}
		d.Vouchers = append(d.Vouchers, out)
	}
	return d
}

// checkVouchers reports what must be right before vouchers are divided into years.
func checkVouchers(vs []load.Voucher) error {
	seen := map[string]bool{}
	for i, v := range vs {
		if v.ID == "" {
			return &RefusedError{Voucher: i + 1, What: "no ID"}
		}
		if seen[v.ID] {
			return &RefusedError{Voucher: i + 1, ID: v.ID, What: "its ID is used twice"}
		}
		seen[v.ID] = true
		if !isDate(v.Date) {
			return &RefusedError{Voucher: i + 1, ID: v.ID, What: "no date"}
		}
	}
	return nil
}

func sortVouchers(vs []load.Voucher) {
	slices.SortFunc(vs, func(a, b load.Voucher) int {
		if c := civil(a.Date).Compare(civil(b.Date)); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

func receipts(batch string, n name, vs []Voucher) []load.Receipt {
	var rs []load.Receipt
	for i, v := range vs {
		rs = append(rs, load.Receipt{VoucherID: v.ID, Number: fmt.Sprintf("%s#%d", batch, i+1), At: n.at})
	}
	return rs
}
