package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/sql/duck"
)

func (a *app) statusCommand() *cobra.Command {
	when := ""
	cmd := &cobra.Command{
		Use: "status", Short: "the last runs, how complete the books are, open exceptions",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.asOf(cmd, when, func(db *duck.DB) error {
				if a.format != "table" {
					return a.report(cmd, db, report{view: "runs", order: "run_id desc"}, 0)
				}
				for i, s := range []struct{ title, query string }{
					{"last runs", `select run_id, command, status, entries, posted, exceptions, left(ledger_digest, 12) as digest
						from recon.runs order by run_id desc limit 5`},
					{"payouts", `select source, status, count(*) as payouts, sum(lines)::bigint as lines, sum(matched)::bigint as matched,
						sum(unmatched)::bigint as unmatched, max(paid_date) as last_paid from recon.payouts group by source, status order by source, status`},
					{"scores of the last run, in percent and days", `select source, currency, completeness, cleared, p50_days, p99_days, missing, unexplained
						from recon.scores where run_no = (select max(run_no) from recon.scores) order by source, currency`},
					{"missing", `select kind, source, what, amount, since, suggestion from recon.completeness order by since limit 20`},
					{"open exceptions", `select kind, count(*) as open, min(opened_at) as since from recon.exceptions
						where status = 'open' group by kind order by open desc`},
				} {
					t, _, err := db.Table(cmd.Context(), s.query, 0)
					if err != nil {
						return err
					}
					if i > 0 {
						fmt.Fprintln(a.stdout)
					}
					fmt.Fprintf(a.stdout, "%s\n", s.title)
					if len(t.Rows) == 0 {
						fmt.Fprintln(a.stdout, "none")
						continue
					}
					if err := a.show(t); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	asOfFlag(cmd, &when)
	return cmd
}
