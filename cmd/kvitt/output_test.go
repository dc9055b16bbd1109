package main

import (
	"strings"
	"testing"

	"github.com/kvitt/kvitt/sql/duck"
)

// TestATableThatIsTooWide: names go on two lines, then texts are cut; no figure and no date is.
func TestATableThatIsTooWide(t *testing.T) {
	row := func(cells ...string) (out []duck.Cell) {
		for _, c := range cells {
			out = append(out, duck.Cell{Text: c})
		}
		return out
	}
	table := duck.Table{Columns: []string{"document_id", "event_date", "ledger_balance", "seen_at"}, Numeric: []bool{false, false, true, false},
		Rows: [][]duck.Cell{row("klarna/delivery/10023-1", "2026-03-01", "-1699.60", "2026-03-01 10:00:00"), row("x", "", "0.00", "")}}
	for _, x := range []struct {
		limit int
		want  string
	}{
		{0, `
document_id              event_date  ledger_balance  seen_at
klarna/delivery/10023-1  2026-03-01        -1699.60  2026-03-01 10:00:00
x                                              0.00
`},
		{66, `
                                      ledger_
document_id              event_date   balance  seen_at
klarna/delivery/10023-1  2026-03-01  -1699.60  2026-03-01 10:00:00
x                                        0.00
`},
		{40, `
                          ledger_
document_id  event_date   balance  seen_at
klarna/del…  2026-03-01  -1699.60  2026-03-01 10:00:00
x                            0.00
`},
	} {
		var b strings.Builder
		if err := writeTable(&b, table, x.limit); err != nil {
			t.Fatal(err)
		}
		if got := "\n" + b.String(); got != x.want {
			t.Errorf("at %d:%s\nwant:%s", x.limit, got, x.want)
		}
	}
}
