package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
	"github.com/kvitt/kvitt/fixtures/sandbox/eight"
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	began := time.Now()
	month := eight.Month(eight.Whole)
	url, err := eight.Start(ctx, month, func() time.Time { return demoNow }, nil)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "kvitt.toml")
	for name, body := range map[string][]byte{
		"kvitt.toml": []byte(month.Config(url)), "rates.csv": eight.Rates(), "demo.md": []byte(demoReadme),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			return err
		}
	}
	if !a.frozen {
		a.clock = func() time.Time { return demoNow }
	}
	cfg, err := config.Load(path, a.env, all.Sources(), config.Targets("sie", "fortnox"))
	if err != nil {
		return err
	}
	p := a.project(cfg)
	fmt.Fprint(a.stdout, demoIntro)
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
		{"booked", `select source,
				count(*) filter (kind = 'delivery') as deliveries, coalesce(sum(amount) filter (kind = 'delivery'), 0) as delivered,
				count(*) filter (kind = 'refund') as refunds, coalesce(-sum(amount) filter (kind = 'refund'), 0) as refunded,
				count(*) filter (kind = 'payout') as payouts, coalesce(sum(amount) filter (kind = 'payout'), 0) as paid_out
			from recon.documents where status in ('open', 'settled', 'booked') and kind <> 'order' group by source order by source`},
		{"settled: payout lines, and by what they found their sale or refund", `select l.source, count(*) as lines,
				count(*) filter (l.match_rule = 'event_id') as by_event, count(*) filter (l.match_rule = 'order_id') as by_order,
				count(*) filter (l.match_rule = 'payment_id') as by_payment, count(*) filter (l.match_rule in ('reference', 'order_amount_date')) as by_reference,
				count(*) filter (l.matched_document is null) as on_suspense
			from recon.payout_lines as l inner join recon.payouts as p using (source, payout_id)
			where p.status = 'booked' and l.kind in ('sale', 'refund') group by l.source order by l.source`},
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

const demoIntro = `Exempel Handel AB, March 2026: all eight sources, over HTTP on loopback.
Klarna, Svea and Qliro own the orders of their own checkouts. Shopify, WooCommerce and Centra own the
rest, which Mollie, Adyen and second accounts at Klarna, Svea and Qliro pay out.

`

const demoReadme = `This folder is made by kvitt demo and may be deleted. kvitt.toml is the configuration it ran
with and rates.csv its exchange rates; the servers it read ended with the demo. data/ is what came of it.
`
