package transform

import "time"

// Settings are the rules' inputs: what the company decided, with every default of
// posting_rules §1 and §4 already filled in. They are kept in the archive with each run.
type Settings struct {
	Company   Company
	Sources   []Source
	Sales     []Sale
	Accounts  Accounts
	Rates     []Rate // empty unless anything is sold or settled in another currency
	Number    string // the pattern of the order number, e.g. "{order_number}"
	Period    Period
	Tolerance int64 // minor units of the company's currency, 0 or more
}

// A Company is whose books these are.
type Company struct {
	Name       string
	OrgNumber  string // "556000-0167", or ""
	Country    string // ISO 3166-1 alpha-2
	Currency   string // ISO 4217
	TimeZone   string // IANA name; every book date is a date there
	FiscalYear string // "MM-DD", the first day of a fiscal year
}

// A Source is one [[source]] block, as far as the rules care.
type Source struct {
	Name      string
	Provider  string
	Flows     []string // orders, invoices, refunds, payouts
	FeeVAT    string   // reported | none | reverse_charge
	Unmatched string   // suspense | receivable
	Currency  string   // "" when not stated
	Accounts  SourceAccounts
	Methods   []Method
	LineTypes []LineType
	Fees      []Fee `json:",omitempty"` // the contract's rates; what is charged is compared with them
}

// SourceAccounts are the roles that every source has accounts of its own for.
type SourceAccounts struct {
	Receivable, Clearing, Bank, Fee, FeeVAT, Reserve, Dispute int
	Loan                                                      int // 0: loans go to suspense with an exception
}

// A Method gives a payment method accounts of its own; zero means the source's.
type Method struct {
	Match                                                     string // the provider's word, case ignored; * matches anything
	Receivable, Clearing, Bank, Fee, FeeVAT, Reserve, Dispute int
}

// A Fee is what the contract with a provider says a sale costs. The first that fits counts.
type Fee struct {
	Method    string // the provider's word, case ignored; * matches anything
	PercentE4 int64  // percent times 10^4: 2.79 % is 27900
	Fixed     int64  // minor units of Currency
	Currency  string
	From, To  string `json:",omitempty"` // "YYYY-MM-DD", both inclusive; "" is open
}

// A LineType maps a provider's word to one of our kinds.
type LineType struct {
	Match string // "TYPE" or "TYPE/DETAIL"
	Kind  string
}

// A Sale maps (country, customer, rate) to its accounts.
type Sale struct {
	Country  string // ISO alpha-2, or "*" for everywhere outside the EU
	Customer string // consumer | business
	Rate     int    // basis points: 25.5 % is 2550
	Sales    int
	VAT      int // 0 when the rate is 0
	OSS      bool
}

// Accounts are the accounts that belong to no source.
type Accounts struct {
	Rounding, FXGain, FXLoss, Suspense, GiftCards, ReverseOut, ReverseIn int
}

// A Rate is the price of one unit of Currency in the company's currency on Date.
type Rate struct {
	Date     time.Time
	Currency string
	Price    string // decimal, at most 8 decimals
}

// A Period says which dates are closed and what happens to a document there.
type Period struct {
	LockedThrough string // "YYYY-MM-DD", or ""
	Policy        string // first_open | hold
}
