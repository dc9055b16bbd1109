package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
)

// A Plan is what would be posted, shown before anything is.
type Plan struct {
	Digest    string          `json:"digest"`
	New       int             `json:"new"`
	Changed   int             `json:"changed"` // vouchers that correct what is posted
	Entries   int64           `json:"entries"`
	Files     int             `json:"files"`
	Requests  int             `json:"requests"`
	Seconds   int             `json:"seconds"`
	Vouchers  []load.Voucher  `json:"-"`
	Documents []load.Document `json:"-"` // the same, for a target that takes them one by one
	Accounts  []AccountSum    `json:"accounts"`
	pages     map[string]page
}

// An AccountSum is what a plan would add to one account, minor units of the company's currency.
type AccountSum struct {
	Account       int          `json:"account"`
	Name          string       `json:"name"`
	Debit, Credit ledger.Minor `json:"-"`
	Sum           ledger.Minor `json:"sum_minor"`
}

// A page is what one voucher stands on: a day of a book.
type page struct {
	book, date, document, reference, currency string
	content                                   string // of an order: what it says, so that a change is seen
	entries                                   int64
	again, tried                              bool // its page is posted in part; it was refused before
}

// voucherGroup names the voucher a posting goes into. Deliveries and refunds gather by
// day and currency, or stand alone per document; a payout is always one voucher.
// Source: posting_rules §9.
func (p *Project) voucherGroup() string {
	sale := "p.book || ' ' || p.book_date || ' ' || p.currency"
	if p.Aggregate == "document" {
		sale = "p.document_id || ' ' || p.book_date"
	}
	return "case when p.book like '%/payout/%' then p.book || ' ' || p.book_date else " + sale + " end"
}

// Rows that vouchers are made of, each of n postings. Payout lines come by the million: those that settle a document name its
// order and are read one by one, of the others the sums of their classes say all that a voucher does. Where some lines are in
// documents of the ERP already, all are read one by one.
var (
	postingSums = `
		select book, book_date, document_id, role, account, currency, country, rate_bp, amount_minor, 1 as n, run_no from posting_rows
		union all
		select book, book_date, document_id, role, account, currency, null, null, amount_minor, 1, run_no
		from (` + sql.LinePostings("booked_lines", "line_classes") + `) where role = 'receivable'
		union all
		select c.payout_document, c.book_date, c.payout_document, s.role, s.account, case s.role when c.counter_role then coalesce(c.counter_currency, c.currency) else c.currency end,
			null, null, s.amount_minor, s.postings, s.run_no
		from class_sums as s inner join line_classes as c using (class_no) where s.role <> 'receivable'`
	postingsAlone = `
		select book, book_date, document_id, role, account, currency, country, rate_bp, amount_minor, 1 as n, run_no
		from postings where entry_id not in (select entry_id from erp_entries)`
)

// replan plans the pages in table pages, inside a transaction. Payout lines are summed by
// class before they become postings: they come by the million and a voucher has a row per account.
func (w *work) replan(ctx context.Context) error {
	if w.Outbox != nil {
		return w.replanDocuments(ctx)
	}
	return w.db.Exec(ctx, fmt.Sprintf(`
			delete from erp_documents where status in ('planned', 'failed') and (book, book_date) in (select (book, book_date) from pages);

			create or replace temp table unposted_pages as
			select g.book, g.book_date, g.since, coalesce(max(e.through_run) filter (e.status in ('sent', 'posted') and e.scheme is null), 0) as through_run
			from pages as g
			left join erp_documents as e on e.book = g.book and e.book_date = g.book_date
			group by g.book, g.book_date, g.since;

			create or replace temp table unposted_lines as
			select
				null::uuid as line_id, b.class_no, b.settles, null::bigint as row_no, null::varchar as locator, max(b.run_no) as run_no,
				sum(hash(b.line_id))::hugeint as hash, count(*) as lines, b.fx_home > 0 as is_loss,
				-- Amounts in company currency alone: a voucher has no other.
				sum(coalesce(b.net_home, b.net))::bigint as net, sum(coalesce(b.fee_home, b.fee))::bigint as fee,
				sum(coalesce(b.fee_vat_home, b.fee_vat))::bigint as fee_vat, sum(coalesce(b.counter_home, b.counter))::bigint as counter,
				sum(coalesce(b.rounding_home, b.rounding))::bigint as rounding, sum(b.reverse_home)::bigint as reverse_home, sum(b.fx_home)::bigint as fx_home,
				null::bigint as net_home, null::bigint as fee_home, null::bigint as fee_vat_home, null::bigint as counter_home,
				null::bigint as rounding_home
			from booked_lines as b
			where b.run_no >= (select min(since) from pages) and b.line_id not in (select entry_id from erp_entries)
				and b.class_no in (
					select c.class_no from line_classes as c
					semi join unposted_pages as g on g.book = c.payout_document and g.book_date = c.book_date and c.run_no > g.through_run)
			group by b.class_no, b.settles, b.fx_home > 0;

			insert into erp_documents by name
			select %s as erp_document_id, 'voucher' as kind, %s as target, voucher_group, book, book_date, max(run_no) as through_run,
				case when count(distinct entry_document) = 1 then any_value(entry_document) end as document_id, null as erp_number,
				voucher_group as reference, any_value(currency) as currency,
				sum(case when amount > 0 then amount else 0 end)::bigint as amount_minor, sum(entries)::bigint as entries, 'planned' as status,
				null::timestamp as posted_at, null as batch
			from (
				select %s as voucher_group, p.book, p.book_date, case when p.book like '%%/payout/%%' then p.book else p.document_id end as entry_document,
					p.currency, p.account, p.rate_bp, max(p.run_no) as run_no, sum(p.hash)::hugeint as hash, sum(p.amount_minor)::bigint as amount, sum(p.entries) as entries
				from (
					select p.book, p.book_date, p.document_id, p.currency, p.account, p.rate_bp, p.run_no, p.amount_minor,
						case when p.line = 1 then hash(p.entry_id)::hugeint else 0 end as hash, case when p.line = 1 then 1 else 0 end as entries
					from posting_rows as p
					semi join unposted_pages as g on g.book = p.book and g.book_date = p.book_date and p.run_no > g.through_run
					where p.run_no >= (select min(since) from pages) and p.entry_id not in (select entry_id from erp_entries)
					union all
					select book, book_date, document_id, currency, account, null, run_no, amount_minor, 0, 0
					from (%s)
					union all
					select c.payout_document, c.book_date, c.payout_document, c.currency, null, null, b.run_no, 0, b.hash, b.lines
					from unposted_lines as b inner join line_classes as c using (class_no)
				) as p
				group by all
			)
			group by voucher_group, book, book_date`, "left(md5(voucher_group || '|' || sum(hash)::varchar), 12)", duck.Quote(w.TargetName), w.voucherGroup(),
		sql.LinePostings("unposted_lines", "line_classes")))
}

// plan builds every voucher that is planned.
func (w *work) plan(ctx context.Context) (*Plan, error) {
	if w.Outbox != nil {
		return w.planDocuments(ctx)
	}
	if err := w.db.Exec(ctx, "create or replace temp table pages as select distinct book, book_date, 0 as since from erp_documents where status = 'planned'"); err != nil {
		return nil, err
	}
	pl := &Plan{pages: map[string]page{}}
	type row struct {
		group, book, currency string
		date                  time.Time
		account               int
		country               string
		rate                  int64
		amount, count         int64
		least, most           string
		refs                  int64
		document              string
	}
	sums := map[int]*AccountSum{}
	byGroup := map[string]*load.Voucher{}
	var order []string
	rows := postingSums
	alone, err := w.db.Count(ctx, "select count(*) from erp_entries")
	if err != nil {
		return nil, err
	}
	if alone > 0 {
		rows = postingsAlone
	}
	// What is posted of a page is said by the last run it went through.
	err = w.db.Each(ctx, fmt.Sprintf(`
		select voucher_group, any_value(book), any_value(currency), any_value(book_date), account, coalesce(country, ''), coalesce(rate_bp, -1),
			sum(amount_minor)::bigint as amount, sum(n)::bigint, coalesce(min(ref), ''), coalesce(max(ref), ''), count(distinct ref), any_value(document_id)
		from (
			select %s as voucher_group, p.*, case when p.book like '%%/payout/%%' and p.role <> 'receivable' then null else coalesce(d.order_number, d.order_id, p.document_id) end as ref
			from (%s) as p
			semi join pages as g on g.book = p.book and g.book_date = p.book_date
			left join (
				select book, book_date, max(through_run) as through_run from erp_documents
				where status in ('sent', 'posted') and scheme is null group by book, book_date
			) as w on w.book = p.book and w.book_date = p.book_date
			left join documents as d on d.document_id = p.document_id
			where p.run_no > coalesce(w.through_run, 0))
		group by voucher_group, account, coalesce(country, ''), coalesce(rate_bp, -1)
		order by 4, 1, 5, 6, 7`, w.voucherGroup(), rows),
		func(scan func(...any) error) error {
			var r row
			if err := scan(&r.group, &r.book, &r.currency, &r.date, &r.account, &r.country, &r.rate, &r.amount, &r.count, &r.least, &r.most, &r.refs, &r.document); err != nil {
				return err
			}
			v := byGroup[r.group]
			if v == nil {
				v = &load.Voucher{Group: r.group, Date: r.date, Currency: r.currency, Text: voucherText(r.book, r.date, r.currency)}
				byGroup[r.group] = v
				order = append(order, r.group)
			}
			if r.amount == 0 {
				return nil
			}
			v.Rows = append(v.Rows, load.Row{Account: r.account, Amount: ledger.Minor(r.amount), Text: rowText(r.country, r.rate, r.refs, r.count, r.least, r.most)})
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := w.db.Each(ctx, `select erp_document_id, voucher_group, book, book_date::varchar, coalesce(document_id, ''), reference, currency, entries,
			exists (select 1 from erp_documents as o where o.status in ('sent', 'posted') and o.voucher_group = e.voucher_group)
		from erp_documents as e where status = 'planned'`, func(scan func(...any) error) error {
		var id, group string
		var again bool
		var pg page
		if err := scan(&id, &group, &pg.book, &pg.date, &pg.document, &pg.reference, &pg.currency, &pg.entries, &again); err != nil {
			return err
		}
		v := byGroup[group]
		if v == nil {
			return fmt.Errorf("voucher %s is planned and has nothing to book", group)
		}
		v.ID, v.Entries = id, int(pg.entries)
		pl.pages[id] = pg
		if len(v.Rows) > 0 {
			pl.Entries += pg.entries
			if again {
				pl.Changed++
			} else {
				pl.New++
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	h := sha256.New()
	for _, g := range order {
		v := byGroup[g]
		if len(v.Rows) == 0 {
			continue // its corrections cancel out on every account: nothing to tell the ERP
		}
		fmt.Fprintf(h, "%s %s %s\n", v.ID, v.Group, v.Date.Format("2006-01-02"))
		for _, r := range v.Rows {
			fmt.Fprintf(h, "%d %d %s\n", r.Account, r.Amount, r.Text)
			s := sums[r.Account]
			if s == nil {
				s = &AccountSum{Account: r.Account}
				if w.AccountName != nil {
					s.Name = w.AccountName(r.Account)
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
		pl.Vouchers = append(pl.Vouchers, *v)
	}
	for _, s := range sums {
		pl.Accounts = append(pl.Accounts, *s)
	}
	sort.Slice(pl.Accounts, func(i, j int) bool { return pl.Accounts[i].Account < pl.Accounts[j].Account })
	pl.Digest = hex.EncodeToString(h.Sum(nil))
	if w.Target != nil && len(pl.Vouchers) > 0 {
		batches, err := w.Target.Prepare(pl.Vouchers, w.began)
		if err != nil {
			return nil, err
		}
		pl.Files = len(batches)
	}
	return pl, nil
}

func voucherText(book string, date time.Time, currency string) string {
	source, kind, _ := strings.Cut(book, "/")
	what, id, isPayout := strings.Cut(kind, "/")
	if isPayout {
		return fmt.Sprintf("%s %s %s %s", source, what, id, date.Format("2006-01-02"))
	}
	switch what {
	case "delivery":
		what = "deliveries"
	case "refund":
		what = "refunds"
	}
	return fmt.Sprintf("%s %s %s %s", source, what, date.Format("2006-01-02"), currency)
}

// rowText says which VAT rate a row is of and which orders it gathers.
func rowText(country string, rate, refs, count int64, least, most string) string {
	var parts []string
	if rate >= 0 {
		s := fmt.Sprintf("%d", rate/100)
		if rate%100 != 0 {
			s += "." + strings.TrimRight(fmt.Sprintf("%02d", rate%100), "0")
		}
		parts = append(parts, strings.TrimSpace(country+" "+s+" %"))
	}
	switch {
	case refs == 0 && count > 1:
		parts = append(parts, fmt.Sprintf("%d rows", count))
	case refs == 1:
		parts = append(parts, "order "+least)
	case refs == 2:
		parts = append(parts, "orders "+least+", "+most)
	case refs > 2:
		parts = append(parts, fmt.Sprintf("%d orders %s to %s", refs, least, most))
	}
	return strings.Join(parts, ", ")
}
