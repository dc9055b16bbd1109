package main

import (
	"fmt"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/pipeline"
)

// showVouchers writes each voucher with its rows, as the ERP would get them.
func (a *app) showVouchers(p *pipeline.Project, pl *pipeline.Plan) error {
	exp := ledger.Exponent(p.Settings.Company.Currency)
	for _, v := range pl.Vouchers {
		if _, err := fmt.Fprintf(a.stdout, "%s  %s\n", v.Date.Format("2006-01-02"), v.Text); err != nil {
			return err
		}
		for _, r := range v.Rows {
			fmt.Fprintf(a.stdout, "  %d  %14s  %s\n", r.Account, r.Amount.Decimal(exp), r.Text)
		}
	}
	return nil
}
