package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/sql/duck"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain REF", Short: "any voucher, entry, payout, order, line or checkout ID: to the ERP and back to the bytes",
		Long: "Tells the whole story of a reference: what the source sent, how it was matched, what was booked by which rule, where it went in the ERP,\n" +
			"what corrected it, and, of what needs a person, what may lie behind it. An amount and a date (\"1250.00 2026-03-02\") find what is near them.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 { // an amount and a date need no quotes
				return nil
			}
			return exactly(1, "takes one reference, or an amount and a date")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			limit := 0
			if a.format == "table" {
				limit = 100
			}
			story, err := p.Explain(cmd.Context(), strings.Join(args, " "), limit)
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
				if err := a.chapter(c.Table); err != nil {
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

// told are the columns of a chapter that are sentences or bytes: they get lines of their own.
var told = []string{"sent", "says", "evidence", "action"}

// chapter shows one part of a story.
func (a *app) chapter(t duck.Table) error {
	if a.format != "table" || !slices.ContainsFunc(t.Columns, func(c string) bool { return c == "sent" || c == "says" }) {
		return a.show(t)
	}
	for _, row := range t.Rows {
		var head, below []string
		for i, c := range t.Columns {
			switch {
			case row[i].Text == "":
			case slices.Contains(told, c):
				below = append(below, row[i].Text)
			case c == "offset":
				head = append(head, "byte "+row[i].Text)
			case c != "weight":
				head = append(head, row[i].Text)
			}
		}
		if _, err := fmt.Fprintln(a.stdout, strings.Join(head, "  ")); err != nil {
			return err
		}
		for _, text := range below {
			if _, err := fmt.Fprint(a.stdout, wrap("  ", text)); err != nil {
				return err
			}
		}
	}
	return nil
}
