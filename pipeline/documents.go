package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/sql/duck"
)

// How the ledger becomes documents of an ERP that takes one at a time (posting_rules §9).
//
// Every entry goes into one document, and table erp_entries says which: so nothing is posted twice when the mode
// or the aggregation changes, and one refused document does not hide in the days of the others.
//
//	page of the ledger            voucher          document                          attach
//	source/delivery, refund       day or document  invoice, credit invoice           nothing: another system makes them
//	payout line with receivable   payout's voucher payment of that invoice           payment of the invoice found
//	everything else of a payout   payout's voucher payout's voucher                  payout's voucher

// scheme names how the ledger is divided.
func (p *Project) scheme() string {
	if p.Mode == "" || p.Mode == "voucher" {
		return "voucher/" + p.Aggregate
	}
	return p.Mode
}

// unpostedEntries selects the postings of the pages in table pages that no document holds, with the group each belongs to.
func unpostedEntries(scheme string) string {
	group := map[string]string{
		"voucher/day":      "case when p.book like '%/payout/%' then p.book || ' ' || p.book_date else p.book || ' ' || p.book_date || ' ' || p.currency end",
		"voucher/document": "case when p.book like '%/payout/%' then p.book || ' ' || p.book_date else p.document_id || ' ' || p.book_date end",
		"document": `case when p.book not like '%/payout/%' then p.document_id || ' ' || p.book_date
			when bool_or(p.role = 'receivable' and k.kind in ('delivery', 'refund')) over (partition by p.entry_id) then 'settles ' || p.entry_id
			else p.book || ' ' || p.book_date end`,
		"attach": `case when p.book not like '%/payout/%' then null
			when bool_or(p.role = 'receivable') over (partition by p.entry_id) then 'settles ' || p.entry_id
			else p.book || ' ' || p.book_date end`,
	}[scheme]
	kinds := ""
	if scheme == "document" {
		kinds = "left join documents as k on k.document_id = p.document_id"
	}
	return fmt.Sprintf(`
		(select * from (select %s as voucher_group, p.*
			from postings as p
			semi join pages as g on g.book = p.book and g.book_date = p.book_date
			left join (
				select book, book_date, max(through_run) as through_run from erp_documents
				where status in ('sent', 'posted') and scheme is null group by book, book_date
			) as f on f.book = p.book and f.book_date = p.book_date
			%s
			where p.run_no > coalesce(f.through_run, 0) and p.run_no >= (select coalesce(min(since), 0) from pages)
				and p.entry_id not in (select entry_id from erp_entries))
		where voucher_group is not null)`, group, kinds)
}

// replanDocuments is replan for an Outbox.
func (w *work) replanDocuments(ctx context.Context) error {
	scheme := w.scheme()
	invoice := "'voucher'"
	if scheme == "document" {
		// What is delivered is invoiced, what is refunded credited; what moves no receivable is a voucher.
		invoice = `case when book like '%/payout/%' then 'voucher' when receivable > 0 then 'invoice' when receivable < 0 then 'credit_invoice' else 'voucher' end`
	}
	if scheme == "document" {
		if err := w.replanOrders(ctx); err != nil {
			return err
		}
	}
	if err := w.db.Exec(ctx, fmt.Sprintf(`
		create or replace temp table refused_before as select erp_document_id, why from erp_documents where status = 'failed';
		delete from erp_documents where status in ('planned', 'failed') and (book, book_date) in (select (book, book_date) from pages);
		insert into erp_documents by name
		select left(md5(g.voucher_group || '|' || g.entry_hash::varchar || coalesce('|' || r.times, '')), 12) as erp_document_id,
			case when starts_with(g.voucher_group, 'settles ') then 'payment' else %s end as kind, %s as target, g.voucher_group, g.book, g.book_date, g.through_run,
			g.document_id, null as erp_number, g.voucher_group as reference, g.currency, g.amount_minor, g.entries,
			case when exists (select 1 from refused_before as f where f.erp_document_id = left(md5(g.voucher_group || '|' || g.entry_hash::varchar || coalesce('|' || r.times, '')), 12)) then 'failed' else 'planned' end as status,
			null::timestamp as posted_at, null as batch, %s as scheme
		from (
			select voucher_group, book, book_date, max(run_no) as through_run,
				case when count(distinct case when book like '%%/payout/%%' then book else document_id end) = 1 then any_value(case when book like '%%/payout/%%' then book else document_id end) end as document_id,
				any_value(currency) as currency, sum(hash(entry_id, line))::hugeint as entry_hash, count(distinct entry_id) as entries,
				sum(case when role = 'receivable' then amount_minor else 0 end)::bigint as receivable,
				sum(case when amount_minor > 0 then amount_minor else 0 end)::bigint as amount_minor
			from %s
			group by voucher_group, book, book_date
		) as g
		left join (select voucher_group, count(*) as times from erp_documents where status = 'reversed' group by voucher_group) as r on r.voucher_group = g.voucher_group`,
		invoice, duck.Quote(w.TargetName), duck.Quote(scheme), unpostedEntries(scheme))); err != nil {
		return err
	}
	// What was refused, and is planned otherwise now, is no longer what is wrong.
	return w.db.Exec(ctx, `update exceptions as x set status = 'resolved', closed_at = r.began from this_run as r
		where x.status = 'open' and x.kind in ('erp_refused', 'period_locked') and starts_with(x.evidence, 'ERP document ')
			and substr(x.evidence, 14) not in (select erp_document_id from erp_documents)`)
}

// replanOrders plans orders that are not delivered yet: as orders of the ERP, which are changed as long as they are changed
// at their source, and cancelled when they come to nothing there. What is delivered is invoiced at once, and its order with it.
func (w *work) replanOrders(ctx context.Context) error {
	return w.db.Exec(ctx, fmt.Sprintf(`
		create or replace temp table refused_orders as select erp_document_id from erp_documents where kind = 'order' and status = 'failed';
		delete from erp_documents where kind = 'order' and status in ('planned', 'failed');
		create or replace temp table orders_there as
		select document_id, arg_max(content, times) as content, arg_max(status, times) as status, max(times) as times
		from (select *, row_number() over (partition by document_id order by status = 'sent', posted_at, through_run, erp_document_id) as times
			from erp_documents where kind = 'order' and status in ('sent', 'posted'))
		group by document_id;
		create or replace temp table orders_now as
		select d.document_id, d.source, d.event_date, d.currency, d.amount_minor,
			-- That nothing more happens to an order says that it came to nothing only where its deliveries would be known.
			coalesce(d.is_final, false) and s.invoices or regexp_matches(lower(coalesce(d.status, '')), '^(wc-)?(cancel|expired|failed|void)') or d.amount_minor <= 0 as is_off,
			md5(concat_ws('|', d.country, d.customer, l.content)) as content, coalesce(l.bookable, false) and d.country is not null as bookable
		from documents as d
		inner join set_sources as s using (source)
		cross join set_company as c
		left join (
			select l.document_id, string_agg(concat_ws(' ', l.line_type, l.reference, l.quantity, l.gross_minor, l.vat_minor, l.rate_bp), '|' order by l.line_no) as content,
				bool_and(l.line_type in ('gift_card', 'store_credit') or exists (select 1 from set_sales as x where x.rate_bp = l.rate_bp and x.customer = 'consumer'
					and (x.country = o.country or (x.country = '*' and not is_eu(o.country))))) as bookable
			from document_lines as l inner join documents as o using (document_id)
			where o.kind = 'order'
			group by l.document_id
		) as l on l.document_id = d.document_id
		where d.kind = 'order' and s.orders and d.currency = c.currency and d.event_date is not null
			and (d.source, d.order_id) not in (select (source, order_id) from documents where kind = 'delivery' and order_id is not null);
		insert into erp_documents by name
		select n.erp_document_id, 'order' as kind, %[1]s as target, 'order ' || n.document_id as voucher_group,
			n.source || '/order' as book, n.event_date as book_date, 0 as through_run, n.document_id, null as erp_number, 'order ' || n.document_id as reference,
			n.currency, n.amount_minor, 0 as entries, case when r.erp_document_id is null then 'planned' else 'failed' end as status, null::timestamp as posted_at,
			null as batch, %[2]s as scheme, n.content
		from (
			select n.* replace (case when n.is_off then 'off' else n.content end as content),
				left(md5(concat_ws('|', 'order', n.document_id, t.times, case when n.is_off then 'off' else n.content end)), 12) as erp_document_id
			from orders_now as n
			left join orders_there as t using (document_id)
			where case
				when t.document_id is null then not n.is_off and n.bookable
				when t.status = 'sent' then false -- it is not known yet what is there
				when t.content = 'off' then false -- a cancelled order stays cancelled
				when n.is_off then true
				else n.bookable and n.content <> t.content end
		) as n
		left join refused_orders as r using (erp_document_id)`, duck.Quote(w.TargetName), duck.Quote(w.scheme())))
}

// planDocuments is plan for an Outbox.
func (w *work) planDocuments(ctx context.Context) (*Plan, error) {
	if err := w.db.Exec(ctx, "create or replace temp table pages as select distinct book, book_date, 0 as since from erp_documents where status in ('planned', 'failed')"); err != nil {
		return nil, err
	}
	b := &documentPlan{w: w, ctx: ctx, pl: &Plan{pages: map[string]page{}}, byGroup: map[string]*load.Document{}, scheme: w.scheme()}
	for _, step := range []func() error{b.planned, b.rows, b.facts, b.lines, b.finish} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
	}
	return b.pl, nil
}

type documentPlan struct {
	w       *work
	ctx     context.Context
	pl      *Plan
	scheme  string
	byGroup map[string]*load.Document
	order   []string
	pieces  map[string][]piece // of invoices and payments, by group
	sales   map[string][]*load.Document
}

// A piece is a posting of a document that is no voucher.
type piece struct {
	role, country, document string
	account                 int
	rate                    int64
	amount                  ledger.Minor
	order, kind             string
}

func (b *documentPlan) planned() error {
	return b.w.db.Each(b.ctx, `select erp_document_id, kind, voucher_group, book, book_date::varchar, book_date, coalesce(document_id, ''), currency, entries,
			exists (select 1 from erp_documents as o where o.status in ('sent', 'posted') and o.voucher_group = e.voucher_group), e.status = 'failed', coalesce(e.content, '')
		from erp_documents as e where status in ('planned', 'failed') and scheme = $s order by book_date, voucher_group`, func(scan func(...any) error) error {
		var d load.Document
		var again, tried bool
		var pg page
		var date time.Time
		if err := scan(&d.ID, &d.Kind, &d.Group, &pg.book, &pg.date, &date, &pg.document, &pg.currency, &pg.entries, &again, &tried, &pg.content); err != nil {
			return err
		}
		pg.reference = d.Group
		d.Date, d.Currency, d.Entries = date, pg.currency, int(pg.entries)
		d.Text = voucherText(pg.book, date, pg.currency)
		b.byGroup[d.Group] = &d
		b.order = append(b.order, d.Group)
		pg.again, pg.tried = again, tried
		b.pl.pages[d.ID] = pg
		return nil
	}, duck.Named("s", b.scheme))
}

// rows reads what each document books: of vouchers gathered by account and rate, of the others posting by posting.
func (b *documentPlan) rows() error {
	b.pieces = map[string][]piece{}
	if err := b.w.db.Exec(b.ctx, fmt.Sprintf("create or replace temp table unposted_now as select * from %s", unpostedEntries(b.scheme))); err != nil {
		return err
	}
	err := b.w.db.Each(b.ctx, `
		select voucher_group, account, coalesce(country, ''), coalesce(rate_bp, -1), sum(amount_minor)::bigint, count(*), coalesce(min(ref), ''), coalesce(max(ref), ''), count(distinct ref)
		from (
			select u.*, case when u.book like '%/payout/%' and u.role <> 'receivable' then null else coalesce(d.order_number, d.order_id, u.document_id) end as ref
			from unposted_now as u
			left join documents as d on d.document_id = u.document_id
			where u.voucher_group in (select voucher_group from erp_documents where status in ('planned', 'failed') and kind = 'voucher'))
		group by voucher_group, account, coalesce(country, ''), coalesce(rate_bp, -1)
		having sum(amount_minor) <> 0
		order by 1, 2, 3, 4`, func(scan func(...any) error) error {
		var group, country, least, most string
		var account int
		var rate, amount, count, refs int64
		if err := scan(&group, &account, &country, &rate, &amount, &count, &least, &most, &refs); err != nil {
			return err
		}
		if d := b.byGroup[group]; d != nil {
			d.Rows = append(d.Rows, load.Row{Account: account, Amount: ledger.Minor(amount), Text: rowText(country, rate, refs, count, least, most)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.w.db.Each(b.ctx, `
		select u.voucher_group, u.role, u.account, coalesce(u.country, ''), coalesce(u.rate_bp, -1), u.document_id, sum(u.amount_minor)::bigint,
			coalesce(any_value(coalesce(d.order_number, d.order_id)), ''), coalesce(any_value(d.kind), '')
		from unposted_now as u
		left join documents as d on d.document_id = u.document_id
		where u.voucher_group in (select voucher_group from erp_documents where status in ('planned', 'failed') and kind <> 'voucher')
		group by 1, 2, 3, 4, 5, 6
		having sum(u.amount_minor) <> 0
		order by 1, 2, 3, 4, 5, 6`, func(scan func(...any) error) error {
		var group string
		var p piece
		var amount int64
		if err := scan(&group, &p.role, &p.account, &p.country, &p.rate, &p.document, &amount, &p.order, &p.kind); err != nil {
			return err
		}
		p.amount = ledger.Minor(amount)
		b.pieces[group] = append(b.pieces[group], p)
		return nil
	})
}

// facts turns pieces into sales and settlements.
func (b *documentPlan) facts() error {
	b.sales = map[string][]*load.Document{}
	for _, g := range b.order {
		d := b.byGroup[g]
		if d.Kind == load.KindVoucher {
			if proof := b.pl.pages[d.ID].book; strings.Contains(proof, "/payout/") {
				d.Proof = &load.Proof{}
			}
			continue
		}
		for _, p := range b.pieces[g] {
			d.Rows = append(d.Rows, load.Row{Account: p.account, Amount: p.amount, Text: pieceText(p)})
		}
		if d.Kind == load.KindPayment {
			b.settlement(d)
			continue
		}
		doc := b.pl.pages[d.ID].document
		d.Sale = &load.Sale{DocumentID: doc}
		if d.Kind == load.KindOrder {
			b.sales[doc] = append(b.sales[doc], d)
			continue
		}
		for _, p := range b.pieces[g] {
			if p.role == "receivable" {
				d.Sale.Receivable = p.account
			}
		}
		b.sales[doc] = append(b.sales[doc], d)
	}
	if err := b.proofs(); err != nil {
		return err
	}
	if err := b.ordersThere(); err != nil {
		return err
	}
	if len(b.sales) == 0 && b.scheme != "attach" {
		return nil
	}
	exp := ledger.Exponent
	known := map[string]bool{}
	err := b.w.db.Each(b.ctx, `
		select d.document_id, d.source, d.kind, coalesce(d.order_id, ''), coalesce(d.order_number, ''), coalesce(d.reference, ''), d.country, d.customer = 'business', d.currency, d.amount_minor
		from documents as d where d.document_id in (select document_id from erp_documents where status in ('planned', 'failed') and kind in ('order', 'invoice', 'credit_invoice'))`,
		func(scan func(...any) error) error {
			var doc, source, kind, orderID, number, reference, country, currency string
			var business bool
			var amount int64
			if err := scan(&doc, &source, &kind, &orderID, &number, &reference, &country, &business, &currency, &amount); err != nil {
				return err
			}
			known[doc] = true
			for _, d := range b.sales[doc] {
				d.Sale.Source, d.Sale.Country, d.Sale.Business = source, country, business
				d.Sale.OrderNumber = orderNumber(b.w.Settings.Number, source, orderID, number, reference)
				d.Sale.Net = kind == "delivery" && d.Kind == load.KindCredit
				what := map[string]string{load.KindInvoice: "Invoice", load.KindCredit: "Credit invoice", load.KindOrder: "Order"}[d.Kind]
				switch {
				case d.Sale.Cancelled:
					what = "Cancelled order"
				case d.Kind == load.KindOrder && d.Sale.Order != "":
					what = "Changed order"
				}
				d.Text = what + " " + source + " order " + d.Sale.OrderNumber
				if currency != b.w.Settings.Company.Currency {
					d.Sale.Was = ledger.Minor(amount).Decimal(exp(currency)) + " " + currency
				}
			}
			return nil
		})
	if err != nil {
		return err
	}
	return b.gone(known)
}

// gone fills in the sales whose document its source took back: an order that was cancelled after it was delivered, say. What it
// was is told by its name and by what is booked of it.
func (b *documentPlan) gone(known map[string]bool) error {
	for doc, ds := range b.sales {
		if known[doc] {
			continue
		}
		source, rest, _ := strings.Cut(doc, "/")
		kind, ref, _ := strings.Cut(rest, "/")
		number := ""
		if _, err := b.w.db.One(b.ctx, `select coalesce(order_number, order_id) from documents where kind = 'order' and source = $s and (order_id = $r or doc_ref = $r) limit 1`,
			[]any{duck.Named("s", source), duck.Named("r", ref)}, &number); err != nil {
			return err
		}
		for _, d := range ds {
			d.Sale.Source, d.Sale.OrderNumber, d.Sale.Country = source, number, b.w.Settings.Company.Country
			for _, p := range b.pieces[d.Group] {
				if p.country != "" {
					d.Sale.Country = p.country
				}
			}
			d.Sale.Net = kind == "delivery" && d.Kind == load.KindCredit
			d.Text = strings.TrimSpace("Taken back, " + source + " order " + number)
		}
	}
	return nil
}

func pieceText(p piece) string {
	s := rowText(p.country, p.rate, 0, 0, "", "")
	if p.order != "" {
		if s != "" {
			s += ", "
		}
		s += "order " + p.order
	}
	if s == "" {
		s = strings.ReplaceAll(p.role, "_", " ")
	}
	return s
}

// orderNumber fills in [order_number] pattern. What the pattern names and the source lacks falls back to what there is.
func orderNumber(pattern, source, id, number, reference string) string {
	if number == "" {
		number = reference
	}
	if number == "" {
		number = id
	}
	if pattern == "" {
		return number
	}
	name := reference
	if name == "" {
		name = number
	}
	return strings.NewReplacer("{order_number}", number, "{order_id}", id, "{order_name}", name, "{source}", source).Replace(pattern)
}

// settlement says which invoice the entry of d pays, and with what.
func (b *documentPlan) settlement(d *load.Document) {
	s := &load.Settlement{}
	var main piece
	open := map[string]ledger.Minor{}
	var docs []string
	for _, p := range b.pieces[d.Group] {
		switch p.role {
		case "receivable":
			s.Receivable = p.account
			if b.scheme == "attach" || p.kind == "delivery" || p.kind == "refund" {
				if open[p.document] == 0 {
					docs = append(docs, p.document)
				}
				open[p.document] -= p.amount
			}
		case "clearing":
			main = p
		}
	}
	// Where an entry moves a payment from one document to another, the one that gains is paid.
	for _, doc := range docs {
		if s.DocumentID == "" || open[doc].Abs() > 0 && open[doc] > 0 && s.Amount < 0 {
			s.DocumentID, s.Amount = doc, open[doc]
		}
	}
	s.Main = main.account
	if main.amount == 0 {
		s.Main = s.Receivable
	}
	if s.Amount == 0 {
		d.Kind = load.KindVoucher
		return
	}
	number := ""
	for _, p := range b.pieces[d.Group] {
		if p.document == s.DocumentID && p.order != "" {
			number = p.order
		}
	}
	d.Text = strings.TrimSpace("Settled, order " + number + ", " + d.Text)
	d.Pays = s
}

// proofs names the report behind each payout.
func (b *documentPlan) proofs() error {
	found := map[string]load.Proof{}
	err := b.w.db.Each(b.ctx, `select p.document_id, p.source, p.payout_id, x.sha256, coalesce(x.media_type, '') from payouts as p inner join blobs as x on x.blob_id = p.blob_id
		where p.document_id in (select book from erp_documents where status in ('planned', 'failed') and kind = 'voucher')`, func(scan func(...any) error) error {
		var doc, source, id, sha, media string
		if err := scan(&doc, &source, &id, &sha, &media); err != nil {
			return err
		}
		ext := ".json"
		if strings.Contains(media, "csv") {
			ext = ".csv"
		}
		found[doc] = load.Proof{Name: strings.NewReplacer("/", "-", " ", "-").Replace(source+"-"+id) + ext, Blob: sha, Source: source}
		return nil
	})
	for _, g := range b.order {
		if d := b.byGroup[g]; d.Proof != nil {
			if p, ok := found[b.pl.pages[d.ID].book]; ok {
				d.Proof = &p
			} else {
				d.Proof = nil
			}
		}
	}
	return err
}

// ordersThere says of planned orders which one of the ERP they are already, and whether it is to be cancelled.
func (b *documentPlan) ordersThere() error {
	numbers := map[string]string{}
	err := b.w.db.Each(b.ctx, `select document_id, arg_max(erp_number, posted_at) from erp_documents where kind = 'order' and status = 'posted' and erp_number is not null
		and document_id in (select document_id from erp_documents where kind = 'order' and status in ('planned', 'failed')) group by document_id`, func(scan func(...any) error) error {
		var doc, number string
		if err := scan(&doc, &number); err != nil {
			return err
		}
		numbers[doc] = number
		return nil
	})
	for _, g := range b.order {
		if d := b.byGroup[g]; d.Kind == load.KindOrder {
			d.Sale.Order = numbers[d.Sale.DocumentID]
			d.Sale.Cancelled = b.pl.pages[d.ID].content == orderOff
		}
	}
	return err
}

// orderOff is the content of an order that came to nothing.
const orderOff = "off"

// lines fills in what invoices say row by row: the document's own lines where they are what is booked, else one row
// for each rate.
func (b *documentPlan) lines() error {
	type rateKey struct {
		country string
		rate    int64
	}
	type sums struct{ gross, vat ledger.Minor }
	stated := map[string][]load.SaleLine{}
	if len(b.sales) > 0 {
		err := b.w.db.Each(b.ctx, `
			select l.document_id, l.line_type, coalesce(l.reference, ''), coalesce(l.quantity, 1), l.gross_minor,
				case when l.line_type in ('gift_card', 'store_credit') then 0 else coalesce(l.vat_minor, vat_inside(l.gross_minor, l.rate_bp)) end,
				case when l.line_type in ('gift_card', 'store_credit') then -1 else l.rate_bp end
			from document_lines as l
			where l.document_id in (select document_id from erp_documents where status in ('planned', 'failed') and kind in ('invoice', 'credit_invoice'))
			order by l.document_id, l.line_no`, func(scan func(...any) error) error {
			var doc, typ, reference string
			var quantity, gross, vat, rate int64
			if err := scan(&doc, &typ, &reference, &quantity, &gross, &vat, &rate); err != nil {
				return err
			}
			what := map[string]string{"goods": "Vara", "shipping": "Frakt", "discount": "Rabatt", "gift_card": "Presentkort", "store_credit": "Tillgodohavande"}[typ]
			if what == "" {
				what = typ
			}
			if reference != "" {
				what += " " + reference
			}
			if quantity > 1 {
				what += fmt.Sprintf(" x %d", quantity)
			}
			stated[doc] = append(stated[doc], load.SaleLine{Text: what, Gross: ledger.Minor(gross), VAT: ledger.Minor(vat), RateBP: rate})
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := b.orderLines(); err != nil {
		return err
	}
	for doc, ds := range b.sales {
		for _, d := range ds {
			if d.Kind == load.KindOrder {
				continue
			}
			booked := map[rateKey]sums{}
			accounts := map[rateKey][2]int{}
			var extra []load.SaleLine
			var order []rateKey
			for _, p := range b.pieces[d.Group] {
				k := rateKey{p.country, p.rate}
				switch p.role {
				case "receivable":
				case "sales", "vat":
					if _, ok := accounts[k]; !ok {
						order = append(order, k)
					}
					x, a := booked[k], accounts[k]
					x.gross -= p.amount
					if p.role == "sales" {
						if a[0] != 0 && a[0] != p.account { // moved from one account to another: each as it is
							extra = append(extra, load.SaleLine{Text: pieceText(p), Gross: -p.amount, RateBP: -1, Account: p.account})
							continue
						}
						a[0] = p.account
					} else {
						if a[1] != 0 && a[1] != p.account {
							extra = append(extra, load.SaleLine{Text: pieceText(p), Gross: -p.amount, RateBP: -1, Account: p.account})
							continue
						}
						x.vat -= p.amount
						a[1] = p.account
					}
					booked[k], accounts[k] = x, a
				default:
					extra = append(extra, load.SaleLine{Text: pieceText(p), Gross: -p.amount, RateBP: -1, Account: p.account})
				}
			}
			sign := ledger.Minor(1)
			if d.Kind == load.KindCredit {
				sign = -1
			}
			own := map[int64]sums{}
			for _, l := range stated[doc] {
				x := own[l.RateBP]
				x.gross += sign * l.Gross
				x.vat += sign * l.VAT
				own[l.RateBP] = x
			}
			fits := len(stated[doc]) > 0
			for _, k := range order {
				fits = fits && own[k.rate] == booked[k] && accounts[k][0] != 0 && !d.Sale.Net
				delete(own, k.rate)
			}
			delete(own, -1)
			fits = fits && len(own) == 0
			if fits {
				for _, l := range stated[doc] {
					for _, k := range order {
						if k.rate == l.RateBP && (l.Gross != 0 || l.VAT != 0) {
							l.Gross, l.VAT = sign*l.Gross, sign*l.VAT
							l.Account, l.VATAccount = accounts[k][0], accounts[k][1]
							d.Sale.Lines = append(d.Sale.Lines, l)
						}
					}
				}
			} else {
				for _, k := range order {
					x, a := booked[k], accounts[k]
					if a[0] == 0 { // VAT alone changed
						d.Sale.Lines = append(d.Sale.Lines, load.SaleLine{Text: "Moms " + k.country, Gross: x.vat, RateBP: -1, Account: a[1]})
						continue
					}
					text := "Varor"
					if k.rate >= 0 {
						text = "Varor " + rowText(k.country, k.rate, 0, 0, "", "")
					}
					d.Sale.Lines = append(d.Sale.Lines, load.SaleLine{Text: text, Gross: x.gross, VAT: x.vat, RateBP: k.rate, Account: a[0], VATAccount: a[1]})
				}
			}
			d.Sale.Lines = append(d.Sale.Lines, extra...)
		}
	}
	return nil
}

// orderLines fills in the rows of orders; their accounts are those a delivery would be booked on.
func (b *documentPlan) orderLines() error {
	return b.w.db.Each(b.ctx, `
		select l.document_id, l.line_type, coalesce(l.reference, ''), l.gross_minor, coalesce(l.vat_minor, vat_inside(l.gross_minor, l.rate_bp)), l.rate_bp,
			coalesce((select arg_min(s.sales, case when s.country = '*' then 2 else 0 end) from set_sales as s where s.rate_bp = l.rate_bp and s.customer = 'consumer'
				and (s.country = d.country or (s.country = '*' and not is_eu(d.country)))), c.gift_cards),
			coalesce((select arg_min(s.vat, case when s.country = '*' then 2 else 0 end) from set_sales as s where s.rate_bp = l.rate_bp and s.customer = 'consumer'
				and (s.country = d.country or (s.country = '*' and not is_eu(d.country)))), 0),
			l.line_type in ('gift_card', 'store_credit')
		from document_lines as l inner join documents as d using (document_id) cross join set_company as c
		where d.document_id in (select document_id from erp_documents where status in ('planned', 'failed') and kind = 'order') and l.gross_minor <> 0
		order by l.document_id, l.line_no`, func(scan func(...any) error) error {
		var doc, typ, reference string
		var gross, vat, rate int64
		var sales, vatAccount int
		var card bool
		if err := scan(&doc, &typ, &reference, &gross, &vat, &rate, &sales, &vatAccount, &card); err != nil {
			return err
		}
		l := load.SaleLine{Text: strings.TrimSpace(typ + " " + reference), Gross: ledger.Minor(gross), VAT: ledger.Minor(vat), RateBP: rate, Account: sales, VATAccount: vatAccount}
		if card {
			l.VAT, l.RateBP, l.VATAccount = 0, -1, 0
		}
		for _, d := range b.sales[doc] {
			if d.Kind == load.KindOrder {
				d.Sale.Lines = append(d.Sale.Lines, l)
			}
		}
		return nil
	})
}

// phases is the order kinds are sent in.
var phases = []string{load.KindOrder, load.KindInvoice, load.KindCredit, load.KindVoucher, load.KindPayment}

func phase(kind string) int {
	for i, k := range phases {
		if k == kind {
			return i
		}
	}
	return len(phases)
}

func (b *documentPlan) finish() error {
	h := sha256.New()
	sums := map[int]*AccountSum{}
	for _, g := range b.order {
		d := b.byGroup[g]
		if len(d.Rows) == 0 && (d.Kind != load.KindOrder || len(d.Sale.Lines) == 0 && !d.Sale.Cancelled) {
			delete(b.pl.pages, d.ID)
			continue // what it gathers cancels out on every account: nothing to tell the ERP
		}
		b.pl.Documents = append(b.pl.Documents, *d)
		pg := b.pl.pages[d.ID]
		b.pl.Entries += pg.entries
		if pg.again {
			b.pl.Changed++
		} else {
			b.pl.New++
		}
	}
	sort.SliceStable(b.pl.Documents, func(i, j int) bool { return phase(b.pl.Documents[i].Kind) < phase(b.pl.Documents[j].Kind) })
	for _, d := range b.pl.Documents {
		body, err := json.Marshal(d)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s\n", body)
		for _, r := range d.Rows {
			s := sums[r.Account]
			if s == nil {
				s = &AccountSum{Account: r.Account}
				if b.w.AccountName != nil {
					s.Name = b.w.AccountName(r.Account)
				}
				sums[r.Account] = s
			}
			if r.Amount > 0 {
				s.Debit += r.Amount
			} else {
				s.Credit += r.Amount
			}
			s.Sum += r.Amount
		}
		b.pl.Vouchers = append(b.pl.Vouchers, d.Voucher)
	}
	for _, s := range sums {
		b.pl.Accounts = append(b.pl.Accounts, *s)
	}
	sort.Slice(b.pl.Accounts, func(i, j int) bool { return b.pl.Accounts[i].Account < b.pl.Accounts[j].Account })
	b.pl.Digest = hex.EncodeToString(h.Sum(nil))
	b.pl.Requests, b.pl.Seconds = b.w.Outbox.Cost(b.pl.Documents)
	return nil
}
