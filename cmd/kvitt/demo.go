package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
	"github.com/kvitt/kvitt/fixtures/sandbox"
	"github.com/kvitt/kvitt/pipeline"
)

// demoNow is when the sample merchant looks at its March.
var demoNow = time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo [DIR]", Short: "a sample merchant's month through every phase, no credentials needed",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%w: demo takes one folder", errUsage)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "kvitt-demo"
			if len(args) == 1 {
				dir = args[0]
			}
			return a.demo(cmd, dir)
		},
	}
}

func (a *app) demo(cmd *cobra.Command, dir string) error {
	ctx := cmd.Context()
	if items, err := os.ReadDir(dir); err == nil && len(items) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "demo.md")); err != nil {
			return fmt.Errorf("%w: %s holds something else; name another folder", errUsage, dir)
		}
		for _, sub := range []string{"data", "inbox"} {
			if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
				return err
			}
		}
	}
	inbox := filepath.Join(dir, "inbox")
	if err := os.MkdirAll(inbox, 0o755); err != nil {
		return err
	}
	began := time.Now()
	month := sandbox.Month(sandbox.MonthConfig{})
	srv, err := sandbox.Start(ctx, month, sandbox.Options{})
	if err != nil {
		return err
	}
	if err := month.WriteAdyen(inbox, demoNow); err != nil {
		return err
	}
	path := filepath.Join(dir, "kvitt.toml")
	if err := os.WriteFile(path, fmt.Appendf(nil, demoConfig, sandbox.Username, sandbox.Password, srv.Klarna), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "demo.md"), []byte(demoReadme), 0o644); err != nil {
		return err
	}
	if !a.frozen {
		a.clock = func() time.Time { return demoNow }
	}
	cfg, err := config.Load(path, a.env, all.Sources())
	if err != nil {
		return err
	}
	p := a.project(cfg)
	fmt.Fprintf(a.stdout, "Exempel Handel AB, March 2026: Klarna over HTTP on loopback, Adyen from %s\n\n", inbox)
	res, err := p.Run(ctx, "demo", pipeline.Selection{}, true)
	if err != nil {
		return err
	}
	db, err := p.Reader(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, s := range []struct{ title, query string }{
		{"booked", `select source, kind, count(*) as documents, sum(amount) as amount from recon.documents
			where status in ('open', 'settled', 'booked') and kind <> 'order' group by source, kind order by source, kind`},
		{"balances", "select account, name, balance from recon.balances order by account"},
		{"proof: what the ledger says the providers owe, against what they and their documents say, on the last day", `select source, currency, date, ledger_balance, provider_balance, difference, explained, unexplained
			from recon.proof qualify row_number() over (partition by source, currency order by date desc) = 1 order by source`},
	} {
		t, _, err := db.Table(ctx, s.query, 0)
		if err != nil {
			return err
		}
		if len(t.Rows) == 0 {
			continue
		}
		fmt.Fprintln(a.stdout, s.title)
		if err := writeTable(a.stdout, t, maxWidth); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout)
	}
	t, _, err := db.Table(ctx, "select kind, document_id, coalesce(amount::varchar || ' ' || currency, ''), opened_at::date, reason, suggestion from recon.exceptions where status = 'open' order by kind, document_id limit 20", 0)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "held or on suspense, and why")
	if err := writeExceptions(a.stdout, t); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	fmt.Fprintf(a.stdout, "%d entries booked, %d vouchers posted as SIE 4 files in %s, %.1f s\n", res.Entries, res.Posted, p.SIEDir(), time.Since(began).Seconds())
	order := "10001"
	if t, err := db.Texts(ctx, `select order_number from recon.documents where kind = 'refund' group by order_number order by count(*) desc, order_number limit 1`); err == nil && len(t) == 1 {
		order = t[0]
	}
	fmt.Fprintf(a.stdout, `
try next
  kvitt --config %[1]s payouts
  kvitt --config %[1]s explain %[2]s
  kvitt --config %[1]s query "select * from recon.open_items order by age_days desc limit 10"
`, path, order)
	return nil
}

const demoReadme = `This folder is made by kvitt demo and may be deleted. kvitt.toml is the configuration it ran
with, inbox/ holds the reports it read, data/ what came of it.
`

const demoConfig = `# A sample merchant. The Klarna it speaks to ends with the demo; what was read is in data/.
data_dir = "data"

[company]
name        = "Exempel Handel AB"
org_number  = "556000-0167"
country     = "SE"
currency    = "SEK"
time_zone   = "Europe/Stockholm"
fiscal_year = "01-01"

[[source]]
name     = "klarna"
provider = "klarna"
flows    = ["orders", "invoices", "refunds", "payouts"]
username = %q
password = %q
base_url = %q
currency = "SEK"
[[source.fee]]                 # what the contract says: kvitt query "select * from recon.fees"
method  = "pay_in_x"
percent = "2.79"
fixed   = "3.00"
[[source.fee]]
method  = "*"
percent = "2.99"
fixed   = "3.00"

[[source]]
name      = "adyen"
provider  = "adyen"
flows     = ["payouts"]
inbox     = "inbox"
unmatched = "receivable" # its sales are booked by the shop's own connector

[[sales]]
country  = "SE"
vat_rate = "25"
sales    = 3001
vat      = 2611

[[sales]]
country  = "SE"
vat_rate = "12"
sales    = 3002
vat      = 2621

[[sales]]
country  = "SE"
vat_rate = "6"
sales    = 3003
vat      = 2631

[[sales]]
country  = "SE"
vat_rate = "0"
sales    = 3004

[[sales]]
country  = "FI"
vat_rate = "25.5"
sales    = 3106
vat      = 2670
oss      = true

[[sales]]
country  = "DE"
vat_rate = "19"
sales    = 3106
vat      = 2670
oss      = true

[[sales]]
country  = "DK"
vat_rate = "25"
sales    = 3106
vat      = 2670
oss      = true

[[sales]]
country  = "*"
vat_rate = "0"
sales    = 3105

[erp]
provider  = "sie"
mode      = "voucher"
aggregate = "day"
series    = "K"
auto_post = false
period    = "first_open"
`
