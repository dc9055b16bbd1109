package ledger

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Minor is an amount in the minor unit of its currency (öre, cents; whole yen).
// Debit is positive, credit negative.
type Minor int64

// ErrAmount is wrapped by every error about an amount that cannot be read exactly.
var ErrAmount = errors.New("not an exact amount")

// exponents holds the currencies that do not have two decimals.
// Source: ISO 4217, list one.
var exponents = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0,
	"PYG": 0, "RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

// Exponent returns how many decimals the minor unit of an ISO 4217 currency has.
func Exponent(currency string) int {
	if e, ok := exponents[currency]; ok {
		return e
	}
	return 2
}

// IsCurrency reports whether s has the form of an ISO 4217 code: three upper-case letters.
func IsCurrency(s string) bool {
	if len(s) != 3 {
		return false
	}
	for _, r := range s {
		if r < 'A' || r > 'Z' {
			return false
		}
	}
	return true
}

// ParseMinor reads an amount in major units ("1250", "-12.5", ".11") into minor
// units with exp decimals. It never rounds: "0.125" with two decimals is an error.
//
// Errors: wrap ErrAmount.
func ParseMinor(s string, exp int) (Minor, error) {
	t := s
	neg := strings.HasPrefix(t, "-")
	t = strings.TrimPrefix(t, "-")
	whole, frac, _ := strings.Cut(t, ".")
	if whole == "" && frac == "" {
		return 0, fmt.Errorf("%w: %q", ErrAmount, s)
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > exp {
		return 0, fmt.Errorf("%w: %q has more than %d decimals", ErrAmount, s, exp)
	}
	frac += strings.Repeat("0", exp-len(frac))
	var n int64
	for _, r := range whole + frac {
		if r < '0' || r > '9' {
			return 0, fmt.Errorf("%w: %q", ErrAmount, s)
		}
		d := int64(r - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, fmt.Errorf("%w: %q is too large", ErrAmount, s)
		}
		n = n*10 + d
	}
	if neg {
		n = -n
	}
	return Minor(n), nil
}

// Decimal writes m in major units with exp decimals and a point: "-1250.00".
func (m Minor) Decimal(exp int) string {
	u := uint64(m)
	sign := ""
	if m < 0 {
		u = -u
		sign = "-"
	}
	if exp == 0 {
		return fmt.Sprintf("%s%d", sign, u)
	}
	p := uint64(1)
	for range exp {
		p *= 10
	}
	return fmt.Sprintf("%s%d.%0*d", sign, u/p, exp, u%p)
}

// Abs returns m without its sign.
func (m Minor) Abs() Minor {
	if m < 0 {
		return -m
	}
	return m
}
