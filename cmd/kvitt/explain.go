package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain REF", Short: "any voucher, entry, payout, order, line or checkout ID: to the ERP and back to the bytes",
		Args: exactly(1, "takes one reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			limit := 0
			if a.format == "table" {
				limit = 100
			}
			story, err := p.Explain(cmd.Context(), args[0], limit)
			if err != nil {
				return err
			}
			if a.format == "json" {
				fmt.Fprintln(a.stdout, "{")
				for i, c := range story {
					var b strings.Builder
					if err := writeJSON(&b, c.Table); err != nil {
						return err
					}
					comma := ","
					if i == len(story)-1 {
						comma = ""
					}
					fmt.Fprintf(a.stdout, "%s: %s%s\n", quoteJSON(c.Title), strings.TrimSpace(b.String()), comma)
				}
				fmt.Fprintln(a.stdout, "}")
				return nil
			}
			for i, c := range story {
				if i > 0 {
					fmt.Fprintln(a.stdout)
				}
				if a.format == "table" {
					fmt.Fprintln(a.stdout, c.Title)
				}
				if err := a.show(c.Table); err != nil {
					return err
				}
				if c.More {
					fmt.Fprintf(a.stdout, "… and more; --format json has all of it\n")
				}
			}
			return nil
		},
	}
}
