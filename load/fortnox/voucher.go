package fortnox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

// maxCreates is how often a create is tried; between two of them there is always a look that found nothing.
const maxCreates = 5

// settled is how long after the last request a killed process may have made one is taken to
// have had its effect or none.
const settled = 12 * time.Second

// once makes one object be there: find looks for it, create makes it. again says that it may be there already.
func once[T any](ctx context.Context, t *Target, again bool, find func() (*T, error), create func() (*T, error)) (*T, error) {
	if again {
		if err := t.quiet(ctx); err != nil {
			return nil, err
		}
		if got, err := find(); err != nil || got != nil {
			return got, err
		}
	}
	var last error
	for try := 1; try <= maxCreates; try++ {
		got, err := create()
		if err == nil {
			return got, nil
		}
		if !errors.Is(err, load.ErrUnsure) || ctx.Err() != nil {
			return nil, err
		}
		last = err
		// What was cut off may still be on its way through Fortnox.
		wait := 2 * time.Second
		if timedOut(err) {
			wait = settled
		}
		if err := t.o.Sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("%w: %w", load.ErrUnsure, err)
		}
		got, findErr := find()
		if findErr != nil {
			return nil, fmt.Errorf("%w: %w", load.ErrUnsure, errors.Join(err, findErr))
		}
		if got != nil {
			return got, nil
		}
	}
	return nil, last
}

func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// quiet waits until nothing that another process sent before it was killed can be under way.
func (t *Target) quiet(ctx context.Context) error {
	if d := t.win.before.Add(settled).Sub(t.o.Wall()); d > 0 && d <= settled+time.Second {
		return t.o.Sleep(ctx, d)
	}
	return nil
}

func (t *Target) sendVoucher(ctx context.Context, d load.Document, again bool) (load.Posted, error) {
	v, year, err := t.makeVoucher(ctx, d, again)
	if err != nil {
		return load.Posted{}, err
	}
	p := load.Posted{Voucher: voucherName(v.VoucherSeries, text(fmt.Sprint(v.VoucherNumber)), text(fmt.Sprint(year)))}
	p.Number = string(v.VoucherSeries) + strconv.Itoa(int(v.VoucherNumber))
	if d.Proof != nil && t.o.Report != nil {
		part, err := t.attach(ctx, d, v, year, again)
		if err != nil {
			return load.Posted{}, err
		}
		p.Parts = append(p.Parts, part)
	}
	return p, nil
}

// voucherName is how a voucher is named in receipts: series, number, financial year.
func voucherName(series, number, year text) string {
	if series == "" || number == "" {
		return ""
	}
	return string(series) + " " + string(number) + " " + string(year)
}

// makeVoucher makes the voucher of d's rows be there.
func (t *Target) makeVoucher(ctx context.Context, d load.Document, again bool) (*wireVoucher, int, error) {
	y, err := t.year(ctx, day(d.Date))
	if err != nil {
		return nil, 0, err
	}
	q := url.Values{"financialyear": {strconv.Itoa(int(y.ID))}}
	ref := reference(d.ID)
	body := voucherBody(d, t.o.Series, int(y.ID))
	first := again
	v, err := once(ctx, t, again, func() (*wireVoucher, error) {
		if first {
			first = false
			if got, ok, err := t.voucherBefore(ctx, int(y.ID), ref); ok || err != nil {
				return got, err
			}
		}
		var found *wireVoucher
		err := list(ctx, t, "/vouchers/sublist/"+url.PathEscape(t.o.Series), "Vouchers", q, voucherKey, func(v wireVoucher) bool {
			if holds(string(v.Description), ref) {
				found = &v
			}
			return found == nil
		})
		return found, err
	}, func() (*wireVoucher, error) {
		var got wrapped[wireVoucher]
		err := t.write(ctx, http.MethodPost, "/vouchers", q, wrapped[wireVoucher]{Voucher: &body}, &got)
		if err == nil && (got.Voucher == nil || got.Voucher.VoucherNumber == 0) {
			err = fmt.Errorf("fortnox: a voucher without a number: %w", load.ErrUnsure)
		}
		return got.Voucher, err
	})
	if err != nil {
		return nil, 0, err
	}
	if v.VoucherSeries == "" {
		v.VoucherSeries = text(t.o.Series)
	}
	return v, int(y.ID), nil
}

func voucherKey(v wireVoucher) string {
	return fmt.Sprintf("%s %d %d", v.VoucherSeries, v.VoucherNumber, v.Year)
}

// holds reports whether text holds reference as a word: kvitt:12 is not in kvitt:123.
func holds(text, reference string) bool {
	for _, f := range strings.Fields(text) {
		if f == reference {
			return true
		}
	}
	return false
}

// voucherBody writes d's rows as a voucher, what belongs to one account and text in one row.
func voucherBody(d load.Document, series string, year int) wireVoucher {
	ref := reference(d.ID)
	v := wireVoucher{
		Description:     text(sealed(clean(d.Text, 199-len(ref)-sealLen(d)), d) + " " + ref),
		TransactionDate: text(day(d.Date)), VoucherSeries: text(series), Year: intText(year),
	}
	for _, r := range d.Rows {
		if r.Amount == 0 {
			continue
		}
		v.VoucherRows = append(v.VoucherRows, voucherRow(r))
	}
	return v
}

// sealed adds d's seal to a text.
func sealed(s string, d load.Document) string {
	if d.Seal == "" {
		return s
	}
	return s + ", " + d.Seal
}

func sealLen(d load.Document) int { return len(sealed("", d)) }

func voucherRow(r load.Row) wireVoucherRow {
	w := wireVoucherRow{Account: intText(r.Account), TransactionInformation: text(clean(r.Text, 100))}
	if r.Amount > 0 {
		w.Debit = amount(r.Amount)
	} else {
		w.Credit = amount(-r.Amount)
	}
	return w
}

// readVoucher returns the rows of a voucher, added up per account.
func (t *Target) readVoucher(ctx context.Context, series, number, year string) (map[int]ledger.Minor, *wireVoucher, error) {
	var got wrapped[wireVoucher]
	q := url.Values{}
	if year != "" {
		q.Set("financialyear", year)
	}
	if err := t.get(ctx, "/vouchers/"+url.PathEscape(series)+"/"+url.PathEscape(number), q, &got); err != nil {
		return nil, nil, err
	}
	if got.Voucher == nil {
		return nil, nil, fmt.Errorf("fortnox: voucher %s %s is empty: %w", series, number, load.ErrUnsure)
	}
	return voucherSums(got.Voucher.VoucherRows), got.Voucher, nil
}

func voucherSums(rows []wireVoucherRow) map[int]ledger.Minor {
	out := map[int]ledger.Minor{}
	for _, r := range rows {
		if !r.Removed {
			out[int(r.Account)] += ledger.Minor(r.Debit) - ledger.Minor(r.Credit)
		}
	}
	return out
}
