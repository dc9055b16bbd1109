package fortnox

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

var _ load.Reader = (*Target)(nil)

// A SIEVoucher is a voucher of an exported SIE file.
type SIEVoucher struct {
	Series, Number string
	Date           time.Time
	Text           string
	Rows           map[int]ledger.Minor
}

// Reference is how a document's voucher is marked. See load.Reader.
func (t *Target) Reference(id string) string { return reference(id) }

// ReadBack reads the vouchers of the years of from and to: one SIE 4 export each; where Fortnox gives none, voucher by
// voucher. See load.Reader.
func (t *Target) ReadBack(ctx context.Context, from, to string, ours []string) ([]load.KeptVoucher, error) {
	t.mu.Lock()
	years, err := t.loadYears(ctx)
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var out []load.KeptVoucher
	for _, y := range years {
		if string(y.FromDate) > to || string(y.ToDate) < from {
			continue
		}
		got, err := t.exported(ctx, y)
		if err != nil {
			t.o.Log.Warn("fortnox: no SIE export; vouchers are read one by one", "year", string(y.FromDate), "why", err)
			if got, err = t.oneByOne(ctx, y, ours); err != nil {
				return nil, err
			}
		}
		out = append(out, got...)
	}
	return out, nil
}

func (t *Target) exported(ctx context.Context, y wireYear) ([]load.KeptVoucher, error) {
	if t.o.ReadSIE == nil {
		return nil, fmt.Errorf("nothing here reads SIE files")
	}
	file, err := t.do(ctx, http.MethodGet, "/sie/4", url.Values{"financialYear": {strconv.Itoa(int(y.ID))}}, "", nil)
	if err != nil {
		return nil, err
	}
	vs, err := t.o.ReadSIE(file)
	if err != nil {
		return nil, err
	}
	var out []load.KeptVoucher
	for _, v := range vs {
		date := v.Date.Format(time.DateOnly)
		if date < string(y.FromDate) || date > string(y.ToDate) {
			return nil, fmt.Errorf("the export of %s holds a voucher of %s", y.FromDate, date)
		}
		out = append(out, load.KeptVoucher{Name: voucherName(text(v.Series), text(v.Number), text(fmt.Sprint(y.ID))), Date: date, Text: v.Text, Rows: v.Rows})
	}
	return out, nil
}

func (t *Target) oneByOne(ctx context.Context, y wireYear, ours []string) ([]load.KeptVoucher, error) {
	q := url.Values{"financialyear": {strconv.Itoa(int(y.ID))}}
	var names []string
	err := list(ctx, t, "/vouchers", "Vouchers", q, voucherKey, func(v wireVoucher) bool {
		name := voucherName(v.VoucherSeries, text(fmt.Sprint(v.VoucherNumber)), text(fmt.Sprint(y.ID)))
		if slices.Contains(ours, name) || strings.Contains(string(v.Description), "kvitt:") {
			names = append(names, name)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var out []load.KeptVoucher
	for _, name := range names {
		f := strings.Fields(name)
		sums, v, err := t.readVoucher(ctx, f[0], f[1], f[2])
		if err != nil {
			return nil, err
		}
		out = append(out, load.KeptVoucher{Name: name, Date: string(v.TransactionDate), Text: string(v.Description), Rows: sums})
	}
	return out, nil
}
