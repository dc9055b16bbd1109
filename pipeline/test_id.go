package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"os"
)

// A Trial is what would come of one document.
type Trial struct {
	Chapters []Chapter
	Plan     *Plan
	Result   Result
}

// A GoneError is an ID that the source does not know.
type GoneError struct{ Source, ID string }

func (e *GoneError) Error() string {
	return fmt.Sprintf("%s does not know %s: check the ID, and whether it belongs to the other environment (live or test)", e.Source, e.ID)
}

// Test says what would be booked and posted for one checkout ID, and which settings decided it: a
// run on a ledger of its own that is thrown away. Nothing is written to the data directory.
//
// Errors: *GoneError.
func (p *Project) Test(ctx context.Context, source, id string) (*Trial, error) {
	dir, err := os.MkdirTemp("", "kvitt-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	q := *p
	q.DataDir = dir
	q.Log = slog.New(slog.DiscardHandler)
	res, err := q.Run(ctx, "test", Selection{Source: source, IDs: []string{id}}, false)
	if err != nil {
		return nil, err
	}
	if len(res.Gone) > 0 {
		return nil, &GoneError{source, id}
	}
	t := &Trial{Result: res}
	db, err := q.Reader(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range trialChapters {
		table, _, err := db.Table(ctx, s.query, 0)
		if err != nil {
			db.Close()
			return nil, err
		}
		t.Chapters = append(t.Chapters, Chapter{Title: s.title, Table: table})
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	t.Plan, err = q.Plan(ctx)
	return t, err
}

var trialChapters = []struct{ title, query string }{
	{"documents", "select document_id, kind, event_date, currency, amount, status from recon.documents order by event_date, kind, document_id"},
	{"would be booked", `select e.book_date, e.text, p.account, p.role, p.amount, p.country, p.vat_rate
		from recon.postings as p inner join recon.entries as e using (entry_id) order by e.book_date, e.entry_id, p.line`},
	{"how amounts without lines were split", `select g.document_id, g.class, g.country, main.rate_text(g.rate_bp) as vat_rate, g.gross_minor, g.vat_minor, g.how
		from main.document_groups as g inner join main.documents as d using (document_id) where d.kind in ('delivery', 'refund') order by 1, 2, 3, 4`},
	{"decided by [[sales]]", `select distinct s.country, main.rate_text(s.rate_bp) as vat_rate, s.customer, s.sales, s.vat, s.oss
		from main.set_sales as s inner join main.document_groups as g on g.rate_bp = s.rate_bp and (g.country = s.country or s.country = '*') order by 1, 2, 3`},
	{"decided by [[source]]", `select source, provider, fee_vat, unmatched, invoices, refunds, payouts, receivable, clearing, bank, fee
		from main.set_sources where source in (select source from main.documents)`},
	{"decided by [company] and [accounts]", "select currency, time_zone, tolerance, coalesce(locked_through::varchar, 'none') as locked_through, period, rounding, suspense, gift_cards from main.set_company"},
	{"held, and why", "select kind, document_id, amount, reason, suggestion from recon.exceptions where status = 'open' order by kind, document_id"},
}
