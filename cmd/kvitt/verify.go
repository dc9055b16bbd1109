package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/sql/duck"
)

func (a *app) verifyCommand() *cobra.Command {
	erp := false
	cmd := &cobra.Command{
		Use: "verify", Short: "every invariant, the archive's digests and chain, what was posted; --erp reads the ERP back",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			found, err := p.Verify(cmd.Context())
			if err != nil {
				return err
			}
			if erp && p.Outbox != nil {
				more, err := p.VerifyERP(cmd.Context())
				if err != nil {
					return err
				}
				found = append(found, more...)
			}
			t := duck.Table{Columns: []string{"verdict", "what", "wrong"}, Numeric: []bool{false, false, false}}
			bad := 0
			for _, f := range found {
				mark := "ok"
				if len(f.Wrong) > 0 {
					mark = "WRONG"
					bad++
				}
				if a.format == "table" {
					fmt.Fprintf(a.stdout, "%-5s  %s: %s\n", mark, f.What, f.Says)
					for _, w := range f.Wrong {
						fmt.Fprintf(a.stdout, "       %s\n", w)
					}
					for _, n := range f.Notes {
						fmt.Fprintf(a.stdout, "       note: %s\n", n)
					}
					continue
				}
				t.Rows = append(t.Rows, []duck.Cell{{Text: mark}, {Text: f.What}, {Text: strings.Join(f.Wrong, "; ")}})
			}
			if a.format != "table" {
				if err := a.show(t); err != nil {
					return err
				}
			}
			if bad > 0 {
				return errors.New("verify found what should not be; kvitt rebuild makes the ledger anew from the archive")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&erp, "erp", false, "read back what the ERP holds")
	return cmd
}

func (a *app) rebuildCommand() *cobra.Command {
	into := ""
	cmd := &cobra.Command{
		Use: "rebuild [--into DIR]", Short: "make the ledger anew from the archive and compare the digest",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			r, err := p.Rebuild(cmd.Context(), into)
			if r.Reached != "" {
				if a.format == "json" {
					fmt.Fprintf(a.stdout, `{"reached": %s, "expected": %s, "runs": %d}`+"\n", quoteJSON(r.Reached), quoteJSON(r.Expected), r.Runs)
				} else {
					fmt.Fprintf(a.stdout, "replayed %d runs\nreached  %s\nexpected %s\n", r.Runs, r.Reached, r.Expected)
				}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "an empty folder to build it in; the data directory stays as it is")
	return cmd
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "which kvitt this is",
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := duck.Open(cmd.Context(), "", duck.Options{})
			if err != nil {
				return err
			}
			defer db.Close()
			v, err := db.Texts(cmd.Context(), "select version()")
			if err != nil {
				return err
			}
			if a.format == "json" {
				fmt.Fprintf(a.stdout, `{"version": %s, "duckdb": %s}`+"\n", quoteJSON(version), quoteJSON(v[0]))
				return nil
			}
			fmt.Fprintf(a.stdout, "kvitt %s (DuckDB %s)\n", version, v[0])
			return nil
		},
	}
}
