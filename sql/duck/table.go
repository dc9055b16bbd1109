package duck

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
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
	rows, types, err := db.query(ctx, query, args)
	if err != nil {
		return t, false, wrap(err, query)
	}
	defer rows.Close()
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

// query runs query. The driver reads a JSON column into floats: such a column is asked for as text.
func (db *DB) query(ctx context.Context, query string, args []any) (*sql.Rows, []*sql.ColumnType, error) {
	rows, err := db.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		rows.Close()
		return nil, nil, err
	}
	if !slices.ContainsFunc(types, func(c *sql.ColumnType) bool { return c.DatabaseTypeName() == "JSON" }) {
		return rows, types, nil
	}
	if err := rows.Close(); err != nil {
		return nil, nil, err
	}
	var names, columns []string
	for i, c := range types {
		name := fmt.Sprintf("c%d", i)
		names = append(names, name)
		if c.DatabaseTypeName() == "JSON" {
			name += "::varchar"
		}
		columns = append(columns, name+" as "+Ident(c.Name()))
	}
	text := "select " + strings.Join(columns, ", ") + " from (\n" + strings.TrimRight(query, "; \n\t") + "\n) as q(" + strings.Join(names, ", ") + ")"
	if rows, err = db.conn.QueryContext(ctx, text, args...); err != nil {
		// Not every query can stand in brackets: one that ends in a remark behind its semicolon.
		rows, err = db.conn.QueryContext(ctx, query, args...)
	}
	return rows, types, err
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
		return Cell{Text: x, Bare: typ == "JSON" && json.Valid([]byte(x))}
	case time.Time:
		switch typ {
		case "DATE":
			return Cell{Text: x.Format("2006-01-02")}
		case "TIME":
			return Cell{Text: x.Format("15:04:05")}
		}
		return Cell{Text: x.UTC().Format(time.RFC3339)}
	case []byte:
		if typ == "UUID" && len(x) == 16 {
			var u duckdb.UUID
			copy(u[:], x)
			return Cell{Text: u.String()}
		}
		return Cell{Text: string(x)}
	case duckdb.UUID:
		return Cell{Text: x.String()}
	}
	text, bare := number(v)
	if text == "" {
		text, bare = nested(v), true
	}
	return Cell{Text: text, Bare: bare}
}

// number writes what is no text and has no parts, "" for anything else. What JSON has no word for is not bare.
func number(v any) (text string, bare bool) {
	switch x := v.(type) {
	case bool:
		return strconv.FormatBool(x), true
	case duckdb.Decimal:
		return decimalText(x), true
	case *big.Int:
		return x.String(), true
	case float32, float64:
		text = fmt.Sprint(x)
		return text, text != "NaN" && !strings.Contains(text, "Inf")
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64, int, uint:
		return fmt.Sprint(x), true
	}
	return "", false
}

// nested writes lists, structs and maps as JSON, every number with all its digits.
func nested(v any) string {
	if text, bare := number(v); bare {
		return text
	} else if text != "" {
		v = text
	}
	var parts []string
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			return strconv.Quote(s)
		}
		return string(b)
	}
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		return quote(x)
	case []any:
		for _, item := range x {
			parts = append(parts, nested(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(x)) {
			parts = append(parts, quote(name)+": "+nested(x[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case duckdb.OrderedMap:
		for i, key := range x.Keys() {
			parts = append(parts, quote(cell(key, "").Text)+": "+nested(x.Values()[i]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case time.Time:
		return quote(cell(x, "").Text)
	case fmt.Stringer:
		return quote(x.String())
	}
	if b, err := json.Marshal(v); err == nil {
		return string(b)
	}
	return quote(fmt.Sprint(v))
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
