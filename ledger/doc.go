// Package ledger says what an entry is and which rules it obeys: money in minor
// units, postings that sum to zero, accounts, dates and periods.
//
// It imports nothing else of kvitt: everything else leans on it.
package ledger
