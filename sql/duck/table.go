package duck

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// A Cell is a value as text, and whether it is written without quotes in JSON. Decimals are
// exact: they never pass through a float.
type Cell struct {
	Text   string
	IsNull bool
	Bare   bool // a number, a truth value or JSON
}

// A Table is a result to be shown.
type Table struct {
	Columns []string
	Numeric []bool // by column: shown to the right
	Rows    [][]Cell
}

// Table runs query and keeps at most limit rows (0: all); more reports that there were others.
func (db *DB) Table(ctx context.Context, query string, limit int, args ...any) (t Table, more bool, err error) {
	rows, err := db.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return t, false, wrap(err, query)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return t, false, wrap(err, query)
	}
	names := make([]string, len(types))
	for i, ct := range types {
		names[i] = ct.DatabaseTypeName()
		t.Columns = append(t.Columns, ct.Name())
		t.Numeric = append(t.Numeric, isNumeric(names[i]))
	}
	values := make([]any, len(types))
	refs := make([]any, len(types))
	for i := range values {
		refs[i] = &values[i]
	}
	for rows.Next() {
		if limit > 0 && len(t.Rows) == limit {
			return t, true, nil
		}
		if err := rows.Scan(refs...); err != nil {
			return t, false, wrap(err, query)
		}
		row := make([]Cell, len(values))
		for i, v := range values {
			row[i] = cell(v, names[i])
		}
		t.Rows = append(t.Rows, row)
	}
	return t, false, wrap(rows.Err(), query)
}

func isNumeric(typ string) bool {
	switch typ {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE":
		return true
	}
	return len(typ) >= 7 && typ[:7] == "DECIMAL"
}

func cell(v any, typ string) Cell {
	switch x := v.(type) {
	case nil:
		return Cell{IsNull: true}
	case string:
		return Cell{Text: x}
	case bool:
		return Cell{Text: strconv.FormatBool(x), Bare: true}
	case time.Time:
		switch typ {
		case "DATE":
			return Cell{Text: x.Format("2006-01-02")}
		case "TIME":
			return Cell{Text: x.Format("15:04:05")}
		}
		return Cell{Text: x.UTC().Format(time.RFC3339)}
	case duckdb.Decimal:
		return Cell{Text: decimalText(x), Bare: true}
	case *big.Int:
		return Cell{Text: x.String(), Bare: true}
	case duckdb.UUID:
		return Cell{Text: x.String()}
	case []byte:
		if typ == "UUID" && len(x) == 16 {
			var u duckdb.UUID
			copy(u[:], x)
			return Cell{Text: u.String()}
		}
		return Cell{Text: string(x)}
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64, int, uint:
		return Cell{Text: fmt.Sprint(x), Bare: true}
	}
	if isNumeric(typ) {
		text := fmt.Sprint(v)
		return Cell{Text: text, Bare: text != "NaN" && !strings.Contains(text, "Inf")}
	}
	if b, err := json.Marshal(v); err == nil {
		return Cell{Text: string(b), Bare: true}
	}
	return Cell{Text: fmt.Sprint(v)}
}

// decimalText writes every digit of the scale: 12.50, not 12.5.
func decimalText(d duckdb.Decimal) string {
	if d.Scale == 0 {
		return d.Value.String()
	}
	s := new(big.Int).Abs(d.Value).String()
	for len(s) <= int(d.Scale) {
		s = "0" + s
	}
	at := len(s) - int(d.Scale)
	sign := ""
	if d.Value.Sign() < 0 {
		sign = "-"
	}
	return sign + s[:at] + "." + s[at:]
}
