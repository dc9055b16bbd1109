package transform

import (
	"context"
	"fmt"
	"time"

	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// UnknownRates returns, for each of sales that names a member state, a sentence if that state has no such
// rate on day: a mistyped rate, or one that has changed. A sale is booked at the rate it states all the same.
//
// Source of the rates: sql/schema/vat_rates.sql.
func UnknownRates(ctx context.Context, sales []Sale, day time.Time) ([]string, error) {
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := db.Exec(ctx, sql.Macros()+sql.VATRates()); err != nil {
		return nil, err
	}
	var out []string
	for _, s := range sales {
		if s.Rate == 0 || s.Country == "*" {
			continue
		}
		says, err := db.Texts(ctx, `
			with rates as (select * from vat_rates where country = $country),
			now as (select * from rates where valid_from <= $day::date and coalesce(valid_to, $day::date) >= $day::date)
			select $country || ' has no rate of ' || rate_text($rate::integer) || ' %'
				|| coalesce((select ' since ' || (max(valid_to) + 1) from rates where rate_bp = $rate and valid_to < $day::date), '')
				|| '; in force are ' || (select string_agg(rate_text(rate_bp) || ' %', ', ' order by rate_bp desc) from now)
			where exists (select 1 from rates) and not exists (select 1 from now where rate_bp = $rate)`,
			duck.Named("country", s.Country), duck.Named("rate", s.Rate), duck.Named("day", day.Format(time.DateOnly)))
		if err != nil {
			return nil, fmt.Errorf("VAT rates: %w", err)
		}
		out = append(out, says...)
	}
	return out, nil
}
