package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load/sie"
)

func (a *app) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export parquet|csv|sie|hledger DIR", Short: "the published ledger as files for other programs",
		Args: exactly(2, "takes a form (parquet, csv, sie or hledger) and a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			form := args[0]
			switch form {
			case "parquet", "csv", "sie", "hledger":
			default:
				return fmt.Errorf("%w: export %q: it is parquet, csv, sie or hledger", errUsage, form)
			}
			cfg, p, err := a.load()
			if err != nil {
				return err
			}
			if err := p.IsPublished(); err != nil {
				return err
			}
			dir, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if dir, err = filepath.EvalSymlinks(dir); err != nil {
				return err
			}
			var files []string
			switch form {
			case "parquet", "csv":
				files, err = p.ExportViews(cmd.Context(), form, dir)
			case "sie":
				c := cfg.Settings.Company
				files, err = p.ExportVouchers(cmd.Context(), &sie.Target{Dir: dir, Company: c.Name, OrgNumber: c.OrgNumber, Currency: c.Currency,
					FiscalYear: c.FiscalYear, Series: cfg.ERP.Series, Program: "kvitt", Version: version, AccountName: ledger.AccountName,
					Warn: func(w sie.Warning) { p.Log.Warn("respelled for the SIE file", "where", w.Where, "what", w.String()) }})
			case "hledger":
				files = []string{"kvitt.journal"}
				err = writeFile(filepath.Join(dir, files[0]), func(f *os.File) error { return p.ExportJournal(cmd.Context(), f) })
			}
			if err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(a.stdout, filepath.Join(args[1], f))
			}
			return nil
		},
	}
}

// writeFile replaces path only when fill has written all of it.
func writeFile(path string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := fill(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
