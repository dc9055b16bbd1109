// Package adyen extracts from Adyen.
//
// Settlements come from the Settlement details report, a CSV file Adyen writes per payout
// batch. It is downloaded over HTTP, or read from a folder (inbox) where SFTP or a person
// puts it; the same staging reads both. Amounts in it are in major units, debit and credit in columns of
// their own; times are local, the zone named in the column TimeZone. Columns are found by name: their order
// and number differ between accounts. Adyen has no call that reads a payment, so the report
// is all there is: no order lines, no VAT, no customer.
//
// A batch adds up when credits minus debits over all its rows, the payout and carried
// balances included, is zero per merchant account, batch and net currency.
//
// There is no list of reports either. Batches are numbered one by one per merchant account, so
// the next is asked for until there is none; a number that is skipped is missing, said so, and asked for
// again in every run. A notification (hook.go) may name a report sooner, or one whose name has no number.
// What the report server answers is little documented: 404 is "no such report", and so is
// a 403 when another report can be read.
//
// Sources: https://docs.adyen.com/reporting/settlement-reconciliation/transaction-level/settlement-details-report,
// https://docs.adyen.com/reporting/automatically-get-reports
package adyen

import (
	"embed"

	"github.com/kvitt/kvitt/extract"
)

//go:embed *.sql
var files embed.FS

// Reports is the stream of settlement details reports.
const Reports extract.Stream = "settlement_reports"

// Source describes Adyen to the pipeline.
func Source() extract.Source {
	return extract.Source{
		Name:  "adyen",
		Title: "Adyen",
		Docs:  "https://docs.adyen.com/reporting",
		Keys: []extract.Key{
			{Name: "merchant_account", Required: true, Help: "the merchant account whose reports are read"},
			{Name: "report_user", Required: true, Help: "report@Company.YOUR_COMPANY, with the role \"Merchant Report Download role\", from Customer Area → Developers → API credentials"},
			{Name: "report_password", Secret: true, Required: true, Help: "the report user's password"},
			{Name: "hmac_key", Secret: true, Help: "the HMAC key of the standard webhook, 64 hexadecimal digits; while it is replaced, the old and the new one with a comma between"},
			{Name: "first_batch", Help: "the number of the first batch to read; 1 if it is not set"},
		},
		Stages: []extract.Stage{{Stream: Reports, Flows: []string{"payouts"}, Follow: "follow_adyen__settlement_reports.sql", Listed: true, Backfill: true}},
		Models: []extract.Model{{Entity: "payout_lines", Stream: Reports, File: "stg_adyen__payout_lines.sql"}},
		Macros: "macros_adyen.sql",
		Files:  files,
		Inbox: &extract.Inbox{
			Stream:   Reports,
			Suffixes: []string{".csv"},
			Header: []string{"Merchant Account", "Psp Reference", "Merchant Reference", "Creation Date", "Type",
				"Modification Reference", "Gross Currency", "Gross Debit (GC)", "Gross Credit (GC)", "Net Currency",
				"Net Debit (NC)", "Net Credit (NC)", "Batch Number"},
			Optional: []string{"Payment Method", "TimeZone", "Exchange Rate", "Commission (NC)", "Markup (NC)",
				"Scheme Fees (NC)", "Interchange (NC)", "Modification Merchant Reference"},
		},
		Flows:         []string{"payouts"},
		Defaults:      extract.Defaults{Clearing: 1583, Fee: 6040, FeeVAT: "none"},
		Kinds:         kinds,
		Account:       func(cfg extract.Config) string { return cfg.Keys["merchant_account"] },
		Open:          Open,
		Largest:       maxReport,
		UniquePayouts: true, // account, batch and currency
		Hook:          &extract.Hook{Read: readHook, Reply: reply},
		// A usual report holds none of these; most can be switched on, and notifications hold some.
		Personal: []string{"shopper reference", "shopper name", "shopper email", "shopperreference", "shopperemail", "shoppername", "shopperip",
			"card number", "cardsummary", "cardholdername", "iban", "ownername", "metadata"},
	}
}

// What the journal types mean. A type that is not listed holds its payout: SuspendInstallment, EpaPaid,
// PaidOut and the like are known to Adyen, but which account they belong on is for a person to say.
// Source: https://docs.adyen.com/reporting/settlement-reconciliation/transaction-level/settlement-details-report#journal-types
var kinds = []extract.Kind{
	{Word: "Settled", Kind: "sale"},
	{Word: "SettledBulk", Kind: "sale"},
	{Word: "SettledInstallment", Kind: "sale"},
	{Word: "Refunded", Kind: "refund"},
	{Word: "RefundedBulk", Kind: "refund"},
	{Word: "RefundedInstallment", Kind: "refund"},
	{Word: "RefundedReversed", Kind: "refund"},
	{Word: "Chargeback", Kind: "chargeback"},
	{Word: "SecondChargeback", Kind: "chargeback"},
	{Word: "ChargebackReversed", Kind: "chargeback_reversed"},
	{Word: "Fee", Kind: "fee"},
	{Word: "MiscCosts", Kind: "fee"},
	{Word: "PaymentCost", Kind: "fee"},
	{Word: "SettleCost", Kind: "fee"},
	{Word: "AuthorisationSchemeFee", Kind: "fee"},
	{Word: "InvoiceDeduction", Kind: "fee"},
	{Word: "DepositCorrection", Kind: "reserve"},
	{Word: "ReserveAdjustment", Kind: "reserve"},
	{Word: "Balancetransfer", Kind: "carried"},
	{Word: "MerchantPayout", Kind: "payout"},
	{Word: "BankInstructionReturned", Kind: "payout"},
	{Word: "ManualCorrected", Kind: "decision"},
	{Word: "MerchantPayin", Kind: "decision"},
	{Word: "MatchedStatement", Kind: "decision"},
}
