package centra

import (
	"embed"
	"net/url"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Source describes Centra to the pipeline.
func Source() extract.Source {
	flows := []string{"orders", "invoices", "refunds"}
	models := func(s extract.Stream) []extract.Model {
		return []extract.Model{
			{Temp: "centra_unfolded", Stream: s, File: "tmp_centra__unfolded.sql"},
			{Temp: "centra_orders", Stream: s, File: "tmp_centra__orders.sql"},
			{Temp: "centra_entries", Stream: s, File: "tmp_centra__entries.sql"},
			{Temp: "centra_shipments", Stream: s, File: "tmp_centra__shipments.sql"},
			{Temp: "centra_gift_cards", Stream: s, File: "tmp_centra__gift_cards.sql"},
			{Temp: "centra_returns", Stream: s, File: "tmp_centra__returns.sql"},
			{Temp: "centra_refunds", Stream: s, File: "tmp_centra__refunds.sql"},
			{Entity: "documents", Stream: s, File: "stg_centra__documents.sql"},
			{Entity: "document_lines", Stream: s, File: "stg_centra__document_lines.sql"},
			{Entity: "document_keys", Stream: s, File: "stg_centra__document_keys.sql"},
		}
	}
	return extract.Source{
		Name:  "centra",
		Title: "Centra",
		Docs:  "https://centra.dev/graphql/",
		Keys: []extract.Key{
			{Name: "access_token", Secret: true, Required: true, Help: "an Integration API token, from Centra AMS → System → API tokens; it expires. Permissions: " + permissions},
			{Name: "webhook_secret", Secret: true, Help: "the endpoint secret of the Centra Webhook plugin"},
			{Name: "store", Help: "the ID of one store, where the token shows several"},
		},
		Stages: []extract.Stage{
			{Stream: orders, Flows: flows, Backfill: true},
			{Stream: orders, Flows: flows, Follow: "follow_centra__orders.sql"},
			{Stream: lookups, Flows: flows, Follow: "follow_centra__lookups.sql", Late: true},
		},
		Models:   append(models(orders), models(lookups)...),
		Macros:   "macros_centra.sql",
		Files:    files,
		Flows:    flows,
		Defaults: extract.Defaults{Clearing: 1580, Fee: 6040, FeeVAT: "none"},
		Every:    every,
		Open:     Open,
		Shop:     true,
		Personal: []string{"vatnumber", "paramsjson", "firstname", "lastname", "companyname", "attention", "address1", "address2", "city", "zipcode",
			"stateorprovince", "email", "phonenumber", "cellphonenumber", "faxnumber", "userip"},
		NotPersonal: []string{"captureid", "capture_id", "refundid", "refund_id", "pspreference", "transactionid", "transaction_id", "paymenttransactionid"},
		Hook: &extract.Hook{
			Read:  readHook,
			Reply: func(extract.Call) (string, []byte) { return "text/plain", []byte("ok") },
		},
	}
}

// every keeps to the requests that a fresh Centra allows: 20 in 10 seconds. Other hosts say themselves
// when it is too much.
// Source: "Centra APIs rate limits" in the documentation of the Integration API.
func every(cfg extract.Config) time.Duration {
	u, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return 0
	}
	host := strings.ToLower(u.Hostname())
	if strings.HasSuffix(host, ".centra.com") || strings.HasSuffix(host, ".centraqa.com") {
		return 10 * time.Second / 20
	}
	return 0
}
