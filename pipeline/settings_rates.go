package pipeline

import (
	"fmt"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/transform"
)

func exponent(currency string) int { return ledger.Exponent(currency) }

// rateRows scales each price to an integer of 10^-8, the unit the rules calculate in.
func rateRows(rates []transform.Rate) ([]rateRow, error) {
	var out []rateRow
	for _, r := range rates {
		n, err := ledger.ParseMinor(r.Price, 8)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("rate of %s on %s: %q is no price with at most 8 decimals", r.Currency, r.Date.Format("2006-01-02"), r.Price)
		}
		out = append(out, rateRow{r.Currency, r.Date.Format("2006-01-02"), int64(n)})
	}
	return out, nil
}
