package shopify

import (
	"embed"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Source describes Shopify to the pipeline.
func Source() extract.Source {
	orderFlows := []string{"orders", "invoices", "refunds"}
	return extract.Source{
		Name:  "shopify",
		Title: "Shopify",
		Docs:  "https://shopify.dev/docs/api/admin-graphql",
		Keys: []extract.Key{
			{Name: "shop", Required: true, Help: "the shop's first name: exempel for exempel.myshopify.com"},
			{Name: "access_token", Secret: true, Required: true, Help: "the Admin API access token (shpat_…) of an app made for the shop: Settings → Apps → Develop apps"},
			{Name: "api_version", Help: "the version of the API, a quarter: 2026-01. A version lives about a year"},
			{Name: "webhook_secret", Secret: true, Help: "the app's client secret (API secret key), by which webhooks are signed"},
			{Name: "money", Help: "presentment: books hold what the customer paid, in that currency (default); shop: Shopify's conversion to the shop's currency"},
		},
		Stages: []extract.Stage{
			// The list goes by the time of the last change, so that little overlap is needed.
			{Stream: orders, Flows: orderFlows, Backfill: true, Overlap: 48 * time.Hour},
			{Stream: payouts, Flows: []string{"payouts"}},
			{Stream: payoutLines, Flows: []string{"payouts"}, Follow: "follow_shopify__payout_lines.sql"},
			{Stream: lookups, Flows: orderFlows, Follow: "follow_shopify__lookups.sql", Late: true},
		},
		Models: []extract.Model{
			{Entity: "documents", Stream: orders, File: "stg_shopify__documents.sql"},
			{Entity: "document_lines", Stream: orders, File: "stg_shopify__document_lines.sql"},
			{Entity: "document_keys", Stream: orders, File: "stg_shopify__document_keys.sql"},
			{Entity: "documents", Stream: lookups, File: "stg_shopify__documents.sql"},
			{Entity: "document_lines", Stream: lookups, File: "stg_shopify__document_lines.sql"},
			{Entity: "document_keys", Stream: lookups, File: "stg_shopify__document_keys.sql"},
			{Entity: "payouts", Stream: payouts, File: "stg_shopify__payouts.sql"},
			{Entity: "payout_parts", Stream: payoutLines, File: "stg_shopify__payout_parts.sql"},
			{Entity: "payout_lines", Stream: payoutLines, File: "stg_shopify__payout_lines.sql"},
		},
		Macros:   "macros_shopify.sql",
		Prepare:  "prepare_shopify.sql",
		Files:    files,
		Flows:    []string{"orders", "invoices", "refunds", "payouts"},
		Defaults: extract.Defaults{Clearing: 1580, Fee: 6040, FeeVAT: "none"},
		Kinds:    kinds,
		Account: func(cfg extract.Config) string {
			host, err := domain(cfg.Keys["shop"])
			if err != nil {
				host = cfg.Keys["shop"]
			}
			return cfg.BaseURL + " " + host
		},
		Open: Open,
		Shop: true,
		// Of these only company is ever asked for; webhooks hold all of them.
		Personal: []string{"company", "note_attributes", "name_on_card", "first_name", "last_name", "firstname", "lastname",
			"email", "contact_email", "phone", "address1", "address2", "zip", "city", "browser_ip", "clientip", "client_details", "latitude", "longitude",
			"credit_card_number", "credit_card_name", "credit_card_bin", "default_address", "note"},
		Hook: &extract.Hook{Read: readHook},
	}
}

// What the types of balance transactions mean. Those that are not here hold their payout:
// there are more than a hundred, and a new one may be anything.
// Source: ShopifyPaymentsTransactionType, Admin GraphQL 2026-01. That rows of the groups shipping,
// customs, marketplace and credits need a decision is ours: where they belong depends on the merchant.
var kinds = func() []extract.Kind {
	var all []extract.Kind
	for kind, words := range map[string][]string{
		"sale":                {"CHARGE"},
		"refund":              {"REFUND"},
		"chargeback":          {"DISPUTE_WITHDRAWAL"},
		"chargeback_reversed": {"DISPUTE_REVERSAL"},
		"fee": {"CHARGEBACK_FEE", "CHARGEBACK_FEE_REFUND", "STRIPE_FEE", "APPLICATION_FEE_REFUND", "REFERRAL_FEE", "REFERRAL_FEE_TAX",
			"AGENTIC_FEE_TAX_DEBIT", "AGENTIC_FEE_TAX_DEBIT_REVERSAL", "AGENTIC_FEE_TAX_CREDIT", "AGENTIC_FEE_TAX_CREDIT_REVERSAL",
			"BILLING_DEBIT", "BILLING_DEBIT_REVERSAL", "ACH_BANK_FAILURE_DEBIT_FEE", "ACH_BANK_FAILURE_DEBIT_REVERSAL_FEE"},
		"reserve": {"RESERVED_FUNDS", "RESERVED_FUNDS_WITHDRAWAL", "RESERVED_FUNDS_REVERSAL", "CHARGEBACK_HOLD", "CHARGEBACK_HOLD_RELEASE", "RISK_WITHDRAWAL", "RISK_REVERSAL"},
		"loan": {"ADVANCE", "ADVANCE_FUNDING", "LENDING_DEBIT", "LENDING_DEBIT_REVERSAL", "LENDING_CREDIT", "LENDING_CREDIT_REVERSAL",
			"LENDING_CAPITAL_REMITTANCE", "LENDING_CAPITAL_REMITTANCE_REVERSAL", "LENDING_CREDIT_REMITTANCE", "LENDING_CREDIT_REMITTANCE_REVERSAL",
			"LENDING_CAPITAL_REFUND", "LENDING_CAPITAL_REFUND_REVERSAL", "LENDING_CREDIT_REFUND", "LENDING_CREDIT_REFUND_REVERSAL"},
		"payout": {"TRANSFER_FAILURE", "TRANSFER_CANCEL", "TRANSFER_REFUND"},
		"decision": {"ADJUSTMENT", "CHARGE_ADJUSTMENT", "REFUND_ADJUSTMENT", "REFUND_FAILURE", "SHIPPING_LABEL", "SHIPPING_LABEL_ADJUSTMENT",
			"CUSTOMS_DUTY", "CUSTOMS_DUTY_ADJUSTMENT", "IMPORT_TAX", "IMPORT_TAX_ADJUSTMENT", "IMPORT_TAX_REFUND", "TAX_ADJUSTMENT_DEBIT", "TAX_ADJUSTMENT_CREDIT",
			"SHOP_CASH_CREDIT", "SHOP_CASH_BILLING_DEBIT", "SHOP_CASH_REFUND_DEBIT", "MERCHANT_GOODWILL_CREDIT", "MARKETPLACE_FEE_CREDIT", "VAT_REFUND_CREDIT",
			"MERCHANT_TO_MERCHANT_DEBIT", "MERCHANT_TO_MERCHANT_CREDIT", "SHOPIFY_COLLECTIVE_DEBIT", "SHOPIFY_COLLECTIVE_CREDIT",
			"CHARGEBACK_PROTECTION_CREDIT", "CHARGEBACK_PROTECTION_DEBIT", "SELLER_PROTECTION_CREDIT"},
	} {
		for _, w := range words {
			all = append(all, extract.Kind{Word: w, Kind: kind})
		}
	}
	slices.SortFunc(all, func(a, b extract.Kind) int { return strings.Compare(a.Word, b.Word) })
	return all
}()
