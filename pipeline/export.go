package pipeline

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/sql/duck"
)

// Views are the public views, in the order of the contract.
var Views = []string{"entries", "postings", "balances", "documents", "payouts", "payout_lines", "open_items", "exceptions",
	"proof", "proof_differences", "bank_lines", "completeness", "scores", "oss", "erp_documents", "lineage", "runs", "decisions", "aliases"}

// ExportViews writes every public view to dir as one file each, "parquet" or "csv".
// It returns the files' names.
func (p *Project) ExportViews(ctx context.Context, form, dir string) ([]string, error) {
	if _, err := p.openPublished(); err != nil {
		return nil, err
	}
	db, err := duck.Open(ctx, p.path("published", "ledger.duckdb"), duck.Options{ReadOnly: true, MemoryLimit: p.Memory, Sealed: true, Folders: []string{dir + "/"}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	how := "format csv, header"
	if form == "parquet" {
		how = "format parquet, compression zstd"
	}
	var out []string
	for _, v := range Views {
		path := filepath.Join(dir, v+"."+form)
		if err := db.Exec(ctx, fmt.Sprintf("copy (select * from recon.%s) to %s (%s)", v, duck.Quote(path), how)); err != nil {
			return out, err
		}
		out = append(out, v+"."+form)
	}
	return out, nil
}

// IsPublished says whether there is anything to read yet.
//
// Errors: ErrUsage.
func (p *Project) IsPublished() error {
	_, err := p.openPublished()
	return err
}

func (p *Project) openPublished() (string, error) {
	path := p.path("published", "ledger.duckdb")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: nothing is published yet in %s; kvitt run does it", ErrUsage, p.DataDir)
	}
	return path, nil
}

// ExportJournal writes the whole ledger as a plain-text journal that hledger and ledger
// read. Amounts are in the company's currency; what a document was in another is a comment.
func (p *Project) ExportJournal(ctx context.Context, w io.Writer) error {
	db, err := p.Reader(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	out := bufio.NewWriterSize(w, 1<<20)
	currency := p.Settings.Company.Currency
	exp := ledger.Exponent(currency)
	fmt.Fprintf(out, "; %s, books in %s\n", oneLine(p.Settings.Company.Name), currency)
	last := ""
	err = db.Each(ctx, `
		select e.entry_id::varchar, e.book_date, e.text, e.document_id, p.account, coalesce(a.name, ''), p.amount_minor,
			p.currency, p.amount_currency_minor, p.document_id
		from entries as e
		inner join postings as p using (entry_id)
		left join set_accounts as a on a.account = p.account
		order by e.book_date, e.entry_id, p.line`, func(scan func(...any) error) error {
		var id, text, doc, name, cur, posted string
		var date time.Time
		var account int
		var amount, inCurrency int64
		if err := scan(&id, &date, &text, &doc, &account, &name, &amount, &cur, &inCurrency, &posted); err != nil {
			return err
		}
		if id != last {
			fmt.Fprintf(out, "\n%s %s  ; %s, entry:%s\n", date.Format("2006-01-02"), oneLine(text), oneLine(doc), id)
			last = id
		}
		label := strings.TrimSpace(fmt.Sprintf("%d %s", account, oneLine(name)))
		fmt.Fprintf(out, "    %-44s  %16s %s", label, ledger.Minor(amount).Decimal(exp), currency)
		if cur != currency {
			fmt.Fprintf(out, "  ; %s %s", ledger.Minor(inCurrency).Decimal(ledger.Exponent(cur)), cur)
		} else if posted != doc {
			fmt.Fprintf(out, "  ; %s", oneLine(posted))
		}
		fmt.Fprintln(out)
		return nil
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// oneLine keeps a text from ending its line or beginning a comment.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, ";", ",")), " ")
}

// ExportVouchers hands every voucher of the ledger, posted or not, to target: what an
// ERP that has seen nothing would get.
func (p *Project) ExportVouchers(ctx context.Context, target load.Target) ([]string, error) {
	path, err := p.openPublished()
	if err != nil {
		return nil, err
	}
	// On a copy, with nothing posted: the same code as a plan.
	tmp, err := os.MkdirTemp("", "kvitt-export-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "ledger.duckdb")
	if _, err := replaceWithCopy(path, file); err != nil {
		return nil, err
	}
	db, err := duck.Open(ctx, file, duck.Options{MemoryLimit: p.Memory, Sealed: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	files := *p
	files.Outbox = nil // vouchers only, whatever the ERP gets
	w := &work{Project: &files, db: db, began: p.Now().UTC()}
	if err := db.Exec(ctx, "delete from erp_documents; delete from erp_entries; create temp table pages as select distinct book, book_date, 0 as since from postings"); err != nil {
		return nil, err
	}
	if err := w.replan(ctx); err != nil {
		return nil, err
	}
	pl, err := w.plan(ctx)
	if err != nil {
		return nil, err
	}
	batches, err := target.Prepare(pl.Vouchers, w.began)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, b := range batches {
		if _, err := target.Post(ctx, b, w.began); err != nil {
			return out, err
		}
		out = append(out, b.Name)
	}
	return out, nil
}
