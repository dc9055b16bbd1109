package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

func (a *app) testCommand() *cobra.Command {
	var source, id string
	cmd := &cobra.Command{
		Use: "test --source NAME --id ID", Short: "what would be booked and posted for one checkout ID; writes nothing",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if source == "" || id == "" {
				return fmt.Errorf("%w: test needs --source and --id", errUsage)
			}
			cfg, p, err := a.load()
			if err != nil {
				return err
			}
			sel := pipeline.Selection{Source: source, IDs: []string{id}}
			if err := checkSelection(cfg, sel); err != nil {
				return err
			}
			// The same code as a run, on a ledger of its own that is thrown away.
			dir, err := os.MkdirTemp("", "kvitt-test-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			p.DataDir = dir
			lg := p.Log
			p.Log = slog.New(slog.DiscardHandler)
			res, err := p.Run(cmd.Context(), "test", sel, false)
			p.Log = lg
			if err != nil {
				return err
			}
			if len(res.Gone) > 0 {
				return fmt.Errorf("%s does not know %s: check the ID, and whether it belongs to the other environment (live or test)", source, id)
			}
			db, err := p.Reader(cmd.Context())
			if err != nil {
				return err
			}
			for i, s := range testSections {
				if err := a.section(cmd, db, i, s.title, s.query); err != nil {
					db.Close()
					return err
				}
			}
			if a.format != "table" {
				return nil
			}
			if err := db.Close(); err != nil {
				return err
			}
			pl, err := p.Plan(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "\nwould be posted to %s\n", p.TargetName)
			if err := a.showVouchers(p, pl); err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, "\nnothing was written")
			if res.NeedsPerson() {
				return errNeedsPerson
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "whose order it is")
	cmd.Flags().StringVar(&id, "id", "", "the checkout ID")
	return cmd
}

var testSections = []struct{ title, query string }{
	{"documents", "select document_id, kind, event_date, currency, amount, status from recon.documents order by event_date, kind, document_id"},
	{"would be booked", `select e.book_date, e.text, p.account, p.role, p.amount, p.country, p.vat_rate
		from recon.postings as p inner join recon.entries as e using (entry_id) order by e.book_date, e.entry_id, p.line`},
	{"how amounts without lines were split", `select g.document_id, g.class, g.country, main.rate_text(g.rate_bp) as vat_rate, g.gross_minor, g.vat_minor, g.how
		from main.document_groups as g inner join main.documents as d using (document_id) where d.kind in ('delivery', 'refund') order by 1, 2, 3, 4`},
	{"decided by [[sales]]", `select distinct s.country, main.rate_text(s.rate_bp) as vat_rate, s.customer, s.sales, s.vat, s.oss
		from main.set_sales as s inner join main.document_groups as g on g.rate_bp = s.rate_bp and (g.country = s.country or s.country = '*') order by 1, 2, 3`},
	{"decided by [[source]]", `select source, provider, fee_vat, unmatched, invoices, refunds, payouts, receivable, clearing, bank, fee
		from main.set_sources where source in (select source from main.documents)`},
	{"decided by [company] and [accounts]", "select currency, time_zone, tolerance, coalesce(locked_through::varchar, 'none') as locked_through, period, rounding, suspense, gift_cards from main.set_company"},
	{"held, and why", "select kind, document_id, amount, reason, suggestion from recon.exceptions where status = 'open' order by kind, document_id"},
}

func (a *app) section(cmd *cobra.Command, db *duck.DB, i int, title, query string, args ...any) error {
	t, _, err := db.Table(cmd.Context(), query, 0, args...)
	if err != nil {
		return err
	}
	if a.format == "table" {
		if len(t.Rows) == 0 {
			return nil
		}
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintln(a.stdout, title)
	}
	return a.show(t)
}
