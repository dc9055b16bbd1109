package klarna

import (
	"embed"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Source describes Klarna to the pipeline.
func Source() extract.Source {
	orderFlows := []string{"orders", "invoices", "refunds"}
	return extract.Source{
		Name:  "klarna",
		Title: "Klarna",
		Docs:  "https://docs.klarna.com/api/",
		Keys: []extract.Key{
			{Name: "username", Required: true, Help: "the API username (K123456_… or klarna_live_api_…), from the Klarna portal → Settings → API credentials"},
			{Name: "password", Secret: true, Required: true, Help: "the password that came with the username"},
		},
		Stages: []extract.Stage{
			{Stream: "payouts", Flows: []string{"payouts"}},
			{Stream: "payout_lines", Flows: []string{"payouts"}, Follow: "follow_klarna__payout_lines.sql"},
			{Stream: "orders", Flows: orderFlows, Follow: "follow_klarna__orders.sql", Backfill: true},
		},
		Models: []extract.Model{
			{Entity: "payouts", Stream: "payouts", File: "stg_klarna__payouts.sql"},
			{Entity: "payout_parts", Stream: "payout_lines", File: "stg_klarna__payout_parts.sql"},
			{Entity: "payout_lines", Stream: "payout_lines", File: "stg_klarna__payout_lines.sql"},
			{Entity: "payouts", Stream: settlementFiles, File: "stg_klarna__payouts.sql"},
			{Entity: "payout_parts", Stream: settlementFiles, File: "stg_klarna__payout_parts.sql"},
			{Entity: "payout_lines", Stream: settlementFiles, File: "stg_klarna__payout_lines.sql"},
			{Temp: "klarna_orders", Stream: "orders", File: "tmp_klarna__orders.sql"},
			{Temp: "klarna_events", Stream: "orders", File: "tmp_klarna__events.sql"},
			{Entity: "documents", Stream: "orders", File: "stg_klarna__documents.sql"},
			{Entity: "document_lines", Stream: "orders", File: "stg_klarna__document_lines.sql"},
			{Entity: "document_keys", Stream: "orders", File: "stg_klarna__document_keys.sql"},
		},
		Macros: "macros_klarna.sql",
		Files:  files,
		// The CSV report with transactions, from the portal or by SFTP. Columns that an account may leave out
		// are not asked for: refund_id and purchase_country are off by default on SFTP.
		Inbox: &extract.Inbox{
			Stream:   settlementFiles,
			Suffixes: []string{".csv"},
			Sections: [][]string{
				{"payment_reference", "payout_date", "settlement_currency", "total_settlement_amount", "total_sale_amount", "total_fee_amount",
					"total_return_amount", "total_tax_amount"},
				{"type", "capture_date", "order_id", "capture_id", "merchant_reference1", "amount", "posting_currency", "tax_amount"},
			},
		},
		// Of an address and a customer, all but the country and the kind: VAT hangs on those.
		Personal: []string{"given_name", "family_name", "organization_name", "attention", "title",
			"email", "phone", "region", "care_of", "house_extension", "street_address", "street_address2", "postal_code", "city", "date_of_birth", "national_identification_number",
			"organization_registration_id", "vat_id", "merchant_data", "klarna_comment"},
		Flows:    []string{"orders", "invoices", "refunds", "payouts"},
		Defaults: extract.Defaults{Clearing: 1585, Fee: 6064, FeeVAT: "reported"},
		Kinds:    kinds,
		Account: func(cfg extract.Config) string {
			base := cfg.BaseURL
			if base == "" {
				base = defaultBase
			}
			return base + " " + cfg.Keys["username"]
		},
		Every:         every,
		UniquePayouts: true, // the payment reference on the bank statement
		Open:          Open,
	}
}

// What the transaction types mean; detailed types tell loans and disputes from the rest.
// Source: https://docs.klarna.com/settlement-reports/
var kinds = []extract.Kind{
	{Word: "SALE", Kind: "sale"},
	{Word: "RETURN", Kind: "refund"},
	{Word: "REVERSAL", Kind: "chargeback"},
	{Word: "REVERSAL/COMMISSION_RETURN*", Kind: "fee"},
	{Word: "REVERSAL_MERCHANT_PROTECTION", Kind: "chargeback_reversed"},
	{Word: "FEE", Kind: "fee"},
	{Word: "FEE_REFUND", Kind: "fee"},
	{Word: "COMMISSION", Kind: "fee"},
	{Word: "TAX", Kind: "fee"},
	{Word: "CORRECTION", Kind: "decision"},
	{Word: "CORRECTION/*FEE*", Kind: "fee"},
	{Word: "HOLDBACK", Kind: "reserve"},
	{Word: "RELEASE", Kind: "reserve"},
	{Word: "CHARGE", Kind: "decision"},
	{Word: "CHARGE/CASH_ADVANCE*", Kind: "loan"},
	{Word: "CHARGE/LOAN*", Kind: "loan"},
	{Word: "CREDIT", Kind: "decision"},
	{Word: "CREDIT/CASH_ADVANCE*", Kind: "loan"},
	{Word: "CREDIT/LOAN*", Kind: "loan"},
	{Word: "CREDIT/CORRECTION_DISPUTE", Kind: "chargeback_reversed"},
}

// every keeps to the limits Klarna documents per merchant: 200 requests a second live, 50
// in the playground. Other hosts say themselves when it is too much.
func every(cfg extract.Config) time.Duration {
	switch {
	case cfg.BaseURL == "" || strings.HasSuffix(cfg.BaseURL, ".klarna.com") && !strings.Contains(cfg.BaseURL, "playground"):
		return time.Second / 200
	case strings.Contains(cfg.BaseURL, "playground"):
		return time.Second / 50
	}
	return 0
}
