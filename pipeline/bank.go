package pipeline

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/pipeline/bank"
	"github.com/kvitt/kvitt/sql/duck"
)

// bankSource names bank statements in the archive. No [[source]] can have this name.
const bankSource = "_bank"

// bankInbox is the folder of statements as a source, so that it is read like any inbox.
func bankInbox(dir string) Source {
	return Source{Name: bankSource, Inbox: dir,
		Connector: extract.Source{Inbox: &extract.Inbox{Stream: "statements", Suffixes: []string{".xml", ".camt", ".camt053", ".053"}}}}
}

type bankStatementRow struct {
	Account     string `json:"account"`
	StatementID string `json:"statement_id"`
	Currency    string `json:"currency"`
	From        any    `json:"from_date"`
	To          any    `json:"to_date"`
	Opening     int64  `json:"opening_minor"`
	Closing     int64  `json:"closing_minor"`
	Balanced    bool   `json:"balanced"`
	Off         int64  `json:"off_minor"`
	Key         string `json:"key"`
	BlobID      int64  `json:"blob_id"`
	RunNo       int64  `json:"run_no"`
}

type bankLineRow struct {
	LineID    string `json:"line_id"`
	Account   string `json:"account"`
	Booked    string `json:"booked_date"`
	Value     any    `json:"value_date"`
	Currency  string `json:"currency"`
	Amount    int64  `json:"amount_minor"`
	Reference string `json:"reference"`
	Text      string `json:"text"`
	Party     string `json:"party"`
	Provider  string `json:"provider"`
	Locator   string `json:"locator"`
	BlobID    int64  `json:"blob_id"`
	RunNo     int64  `json:"run_no"`
}

// bankStatement stages one file of the bank. A movement that is there already, because two files
// overlap, is not added again.
func (s *staging) bankStatement(row blobRow, b *archive.Blob) error {
	if err := s.flush(); err != nil {
		return err
	}
	db := s.w.db
	if err := s.w.insertBlobs(s.ctx, []blobRow{row}); err != nil {
		return err
	}
	body, err := s.w.arch.ReadBlob(b.Content)
	if err != nil {
		return err
	}
	statements, err := bank.Read(body)
	if err != nil {
		return db.Exec(s.ctx, `insert into exceptions by name
			select name_of('malformed_record bank ' || $key || ' ' || r.run_no) as exception_id, 'malformed_record' as kind, '_bank' as source,
				'_bank/statement/' || $key as document_id, $why as reason, null as currency, null as amount_minor, null as evidence,
				'fetch the statement from the bank again, as camt.053; nothing of this file was read' as suggestion,
				r.began as opened_at, null as closed_at, 'open' as status, r.run_no
			from this_run as r where not exists (select 1 from exceptions as x where x.document_id = '_bank/statement/' || $key and x.status = 'open')`,
			duck.Named("key", b.Key), duck.Named("why", err.Error()))
	}
	// A file of this name that can be read now answers the one that could not.
	if err := db.Exec(s.ctx, `update exceptions as x set status = 'resolved', closed_at = r.began from this_run as r
		where x.document_id = '_bank/statement/' || $key and x.status = 'open'`, duck.Named("key", b.Key)); err != nil {
		return err
	}
	names := s.w.providerNames()
	var heads []bankStatementRow
	var lines []bankLineRow
	for _, st := range statements {
		heads = append(heads, bankStatementRow{st.Account, st.ID, st.Currency, orNull(st.From), orNull(st.To), st.Opening, st.Closing, st.Balanced, st.Off, b.Key, b.Seq, s.w.runNo})
		seen := map[string]int{} // equal movements of one statement are numbered
		for _, l := range st.Lines {
			said := strings.Join([]string{l.Account, l.Booked, l.Value, l.Currency, fmt.Sprint(l.Amount), l.Reference, strings.Join(l.Texts, "|"), l.Party}, "\x00")
			seen[said]++
			sum := md5.Sum(fmt.Appendf(nil, "%s\x00%d", said, seen[said]))
			r := bankLineRow{hex.EncodeToString(sum[:]), l.Account, l.Booked, orNull(l.Value), l.Currency, l.Amount, l.Reference, bank.Kept(l.Texts), "", "", l.Locator, b.Seq, s.w.runNo}
			text := strings.Join(append(l.Texts, l.Party), " ")
			for provider, ns := range names {
				if bank.Named(text, ns) && (r.Provider == "" || provider < r.Provider) {
					r.Provider = provider
				}
			}
			if r.Provider != "" {
				r.Text, r.Party = strings.Join(l.Texts, " "), l.Party
			}
			lines = append(lines, r)
		}
	}
	if err := db.Insert(s.ctx, "bank_statements", heads); err != nil {
		return err
	}
	if err := db.Exec(s.ctx, "create or replace temp table read_rows as select * from bank_rows where false"); err != nil {
		return err
	}
	if err := db.Insert(s.ctx, "read_rows", lines); err != nil {
		return err
	}
	s.w.Log.Info("read bank statement", "file", b.Key, "movements", len(lines))
	return db.Exec(s.ctx, `insert into bank_rows select * from read_rows where line_id not in (select line_id from bank_rows)`)
}

// providerNames are the names by which a bank line may know each provider.
func (w *work) providerNames() map[string][]string {
	names := map[string][]string{}
	for _, s := range w.Sources {
		names[s.Connector.Name] = []string{s.Connector.Name, s.Connector.Title}
	}
	return names
}

// matchBank finds payouts in the bank's lines, all of them anew: there are few of either, and
// what arrives late may fit better than what was there.
func (w *work) matchBank(ctx context.Context) error {
	n, err := w.db.Count(ctx, "select count(*) from bank_rows")
	if err != nil || n == 0 {
		return err
	}
	var lines []bank.Line
	var ids []string
	if err := w.db.Each(ctx, `select line_id::varchar, account, booked_date::varchar, currency, amount_minor, coalesce(reference, ''), coalesce(text, ''), coalesce(party, '')
		from bank_rows order by booked_date, line_id`, func(scan func(...any) error) error {
		var l bank.Line
		var id, text string
		if err := scan(&id, &l.Account, &l.Booked, &l.Currency, &l.Amount, &l.Reference, &text, &l.Party); err != nil {
			return err
		}
		l.Texts = []string{text}
		lines, ids = append(lines, l), append(ids, id)
		return nil
	}); err != nil {
		return err
	}
	names := w.providerNames()
	var payouts []bank.Payout
	if err := w.db.Each(ctx, `select p.source, s.provider, p.payout_id, coalesce(p.bank_reference, ''), p.paid_date::varchar, p.currency, p.amount_minor
		from payouts as p inner join set_sources as s using (source)
		where p.paid_date is not null and p.currency is not null and p.amount_minor <> 0
		order by p.paid_date, p.source, p.payout_id`, func(scan func(...any) error) error {
		var p bank.Payout
		var provider string
		if err := scan(&p.Source, &provider, &p.ID, &p.Reference, &p.Date, &p.Currency, &p.Amount); err != nil {
			return err
		}
		p.Names = names[provider]
		payouts = append(payouts, p)
		return nil
	}); err != nil {
		return err
	}
	type row struct {
		LineID     string `json:"line_id"`
		Source     string `json:"source"`
		PayoutID   string `json:"payout_id"`
		How        string `json:"how"`
		Difference int64  `json:"difference_minor"`
	}
	var rows []row
	for _, m := range bank.Find(lines, payouts) {
		p := payouts[m.Payout]
		rows = append(rows, row{ids[m.Line], p.Source, p.ID, m.How, m.Difference})
	}
	if err := w.db.Exec(ctx, "delete from bank_matches"); err != nil {
		return err
	}
	return w.db.Insert(ctx, "bank_matches", rows)
}
