package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

var dateForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// moment reads what --as-of takes: an RFC 3339 time, a day (its end, in the company's time
// zone), or a day and time in that zone.
func moment(s, zone string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, err
	}
	if dateForm.MatchString(s) {
		if t, err := time.ParseInLocation(time.DateOnly, s, loc); err == nil {
			return t.AddDate(0, 0, 1).Add(-time.Nanosecond), nil
		}
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: --as-of %q: write it as 2026-03-31, or 2026-03-31T18:00:00+02:00", errUsage, s)
}

// asOf opens the ledger for fn: the published one, or as it was at a moment.
func (a *app) asOf(cmd *cobra.Command, when string, fn func(*duck.DB) error) error {
	if when == "" {
		return a.published(cmd, fn)
	}
	p, err := a.readerProject()
	if err != nil {
		return err
	}
	t, err := moment(when, p.Settings.Company.TimeZone)
	if err != nil {
		return err
	}
	past, err := p.AsOf(cmd.Context(), t)
	if err != nil {
		return err
	}
	defer past.Close()
	if !a.quiet {
		fmt.Fprintf(a.stderr, "as of run %s\n", past.RunID)
	}
	return fn(past.DB)
}

func asOfFlag(cmd *cobra.Command, when *string) {
	cmd.Flags().StringVar(when, "as-of", "", "what the books said then: a day, or an RFC 3339 time")
}

func (a *app) diffCommand() *cobra.Command {
	with := ""
	cmd := &cobra.Command{
		Use: "diff RUN [RUN] | diff --with OTHER.toml", Short: "what a run booked, or what another configuration would have booked",
		Long: "With one run: the postings it added. With two: those added after the first, through the\nsecond. With --with: the archive is booked anew with the other configuration all along, in a\nfolder that is thrown away, and compared with the books by account, country and VAT rate.",
		Args: func(cmd *cobra.Command, args []string) error {
			if with != "" && len(args) > 0 || with == "" && (len(args) == 0 || len(args) > 2) {
				return fmt.Errorf("%w: %s takes one run or two, or --with OTHER.toml; kvitt status lists runs", errUsage, cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if with != "" {
				return a.diffWith(cmd, with)
			}
			return a.published(cmd, func(db *duck.DB) error { return a.diffRuns(cmd, db, args) })
		},
	}
	cmd.Flags().StringVar(&with, "with", "", "another configuration file")
	return cmd
}

// diffRuns shows the postings between two runs.
func (a *app) diffRuns(cmd *cobra.Command, db *duck.DB, refs []string) error {
	d, err := pipeline.DiffRuns(cmd.Context(), db, refs...)
	if err != nil {
		return err
	}
	between := fmt.Sprintf("p.run_no > %d and p.run_no <= %d", d.From.No, d.To.No)
	columns := "e.run_id, e.entry_id, e.kind, e.text, e.corrects, p.*"
	if a.format == "table" {
		columns = "p.book_date, left(p.entry_id::varchar, 8) as entry, e.text, p.account, p.role, p.amount, p.country, p.vat_rate"
	}
	t, more, err := db.Table(cmd.Context(), "select "+columns+" from recon.postings as p inner join recon.entries as e using (entry_id) where "+between+
		" order by p.book_date, p.entry_id, p.line", map[bool]int{true: 500}[a.format == "table"])
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.show(t)
	}
	if len(t.Rows) == 0 {
		fmt.Fprintln(a.stdout, "nothing was booked")
	} else if err := a.show(t); err != nil {
		return err
	}
	if more {
		fmt.Fprintln(a.stdout, "… and more; --format csv has all of it")
	}
	for _, x := range []struct {
		title string
		t     duck.Table
	}{{"by account", d.Accounts}, {"payouts", d.Payouts}, {"exceptions", d.Exceptions}, {"decisions", d.Decisions}} {
		if len(x.t.Rows) == 0 {
			continue
		}
		fmt.Fprintf(a.stdout, "\n%s\n", x.title)
		if err := a.show(x.t); err != nil {
			return err
		}
	}
	return nil
}

// diffWith shows by account, country and rate what another configuration would change.
func (a *app) diffWith(cmd *cobra.Command, path string) error {
	p, err := a.readerProject()
	if err != nil {
		return err
	}
	other, err := config.Load(path, a.env, all.Sources())
	if err != nil {
		return err
	}
	then, err := p.Under(cmd.Context(), a.project(other))
	if err != nil {
		return err
	}
	defer then.Close()
	now, err := p.Reader(cmd.Context())
	if err != nil {
		return err
	}
	defer now.Close()
	const sums = `select account, coalesce(country, ''), coalesce(vat_rate::varchar, ''), sum(amount_minor)::bigint from recon.postings group by all`
	type key struct{ account, country, rate string }
	is, would := map[key]int64{}, map[key]int64{}
	for db, into := range map[*duck.DB]map[key]int64{now: is, then.DB: would} {
		if err := db.Each(cmd.Context(), sums, func(scan func(...any) error) error {
			var k key
			var n int64
			if err := scan(&k.account, &k.country, &k.rate, &n); err != nil {
				return err
			}
			into[k] = n
			return nil
		}); err != nil {
			return err
		}
	}
	var rows []string
	for _, m := range []map[key]int64{is, would} {
		for k := range m {
			if is[k] != would[k] {
				rows = append(rows, fmt.Sprintf("(%s, %s, %s, %d::bigint, %d::bigint)", k.account, duck.Quote(k.country), duck.Quote(k.rate), is[k], would[k]))
			}
		}
	}
	if len(rows) == 0 {
		if a.format == "table" {
			fmt.Fprintln(a.stdout, "the books would be the same to the öre")
			return nil
		}
		rows = append(rows, "(null, null, null, null, null)")
	}
	t, _, err := now.Table(cmd.Context(), fmt.Sprintf(`
		select distinct d.account, coalesce(n.name, '') as name, nullif(d.country, '') as country, nullif(d.rate, '') as vat_rate,
			main.major(d.is_now, c.currency) as amount, main.major(d.would_be, c.currency) as would_be, main.major(d.would_be - d.is_now, c.currency) as difference
		from (values %s) as d (account, country, rate, is_now, would_be)
		cross join main.set_company as c
		left join main.set_accounts as n on n.account = d.account
		where d.account is not null
		order by d.account, country, vat_rate`, strings.Join(rows, ", ")), 0)
	if err != nil {
		return err
	}
	if err := a.show(t); err != nil {
		return err
	}
	if a.format != "table" {
		return nil
	}
	fmt.Fprintf(a.stdout, "\nledger digest %s\nit would be    %s\nnothing was written\n", mustDigest(cmd, now), then.Digest)
	return nil
}

func mustDigest(cmd *cobra.Command, db *duck.DB) string {
	s, err := db.Texts(cmd.Context(), "select ledger_digest from main.runs order by run_no desc limit 1")
	if err != nil || len(s) == 0 {
		return "unknown"
	}
	return s[0]
}
