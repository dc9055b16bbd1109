package mollie

import (
	"embed"
	"time"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Source describes Mollie to the pipeline.
func Source() extract.Source {
	orderFlows := []string{"orders", "invoices", "refunds"}
	return extract.Source{
		Name:  "mollie",
		Title: "Mollie",
		Docs:  "https://docs.mollie.com/reference/",
		Keys: []extract.Key{
			{Name: "access_token", Secret: true, Required: true, Unless: "client_id", Help: "an organization access token (access_…), from the Mollie dashboard → More → Developers → Organization access tokens"},
			{Name: "client_id", Help: "instead of access_token: the ID of an OAuth app of yours (app_…); kvitt connect then asks for leave to read the account"},
			{Name: "client_secret", Secret: true, Help: "the secret of the OAuth app"},
			{Name: "webhook_secret", Secret: true, Help: "the signing secret of a webhook subscription; several, divided by commas, while it is being replaced"},
			{Name: "testmode", Help: `"true" reads what was made in test mode; there are no settlements in it`},
		},
		Stages: []extract.Stage{
			{Stream: settlements, Flows: []string{"payouts"}},
			{Stream: settlementLines, Flows: []string{"payouts"}, Follow: "follow_mollie__settlement_lines.sql"},
			{Stream: paymentList, Flows: orderFlows},
			{Stream: payments, Flows: orderFlows, Follow: "follow_mollie__payments.sql", Backfill: true},
			{Stream: balanceTransactions, Flows: []string{"payouts"}, Overlap: 48 * time.Hour, Optional: true},
		},
		Models: []extract.Model{
			{Entity: "payouts", Stream: settlements, File: "stg_mollie__payouts.sql"},
			{Entity: "payout_parts", Stream: settlementLines, File: "stg_mollie__payout_parts.sql"},
			{Entity: "payout_lines", Stream: settlementLines, File: "stg_mollie__payout_lines.sql",
				Leave: "locator similar to '.*\"[.]revenue\\[[0-9]+\\]' and method in (select method from payout_lines where provider_type = 'payment')"},
			{Entity: "documents", Stream: paymentList, File: "stg_mollie__listed_payments.sql", Leave: "order_id in (select order_id from documents)"},
			{Temp: "mollie_happened", Stream: payments, File: "tmp_mollie__payments.sql"},
			{Entity: "documents", Stream: payments, File: "stg_mollie__documents.sql"},
			{Entity: "document_lines", Stream: payments, File: "stg_mollie__document_lines.sql"},
			{Entity: "document_keys", Stream: payments, File: "stg_mollie__document_keys.sql"},
			{Entity: "provider_balances", Stream: balanceTransactions, File: "stg_mollie__balances.sql"},
			{Entity: "provider_movements", Stream: balanceTransactions, File: "stg_mollie__movements.sql"},
		},
		Macros:   "macros_mollie.sql",
		Files:    files,
		Flows:    []string{"orders", "invoices", "refunds", "payouts"},
		Defaults: extract.Defaults{Clearing: 1582, Fee: 6040, FeeVAT: "reported"},
		Kinds:    kinds,
		Account: func(cfg extract.Config) string {
			base := cfg.BaseURL
			if base == "" {
				base = defaultBase
			}
			if cfg.Keys["client_id"] == "" {
				return "" // nothing but the token names the account
			}
			return base + " " + cfg.Name // one app may read many accounts
		},
		Open:     Open,
		Personal: personal, NotPersonal: []string{"country"},
		Hook:    hook(),
		Consent: consent,
	}
}

// What the words mean. payment, capture, refund and chargeback are the lists of a settlement;
// cost is a row of its periods' costs, with the method as detail; the rest are methods of the
// periods' revenue that have no list.
// Source: settlement-method in Mollie's OpenAPI file; "null" and what is not here is for a person to map.
var kinds = []extract.Kind{
	{Word: "payment", Kind: "sale"},
	{Word: "capture", Kind: "sale"},
	{Word: "refund", Kind: "refund"},
	{Word: "returned-refund", Kind: "refund"},
	{Word: "chargeback", Kind: "chargeback"},
	{Word: "chargeback-reversal", Kind: "chargeback_reversed"},
	{Word: "cost", Kind: "fee"},
	{Word: "cost/rollingreserve", Kind: "reserve"},
	{Word: "applicationfee", Kind: "fee"},
	{Word: "shiftedfee", Kind: "fee"},
	{Word: "kickback", Kind: "fee"},
	{Word: "authorizationreversal", Kind: "fee"},
	{Word: "rollingreserve", Kind: "reserve"},
	{Word: "correction", Kind: "decision"},
}

// personal names what payments say about people.
var personal = []string{
	"billingaddress", "shippingaddress", "givenname", "familyname", "title", "organizationname", "streetandnumber", "streetadditional",
	"postalcode", "city", "region", "email", "phone", "consumername", "consumeraccount", "consumerbic", "consumerdateofbirth",
	"consumerreference", "cardholder", "cardnumber", "cardfingerprint", "bankaccount", "beneficiaryname", "customername",
	"paypalpayerid", "shopperreference", "useremail",
}
