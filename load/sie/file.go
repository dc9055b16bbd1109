package sie

import (
	"math"
	"math/bits"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// A File is what a SIE file holds. Dates have no time of day and are in UTC; a date
// the file leaves out is the zero time.
type File struct {
	Flag        int       // 0 not yet imported, 1 imported; set by the importer
	Program     string    // who wrote the file
	Version     string    // of Program
	Generated   time.Time // the day the file was written
	GeneratedBy string
	Type        int // 1 to 4; 1 when the file does not say
	Company     string
	OrgNumber   string // as written, normally NNNNNN-NNNN
	Currency    string // ISO 4217, upper case; SEK when the file does not say
	Charset     Charset
	Years       []Year
	Accounts    []Account       // #KONTO, in file order
	Opening     []Balance       // #IB
	Closing     []Balance       // #UB
	Results     []Balance       // #RES
	Periods     []PeriodBalance // #PSALDO
	Vouchers    []Voucher
	Checksum    Checksum
}

// A Year is a fiscal year of a file. Both days belong to it.
type Year struct {
	No         int // 0 is the file's own year, -1 the one before
	Start, End time.Time
}

// An Account is a line of the chart of accounts.
type Account struct {
	Number string // digits; some charts have more than four
	Name   string
	Type   string // #KTYP in upper case: T asset, S liability, K cost, I income; "" when not given
}

// A Balance is what an account holds at the start or end of a year, or its result in it.
type Balance struct {
	Year     int // as in Year.No
	Account  string
	Amount   ledger.Minor // debit > 0
	Quantity string
}

// A PeriodBalance is the change of an account within a month.
type PeriodBalance struct {
	Year     int
	Period   string // "202601"
	Account  string
	Objects  []Object // none for the account as a whole
	Amount   ledger.Minor
	Quantity string
}

// An Object is an entry of a dimension: a cost centre, a project.
type Object struct {
	Dimension string // "1" cost centre, "6" project; section 8.17
	Code      string
}

// A Voucher is a #VER with its #TRANS rows. Rows of history (#RTRANS, #BTRANS) are
// left out: what was added stands as a #TRANS too, and what was removed does not count.
type Voucher struct {
	ID      string // kvitt's own, from the end of the text; "" in files of others
	Series  string
	Number  string // "" when the ledger that imports the file shall give one
	Date    time.Time
	Text    string // without the ID
	RegDate time.Time
	Sign    string // who made it
	Rows    []Row
	Line    int // of #VER in the file; Write ignores it
}

// A Row is one #TRANS.
type Row struct {
	Account  string
	Objects  []Object
	Amount   ledger.Minor // debit > 0
	Date     time.Time    // zero: the voucher's date
	Text     string
	Quantity string // a decimal number as written
	Sign     string
}

// Sum returns the sum of the rows: zero for a voucher that balances. A sum that does
// not fit is the largest or smallest amount there is, never zero.
func (v Voucher) Sum() ledger.Minor {
	var hi, lo uint64 // 128 bits in two's complement
	for _, r := range v.Rows {
		var carry uint64
		lo, carry = bits.Add64(lo, uint64(r.Amount), 0)
		hi, _ = bits.Add64(hi, uint64(int64(r.Amount)>>63), carry)
	}
	switch {
	case int64(hi) == int64(lo)>>63: // the upper half only repeats the sign
		return ledger.Minor(lo)
	case int64(hi) < 0:
		return math.MinInt64
	default:
		return math.MaxInt64
	}
}

// Unbalanced returns the vouchers that do not sum to zero, in file order.
func (f *File) Unbalanced() []Voucher {
	var off []Voucher
	for _, v := range f.Vouchers {
		if v.Sum() != 0 {
			off = append(off, v)
		}
	}
	return off
}
