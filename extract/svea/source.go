package svea

import (
	"embed"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Source describes Svea to the pipeline.
func Source() extract.Source {
	orderFlows := []string{"orders", "invoices", "refunds"}
	return extract.Source{
		Name:  "svea",
		Title: "Svea",
		Docs:  "https://docs.payments.svea.com/docs/manage-order/reports",
		Keys: []extract.Key{
			{Name: "merchant_id", Required: true, Help: "the checkout merchant ID, from Svea"},
			{Name: "secret", Secret: true, Required: true, Help: "the shared secret that came with the merchant ID"},
		},
		Stages: []extract.Stage{
			{Stream: "reports", Flows: []string{"payouts"}},
			{Stream: "orders", Flows: orderFlows, Follow: "follow_svea__orders.sql", Backfill: true},
		},
		Models: []extract.Model{
			{Temp: "svea_payouts", Stream: "reports", File: "tmp_svea__payouts.sql"},
			{Entity: "payouts", Stream: "reports", File: "stg_svea__payouts.sql"},
			{Entity: "payout_parts", Stream: "reports", File: "stg_svea__payout_parts.sql"},
			{Entity: "payout_lines", Stream: "reports", File: "stg_svea__payout_lines.sql"},
			{Temp: "svea_happened", Stream: "orders", File: "tmp_svea__events.sql"},
			{Entity: "documents", Stream: "orders", File: "stg_svea__documents.sql"},
			{Entity: "document_lines", Stream: "orders", File: "stg_svea__document_lines.sql"},
			{Entity: "document_keys", Stream: "orders", File: "stg_svea__document_keys.sql"},
		},
		Macros:   "macros_svea.sql",
		Files:    files,
		Flows:    []string{"orders", "invoices", "refunds", "payouts"},
		Defaults: extract.Defaults{Clearing: 1581, Fee: 6064, FeeVAT: "reported"},
		Kinds:    kinds,
		Account: func(cfg extract.Config) string {
			base := cfg.BaseURL
			if base == "" {
				base = defaultBase
			}
			return base + " " + cfg.Keys["merchant_id"]
		},
		Open:     Open,
		Personal: personal,
		Hook:     hook,
	}
}

// What the row types mean. A manual row without a reference and an amount is a fee; what else
// Svea's people write by hand needs ours. Of the fees on a row two are no cost: a deposit
// is an asset, and a dismissed invoice is one taken back.
// Source: com.svea.webpay.common.reconciliation2 in sveawebpay/webpay-common.
var kinds = []extract.Kind{
	{Word: "Order", Kind: "sale"},
	{Word: "Credit", Kind: "refund"},
	{Word: "Regression", Kind: "chargeback"},
	{Word: "Cost", Kind: "fee"},
	{Word: "Kickback", Kind: "fee"},
	{Word: "Deposit", Kind: "reserve"},
	{Word: "Manual", Kind: "decision"},
	{Word: "Manual/FEE", Kind: "fee"},
	{Word: "OpeningBalanceDebt", Kind: "carried"},
	{Word: "ClosingBalanceDebt", Kind: "carried"},
	{Word: "Fee/Deposit", Kind: "reserve"},
	{Word: "Fee/Dismissed", Kind: "decision"},
}

// personal are the keys whose values are about a person, of orders and of reports.
var personal = []string{
	"nationalid", "emailaddress", "phonenumber", "customerreference", "peppolid", "billingreferences",
	"fullname", "firstname", "lastname", "streetaddress", "streetaddress2", "streetaddress3", "coaddress", "postalcode", "city", "addresslines",
	"customername", "sveacustomerid",
}
