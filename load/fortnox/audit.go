package fortnox

import (
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// A SIEVoucher is a voucher of an exported SIE file.
type SIEVoucher struct {
	Series, Number string
	Date           time.Time
	Text           string
	Rows           map[int]ledger.Minor
}
