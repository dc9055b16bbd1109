package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/transform"
)

// accounts reads [accounts]: the accounts that belong to no source, and the tolerance in
// minor units of the company's currency.
func (r *reader) accounts(file section, co transform.Company) (transform.Accounts, int64) {
	s := file.sub("accounts", inAccounts, "[accounts]")
	s.refuseUnknown(nil)
	a := transform.Accounts{
		Rounding: 3740, FXGain: 3960, FXLoss: 7960, Suspense: 2999, GiftCards: 2421, ReverseOut: 2614, ReverseIn: 2645,
	}
	for _, role := range []struct {
		name    string
		account *int
	}{
		{"rounding", &a.Rounding}, {"fx_gain", &a.FXGain}, {"fx_loss", &a.FXLoss}, {"suspense", &a.Suspense},
		{"gift_cards", &a.GiftCards}, {"reverse_charge_out", &a.ReverseOut}, {"reverse_charge_in", &a.ReverseIn},
	} {
		*role.account = s.account(role.name, *role.account, *role.account)
	}
	return a, s.tolerance(co.Currency)
}

// tolerance returns minor units of currency. A number with a point must be in quotes: as a
// TOML number it would be binary, and money never is.
func (s section) tolerance(currency string) int64 {
	exp := ledger.Exponent(currency)
	fallback, _ := ledger.ParseMinor("1", exp)
	v := s.get("tolerance")
	if v == nil {
		return int64(fallback)
	}
	example := fallback.Decimal(exp)
	switch v.kind {
	case unstable.String, unstable.Integer:
		text := v.text
		if v.kind == unstable.Integer {
			text = strings.ReplaceAll(strings.TrimPrefix(text, "+"), "_", "")
		}
		m, err := ledger.ParseMinor(text, exp)
		if err == nil && m >= 0 {
			return int64(m)
		}
		why := "tolerance is an amount, as 1.00"
		switch {
		case err == nil:
			why = "tolerance cannot be less than 0"
		case strings.Contains(text, ","):
			why = "tolerance has a comma: decimals have a point"
			if fixed := strings.ReplaceAll(text, ",", "."); parses(fixed, exp) {
				example = fixed
			}
		case errors.Is(err, ledger.ErrAmount) && parses(text, exp+6):
			why = fmt.Sprintf("tolerance = %q has more than the %d decimals of %s", text, exp, currency)
		}
		s.r.fail(v.at, s.key("tolerance"), why, fmt.Sprintf("write e.g. tolerance = %q", example))
	case unstable.Float:
		if parses(v.text, exp) {
			example = v.text
		}
		s.r.fail(v.at, s.key("tolerance"), "tolerance is an amount, and a number with a point is not exact", fmt.Sprintf("write it in quotes: tolerance = %q", example))
	default:
		s.r.fail(v.at, s.key("tolerance"), "tolerance is an amount", fmt.Sprintf("write it in quotes: tolerance = %q", example))
	}
	return int64(fallback)
}

func parses(text string, exp int) bool {
	m, err := ledger.ParseMinor(text, exp)
	return err == nil && m >= 0
}
