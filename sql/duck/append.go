package duck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// appended are the types that Append takes: what goes in as one of them comes out unchanged. A decimal does not.
var appended = map[string]duckdb.Type{
	"bigint": duckdb.TYPE_BIGINT, "varchar": duckdb.TYPE_VARCHAR, "boolean": duckdb.TYPE_BOOLEAN, "timestamp": duckdb.TYPE_TIMESTAMP,
}

// Append runs query, an insert, on n rows that are handed over as they are instead of as text: in query they are rows(), a
// table function. Columns are named with their types, "blob_id bigint"; fill is called with the number of a row, from 0, and puts its
// values in the order of the columns. It may be called for the same row again.
func (db *DB) Append(ctx context.Context, query string, columns []string, n int, fill func(i int, r *Row)) error {
	given := &rows{n: n, fill: fill}
	for _, c := range columns {
		name, typ, _ := strings.Cut(c, " ")
		t, ok := appended[typ]
		if !ok {
			return fmt.Errorf("duck: column %q of rows to append: the type must be one of bigint, varchar, boolean, timestamp", c)
		}
		info, err := duckdb.NewTypeInfo(t)
		if err != nil {
			return fmt.Errorf("duck: column %q of rows to append: %w", c, err)
		}
		given.columns = append(given.columns, duckdb.ColumnInfo{Name: name, T: info})
	}
	return db.Exec(context.WithValue(ctx, rowsKey{}, given), query)
}

// A Row takes the values of one row of an Append, column by column.
type Row struct {
	chunk   duckdb.DataChunk
	number  int // in chunk
	columns int // that have a value
	size    int // of texts, in bytes
	err     error
}

// Whole, Truth, Time, Text, Bytes and Null are the next column's value. What Text and Bytes are given is UTF-8: anything else
// would be null.
func (r *Row) Whole(v int64)    { put(r, v) }
func (r *Row) Truth(v bool)     { put(r, v) }
func (r *Row) Time(v time.Time) { put(r, v) }
func (r *Row) Null()            { put[any](r, nil) }
func (r *Row) Text(v string)    { put(r, v); r.size += len(v) }
func (r *Row) Bytes(v []byte)   { put(r, v); r.size += len(v) }

func put[T any](r *Row, v T) {
	if err := duckdb.SetChunkValue(r.chunk, r.columns, r.number, v); err != nil && r.err == nil {
		r.err = err
	}
	r.columns++
}

// rows are those of one Append.
type rows struct {
	columns []duckdb.ColumnInfo
	n       int
	fill    func(i int, r *Row)
}

type rowsKey struct{}

// takeRows makes the function rows() known, on all connections. It yields the rows of the Append that runs the statement.
func (db *DB) takeRows() error {
	err := duckdb.RegisterTableUDF(db.conn, "rows", duckdb.ChunkTableFunction{
		BindArgumentsContext: func(ctx context.Context, _ map[string]any, _ ...any) (duckdb.ChunkTableSource, error) {
			given, ok := ctx.Value(rowsKey{}).(*rows)
			if !ok {
				return nil, errors.New("rows() is for what is appended only")
			}
			return &reading{rows: given}, nil
		}})
	if err != nil {
		return fmt.Errorf("duck: %s: %w", db.Path, classify(err))
	}
	return nil
}

// A reading goes through rows once.
type reading struct {
	*rows
	next int
}

func (r *reading) ColumnInfos() []duckdb.ColumnInfo { return r.columns }

func (r *reading) Cardinality() *duckdb.CardinalityInfo {
	return &duckdb.CardinalityInfo{Cardinality: uint(r.n), Exact: true}
}

func (r *reading) Init() { r.next = 0 }

// readAtOnce bounds the bytes of text that are handed over at a time. DuckDB has all of them go through one step of a
// statement before the next: so many stay in a processor's cache meanwhile, which makes parsing a third faster.
const readAtOnce = 1 << 20

// FillChunk hands over the next rows.
func (r *reading) FillChunk(chunk duckdb.DataChunk) error {
	row := Row{chunk: chunk}
	for ; r.next < r.n && row.number < duckdb.GetDataChunkCapacity() && row.size < readAtOnce; row.number++ {
		row.columns = 0
		r.fill(r.next, &row)
		if row.err == nil && row.columns != len(r.rows.columns) {
			row.err = fmt.Errorf("a row to append has %d values for %d columns", row.columns, len(r.rows.columns))
		}
		if row.err != nil {
			return row.err
		}
		r.next++
	}
	return chunk.SetSize(row.number)
}
