package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) docsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "docs system", Short: "system documentation and processing history, as the law asks for them",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "system", Short: "writes it as Markdown, from the configuration, the rules and the archive",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, p, err := a.load()
			if err != nil {
				return err
			}
			if err := p.SystemDocs(cmd.Context(), a.stdout); err != nil {
				return fmt.Errorf("docs system: %w", err)
			}
			return nil
		},
	})
	return cmd
}
