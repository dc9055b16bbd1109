package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/sql/duck"
)

// A report shows a public view: on a terminal the columns a person reads, in json and csv
// all of them.
type report struct {
	name, short string
	view        string
	columns     string // for a table
	where       string
	order       string
	hint        string                            // said under a table that is not empty
	write       func(io.Writer, duck.Table) error // for a table; nil is rows and columns
}

var reports = []report{
	{name: "payouts", short: "what was paid out, and whether it is booked", view: "payouts",
		columns: "source, payout_id, paid_date, currency as cur, amount, fees, difference as off_by, unmatched, status", order: "paid_date, source, payout_id"},
	{name: "exceptions", short: "what needs a person, and why", view: "exceptions",
		columns: "kind, document_id, coalesce(amount::varchar || ' ' || currency, '') as amount, opened_at::date as since, reason, suggestion",
		where:   "status = 'open'", order: "kind, opened_at, document_id, exception_id", write: writeExceptions,
		hint: "kvitt explain DOCUMENT_ID tells the whole story; --format json has the evidence"},
	{name: "open-items", short: "what the providers have not settled", view: "open_items",
		columns: "source, order_number, kind, event_date, currency, amount, age_days", order: "event_date, document_id"},
	{name: "balances", short: "what each account holds", view: "balances", columns: "account, name, balance, postings", order: "account"},
	{name: "proof", short: "what the ledger says the providers owe, against what they and their documents say", view: "proof",
		columns: "source, currency, date, ledger_balance, provider_balance, difference, explained, unexplained", order: "source, currency, date",
		hint: `unexplained must be 0.00; kvitt query "select * from recon.proof_differences" names what makes the difference`},
}

func (a *app) reportCommand(r report) *cobra.Command {
	limit, when := 0, ""
	cmd := &cobra.Command{
		Use: r.name, Short: r.short,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.asOf(cmd, when, func(db *duck.DB) error { return a.report(cmd, db, r, limit) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 200, "rows of a table; 0 for all")
	asOfFlag(cmd, &when)
	return cmd
}

// published opens the published ledger for fn.
func (a *app) published(cmd *cobra.Command, fn func(*duck.DB) error) error {
	p, err := a.readerProject()
	if err != nil {
		return err
	}
	db, err := p.Reader(cmd.Context())
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(db)
}

func (a *app) report(cmd *cobra.Command, db *duck.DB, r report, limit int) error {
	cols := "*"
	if a.format == "table" {
		cols = r.columns
	} else {
		limit = 0
	}
	query := "select " + cols + " from recon." + r.view
	if r.where != "" {
		query += " where " + r.where
	}
	query += " order by " + r.order
	t, more, err := db.Table(cmd.Context(), query, limit)
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.show(t)
	}
	write := r.write
	if write == nil {
		write = func(w io.Writer, t duck.Table) error { return writeTable(w, t, maxWidth) }
	}
	if err := write(a.stdout, t); err != nil {
		return err
	}
	switch {
	case len(t.Rows) == 0:
		fmt.Fprintln(a.stderr, "nothing here")
	case more:
		fmt.Fprintf(a.stderr, "the first %d rows; --limit 0 shows all\n", limit)
	}
	if len(t.Rows) > 0 && r.hint != "" {
		fmt.Fprintln(a.stderr, r.hint)
	}
	return nil
}

func quoteJSON(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

var quarterForm = regexp.MustCompile(`^\d{4}Q[1-4]$`)

func (a *app) ossCommand() *cobra.Command {
	quarter, when := "", ""
	cmd := &cobra.Command{
		Use: "oss --quarter 2026Q3", Short: "VAT of other EU countries for the One Stop Shop",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !quarterForm.MatchString(quarter) {
				return fmt.Errorf("%w: --quarter %q: write it as 2026Q3", errUsage, quarter)
			}
			where := "quarter = " + duck.Quote(quarter)
			r := report{view: "oss", columns: "country, vat_rate, rate_type, supply, base, vat, base_eur, vat_eur, documents", where: where, order: "country, vat_rate"}
			return a.asOf(cmd, when, func(db *duck.DB) error {
				if err := a.report(cmd, db, r, 0); err != nil {
					return err
				}
				missing, err := db.Texts(cmd.Context(), "select country from recon.oss where (base_eur is null or vat_eur is null) and "+where+" order by country")
				if err != nil || len(missing) == 0 {
					return err
				}
				fmt.Fprintf(a.stderr, "currency_rate_missing: no rate of the last day of %s, so there is no euro for %s\n  → set [fx] rates_file to the ECB's eurofxref-hist.csv and run again\n",
					quarter, strings.Join(slices.Compact(missing), ", "))
				return errNeedsPerson
			})
		},
	}
	cmd.Flags().StringVar(&quarter, "quarter", "", "e.g. 2026Q3")
	asOfFlag(cmd, &when)
	return cmd
}

// writeExceptions gives each exception the room its sentence needs.
func writeExceptions(w io.Writer, t duck.Table) error {
	for _, row := range t.Rows {
		kind, doc, amount, since, reason, do := row[0].Text, row[1].Text, row[2].Text, row[3].Text, row[4].Text, row[5].Text
		if _, err := fmt.Fprintf(w, "%s  %s  %s  since %s\n%s", kind, doc, amount, since, wrap("  ", reason)); err != nil {
			return err
		}
		if do != "" {
			if _, err := fmt.Fprint(w, wrap("  → ", do)); err != nil {
				return err
			}
		}
	}
	return nil
}

// wrap breaks a text into lines of at most maxWidth, the first after lead.
func wrap(lead, text string) string {
	var b strings.Builder
	line := lead
	indent := strings.Repeat(" ", utf8.RuneCountInString(lead))
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > maxWidth {
			b.WriteString(line + "\n")
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}
