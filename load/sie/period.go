package sie

import (
	"fmt"
	"time"
)

// A fiscalYear is one year of the books. Both days belong to it.
type fiscalYear struct {
	start, end time.Time
}

// yearOf returns the fiscal year that the calendar date of d belongs to, for years that
// begin on start, "MM-DD"; "" is 01-01. A year that begins on 02-29 begins on 03-01 when
// there is no such day, so that no day is in two years or in none.
func yearOf(start string, d time.Time) (fiscalYear, error) {
	if start == "" {
		start = "01-01"
	}
	first, err := time.Parse("01-02", start)
	if err != nil {
		return fiscalYear{}, fmt.Errorf("sie: fiscal year starts %q, want MM-DD", start)
	}
	begin := func(year int) time.Time {
		return time.Date(year, first.Month(), first.Day(), 0, 0, 0, 0, time.UTC)
	}
	y := d.Year()
	if civil(d).Before(begin(y)) {
		y--
	}
	return fiscalYear{begin(y), begin(y+1).AddDate(0, 0, -1)}, nil
}

// folder returns "2026" for a calendar year and "2026-2027" for a broken one.
func (y fiscalYear) folder() string {
	if y.start.Year() == y.end.Year() {
		return fmt.Sprintf("%04d", y.start.Year())
	}
	return fmt.Sprintf("%04d-%04d", y.start.Year(), y.end.Year())
}
