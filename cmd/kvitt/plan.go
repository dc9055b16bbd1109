package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use: "plan", Short: "what would be posted: vouchers, sums per account, time needed",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			pl, err := p.Plan(cmd.Context())
			if err != nil {
				return err
			}
			return a.showPlan(p, pl)
		},
	}
}

func (a *app) showPlan(p *pipeline.Project, pl *pipeline.Plan) error {
	exp := ledger.Exponent(p.Settings.Company.Currency)
	if a.format == "json" {
		t := planJSON(pl, exp)
		_, err := fmt.Fprintln(a.stdout, t)
		return err
	}
	t := duck.Table{Columns: []string{"date", "voucher", "rows", "entries", "debit", "text"}, Numeric: []bool{false, false, true, true, true, false}}
	for _, v := range pl.Vouchers {
		var debit ledger.Minor
		for _, r := range v.Rows {
			if r.Amount > 0 {
				debit += r.Amount
			}
		}
		t.Rows = append(t.Rows, []duck.Cell{{Text: v.Date.Format("2006-01-02")}, {Text: v.ID}, {Text: fmt.Sprint(len(v.Rows)), Bare: true},
			{Text: fmt.Sprint(v.Entries), Bare: true}, {Text: debit.Decimal(exp), Bare: true}, {Text: v.Text}})
	}
	sums := duck.Table{Columns: []string{"account", "name", "debit", "credit", "sum"}, Numeric: []bool{true, false, true, true, true}}
	for _, s := range pl.Accounts {
		sums.Rows = append(sums.Rows, []duck.Cell{{Text: fmt.Sprint(s.Account), Bare: true}, {Text: s.Name}, {Text: s.Debit.Decimal(exp), Bare: true},
			{Text: (-s.Credit).Decimal(exp), Bare: true}, {Text: s.Sum.Decimal(exp), Bare: true}})
	}
	if a.format == "csv" {
		return a.show(t)
	}
	if len(pl.Vouchers) == 0 {
		fmt.Fprintln(a.stdout, "nothing to post: everything booked is posted")
		return nil
	}
	if err := a.show(t); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	if err := a.show(sums); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\n%d new, %d changed, 0 reversed; %d entries; %d files, %d requests, %d s\nthis plan and no other: kvitt post --plan\n%s\n",
		pl.New, pl.Changed, pl.Entries, pl.Files, pl.Requests, pl.Seconds, pl.Digest)
	return nil
}

func planJSON(pl *pipeline.Plan, exp int) string {
	s := fmt.Sprintf(`{"digest": %s, "new": %d, "changed": %d, "reversed": 0, "entries": %d, "files": %d, "requests": %d, "seconds": %d, "vouchers": [`,
		quoteJSON(pl.Digest), pl.New, pl.Changed, pl.Entries, pl.Files, pl.Requests, pl.Seconds)
	for i, v := range pl.Vouchers {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf(`{"id": %s, "date": %s, "text": %s, "entries": %d, "rows": [`, quoteJSON(v.ID), quoteJSON(v.Date.Format("2006-01-02")), quoteJSON(v.Text), v.Entries)
		for j, r := range v.Rows {
			if j > 0 {
				s += ", "
			}
			s += fmt.Sprintf(`{"account": %d, "amount": %s, "text": %s}`, r.Account, r.Amount.Decimal(exp), quoteJSON(r.Text))
		}
		s += "]}"
	}
	s += `], "accounts": [`
	for i, x := range pl.Accounts {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf(`{"account": %d, "debit": %s, "credit": %s, "sum": %s}`, x.Account, x.Debit.Decimal(exp), (-x.Credit).Decimal(exp), x.Sum.Decimal(exp))
	}
	return s + "]}"
}

func (a *app) postCommand() *cobra.Command {
	digest := ""
	cmd := &cobra.Command{
		Use: "post", Short: "post the plan; what is posted is never posted again",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, p, err := a.load()
			if err != nil {
				return err
			}
			res, err := p.Post(cmd.Context(), digest)
			if err != nil {
				return err
			}
			if a.format == "json" {
				fmt.Fprintf(a.stdout, `{"run_id": %s, "posted": %d}`+"\n", quoteJSON(res.RunID), res.Posted)
				return nil
			}
			if res.Posted == 0 {
				fmt.Fprintln(a.stdout, "nothing to post: everything booked is posted")
				return nil
			}
			if p.Outbox != nil {
				fmt.Fprintf(a.stdout, "posted %d documents to %s\n", res.Posted, p.TargetName)
				if res.NeedsPerson() {
					return errNeedsPerson
				}
				return nil
			}
			fmt.Fprintf(a.stdout, "posted %d vouchers; the files are in %s\n", res.Posted, p.SIEDir())
			return nil
		},
	}
	cmd.Flags().StringVar(&digest, "plan", "", "refuse unless the plan still has this digest")
	return cmd
}

func (a *app) reverseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reverse DOCUMENT", Short: "take back what the ERP holds of a document and all that hangs on it, by correction",
		Long: "An invoice is credited, a payment paid back, a voucher mirrored. What was booked by them is planned again:\ncorrect what was wrong, then kvitt post.",
		Args: exactly(1, "takes one document, payout, order number or number in the ERP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, p, err := a.load()
			if err != nil {
				return err
			}
			res, err := p.Reverse(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.format == "json" {
				fmt.Fprintf(a.stdout, `{"run_id": %s, "reversed": %d}`+"\n", quoteJSON(res.RunID), res.Posted)
			} else {
				fmt.Fprintf(a.stdout, "took back %d documents at %s; what they booked is planned again: kvitt plan\n", res.Posted, p.TargetName)
			}
			return nil
		},
	}
}
