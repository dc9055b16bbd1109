package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/sql/duck"
)

func (a *app) queryCommand() *cobra.Command {
	when := ""
	cmd := &cobra.Command{
		Use: "query SQL", Short: "read-only SQL on the published ledger (schema recon)",
		Args: exactly(1, `takes one statement, e.g. "select * from recon.balances"`),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.asOf(cmd, when, func(db *duck.DB) error {
				t, _, err := db.Table(cmd.Context(), args[0], 0)
				if err != nil {
					return fmt.Errorf("%w: %w", errUsage, err)
				}
				if a.format == "table" {
					return writeTable(a.stdout, t, 0)
				}
				return a.show(t)
			})
		},
	}
	asOfFlag(cmd, &when)
	return cmd
}
