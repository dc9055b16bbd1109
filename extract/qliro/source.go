package qliro

import (
	"embed"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Source describes Qliro to the pipeline. No limit of requests is documented: Qliro says
// itself when it is too much.
func Source() extract.Source {
	return extract.Source{
		Name:  "qliro",
		Title: "Qliro",
		Docs:  "https://developers.qliro.com/",
		Keys: []extract.Key{
			{Name: "api_key", Required: true, Help: "the Merchant API key, from Qliro's onboarding"},
			{Name: "api_secret", Secret: true, Required: true, Help: "the Merchant API secret that came with the key"},
		},
		Stages: []extract.Stage{
			{Stream: payouts, Flows: []string{"payouts"}},
			{Stream: payoutLines, Flows: []string{"payouts"}, Follow: "follow_qliro__payout_lines.sql"},
			{Stream: orders, Flows: []string{"orders", "invoices", "refunds"}, Follow: "follow_qliro__orders.sql", Backfill: true},
		},
		Models: []extract.Model{
			{Entity: "payouts", Stream: payouts, File: "stg_qliro__payouts.sql"},
			{Entity: "payout_parts", Stream: payoutLines, File: "stg_qliro__payout_parts.sql"},
			{Entity: "payout_lines", Stream: payoutLines, File: "stg_qliro__payout_lines.sql"},
			{Temp: "qliro_read", Stream: orders, File: "tmp_qliro__orders.sql"},
			{Temp: "qliro_acted", Stream: orders, File: "tmp_qliro__actions.sql"},
			{Temp: "qliro_happened", Stream: orders, File: "tmp_qliro__events.sql"},
			{Entity: "documents", Stream: orders, File: "stg_qliro__documents.sql"},
			{Entity: "document_lines", Stream: orders, File: "stg_qliro__document_lines.sql"},
			{Entity: "document_keys", Stream: orders, File: "stg_qliro__document_keys.sql"},
		},
		Macros:   "macros_qliro.sql",
		Files:    files,
		Flows:    []string{"orders", "invoices", "refunds", "payouts"},
		Defaults: extract.Defaults{Clearing: 1584, Fee: 6064, FeeVAT: "reported"},
		Kinds: []extract.Kind{
			{Word: "Transaction/Debit", Kind: "sale"},
			{Word: "Transaction/Credit", Kind: "refund"},
			{Word: "Fee", Kind: "fee"},
			{Word: "Chargeback/Credit", Kind: "chargeback"},
			{Word: "Chargeback/Debit", Kind: "chargeback_reversed"},
		},
		Account: func(cfg extract.Config) string {
			base := cfg.BaseURL
			if base == "" {
				base = defaultBase
			}
			return base + " " + cfg.Keys["api_key"]
		},
		Open: Open,
		// Source: Admin API v2, GetOrderResponse: Customer, the addresses and travellers.
		Personal: []string{
			"firstname", "lastname", "email", "mobilenumber", "personalnumber", "vatnumber", "dateofbirth", "gender",
			"companyname", "careof", "street", "street2", "postalcode", "city", "area", "areacode",
		},
		Hook: &hook,
	}
}
