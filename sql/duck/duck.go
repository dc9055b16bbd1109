// Package duck is the only code that speaks to DuckDB.
//
// One DB is one connection: temporary tables and transactions live on it. Rows reach
// DuckDB as files that it reads itself, as one JSON parameter or by a table function,
// never one by one, and money crosses as integers, so that neither the Appender (which
// stores wrong decimals) nor a float is ever in between. The module is github.com/duckdb/duckdb-go/v2, where the
// authors of marcboeker/go-duckdb moved it; its README says so.
package duck

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// Options say how a database is opened.
type Options struct {
	ReadOnly    bool
	MemoryLimit string   // "600MB"; "" for DuckDB's own
	TempDir     string   // where large operators spill; "" for none
	Folders     []string // the only folders its SQL may read and write; nil with Sealed means none
	Sealed      bool     // SQL may not reach files or the network beyond Folders, nor undo this
	// Apart opens the file as a database of its own, whoever else in this process has a file of that
	// name open. DuckDB would hand out the one that is open, with its settings, and after the file was
	// replaced still the one before. Only for a file that nobody writes to.
	Apart bool
	// Threads are how many a query is divided among; 0 is one per processor. Small ones cost a third less on one, which is
	// that of who asks, so that several connections keep several processors busy.
	Threads int
}

// ErrFull is returned when the disk has no room left. The instance is of no use afterwards.
var ErrFull = errors.New("the disk is full")

// ErrMemory is returned when a statement needs more memory than DuckDB may use and can get.
var ErrMemory = errors.New("there is not memory enough")

// ErrUnusable is returned when DuckDB cannot open a file it wrote.
var ErrUnusable = errors.New("the database cannot be opened")

// Values that may be null, for Each and One.
type (
	NullString = sql.NullString
	NullInt64  = sql.NullInt64
	NullTime   = sql.NullTime
)

// aliases counts the names given to files that are opened apart.
var aliases atomic.Int64

// A DB is one DuckDB file on one connection. It is not safe for concurrent use.
type DB struct {
	Path string
	pool *sql.DB
	conn *sql.Conn
	held *os.File // locked while a file that is opened apart is read
}

// Open opens or creates the file at path; "" is a database in memory.
//
// Errors: ErrUnusable, ErrFull.
func Open(ctx context.Context, path string, o Options) (_ *DB, err error) {
	db, dsn := &DB{Path: path}, path
	defer func() {
		if err != nil {
			db.letGo()
		}
	}()
	if o.ReadOnly {
		dsn += "?access_mode=READ_ONLY"
	}
	fresh := false
	if path != "" && !o.ReadOnly {
		_, err := os.Stat(path)
		fresh = errors.Is(err, os.ErrNotExist)
	}
	if o.Apart {
		// DuckDB knows files by name: a name that nobody else has is a database of its own.
		alias := filepath.Join(filepath.Dir(path), fmt.Sprintf(".reader-%d-%d", os.Getpid(), aliases.Add(1)))
		_ = os.Remove(alias) // of a process that had our number and was killed
		if os.Link(path, alias) == nil {
			defer os.Remove(alias)
			dsn = alias + strings.TrimPrefix(dsn, path)
			db.held = hold(alias)
		} else {
			db.held = hold(path)
		}
	}
	connector, err := duckdb.NewConnector(dsn, nil)
	if err != nil {
		return nil, fmt.Errorf("duck: %s: %w: %w", path, ErrUnusable, classify(err))
	}
	db.pool = sql.OpenDB(connector)
	db.pool.SetMaxOpenConns(4) // one, and those of Beside
	if db.conn, err = db.pool.Conn(ctx); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("duck: %s: %w: %w", path, ErrUnusable, classify(err))
	}
	if err := db.configure(ctx, o); err != nil {
		db.Close()
		return nil, err
	}
	if !o.ReadOnly {
		if err := db.takeRows(); err != nil {
			db.Close()
			return nil, err
		}
	}
	if fresh {
		// The file's name must survive a crash as well as its content.
		if d, err := os.Open(filepath.Dir(path)); err == nil {
			_ = d.Sync()
			d.Close()
		}
	}
	return db, nil
}

func (db *DB) configure(ctx context.Context, o Options) error {
	var b strings.Builder
	// The order of a file's rows is evidence: lineage counts on it.
	// Global: each connection has a time zone of its own, and that of one opened beside cannot be set once a reader is locked.
	b.WriteString("set preserve_insertion_order = true; set autoinstall_known_extensions = false; set global timezone = 'UTC';")
	if o.MemoryLimit != "" {
		fmt.Fprintf(&b, "set memory_limit = %s;", Quote(o.MemoryLimit))
	}
	if o.Threads > 0 {
		fmt.Fprintf(&b, "set threads = %d;", o.Threads)
	}
	if o.TempDir != "" {
		fmt.Fprintf(&b, "set temp_directory = %s;", Quote(o.TempDir))
	}
	if o.Sealed {
		if len(o.Folders) > 0 {
			dirs := make([]string, len(o.Folders))
			for i, f := range o.Folders {
				dirs[i] = Quote(f)
			}
			fmt.Fprintf(&b, "set allowed_directories = [%s];", strings.Join(dirs, ", "))
		}
		b.WriteString("set enable_external_access = false;")
		if o.ReadOnly {
			b.WriteString("set lock_configuration = true;") // a reader may be handed anyone's SQL
		}
	}
	return db.Exec(ctx, b.String())
}

// Beside opens another connection (three at most) to the same file, for work that goes on at the same time. It
// sees what is committed and none of db's temporary tables; it is to be closed before db.
func (db *DB) Beside(ctx context.Context) (*DB, error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &DB{Path: db.Path, conn: conn}, nil
}

// Close closes the connection, and the file if it is the first one.
func (db *DB) Close() error {
	// A statement that was cut off between being planned and being run is still the connection's, and keeps the database open when
	// the connection is gone: DuckDB would then wait for ever when the file is opened again. Whatever is run next ends it.
	_, _ = db.conn.ExecContext(context.Background(), "select 1")
	err := db.conn.Close()
	if db.pool != nil {
		if e := db.pool.Close(); err == nil {
			err = e
		}
	}
	db.letGo()
	return classify(err)
}

func (db *DB) letGo() {
	if db.held != nil {
		db.held.Close()
		db.held = nil
	}
}

// Exec runs one or more statements. Parameters, which only the last of them may have, are named: $source takes Named("source", …).
func (db *DB) Exec(ctx context.Context, query string, args ...any) error {
	_, err := db.conn.ExecContext(ctx, query, args...)
	return wrap(err, query)
}

// Affected is Exec for one statement, and says how many rows it changed.
func (db *DB) Affected(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := db.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, wrap(err, query)
	}
	return res.RowsAffected()
}

// Named is a named parameter.
func Named(name string, value any) any { return sql.Named(name, value) }

// Each calls scan-taking fn for every row of query.
func (db *DB) Each(ctx context.Context, query string, fn func(scan func(...any) error) error, args ...any) (err error) {
	rows, err := db.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return wrap(err, query)
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = wrap(e, query)
		}
	}()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return wrap(rows.Err(), query)
}

// One scans the only row of query into dst. A query without rows leaves dst as it is
// and returns false.
func (db *DB) One(ctx context.Context, query string, args []any, dst ...any) (found bool, err error) {
	err = db.Each(ctx, query, func(scan func(...any) error) error {
		found = true
		return scan(dst...)
	}, args...)
	return found, err
}

// ErrNotAQuery is returned by OnlyQuery.
var ErrNotAQuery = errors.New("this is not one query that only reads")

// doing are functions that a select may call and that do something all the same: they log, profile, wait, or run
// a text as SQL, in which any of the others may be pieced together.
var doing = regexp.MustCompile(`(?is)\b(enable_\w+|disable_\w+|truncate_duckdb_logs|(?:force_)?checkpoint|write_log|sleep_ms|pg_sleep|query|query_table|json_execute_serialized_sql)"?(?:\s|/\*.*?\*/|--[^\n]*\n)*\(`)

// OnlyQuery says whether text is exactly one statement, and one that reads: select, with, from,
// describe, summarize, show, explain. A sealed reader could do no harm with anything else; this says
// so in words before it fails in DuckDB's.
//
// Errors: ErrNotAQuery; DuckDB's own for what it cannot parse.
func (db *DB) OnlyQuery(ctx context.Context, text string) error {
	if m := doing.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%w: %s does something, or runs a text as a query", ErrNotAQuery, strings.ToLower(m[1]))
	}
	return db.conn.Raw(func(c any) error {
		conn, ok := c.(*duckdb.Conn)
		if !ok {
			return errors.New("duck: not a DuckDB connection")
		}
		// Prepare alone: PrepareContext runs all statements but the last.
		stmt, err := conn.Prepare(text)
		if err != nil {
			if strings.Contains(err.Error(), "missing context") {
				return fmt.Errorf("%w: it is none or several", ErrNotAQuery)
			}
			return wrap(err, text)
		}
		defer stmt.Close()
		s, ok := stmt.(*duckdb.Stmt)
		if !ok {
			return errors.New("duck: not a DuckDB statement")
		}
		kind, err := s.StatementType()
		if err != nil {
			return wrap(err, text)
		}
		switch kind {
		case duckdb.STATEMENT_TYPE_SELECT, duckdb.STATEMENT_TYPE_EXPLAIN, duckdb.STATEMENT_TYPE_RELATION:
			return nil
		}
		return ErrNotAQuery
	})
}

// Count returns the single integer that query yields.
func (db *DB) Count(ctx context.Context, query string, args ...any) (int64, error) {
	var n sql.NullInt64
	_, err := db.One(ctx, query, args, &n)
	return n.Int64, err
}

// Texts returns the first column of query, as text.
func (db *DB) Texts(ctx context.Context, query string, args ...any) ([]string, error) {
	var out []string
	err := db.Each(ctx, query, func(scan func(...any) error) error {
		var s sql.NullString
		if err := scan(&s); err != nil {
			return err
		}
		out = append(out, s.String)
		return nil
	}, args...)
	return out, err
}

// Tx runs fn inside a transaction: all of it happens or nothing.
func (db *DB) Tx(ctx context.Context, fn func() error) (err error) {
	if err := db.Exec(ctx, "begin transaction"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// The error that matters is the first one.
			_ = db.Exec(context.WithoutCancel(ctx), "rollback")
		}
	}()
	if err := fn(); err != nil {
		return err
	}
	return db.Exec(ctx, "commit")
}

// Ordered says whether rows keep the order they come in. What is inserted in any order is
// inserted faster and with less memory.
func (db *DB) Ordered(ctx context.Context, on bool) error {
	return db.Exec(ctx, fmt.Sprintf("set preserve_insertion_order = %t", on))
}

// Threads has queries run by n threads; 0 is as many as there are processors. While there are several, the one that waits
// for the others does not sleep: on tables of few rows, which only one can read, that takes more than it gives.
func (db *DB) Threads(ctx context.Context, n int) error {
	if n == 0 {
		return db.Exec(ctx, "reset threads")
	}
	return db.Exec(ctx, fmt.Sprintf("set threads = %d", n))
}

// Log has a commit work the log of what was committed into the file, and begin it anew, when it has so many bytes; 0 is
// DuckDB's own.
func (db *DB) Log(ctx context.Context, bytes int64) error {
	if bytes == 0 {
		return db.Exec(ctx, "reset checkpoint_threshold")
	}
	return db.Exec(ctx, fmt.Sprintf("set checkpoint_threshold = '%d bytes'", bytes))
}

// Insert adds rows (a slice of structs with json tags named like the columns) to table.
func (db *DB) Insert(ctx context.Context, table string, rows any) error {
	return db.insert(ctx, "insert into "+table+" by name", table, rows)
}

func (db *DB) insert(ctx context.Context, verb, table string, rows any) error {
	b, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("duck: rows for %s: %w", table, err)
	}
	if string(b) == "null" || string(b) == "[]" {
		return nil
	}
	// The table's own column types are what the JSON is read as; a name it does not have is a mistake.
	var named []map[string]json.RawMessage
	if err := json.Unmarshal(b, &named); err != nil {
		return fmt.Errorf("duck: rows for %s: %w", table, err)
	}
	var cols []string
	known := map[string]bool{}
	whole := map[string]bool{}
	err = db.Each(ctx, "select column_name, data_type from duckdb_columns() where table_name = $t and schema_name in ('main', 'temp') and not internal order by column_index",
		func(scan func(...any) error) error {
			var name, typ string
			if err := scan(&name, &typ); err != nil {
				return err
			}
			known[name] = true
			whole[name] = strings.HasSuffix(typ, "INT") || typ == "INTEGER" || typ == "UTINYINT"
			if _, ok := named[0][name]; ok {
				cols = append(cols, fmt.Sprintf("%q: %q", name, typ))
			}
			return nil
		}, Named("t", table))
	if err != nil {
		return err
	}
	for _, row := range named {
		for name, value := range row {
			if !known[name] {
				return fmt.Errorf("duck: rows for %s: there is no column %q", table, name)
			}
			// DuckDB cuts a fraction off and says nothing.
			if whole[name] && bytes.ContainsAny(value, ".eE") {
				return fmt.Errorf("duck: rows for %s: %s is no whole number for column %q", table, value, name)
			}
		}
	}
	return db.Exec(ctx, fmt.Sprintf("%s select unnest(from_json_strict($rows::json, '[{%s}]'), recursive := true)",
		verb, strings.Join(cols, ", ")), Named("rows", string(b)))
}

// Quote writes s as a SQL string literal.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Ident writes s as a SQL identifier.
func Ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func wrap(err error, query string) error {
	if err == nil {
		return nil
	}
	q := strings.Join(strings.Fields(query), " ")
	if len(q) > 160 {
		q = q[:160] + "…"
	}
	return fmt.Errorf("duck: %w, in: %s", classify(err), q)
}

// classify recognises a full disk and too little memory in what DuckDB says about it.
func classify(err error) error {
	if err == nil || errors.Is(err, driver.ErrBadConn) {
		return err
	}
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "no space left") || strings.Contains(text, "disk full") ||
		strings.Contains(text, "file size limit") || strings.Contains(text, "max_temp_directory_size") || strings.Contains(text, "file too large") {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	if strings.Contains(text, "out of memory error") {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return err
}
