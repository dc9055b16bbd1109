package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// ErrPlanChanged is returned by Post when the plan is no longer the one that was shown.
var ErrPlanChanged = errors.New("the plan has changed")

// erpNote is an intent, a receipt or the end of one in the archive.
type erpNote struct {
	Batch    string         `json:"batch"`
	Target   string         `json:"target,omitempty"`
	Vouchers []erpVoucher   `json:"vouchers,omitempty"`
	Receipts []load.Receipt `json:"receipts,omitempty"`
}

type erpVoucher struct {
	ID        string `json:"id"`
	Group     string `json:"group"`
	Book      string `json:"book"`
	BookDate  string `json:"book_date"`
	Document  string `json:"document_id,omitempty"`
	Reference string `json:"reference"`
	Currency  string `json:"currency"`
	Amount    int64  `json:"amount_minor"`
	Entries   int64  `json:"entries"`
}

// Post posts the plan. With a digest it posts only that plan.
//
// Errors: ErrPlanChanged.
func (p *Project) Post(ctx context.Context, digest string) (Result, error) {
	w, err := p.open(ctx, "post")
	if err != nil {
		return Result{}, err
	}
	defer w.close()
	if err := w.askLock(ctx, true); err != nil {
		return Result{}, err
	}
	if err := w.begin(ctx, "post"); err != nil {
		return Result{}, err
	}
	res := Result{RunID: w.runID}
	if err := w.commit(); err != nil {
		return res, err
	}
	return res, w.bookAndPost(ctx, digest, &res)
}

func (w *work) bookAndPost(ctx context.Context, digest string, res *Result) error {
	// What an interrupted run archived is booked first: a post shows the books as they are.
	if _, err := w.stage(ctx); err != nil {
		return err
	}
	st, err := w.book(ctx, "post")
	if err != nil {
		return err
	}
	res.Entries, res.Postings, res.Digest = st.Entries, st.Postings, st.Digest
	n, postErr := w.post(ctx, digest)
	res.Posted = n
	if err := w.finish(ctx, "post", res, postErr); err != nil {
		return errors.Join(postErr, err)
	}
	return errors.Join(postErr, w.followERP(ctx, res))
}

// Plan returns what Post would post. It changes nothing.
func (p *Project) Plan(ctx context.Context) (*Plan, error) {
	db, err := p.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	w := &work{Project: p, db: db, began: p.Now().UTC()}
	return w.plan(ctx)
}

// post sends every planned voucher. An intent is on disk before a batch is sent, and the
// receipt after; an intent without a receipt is looked up at the target first.
func (w *work) post(ctx context.Context, digest string) (int64, error) {
	defer w.phase("post")()
	if w.Outbox != nil {
		return w.postDocuments(ctx, digest)
	}
	if w.Target == nil {
		return 0, fmt.Errorf("%w: no [erp] is configured", ErrUsage)
	}
	recovered, err := w.settleIntents(ctx)
	if err != nil {
		return recovered, err
	}
	pl, err := w.plan(ctx)
	if err != nil {
		return recovered, err
	}
	if digest != "" && digest != pl.Digest {
		return recovered, fmt.Errorf("%w: it was %s and is %s; look at kvitt plan again", ErrPlanChanged, short(digest), short(pl.Digest))
	}
	if len(pl.Vouchers) == 0 {
		return recovered, nil
	}
	if err := w.sealVouchers(pl); err != nil {
		return recovered, err
	}
	batches, err := w.Target.Prepare(pl.Vouchers, w.began)
	if err != nil {
		return recovered, fmt.Errorf("post: %w", err)
	}
	posted := recovered
	for _, b := range batches {
		n, err := w.postBatch(ctx, pl, b)
		posted += n
		if err != nil {
			return posted, fmt.Errorf("post: %w", err)
		}
	}
	w.Log.Info("posted", "vouchers", posted, "batches", len(batches))
	return posted, nil
}

// sealVouchers writes the head of the archive's chain into the vouchers' texts: who holds the ERP's books can
// prove that the archive they stand on is the one that was there when they were posted.
func (w *work) sealVouchers(pl *Plan) error {
	seal, err := w.seal()
	if err != nil || seal == "" {
		return err
	}
	for i := range pl.Vouchers {
		pl.Vouchers[i].Text += ", " + seal
	}
	return nil
}

// seal is the head of the archive's chain as it stands in a voucher's text, "" before the first run.
func (w *work) seal() (string, error) {
	last, err := w.arch.Last()
	if err != nil || last.RunID == "" {
		return "", err
	}
	return chainWord + " " + last.Digest.String()[:chainLen], nil
}

// chainWord and chainLen say how the head of the chain stands in a voucher's text.
const (
	chainWord = "chain"
	chainLen  = 16
)

func (w *work) postBatch(ctx context.Context, pl *Plan, b load.Batch) (int64, error) {
	note := erpNote{Batch: b.Name, Target: w.TargetName}
	for _, v := range b.Vouchers {
		pg := pl.pages[v.ID]
		var debit int64
		for _, r := range v.Rows {
			if r.Amount > 0 {
				debit += int64(r.Amount)
			}
		}
		note.Vouchers = append(note.Vouchers, erpVoucher{v.ID, v.Group, pg.book, pg.date, pg.document, pg.reference, pg.currency, debit, pg.entries})
	}
	if err := w.note(ctx, "erp_intent", note); err != nil {
		return 0, err
	}
	receipts, err := w.Target.Post(ctx, b, w.began)
	if err != nil {
		return 0, err
	}
	return int64(len(receipts)), w.note(ctx, "erp_receipt", erpNote{Batch: b.Name, Receipts: receipts})
}

// settleIntents asks the target about batches that were begun and have no receipt.
func (w *work) settleIntents(ctx context.Context) (int64, error) {
	names, err := w.db.Texts(ctx, "select distinct batch from erp_documents where status = 'sent' and scheme is null order by batch")
	if err != nil {
		return 0, err
	}
	var n int64
	for _, name := range names {
		receipts, err := w.Target.Find(ctx, name)
		switch {
		case errors.Is(err, load.ErrUnknown):
			w.Log.Warn("a post was interrupted before it was sent; it is planned again", "batch", name)
			if err := w.note(ctx, "erp_abandoned", erpNote{Batch: name}); err != nil {
				return n, err
			}
		case err != nil:
			return n, fmt.Errorf("look up %s: %w", name, err)
		default:
			w.Log.Warn("a post was interrupted after it was sent; its receipt is taken from the target", "batch", name)
			n += int64(len(receipts))
			if err := w.note(ctx, "erp_receipt", erpNote{Batch: name, Receipts: receipts}); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// note makes an ERP note durable, then applies it as a replay would.
func (w *work) note(ctx context.Context, kind string, n erpNote) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if _, err := w.run.AddNote(kind, b); err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		return err
	}
	_, err = w.stage(ctx)
	return err
}

type erpRow struct {
	ID         string  `json:"erp_document_id"`
	Kind       string  `json:"kind"`
	Target     string  `json:"target"`
	Group      string  `json:"voucher_group"`
	Book       string  `json:"book"`
	BookDate   string  `json:"book_date"`
	ThroughRun int64   `json:"through_run"`
	DocumentID *string `json:"document_id"`
	Reference  string  `json:"reference"`
	Currency   string  `json:"currency"`
	Amount     int64   `json:"amount_minor"`
	Entries    int64   `json:"entries"`
	Status     string  `json:"status"`
	Batch      string  `json:"batch"`
}

func (w *work) takeERPNote(ctx context.Context, n *archive.Note) error {
	var note erpNote
	if err := json.Unmarshal(n.Body, &note); err != nil {
		return fmt.Errorf("%s in the archive: %w", n.Kind, err)
	}
	switch n.Kind {
	case "erp_intent":
		through, err := w.db.Count(ctx, "select max(run_no) from runs")
		if err != nil {
			return err
		}
		var rows []erpRow
		for _, v := range note.Vouchers {
			r := erpRow{ID: v.ID, Kind: "voucher", Target: note.Target, Group: v.Group, Book: v.Book, BookDate: v.BookDate, ThroughRun: through,
				Reference: v.Reference, Currency: v.Currency, Amount: v.Amount, Entries: v.Entries, Status: "sent", Batch: note.Batch}
			if v.Document != "" {
				r.DocumentID = &v.Document
			}
			rows = append(rows, r)
		}
		if err := w.db.Insert(ctx, "erp_documents", rows); err != nil {
			return err
		}
		return w.db.Exec(ctx, `delete from erp_documents where status in ('planned', 'failed') and (book, book_date) in (
			select (book, book_date) from erp_documents where status = 'sent' and batch = $batch)`, duck.Named("batch", note.Batch))
	case "erp_receipt":
		type receiptRow struct {
			ID     string `json:"erp_document_id"`
			Number string `json:"erp_number"`
			At     string `json:"posted_at"`
		}
		var rows []receiptRow
		for _, r := range note.Receipts {
			rows = append(rows, receiptRow{r.VoucherID, r.Number, r.At.UTC().Format(timestamp)})
		}
		if err := w.db.Exec(ctx, "create or replace temp table receipts (erp_document_id varchar, erp_number varchar, posted_at timestamp)"); err != nil {
			return err
		}
		if err := w.db.Insert(ctx, "receipts", rows); err != nil {
			return err
		}
		return w.db.Exec(ctx, `update erp_documents as d set status = 'posted', erp_number = r.erp_number, posted_at = r.posted_at
			from receipts as r where d.status = 'sent' and d.erp_document_id = r.erp_document_id`)
	case "erp_abandoned":
		if err := w.db.Exec(ctx, `
			create or replace temp table pages as select distinct book, book_date, 0 as since from erp_documents where status = 'sent' and batch = $batch`,
			duck.Named("batch", note.Batch)); err != nil {
			return err
		}
		if err := w.db.Exec(ctx, "delete from erp_documents where status = 'sent' and batch = $batch", duck.Named("batch", note.Batch)); err != nil {
			return err
		}
		return w.replan(ctx)
	}
	return nil
}

func short(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}
