package pipeline

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// ErrRed is returned by Post when the ERP is not ready for what is planned: nothing was sent.
var ErrRed = errors.New("the ERP is not ready")

// ErrUnsent is returned by Post when something could not be sent, or its fate is not known. What is known to be there is
// in the receipts, and the next post looks the rest up.
var ErrUnsent = errors.New("not everything is posted")

const (
	chunkDocuments = 100 // under one intent
	keptAnswers    = 16  // and what became of so many is kept at once: a kill costs no more than looking these up
	atOnce         = 8   // in flight
)

// An outDocument is a document on its way, as the archive keeps it before it is sent.
type outDocument struct {
	load.Document
	Book     string `json:"book"`
	BookDate string `json:"book_date"`
	Of       string `json:"document_id,omitempty"`
	Amount   int64  `json:"amount_minor"`
	Content  string `json:"content,omitempty"` // of an order

	again bool
}

// outNote is an intent; answersNote what became of it.
type outNote struct {
	Batch     string        `json:"batch"`
	Target    string        `json:"target"`
	Scheme    string        `json:"scheme"`
	Documents []outDocument `json:"documents"`
}

type answersNote struct {
	Answers []outAnswer `json:"answers"`
}

type outAnswer struct {
	ID        string        `json:"id"`
	Of        string        `json:"document_id,omitempty"`
	Posted    *load.Posted  `json:"posted,omitempty"`
	Roundings []outRounding `json:"roundings,omitempty"`
	Refused   *outRefusal   `json:"refused,omitempty"`
	Dropped   bool          `json:"dropped,omitempty"` // not sent after all
}

type outRounding struct {
	Role    string `json:"role"`
	Account int    `json:"account"`
	Country string `json:"country"`
	RateBP  int64  `json:"rate_bp"`
	Amount  int64  `json:"amount_minor"`
}

type outRefusal struct {
	Kind     string `json:"kind"` // of the exception
	Why      string `json:"why"`
	Do       string `json:"do,omitempty"`
	Source   string `json:"source"`
	Currency string `json:"currency"`
	Amount   int64  `json:"amount_minor"`
	Later    bool   `json:"later,omitempty"` // it only waits for another document
}

// askLock takes the ERP's locked period over, so that what is booked now is booked where the ERP takes it.
// Without posting, an ERP that cannot be asked is no reason to stop.
func (w *work) askLock(ctx context.Context, posting bool) error {
	if w.Outbox == nil {
		return nil
	}
	if !posting {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, 10*time.Second) // an ERP that is down does not keep the books waiting
		defer stop()
	}
	locked, err := w.Outbox.LockedThrough(ctx)
	if err != nil {
		if posting {
			return fmt.Errorf("post: %w", err)
		}
		w.Log.Warn("the ERP's locked period is not known", "err", err)
		return nil
	}
	if locked > w.Settings.Period.LockedThrough {
		w.Settings.Period.LockedThrough = locked
	}
	return nil
}

// postDocuments sends every planned document. What was begun and not answered is looked up first.
func (w *work) postDocuments(ctx context.Context, digest string) (int64, error) {
	w.posting = w
	defer func() { w.posting = nil }()
	s := &sender{w: w}
	begun, err := w.begun(ctx)
	if err != nil {
		return 0, err
	}
	pl, err := w.plan(ctx)
	if err != nil {
		return 0, err
	}
	if digest != "" && digest != pl.Digest {
		return 0, fmt.Errorf("%w: it was %s and is %s; look at kvitt plan again", ErrPlanChanged, short(digest), short(pl.Digest))
	}
	if len(begun)+len(pl.Documents) == 0 {
		return 0, nil
	}
	if err := w.preflight(ctx, pl); err != nil {
		return 0, err
	}
	if len(begun) > 0 {
		w.Log.Warn("a post was interrupted; what it may have sent is looked up", "documents", len(begun))
		for _, kind := range phases {
			if err := s.send(ctx, begun, kind, false); err != nil {
				return s.posted, err
			}
		}
	}
	seal, err := w.seal()
	if err != nil {
		return 0, err
	}
	var out []outDocument
	for _, d := range pl.Documents {
		d.Seal = seal
		pg := pl.pages[d.ID]
		o := outDocument{Document: d, Book: pg.book, BookDate: pg.date, Of: pg.document, Content: pg.content, again: pg.tried}
		for _, r := range d.Rows {
			if r.Amount > 0 {
				o.Amount += int64(r.Amount)
			}
		}
		out = append(out, o)
	}
	for _, kind := range phases {
		if err := s.send(ctx, out, kind, true); err != nil {
			return s.posted, err
		}
	}
	w.Log.Info("posted", "documents", s.posted, "refused", s.refused, "waiting", s.waiting)
	if s.unsure > 0 {
		return s.posted, fmt.Errorf("post: %w: of %d documents it is not known whether they arrived (%v); run kvitt post again", ErrUnsent, s.unsure, s.last)
	}
	return s.posted, nil
}

// Blob returns bytes that a source sent, for an Outbox that attaches them, while it posts.
func (p *Project) Blob(ctx context.Context, sha256 string) ([]byte, error) {
	if p.posting == nil {
		return nil, fmt.Errorf("%w: blobs are read while posting only", ErrUsage)
	}
	p.posting.blobs.Lock()
	defer p.posting.blobs.Unlock()
	var c archive.Content
	found, err := p.posting.db.One(ctx, "select size, place_run, place_offset, place_length from blobs where sha256 = $sha limit 1",
		[]any{duck.Named("sha", sha256)}, &c.Size, &c.Place.Run, &c.Place.Offset, &c.Place.Length)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("no bytes %s in the archive", short(sha256))
	}
	b, err := hex.DecodeString(sha256)
	if err != nil || copy(c.SHA256[:], b) != len(c.SHA256) {
		return nil, fmt.Errorf("no digest: %q", sha256)
	}
	return p.posting.arch.ReadBlob(c)
}

// begun are the documents that were sent and not answered.
func (w *work) begun(ctx context.Context) ([]outDocument, error) {
	var out []outDocument
	texts, err := w.db.Texts(ctx, "select body from erp_documents where status = 'sent' and scheme is not null order by erp_document_id")
	if err != nil {
		return nil, err
	}
	for _, t := range texts {
		var d outDocument
		if err := json.Unmarshal([]byte(t), &d); err != nil {
			return nil, fmt.Errorf("a document on its way: %w", err)
		}
		d.again = true
		out = append(out, d)
	}
	return out, nil
}

// preflight asks the ERP whether it is ready for pl.
func (w *work) preflight(ctx context.Context, pl *Plan) error {
	var red []string
	for _, f := range w.Outbox.Check(ctx, w.needs(pl)) {
		switch f.Light {
		case "red":
			red = append(red, f.What+": "+f.Says)
		case "yellow":
			w.Log.Warn("pre-flight", "what", f.What, "says", f.Says)
		}
	}
	if len(red) > 0 {
		return fmt.Errorf("post: %w, nothing was sent: %s", ErrRed, strings.Join(red, "; "))
	}
	return nil
}

// Needs is what the settings, and the documents of pl when there is one, use of the ERP.
func (p *Project) Needs() load.Needs { return (&work{Project: p}).needs(nil) }

func (w *work) needs(pl *Plan) load.Needs {
	s := w.Settings
	n := load.Needs{OrgNumber: s.Company.OrgNumber, Currency: s.Company.Currency,
		Documents: w.Mode == "document" || w.Mode == "attach", Invoices: w.Mode == "document"}
	if pl != nil {
		n.Orders = slices.ContainsFunc(pl.Documents, func(d load.Document) bool { return d.Kind == load.KindOrder })
	}
	add := func(list *[]int, a int) {
		if a > 0 && !slices.Contains(*list, a) {
			*list = append(*list, a)
		}
	}
	if pl != nil {
		for _, d := range pl.Documents {
			for _, r := range d.Rows {
				add(&n.Accounts, r.Account)
			}
			day := d.Date.Format("2006-01-02")
			if n.From == "" || day < n.From {
				n.From = day
			}
			n.To = max(n.To, day)
		}
	} else {
		for _, a := range []int{s.Accounts.Rounding, s.Accounts.Suspense} {
			add(&n.Accounts, a)
		}
		for _, x := range s.Sales {
			add(&n.Accounts, x.Sales)
			add(&n.Accounts, x.VAT)
		}
		for _, x := range s.Sources {
			for _, a := range []int{x.Accounts.Receivable, x.Accounts.Clearing, x.Accounts.Bank, x.Accounts.Fee, x.Accounts.FeeVAT} {
				add(&n.Accounts, a)
			}
		}
	}
	for _, x := range s.Sources {
		add(&n.Receivables, x.Accounts.Receivable)
		add(&n.Clearing, x.Accounts.Clearing)
	}
	for _, x := range s.Sales {
		n.VAT = append(n.VAT, load.VATNeed{Country: x.Country, RateBP: int64(x.Rate), Sales: x.Sales, VAT: x.VAT})
	}
	for _, r := range s.Rates {
		if !slices.Contains(n.Currencies, r.Currency) {
			n.Currencies = append(n.Currencies, r.Currency)
		}
	}
	slices.Sort(n.Accounts)
	return n
}

// A sender sends documents and keeps count.
type sender struct {
	w                                *work
	posted, refused, waiting, unsure int64
	last                             error // why it is not sure
	batches                          int
	scheme                           string // of the documents; "" is the project's
}

// send sends those of kind. Their intents are on disk, a chunk at a time, before any of the chunk is sent; the next
// chunk is begun while the last of one are still waited for. Documents that were sent before have their intent already.
func (s *sender) send(ctx context.Context, all []outDocument, kind string, intent bool) error {
	var ds []outDocument
	for _, d := range all {
		if d.Kind == kind {
			ds = append(ds, d)
		}
	}
	if len(ds) == 0 {
		return nil
	}
	ds, err := s.resolve(ctx, ds)
	if err != nil {
		return err
	}
	meant := len(ds) // whose intent is on disk
	if intent {
		meant = 0
	}
	type result struct {
		of     outDocument
		posted load.Posted
		err    error
	}
	jobs, results := make(chan outDocument), make(chan result)
	for range min(atOnce, len(ds)) {
		go func() {
			for d := range jobs {
				p, err := s.w.Outbox.Send(ctx, d.Document, d.again)
				results <- result{d, p, err}
			}
		}()
	}
	defer close(jobs)
	var note answersNote
	// What was answered must be kept even when we are told to stop. Nothing reads the books meanwhile.
	keep := func() error {
		if len(note.Answers) == 0 {
			return nil
		}
		s.w.blobs.Lock()
		defer s.w.blobs.Unlock()
		err := s.w.outboxNote(context.WithoutCancel(ctx), "erp_answers", note)
		note = answersNote{}
		return err
	}
	var stopped error // why nothing more is begun
	next, under := 0, 0
	for {
		if stopped == nil {
			stopped = ctx.Err()
		}
		if stopped == nil && next == meant && next < len(ds) {
			most := min(next+chunkDocuments, len(ds))
			s.w.blobs.Lock()
			stopped = s.intent(ctx, ds[next:most])
			s.w.blobs.Unlock()
			if stopped == nil {
				meant = most
			}
		}
		var feed chan outDocument
		var d outDocument
		if stopped == nil && next < meant {
			feed, d = jobs, ds[next]
		} else if under == 0 {
			break
		}
		select {
		case feed <- d:
			next++
			under++
		case r := <-results:
			under--
			if a, known := s.answer(r.of, r.posted, r.err); known {
				note.Answers = append(note.Answers, a)
			}
			switch {
			case stopped != nil:
			case errors.Is(r.err, load.ErrStop):
				stopped = r.err
			case r.err == nil && r.posted.Wrong != "":
				stopped = fmt.Errorf("%w: %s: %s", load.ErrStop, r.of.Text, r.posted.Wrong)
			}
			if len(note.Answers) >= keptAnswers {
				if err := keep(); err != nil && stopped == nil {
					stopped = err
				}
			}
		}
	}
	for ; next < meant; next++ {
		// Not begun: what has no trace anywhere need not be looked for.
		if d := ds[next]; !d.again {
			note.Answers = append(note.Answers, outAnswer{ID: d.ID, Dropped: true})
		}
	}
	if err := keep(); err != nil && stopped == nil {
		stopped = err
	}
	if stopped != nil && !errors.Is(stopped, ctx.Err()) {
		return fmt.Errorf("post: %w", stopped)
	}
	return stopped
}

func (s *sender) intent(ctx context.Context, chunk []outDocument) error {
	s.batches++
	scheme := s.scheme
	if scheme == "" {
		scheme = s.w.scheme()
	}
	return s.w.outboxNote(ctx, "erp_out", outNote{Batch: fmt.Sprintf("%s/%d", s.w.runID, s.batches), Target: s.w.TargetName, Scheme: scheme, Documents: chunk})
}

// answer turns what Send said into what is kept. It reports false when nothing is known: the document stays on its way.
func (s *sender) answer(d outDocument, p load.Posted, err error) (outAnswer, bool) {
	a := outAnswer{ID: d.ID, Of: d.Of}
	source, _, _ := strings.Cut(d.Book, "/")
	refusal := outRefusal{Kind: "erp_refused", Source: source, Currency: s.w.Settings.Company.Currency, Amount: d.Amount}
	switch {
	case err == nil:
		s.posted++
		a.Posted = &p
		a.Roundings = roundings(d, p)
		if p.Wrong != "" {
			refusal.Kind, refusal.Why = "erp_drift", p.Wrong
			refusal.Do = "correct the accounts or VAT codes in Fortnox or in [[sales]], then reverse the document"
			a.Refused = &refusal
		}
		return a, true
	case errors.Is(err, load.ErrStop):
		return a, false
	case errors.Is(err, load.ErrUnsure):
		s.unsure++
		s.last = err
		return a, false
	case errors.Is(err, load.ErrLater), errors.Is(err, load.ErrRefused):
		s.refused++
		refusal.Why = err.Error()
		var r *load.Refusal
		if errors.As(err, &r) {
			refusal.Why, refusal.Do = r.Why, r.Do
			if r.Code == "2000401" {
				refusal.Kind = "period_locked"
			}
		}
		a.Refused = &refusal
		return a, true
	}
	s.unsure++
	s.last = err
	return a, false
}

// roundings says of which role and rate what the ERP booked otherwise is.
func roundings(d outDocument, p load.Posted) []outRounding {
	var out []outRounding
	for _, r := range p.Differs {
		x := outRounding{Account: r.Account, Amount: int64(r.Amount)}
		for _, l := range d.Sale.Lines {
			if l.VATAccount == r.Account && l.VAT != 0 {
				x.Role, x.Country, x.RateBP = "vat", d.Sale.Country, l.RateBP
				break
			}
			if l.Account == r.Account {
				x.Role, x.Country, x.RateBP = "sales", d.Sale.Country, l.RateBP
				break
			}
		}
		out = append(out, x)
	}
	return out
}

// resolve fills in what only the documents sent before know: numbers of invoices. What waits for one that
// is not there yet is left out.
func (s *sender) resolve(ctx context.Context, ds []outDocument) ([]outDocument, error) {
	if len(ds) > 0 && ds[0].Kind == load.KindInvoice {
		return s.orders(ctx, ds)
	}
	if len(ds) == 0 || ds[0].Kind != load.KindPayment && ds[0].Kind != load.KindCredit {
		return ds, nil
	}
	type invoice struct {
		number, date string
		amount       int64
	}
	posted, coming, of := map[string][]invoice{}, map[string]bool{}, map[string][]string{}
	err := s.w.db.Each(ctx, `select kind || ' ' || document_id, coalesce(erp_number, ''), coalesce(erp_date, book_date)::varchar, amount_minor, status = 'posted' from erp_documents
		where kind in ('invoice', 'credit_invoice') and status <> 'reversed' and scheme is distinct from 'reverse' and document_id is not null order by posted_at, erp_document_id`, func(scan func(...any) error) error {
		var doc string
		var i invoice
		var done bool
		if err := scan(&doc, &i.number, &i.date, &i.amount, &done); err != nil {
			return err
		}
		if done {
			posted[doc] = append(posted[doc], i)
		} else {
			coming[doc] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	known := map[string][]string{}
	if ds[0].Kind == load.KindPayment && slices.ContainsFunc(ds, func(d outDocument) bool { return d.again }) {
		// Which payments of an invoice are other documents of ours: a payment that is looked for is none of them.
		err := s.w.db.Each(ctx, `select erp_number, parts from erp_documents where kind = 'payment' and status in ('posted', 'reversed') and erp_number is not null and parts is not null`, func(scan func(...any) error) error {
			var number, text string
			if err := scan(&number, &text); err != nil {
				return err
			}
			var parts []load.Part
			if err := json.Unmarshal([]byte(text), &parts); err != nil {
				return err
			}
			for _, p := range parts {
				if p.Kind == load.KindInvoice {
					known[p.Number] = append(known[p.Number], number)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if ds[0].Kind == load.KindCredit {
		err := s.w.db.Each(ctx, `select r.document_id, d.document_id from documents as r
			inner join documents as d on d.kind = 'delivery' and d.source = r.source and d.order_id = r.order_id
			where r.kind = 'refund' and r.document_id in (select document_id from erp_documents where kind = 'credit_invoice' and status in ('planned', 'failed', 'sent'))
			order by d.event_at, d.document_id`, func(scan func(...any) error) error {
			var refund, delivery string
			if err := scan(&refund, &delivery); err != nil {
				return err
			}
			of[refund] = append(of[refund], delivery)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var out []outDocument
	for _, d := range ds {
		if strings.HasPrefix(d.Group, reverses) {
			if d.Pays != nil && d.Pays.Invoice == "" {
				pays := *d.Pays
				d.Pays = &pays
				_, err := s.w.db.One(ctx, "select erp_number from erp_documents where voucher_group = $g and status = 'posted'", []any{duck.Named("g", pays.DocumentID)}, &pays.Invoice)
				if err != nil {
					return nil, err
				}
				if pays.Invoice == "" {
					continue // what takes its invoice back was refused
				}
			}
			out = append(out, d)
			continue
		}
		if d.Kind == load.KindCredit {
			sale := *d.Sale
			d.Sale = &sale
			about := of[d.Of]
			if sale.Net {
				about = []string{d.Of}
			}
			var best invoice
			for _, delivery := range about {
				for _, i := range posted["invoice "+delivery] {
					if best.number == "" || best.amount < d.Amount && i.amount > best.amount {
						best = i
					}
				}
			}
			if !d.again || sale.Credits == "" {
				sale.Credits = best.number
			}
			out = append(out, d)
			continue
		}
		pays := *d.Pays
		d.Pays = &pays
		if s.w.Mode == "attach" && pays.Search == nil { // also one that was refused before: it is looked for again
			if err := s.search(ctx, &d); err != nil {
				return nil, err
			}
			out = append(out, d)
			continue
		}
		if pays.Invoice != "" || pays.Search != nil {
			pays.Known = known[pays.Invoice]
			out = append(out, d) // as it was sent
			continue
		}
		key := "invoice " + pays.DocumentID
		if pays.Amount < 0 {
			key = "credit_invoice " + pays.DocumentID
		}
		found := posted[key]
		switch {
		case len(found) > 0:
			pays.Invoice, pays.InvoiceAt = found[0].number, found[0].date
			pays.Known = known[pays.Invoice]
			for _, i := range found[1:] {
				pays.More = append(pays.More, i.number)
				pays.InvoiceAt = max(pays.InvoiceAt, i.date)
			}
			out = append(out, d)
		case coming[key]:
			s.waiting++ // it stays planned
		default:
			// Its sale is in the ERP as a voucher: from before the mode was changed.
			d.Kind, d.Pays = load.KindVoucher, nil
			out = append(out, d)
		}
	}
	return out, nil
}

// orders fills in which order an invoice is the first one of.
func (s *sender) orders(ctx context.Context, ds []outDocument) ([]outDocument, error) {
	of := map[string]string{}
	err := s.w.db.Each(ctx, `select d.document_id, e.erp_number from erp_documents as e
		inner join documents as o on o.document_id = e.document_id
		inner join documents as d on d.kind = 'delivery' and d.source = o.source and d.order_id = o.order_id
		where e.kind = 'order' and e.status = 'posted' and e.erp_number is not null`, func(scan func(...any) error) error {
		var delivery, number string
		if err := scan(&delivery, &number); err != nil {
			return err
		}
		of[delivery] = number
		return nil
	})
	for i, d := range ds {
		if d.again || d.Sale.Order != "" || strings.HasPrefix(d.Group, reverses) {
			continue
		}
		sale := *d.Sale
		sale.Order = of[d.Of]
		ds[i].Sale = &sale
	}
	return ds, err
}

// search lists the references by which another system's invoice may be known.
func (s *sender) search(ctx context.Context, d *outDocument) error {
	var refs []string
	entry := strings.TrimPrefix(d.Group, "settles ")
	err := s.w.db.Each(ctx, `select coalesce(l.order_reference, ''), coalesce(l.other_references, ''), coalesce(l.order_key, ''), coalesce(l.event_key, ''), l.source,
			coalesce(d.order_number, ''), coalesce(d.order_id, ''), coalesce(d.reference, '')
		from entries as e
		inner join payout_lines as l on l.line_id = coalesce(e.corrects, e.entry_id)
		left join documents as d on d.document_id = $doc
		where e.entry_id = $id::uuid`, func(scan func(...any) error) error {
		var x [8]string
		if err := scan(&x[0], &x[1], &x[2], &x[3], &x[4], &x[5], &x[6], &x[7]); err != nil {
			return err
		}
		number := x[5]
		if number == "" {
			number = x[0]
		}
		refs = append(refs, orderNumber(s.w.Settings.Number, x[4], first(x[6], x[2]), number, x[7]), x[5], x[0])
		refs = append(refs, strings.Split(x[1], "|")...)
		refs = append(refs, x[7], x[6], x[2], x[3])
		return nil
	}, duck.Named("id", entry), duck.Named("doc", d.Pays.DocumentID))
	d.Pays.Search = []string{}
	for _, r := range refs {
		if r = strings.TrimSpace(r); r != "" && !slices.Contains(d.Pays.Search, r) {
			d.Pays.Search = append(d.Pays.Search, r)
		}
	}
	return err
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// outboxNote makes a note durable, then applies it as a replay would.
func (w *work) outboxNote(ctx context.Context, kind string, n any) error {
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

type outRow struct {
	erpRow
	Scheme  string  `json:"scheme"`
	Body    string  `json:"body"`
	Content *string `json:"content"`
}

func (w *work) takeOutboxNote(ctx context.Context, n *archive.Note) error {
	if n.Kind == "erp_out" {
		var note outNote
		if err := json.Unmarshal(n.Body, &note); err != nil {
			return fmt.Errorf("%s in the archive: %w", n.Kind, err)
		}
		return w.takeOut(ctx, note)
	}
	var note answersNote
	if err := json.Unmarshal(n.Body, &note); err != nil {
		return fmt.Errorf("%s in the archive: %w", n.Kind, err)
	}
	return w.takeAnswers(ctx, note)
}

func (w *work) takeOut(ctx context.Context, note outNote) error {
	through, err := w.db.Count(ctx, "select max(run_no) from runs")
	if err != nil {
		return err
	}
	var rows []outRow
	for _, d := range note.Documents {
		body, err := json.Marshal(d)
		if err != nil {
			return err
		}
		r := outRow{erpRow{ID: d.ID, Kind: d.Kind, Target: note.Target, Group: d.Group, Book: d.Book, BookDate: d.BookDate, ThroughRun: through,
			Reference: d.Group, Currency: d.Currency, Amount: d.Amount, Entries: int64(d.Entries), Status: "sent", Batch: note.Batch}, note.Scheme, string(body), nil}
		if d.Content != "" {
			r.Content = &d.Content
		}
		if d.Of != "" {
			r.DocumentID = &d.Of
		}
		rows = append(rows, r)
	}
	if err := w.db.Exec(ctx, "create or replace temp table outgoing as select * from erp_documents limit 0"); err != nil {
		return err
	}
	if err := w.db.Insert(ctx, "outgoing", rows); err != nil {
		return err
	}
	if note.Scheme == reverseScheme { // they book no entries: they take back those of others
		return w.db.Exec(ctx, "insert into erp_documents by name select * from outgoing where erp_document_id not in (select erp_document_id from erp_documents)")
	}
	return w.db.Exec(ctx, fmt.Sprintf(`
		create or replace temp table pages as select distinct book, book_date, 0 as since from outgoing;
		insert into erp_entries by name
			select distinct u.entry_id, o.erp_document_id
			from %s as u inner join outgoing as o on o.voucher_group = u.voucher_group and o.book = u.book and o.book_date = u.book_date;
		delete from erp_documents where status in ('planned', 'failed') and erp_document_id in (select erp_document_id from outgoing);
		insert into erp_documents by name select * from outgoing`, unpostedEntries(note.Scheme)))
}

func (w *work) takeAnswers(ctx context.Context, note answersNote) error {
	type row struct {
		ID      string  `json:"id"`
		Of      string  `json:"document_id"`
		What    string  `json:"what"`
		Number  string  `json:"erp_number"`
		At      *string `json:"posted_at"`
		Voucher string  `json:"erp_voucher"`
		Date    *string `json:"erp_date"`
		Parts   *string `json:"parts"`
		Kind    string  `json:"kind"`
		Why     string  `json:"why"`
		Do      string  `json:"suggestion"`
		Source  string  `json:"source"`
		Cur     string  `json:"currency"`
		Amount  int64   `json:"amount_minor"`
	}
	type rounding struct {
		Doc     string `json:"document_id"`
		Role    string `json:"role"`
		Account int    `json:"account"`
		Country string `json:"country"`
		RateBP  int64  `json:"rate_bp"`
		Amount  int64  `json:"amount_minor"`
		ID      string `json:"erp_document_id"`
	}
	var rows []row
	var offs []rounding
	for _, a := range note.Answers {
		r := row{ID: a.ID, Of: a.Of, What: "dropped"}
		if p := a.Posted; p != nil {
			at := p.At.UTC().Format(timestamp)
			r.What, r.Number, r.At, r.Voucher = "posted", p.Number, &at, p.Voucher
			if p.Date != "" {
				r.Date = &p.Date
			}
			if len(p.Parts) > 0 {
				b, err := json.Marshal(p.Parts)
				if err != nil {
					return err
				}
				s := string(b)
				r.Parts = &s
			}
		}
		if x := a.Refused; x != nil {
			if a.Posted == nil {
				r.What = "refused"
			}
			r.Kind, r.Why, r.Do, r.Source, r.Cur, r.Amount = x.Kind, x.Why, x.Do, x.Source, x.Currency, x.Amount
		}
		for _, o := range a.Roundings {
			offs = append(offs, rounding{a.Of, o.Role, o.Account, o.Country, o.RateBP, o.Amount, a.ID})
		}
		rows = append(rows, r)
	}
	if err := w.db.Exec(ctx, `create or replace temp table answers (id varchar, document_id varchar, what varchar, erp_number varchar, posted_at timestamp, erp_voucher varchar,
		erp_date date, parts varchar, kind varchar, why varchar, suggestion varchar, source varchar, currency varchar, amount_minor bigint)`); err != nil {
		return err
	}
	if err := w.db.Insert(ctx, "answers", rows); err != nil {
		return err
	}
	if err := w.db.Insert(ctx, "erp_roundings", offs); err != nil {
		return err
	}
	if err := w.db.Exec(ctx, `
		update erp_documents as d set status = 'posted', erp_number = a.erp_number, posted_at = a.posted_at, erp_voucher = nullif(a.erp_voucher, ''), erp_date = a.erp_date,
			parts = a.parts, body = null, why = null
			from answers as a where d.status = 'sent' and d.erp_document_id = a.id and a.what = 'posted';
		update erp_documents as d set status = case a.what when 'refused' then 'failed' else 'planned' end, body = null, batch = null, why = nullif(a.why, '')
			from answers as a where d.status = 'sent' and d.erp_document_id = a.id and a.what <> 'posted';
		delete from erp_entries where erp_document_id in (select id from answers where what <> 'posted');
		insert into todo_documents select distinct document_id from erp_roundings where erp_document_id in (select id from answers) except select document_id from todo_documents;
		update exceptions as x set status = 'resolved', closed_at = r.began
			from this_run as r
			where x.status = 'open' and x.kind in ('erp_refused', 'period_locked') and x.evidence in (select 'ERP document ' || id from answers where what = 'posted');
		update exceptions as x set reason = a.why, suggestion = a.suggestion
			from answers as a where x.status = 'open' and x.kind = a.kind and x.evidence = 'ERP document ' || a.id;
		insert into exceptions by name
		select name_of(a.kind || ' ' || a.id || ' ' || r.run_no) as exception_id, a.kind, a.source, coalesce(nullif(a.document_id, ''), a.id) as document_id, a.why as reason,
			a.currency, a.amount_minor, 'ERP document ' || a.id as evidence, a.suggestion, r.began as opened_at, null::timestamp as closed_at, 'open' as status, r.run_no
		from answers as a
		cross join this_run as r
		where a.kind <> '' and not exists (select 1 from exceptions as x where x.status = 'open' and x.kind = a.kind and x.evidence = 'ERP document ' || a.id)
			-- A person said to leave it as it is.
			and not exists (
				select 1 from decided as y inner join exceptions as x on x.exception_id::varchar = y.exception_id
				where y.action = 'ignore' and x.kind = a.kind and x.evidence = 'ERP document ' || a.id);
		delete from erp_documents where scheme = 'reverse' and status in ('planned', 'failed')`); err != nil {
		return err
	}
	return w.takeReversals(ctx)
}
