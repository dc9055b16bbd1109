// Package adyen extracts from Adyen.
//
// Settlements come from the Settlement details report, a CSV file Adyen writes per payout
// batch. Amounts in it are in major units, debit and credit in columns of their own; times
// are local, the zone named in the column TimeZone. Columns are found by name: their order
// and number differ between accounts. Adyen has no call that reads a payment, so the report
// is all there is: no order lines, no VAT, no customer.
//
// A batch adds up when credits minus debits over all its rows, the payout and carried
// balances included, is zero per merchant account, batch and net currency.
//
// Source: https://docs.adyen.com/reporting/settlement-reconciliation/transaction-level/settlement-details-report
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
			{Name: "merchant_account", Help: "the merchant account whose reports are read"},
			{Name: "report_user", Help: "report@Company.YOUR_COMPANY, from Customer Area → Developers → API credentials"},
			{Name: "report_password", Secret: true, Help: "the report user's password"},
			{Name: "hmac_key", Secret: true, Help: "the key of the standard webhook"},
			{Name: "first_batch", Help: "the number of the first batch to read"},
		},
		Stages: []extract.Stage{{Stream: Reports, Flows: []string{"payouts"}}},
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
		Flows:    []string{"payouts"},
		Defaults: extract.Defaults{Clearing: 1583, Fee: 6040, FeeVAT: "none"},
		Kinds:    kinds,
		Account:  func(cfg extract.Config) string { return cfg.Keys["merchant_account"] },
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
