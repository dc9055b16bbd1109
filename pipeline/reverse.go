package pipeline

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/sql/duck"
)

// reverseScheme marks the documents that take others back.
const reverseScheme = "reverse"

// reverses is the beginning of their group; the rest is the document that is taken back.
const reverses = "reverses "

// Reverse takes back what the ERP holds of ref and all that hangs on it: an invoice by a credit invoice, a payment by one
// the other way, a voucher by its mirror. What it booked is then planned again, so that it can be posted anew, once its
// mapping is right. ref is a document, payout, order number, or the ERP's number or kvitt's ID of what was posted.
func (p *Project) Reverse(ctx context.Context, ref string) (Result, error) {
	if p.Outbox == nil {
		return Result{}, fmt.Errorf("%w: a file that was written is not taken back; correct it in the ledger that imported it", ErrUsage)
	}
	w, err := p.open(ctx, "reverse")
	if err != nil {
		return Result{}, err
	}
	defer w.close()
	if err := w.askLock(ctx, true); err != nil {
		return Result{}, err
	}
	if err := w.begin(ctx, "reverse"); err != nil {
		return Result{}, err
	}
	res := Result{RunID: w.runID}
	if err := w.commit(); err != nil {
		return res, err
	}
	if _, err := w.stage(ctx); err != nil {
		return res, err
	}
	st, err := w.book(ctx, "reverse")
	if err != nil {
		return res, err
	}
	res.Entries, res.Postings, res.Digest = st.Entries, st.Postings, st.Digest
	n, postErr := w.reverse(ctx, ref)
	res.Posted = n
	if err := w.finish(ctx, "reverse", &res, postErr); err != nil {
		return res, errors.Join(postErr, err)
	}
	return res, errors.Join(postErr, w.followERP(ctx, &res))
}

func (w *work) reverse(ctx context.Context, ref string) (int64, error) {
	s := &sender{w: w, scheme: reverseScheme}
	w.posting = w
	defer func() { w.posting = nil }()
	begun, err := w.begun(ctx)
	if err != nil {
		return 0, err
	}
	for _, kind := range phases {
		if err := s.send(ctx, begun, kind, false); err != nil {
			return s.posted, err
		}
	}
	ds, err := w.reversals(ctx, ref)
	if err != nil {
		return s.posted, err
	}
	if len(ds) == 0 && len(begun) == 0 {
		return 0, fmt.Errorf("%w: nothing of %q is posted; kvitt explain %s says what is known of it", ErrUsage, ref, ref)
	}
	for _, kind := range phases {
		if err := s.send(ctx, ds, kind, true); err != nil {
			return s.posted, err
		}
	}
	w.Log.Info("reversed", "documents", s.posted, "refused", s.refused)
	if s.unsure > 0 {
		return s.posted, fmt.Errorf("reverse: %w: of %d documents it is not known whether they arrived (%v); run it again", ErrUnsent, s.unsure, s.last)
	}
	return s.posted, nil
}

// reversals builds what takes back everything posted that ref names.
func (w *work) reversals(ctx context.Context, ref string) ([]outDocument, error) {
	if err := w.db.Exec(ctx, "create or replace temp table reverse_asked as select $ref::varchar as ref", duck.Named("ref", ref)); err != nil {
		return nil, err
	}
	if err := w.db.Exec(ctx, `
		create or replace temp table reverse_documents as
		select document_id from documents, reverse_asked as a where a.ref in (document_id, order_id, order_number) and kind in ('delivery', 'refund')
		union select document_id from payouts, reverse_asked as a where a.ref in (document_id, payout_id)
		union select r.document_id from documents as r inner join documents as d on d.source = r.source and d.order_id = r.order_id
			where r.kind = 'refund' and d.kind = 'delivery' and d.document_id in (select ref from reverse_asked);
		create or replace temp table reverse_posted as
		select d.* from erp_documents as d where d.status = 'posted' and d.scheme is not null and d.scheme <> 'reverse' and d.kind <> 'order'
			and ((select ref from reverse_asked) in (d.erp_document_id, d.erp_number) or d.document_id in (select document_id from reverse_documents)
				or d.erp_document_id in (select e.erp_document_id from erp_entries as e inner join postings as p using (entry_id)
					where p.role in ('receivable', 'sales', 'vat') and p.document_id in (select document_id from reverse_documents)))`); err != nil {
		return nil, err
	}
	seal, err := w.seal()
	if err != nil {
		return nil, err
	}
	var out []outDocument
	numbers, at := map[string]string{}, map[string]int{}
	err = w.db.Each(ctx, `select r.erp_document_id, r.kind, coalesce(r.erp_number, ''), r.book, r.book_date::varchar, coalesce(r.erp_date, r.book_date), coalesce(r.document_id, ''), r.currency, r.amount_minor,
			coalesce(r.parts, ''), coalesce(d.source, ''), coalesce(d.country, ''), coalesce(d.customer = 'business', false), coalesce(d.order_number, d.order_id, '')
		from reverse_posted as r left join documents as d on d.document_id = r.document_id
		order by r.kind, r.erp_document_id`, func(scan func(...any) error) error {
		var o outDocument
		var id, kind, number, parts, source, country, order string
		var business bool
		var date time.Time
		if err := scan(&id, &kind, &number, &o.Book, &o.BookDate, &date, &o.Of, &o.Currency, &o.Amount, &parts, &source, &country, &business, &order); err != nil {
			return err
		}
		sum := md5.Sum([]byte("reverse|" + id))
		o.Seal = seal
		o.ID, o.Group, o.Date = hex.EncodeToString(sum[:])[:12], reverses+id, date
		o.Text = "Reversal of " + strings.ReplaceAll(kind, "_", " ") + " " + number
		o.Kind = kind
		switch kind {
		case load.KindInvoice, load.KindCredit:
			o.Kind = map[string]string{load.KindInvoice: load.KindCredit, load.KindCredit: load.KindInvoice}[kind]
			o.Sale = &load.Sale{Source: source, DocumentID: o.Of, OrderNumber: order, Country: country, Business: business, Credits: number, Net: true}
			numbers[number] = id
		case load.KindPayment:
			var ps []load.Part
			if parts != "" {
				if err := json.Unmarshal([]byte(parts), &ps); err != nil {
					return err
				}
			}
			o.Pays = &load.Settlement{}
			for _, x := range ps {
				if x.Kind == load.KindInvoice {
					o.Pays.Invoice = x.Number
				}
			}
		}
		at[id] = len(out)
		out = append(out, o)
		return nil
	})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	pieces := map[string][]piece{}
	err = w.db.Each(ctx, `select e.erp_document_id, p.role, p.account, coalesce(p.country, ''), coalesce(p.rate_bp, -1), -sum(p.amount_minor)::bigint
		from erp_entries as e inner join postings as p using (entry_id)
		where e.erp_document_id in (select erp_document_id from reverse_posted)
		group by all having sum(p.amount_minor) <> 0 order by all`, func(scan func(...any) error) error {
		var id string
		var p piece
		var n int64
		if err := scan(&id, &p.role, &p.account, &p.country, &p.rate, &n); err != nil {
			return err
		}
		p.amount = ledger.Minor(n)
		pieces[id] = append(pieces[id], p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id, i := range at {
		o := &out[i]
		for _, p := range pieces[id] {
			o.Rows = append(o.Rows, load.Row{Account: p.account, Amount: p.amount, Text: pieceText(p)})
		}
		switch {
		case o.Sale != nil:
			o.Sale.Lines, o.Sale.Receivable = mirrored(pieces[id])
		case o.Pays != nil:
			main := piece{}
			for _, p := range pieces[id] {
				switch p.role {
				case "receivable":
					o.Pays.Receivable = p.account
					o.Pays.Amount -= p.amount
				case "clearing":
					main = p
				}
			}
			o.Pays.Main = main.account
			if main.amount == 0 {
				o.Pays.Main = o.Pays.Receivable
			}
			// The invoice is taken back too: the money leaves by what takes it back. Else it is a voucher.
			if invoice, ok := numbers[o.Pays.Invoice]; ok && o.Pays.Amount != 0 {
				o.Pays.DocumentID, o.Pays.Invoice = reverses+invoice, ""
			} else {
				o.Kind, o.Pays = load.KindVoucher, nil
			}
		}
	}
	out = keepMoving(out)
	sort.SliceStable(out, func(i, j int) bool { return phase(out[i].Kind) < phase(out[j].Kind) })
	return out, nil
}

// keepMoving leaves out what books nothing.
func keepMoving(in []outDocument) (out []outDocument) {
	for _, d := range in {
		if len(d.Rows) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// mirrored gathers postings into the lines of the invoice that books them.
func mirrored(ps []piece) (lines []load.SaleLine, receivable int) {
	type key struct {
		country string
		rate    int64
	}
	at := map[key]int{}
	for _, p := range ps {
		switch p.role {
		case "receivable":
			receivable = p.account
		case "sales", "vat":
			k := key{p.country, p.rate}
			i, ok := at[k]
			if !ok {
				i = len(lines)
				at[k] = i
				lines = append(lines, load.SaleLine{Text: strings.TrimSpace("Varor " + rowText(p.country, p.rate, 0, 0, "", "")), RateBP: p.rate})
			}
			l := &lines[i]
			l.Gross -= p.amount
			if p.role == "sales" {
				l.Account = p.account
			} else {
				l.VAT -= p.amount
				l.VATAccount = p.account
			}
		default:
			lines = append(lines, load.SaleLine{Text: pieceText(p), Gross: -p.amount, RateBP: -1, Account: p.account})
		}
	}
	return lines, receivable
}

// takeReversals applies what was taken back: it is no longer posted, and what it booked is planned again.
func (w *work) takeReversals(ctx context.Context) error {
	type taken struct{ id, parts string }
	var all []taken
	err := w.db.Each(ctx, `select o.erp_document_id, coalesce(o.parts, ''), coalesce(r.parts, ''), coalesce(r.erp_voucher, ''), r.kind, coalesce(r.erp_number, '')
		from erp_documents as r inner join erp_documents as o on r.voucher_group = $p || o.erp_document_id and o.status = 'posted'
		where r.scheme = 'reverse' and r.status = 'posted'`, func(scan func(...any) error) error {
		var id, own, parts, voucher, kind, number string
		if err := scan(&id, &own, &parts, &voucher, &kind, &number); err != nil {
			return err
		}
		var ps []load.Part
		for _, s := range []string{own, parts} {
			var more []load.Part
			if s == "" {
				continue
			}
			if err := json.Unmarshal([]byte(s), &more); err != nil {
				return err
			}
			ps = append(ps, more...)
		}
		ps = append(ps, load.Part{Kind: kind, Number: number, Voucher: voucher})
		b, err := json.Marshal(ps)
		if err != nil {
			return err
		}
		all = append(all, taken{id, string(b)})
		return nil
	}, duck.Named("p", reverses))
	if err != nil || len(all) == 0 {
		return err
	}
	if err := w.db.Exec(ctx, "create or replace temp table pages (book varchar, book_date date, since integer)"); err != nil {
		return err
	}
	for _, x := range all {
		id := duck.Named("id", x.id)
		if err := w.db.Exec(ctx, "insert into pages select book, book_date, 0 from erp_documents where erp_document_id = $id", id); err != nil {
			return err
		}
		if err := w.db.Exec(ctx, "update erp_documents set status = 'reversed', parts = $parts where erp_document_id = $id", id, duck.Named("parts", x.parts)); err != nil {
			return err
		}
		if err := w.db.Exec(ctx, "delete from erp_entries where erp_document_id = $id", id); err != nil {
			return err
		}
	}
	if err := w.db.Exec(ctx, "create or replace temp table pages as select distinct * from pages"); err != nil {
		return err
	}
	return w.replan(ctx)
}
