package woocommerce

import (
	"embed"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Source describes WooCommerce to the pipeline.
func Source() extract.Source {
	flows := []string{"orders", "invoices", "refunds"}
	sale := []string{"order", "delivery"}
	return extract.Source{
		Name:  "woocommerce",
		Title: "WooCommerce",
		Docs:  "https://woocommerce.github.io/woocommerce-rest-api-docs/",
		Keys: []extract.Key{
			{Name: "consumer_key", Required: true, Help: "the key ck_…, from WooCommerce → Settings → Advanced → REST API; Read is enough"},
			{Name: "consumer_secret", Secret: true, Required: true, Help: "the secret cs_… that came with the key"},
			{Name: "webhook_secret", Secret: true, Help: "the secret of the webhooks order.created, order.updated and order.deleted"},
			{Name: "delivered_when", Help: `the statuses in which an order is delivered, "completed" unless set: "completed,shipped" with a plugin's own status, "processing,completed" when it is invoiced as soon as it is paid`},
			{Name: "vat_country", Help: `where VAT is due: "shipping" (unless set), "billing", or a country such as "SE", as WooCommerce → Settings → Tax → "Calculate tax based on" says`},
			{Name: "auth", Help: `"query" when the shop's host drops the Authorization header, "oauth" for signatures; else leave it out`},
		},
		Stages: []extract.Stage{
			{Stream: orders, Flows: flows, Backfill: true},
			{Stream: refunds, Flows: flows, Follow: "follow_woocommerce__refunds.sql", Along: true},
			{Stream: lookup, Flows: flows, Follow: "follow_woocommerce__lookup.sql", Late: true},
			{Stream: refunds, Flows: flows, Follow: "follow_woocommerce__refunds.sql", Late: true},
		},
		Models: []extract.Model{
			{Temp: "woo_documents", Stream: orders, File: "tmp_woocommerce__orders.sql"},
			{Entity: "documents", Stream: orders, File: "stg_woocommerce__documents.sql", Kinds: sale},
			{Temp: "woo_rates", Stream: orders, File: "tmp_woocommerce__order_rates.sql"},
			{Temp: "woo_lines", Stream: orders, File: "tmp_woocommerce__lines.sql"},
			{Entity: "document_lines", Stream: orders, File: "stg_woocommerce__document_lines.sql"},
			{Entity: "document_keys", Stream: orders, File: "stg_woocommerce__document_keys.sql"},
			{Temp: "woo_documents", Stream: lookup, File: "tmp_woocommerce__orders.sql"},
			{Entity: "documents", Stream: lookup, File: "stg_woocommerce__documents.sql", Kinds: sale},
			{Temp: "woo_rates", Stream: lookup, File: "tmp_woocommerce__order_rates.sql"},
			{Temp: "woo_lines", Stream: lookup, File: "tmp_woocommerce__lines.sql"},
			{Entity: "document_lines", Stream: lookup, File: "stg_woocommerce__document_lines.sql"},
			{Entity: "document_keys", Stream: lookup, File: "stg_woocommerce__document_keys.sql"},
			{Entity: "documents", Stream: refunds, File: "stg_woocommerce__refunds.sql", Kinds: []string{"refund"}},
			{Temp: "woo_documents", Stream: refunds, File: "tmp_woocommerce__refund_documents.sql"},
			{Temp: "woo_rates", Stream: refunds, File: "tmp_woocommerce__refund_rates.sql"},
			{Temp: "woo_lines", Stream: refunds, File: "tmp_woocommerce__lines.sql"},
			{Entity: "document_lines", Stream: refunds, File: "stg_woocommerce__refund_lines.sql"},
			{Entity: "document_keys", Stream: refunds, File: "stg_woocommerce__refund_keys.sql"},
		},
		Macros:   "macros_woocommerce.sql",
		Files:    files,
		Flows:    flows,
		Defaults: extract.Defaults{Clearing: 1580, Fee: 6040, FeeVAT: "none"},
		Account: func(cfg extract.Config) string {
			base, _, err := parseBase(cfg.BaseURL)
			if err != nil {
				return cfg.BaseURL
			}
			return base.String()
		},
		Open: Open,
		Shop: true,
		Personal: []string{
			"billing", "shipping", "first_name", "last_name", "company", "address_1", "address_2", "city", "postcode", "email", "phone",
			"customer_note", "customer_ip_address", "customer_user_agent", "_billing_address_index", "_shipping_address_index",
			"_billing_pno", "_billing_personal_number", "_billing_org_nr", "_billing_vat_number", "billing_vat_number", "_vat_number", "vat_number",
		},
		NotPersonal: []string{"country"},
		Hook:        &extract.Hook{Read: readHook, Reply: reply},
	}
}
