package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/pipeline"
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
			if err := checkSelection(cfg, pipeline.Selection{Source: source, IDs: []string{id}}); err != nil {
				return err
			}
			trial, err := p.Test(cmd.Context(), source, id)
			if err != nil {
				return err
			}
			for i, c := range trial.Chapters {
				if a.format == "table" {
					if len(c.Table.Rows) == 0 {
						continue
					}
					if i > 0 {
						fmt.Fprintln(a.stdout)
					}
					fmt.Fprintln(a.stdout, c.Title)
				}
				if err := a.show(c.Table); err != nil {
					return err
				}
			}
			if a.format != "table" {
				return nil
			}
			fmt.Fprintf(a.stdout, "\nwould be posted to %s\n", p.TargetName)
			if err := a.showVouchers(p, trial.Plan); err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, "\nnothing was written")
			if trial.Result.NeedsPerson() {
				return errNeedsPerson
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "whose order it is")
	cmd.Flags().StringVar(&id, "id", "", "the checkout ID")
	return cmd
}
