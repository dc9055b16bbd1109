package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvitt/kvitt/extract"
	kvsql "github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// schemaVersion counts the shapes of work.duckdb. A file of another shape is set aside
// and rebuilt from the archive: everything in it is derived.
const schemaVersion = "13"

// openDB opens work.duckdb. A missing file, or one of another shape, is rebuilt when the
// archive holds anything.
func (w *work) openDB(ctx context.Context) error {
	file := w.path("work.duckdb")
	st, statErr := os.Stat(file)
	if statErr == nil && st.Size() == 0 {
		// A file that was begun and never written to: it is derived, and made anew.
		if err := os.Remove(file); err != nil {
			return err
		}
		statErr = os.ErrNotExist
	}
	if err := w.openFile(ctx, file); err != nil {
		if errors.Is(err, duck.ErrUnusable) {
			return fmt.Errorf("%w; nothing is lost: move it away together with its .wal and run kvitt rebuild", err)
		}
		return err
	}
	version, err := w.db.Texts(ctx, "select value from meta where name = 'schema' limit 1")
	if err == nil && len(version) == 1 && version[0] == schemaVersion {
		return nil
	}
	if statErr == nil && err == nil {
		w.Log.Info("the database has another shape and is rebuilt from the archive")
		w.db.Close()
		old := file + ".old"
		if err := os.Rename(file, old); err != nil {
			return err
		}
		if err := w.openFile(ctx, file); err != nil {
			return err
		}
	}
	if err := w.createSchema(ctx); err != nil {
		return err
	}
	runs, err := w.arch.Runs()
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		w.Log.Info("replaying the archive", "runs", len(runs))
		if _, err := w.replay(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) openFile(ctx context.Context, file string) (err error) {
	folders := []string{w.DataDir}
	for _, s := range w.Sources {
		if s.Inbox != "" {
			folders = append(folders, s.Inbox)
		}
	}
	for i, f := range folders {
		if abs, err := filepath.EvalSymlinks(f); err == nil {
			folders[i] = abs + "/"
		}
	}
	w.db, err = duck.Open(ctx, file, duck.Options{MemoryLimit: w.Memory, TempDir: w.path("tmp"), Sealed: true, Folders: folders})
	return err
}

// createSchema makes an empty ledger. It is the only place with DDL outside temporary
// tables, and a checkpoint follows it at once.
func (w *work) createSchema(ctx context.Context) error {
	err := w.db.Tx(ctx, func() error {
		if err := w.db.Exec(ctx, kvsql.Schema()); err != nil {
			return err
		}
		if err := w.db.Exec(ctx, kvsql.Views()); err != nil {
			return err
		}
		if err := w.db.Exec(ctx, kvsql.Kept()); err != nil {
			return err
		}
		return w.db.Exec(ctx, "insert into meta values ('schema', $v), ('position', '')", duck.Named("v", schemaVersion))
	})
	if err != nil {
		return err
	}
	return w.db.Exec(ctx, "checkpoint")
}

type companyRow struct {
	Name          string `json:"name"`
	OrgNumber     string `json:"org_number"`
	Country       string `json:"country"`
	Currency      string `json:"currency"`
	TimeZone      string `json:"time_zone"`
	Tolerance     int64  `json:"tolerance"`
	LockedThrough any    `json:"locked_through"`
	Period        string `json:"period"`
	Exponent      int    `json:"exponent"`
	Rounding      int    `json:"rounding"`
	FXGain        int    `json:"fx_gain"`
	FXLoss        int    `json:"fx_loss"`
	Suspense      int    `json:"suspense"`
	GiftCards     int    `json:"gift_cards"`
	ReverseOut    int    `json:"reverse_out"`
	ReverseIn     int    `json:"reverse_in"`
}

type sourceRow struct {
	Source     string `json:"source"`
	Provider   string `json:"provider"`
	IsShop     bool   `json:"is_shop"`
	FeeVAT     string `json:"fee_vat"`
	Unmatched  string `json:"unmatched"`
	Orders     bool   `json:"orders"`
	Invoices   bool   `json:"invoices"`
	Refunds    bool   `json:"refunds"`
	Payouts    bool   `json:"payouts"`
	FollowDays int    `json:"follow_days"`
	accountRow
	Loan int `json:"loan"`
}

type accountRow struct {
	Receivable    int `json:"receivable"`
	Clearing      int `json:"clearing"`
	Bank          int `json:"bank"`
	Fee           int `json:"fee"`
	FeeVATAccount int `json:"fee_vat_account"`
	Reserve       int `json:"reserve"`
	Dispute       int `json:"dispute"`
}

type methodRow struct {
	Source string `json:"source"`
	Rank   int    `json:"rank"`
	Match  string `json:"match"`
	accountRow
}

type feeRow struct {
	Source    string `json:"source"`
	Rank      int    `json:"rank"`
	Method    string `json:"method"`
	PercentE4 int64  `json:"percent_e4"`
	Fixed     int64  `json:"fixed_minor"`
	Currency  string `json:"currency"`
	From      any    `json:"from_date"`
	To        any    `json:"to_date"`
}

type wordRow struct {
	Source     string `json:"source"`
	Rank       int    `json:"rank"`
	TypeGlob   string `json:"type_glob"`
	DetailGlob string `json:"detail_glob"`
	Kind       string `json:"kind"`
}

type saleRow struct {
	Country  string `json:"country"`
	Customer string `json:"customer"`
	RateBP   int    `json:"rate_bp"`
	Sales    int    `json:"sales"`
	VAT      int    `json:"vat"`
	OSS      bool   `json:"oss"`
}

type rateRow struct {
	Currency string `json:"currency"`
	Date     string `json:"date"`
	PriceE8  int64  `json:"price_e8"`
}

type nameRow struct {
	Account int    `json:"account"`
	Name    string `json:"name"`
}

// applySettings puts the settings where the rules read them.
func (w *work) applySettings(ctx context.Context, s transform.Settings) error {
	return w.db.Tx(ctx, func() error { return w.putSettings(ctx, s) })
}

// putSettings is applySettings inside a transaction.
func (w *work) putSettings(ctx context.Context, s transform.Settings) error {
	rates, err := rateRows(s.Rates)
	if err != nil {
		return err
	}
	var locked any
	if s.Period.LockedThrough != "" {
		locked = s.Period.LockedThrough
	}
	company := []companyRow{{s.Company.Name, s.Company.OrgNumber, s.Company.Country, s.Company.Currency, s.Company.TimeZone,
		s.Tolerance, locked, s.Period.Policy, exponent(s.Company.Currency),
		s.Accounts.Rounding, s.Accounts.FXGain, s.Accounts.FXLoss, s.Accounts.Suspense, s.Accounts.GiftCards, s.Accounts.ReverseOut, s.Accounts.ReverseIn}}
	var sources []sourceRow
	var methods []methodRow
	var words []wordRow
	var fees []feeRow
	for _, src := range s.Sources {
		known := w.source(src.Name)
		row := sourceRow{Source: src.Name, Provider: src.Provider, FeeVAT: src.FeeVAT, Unmatched: src.Unmatched, FollowDays: 180,
			accountRow: accountRow{src.Accounts.Receivable, src.Accounts.Clearing, src.Accounts.Bank, src.Accounts.Fee, src.Accounts.FeeVAT, src.Accounts.Reserve, src.Accounts.Dispute},
			Loan:       src.Accounts.Loan}
		for _, f := range src.Flows {
			row.Orders = row.Orders || f == "orders"
			row.Invoices = row.Invoices || f == "invoices"
			row.Refunds = row.Refunds || f == "refunds"
			row.Payouts = row.Payouts || f == "payouts"
		}
		var kinds []extract.Kind
		if known != nil {
			row.IsShop, kinds = known.Connector.Shop, known.Connector.Kinds
			if known.FollowDays > 0 {
				row.FollowDays = known.FollowDays
			}
		}
		sources = append(sources, row)
		for i, m := range src.Methods {
			methods = append(methods, methodRow{src.Name, i, m.Match, accountRow{m.Receivable, m.Clearing, m.Bank, m.Fee, m.FeeVAT, m.Reserve, m.Dispute}})
		}
		for i, f := range src.Fees {
			currency := f.Currency
			if currency == "" {
				currency = s.Company.Currency
			}
			fees = append(fees, feeRow{src.Name, i, f.Method, f.PercentE4, f.Fixed, currency, orNull(f.From), orNull(f.To)})
		}
		words = append(words, rankWords(src.Name, src.LineTypes, kinds)...)
	}
	var sales []saleRow
	for _, x := range s.Sales {
		sales = append(sales, saleRow{x.Country, x.Customer, x.Rate, x.Sales, x.VAT, x.OSS})
	}
	for _, t := range []struct {
		name string
		rows any
	}{
		{"set_company", company}, {"set_sources", sources}, {"set_methods", methods}, {"set_words", words}, {"set_fees", fees},
		{"set_sales", sales}, {"set_rates", rates}, {"set_accounts", w.accountNames(s)},
	} {
		if err := w.db.Exec(ctx, "delete from "+t.name); err != nil {
			return err
		}
		if err := w.db.Insert(ctx, t.name, t.rows); err != nil {
			return err
		}
	}
	return nil
}

// orNull is s, or the null of SQL where there is none.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (p *Project) source(name string) *Source {
	for i := range p.Sources {
		if p.Sources[i].Name == name {
			return &p.Sources[i]
		}
	}
	return nil
}

// rankWords puts a user's words before the provider's, and the closer before the wider:
// TYPE/DETAIL, TYPE/DE*, TYPE.
func rankWords(source string, own []transform.LineType, provider []extract.Kind) []wordRow {
	var out []wordRow
	add := func(base int, word, kind string) {
		typ, detail, both := strings.Cut(word, "/")
		if !both {
			detail = "*"
		}
		rank := base + 200 - 2*len(strings.ReplaceAll(detail, "*", ""))
		if strings.Contains(detail, "*") {
			rank++
		}
		if !both {
			rank = base + 900
		}
		out = append(out, wordRow{source, rank, typ, detail, kind})
	}
	for _, l := range own {
		add(0, l.Match, l.Kind)
		if !strings.Contains(l.Match, "/") {
			// A user may name the detailed word alone.
			out = append(out, wordRow{source, 150, "*", l.Match, l.Kind})
		}
	}
	for _, k := range provider {
		add(1000, k.Word, k.Kind)
	}
	return out
}

func (w *work) accountNames(s transform.Settings) []nameRow {
	seen := map[int]bool{}
	var out []nameRow
	add := func(n int) {
		if n > 0 && !seen[n] {
			seen[n] = true
			name := ""
			if w.AccountName != nil {
				name = w.AccountName(n)
			}
			out = append(out, nameRow{n, name})
		}
	}
	a := s.Accounts
	for _, n := range []int{a.Rounding, a.FXGain, a.FXLoss, a.Suspense, a.GiftCards, a.ReverseOut, a.ReverseIn} {
		add(n)
	}
	for _, src := range s.Sources {
		x := src.Accounts
		for _, n := range []int{x.Receivable, x.Clearing, x.Bank, x.Fee, x.FeeVAT, x.Reserve, x.Dispute, x.Loan} {
			add(n)
		}
		for _, m := range src.Methods {
			for _, n := range []int{m.Receivable, m.Clearing, m.Bank, m.Fee, m.FeeVAT, m.Reserve, m.Dispute} {
				add(n)
			}
		}
	}
	for _, x := range s.Sales {
		add(x.Sales)
		add(x.VAT)
	}
	return out
}
