package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// A postedDocument is what the ledger says that the ERP holds.
type postedDocument struct {
	id, kind, number, date string
	vouchers               []string // its own first
	rows                   map[int]ledger.Minor
}

func (d *postedDocument) name() string { return fmt.Sprintf("%s %s (%s)", d.kind, d.number, d.id) }

// VerifyERP reads back what the ERP holds: ours that were changed, deleted or doubled, and what others booked on our
// accounts. It changes nothing.
func (p *Project) VerifyERP(ctx context.Context) ([]Finding, error) {
	reader, ok := p.Outbox.(load.Reader)
	if !ok {
		return nil, nil
	}
	docs, err := p.postedDocuments(ctx)
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	from, to := docs[0].date, docs[0].date
	var ours []string
	for _, d := range docs {
		from, to = min(from, d.date), max(to, d.date)
		ours = append(ours, d.vouchers...)
	}
	kept, err := reader.ReadBack(ctx, from, to, ours)
	if err != nil {
		return nil, err
	}
	byName := map[string]load.KeptVoucher{}
	for _, k := range kept {
		byName[k.Name] = k
	}
	arch, err := archive.Open(p.path("archive"), archive.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	heads, err := chainHeads(arch)
	if err != nil {
		return nil, err
	}
	there := Finding{What: p.TargetName + ": documents", Says: "each document that was posted is there once, with the rows of the ledger"}
	sums := Finding{What: p.TargetName + ": accounts", Says: "the vouchers of ours add up to the ledger's postings on every account and day"}
	others := Finding{What: p.TargetName + ": others", Says: "what others booked on the clearing accounts is listed"}
	days := map[string]ledger.Minor{}
	known := map[string]bool{}
	marks := map[string]string{} // reference: document
	for _, d := range docs {
		marks[reader.Reference(d.id)] = d.name()
		got := map[int]ledger.Minor{}
		whole := true
		for i, name := range d.vouchers {
			known[name] = true
			k, ok := byName[name]
			if !ok {
				there.Wrong = append(there.Wrong, fmt.Sprintf("%s: voucher %s is no longer there", d.name(), name))
				whole = false
				continue
			}
			if head := heads.strange(k.Text); head != "" {
				there.Wrong = append(there.Wrong, fmt.Sprintf("%s: voucher %s was posted on an archive whose chain had the head %s; this archive never had it", d.name(), name, head))
			}
			if i == 0 && k.Date != d.date {
				there.Wrong = append(there.Wrong, fmt.Sprintf("%s: voucher %s is dated %s, it was posted on %s", d.name(), name, k.Date, d.date))
			}
			for a, n := range k.Rows {
				got[a] += n
				days[fmt.Sprintf("%s %d", k.Date, a)] -= n
			}
		}
		for a, n := range d.rows {
			got[a] -= n
			days[fmt.Sprintf("%s %d", d.date, a)] += n
		}
		for _, a := range sortedAccounts(got) {
			if whole && got[a] != 0 {
				there.Wrong = append(there.Wrong, fmt.Sprintf("%s: voucher %s has %s more on account %d than the ledger", d.name(), strings.Join(d.vouchers, ", "), got[a].Decimal(2), a))
			}
		}
	}
	for _, day := range sortedKeys(days) {
		if days[day] != 0 {
			date, account, _ := strings.Cut(day, " ")
			sums.Wrong = append(sums.Wrong, fmt.Sprintf("%s, account %s: the ledger has %s more than the ERP", date, account, days[day].Decimal(2)))
		}
	}
	clearing := map[int]bool{}
	for _, s := range p.Settings.Sources {
		clearing[s.Accounts.Clearing] = true
	}
	for _, k := range kept {
		if known[k.Name] {
			continue
		}
		ofOurs := false
		for _, word := range strings.Fields(k.Text) {
			if d, ok := marks[word]; ok {
				there.Wrong = append(there.Wrong, fmt.Sprintf("voucher %s is a second one of %s", k.Name, d))
				ofOurs = true
			}
		}
		for _, a := range sortedAccounts(k.Rows) {
			if clearing[a] && !ofOurs && k.Rows[a] != 0 {
				others.Notes = append(others.Notes, fmt.Sprintf("voucher %s of %s, %q, books %s on %d", k.Name, k.Date, k.Text, k.Rows[a].Decimal(2), a))
			}
		}
	}
	out := []Finding{there, sums, others}
	for i := range out {
		slices.Sort(out[i].Wrong)
		if n := len(out[i].Wrong); n > maxWrong {
			out[i].Wrong = append(out[i].Wrong[:maxWrong], fmt.Sprintf("and %d more", n-maxWrong))
		}
	}
	return out, nil
}

// postedDocuments returns what was posted to this target, with what the ledger booked for each.
func (p *Project) postedDocuments(ctx context.Context) ([]*postedDocument, error) {
	db, err := p.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var out []*postedDocument
	at := map[string]*postedDocument{}
	err = db.Each(ctx, `select erp_document_id, kind, coalesce(erp_number, ''), coalesce(erp_date, book_date)::varchar, coalesce(erp_voucher, ''), coalesce(parts, '') from erp_documents
		where status in ('posted', 'reversed') and target = $t and scheme is not null and scheme <> 'reverse' order by erp_document_id`, func(scan func(...any) error) error {
		d := &postedDocument{rows: map[int]ledger.Minor{}}
		var voucher, parts string
		if err := scan(&d.id, &d.kind, &d.number, &d.date, &voucher, &parts); err != nil {
			return err
		}
		if voucher != "" {
			d.vouchers = append(d.vouchers, voucher)
		}
		if parts != "" {
			var ps []load.Part
			if err := json.Unmarshal([]byte(parts), &ps); err != nil {
				return err
			}
			for _, x := range ps {
				if x.Voucher != "" {
					d.vouchers = append(d.vouchers, x.Voucher)
				}
			}
		}
		if len(d.vouchers) == 0 {
			return nil // an order: it books nothing
		}
		at[d.id] = d
		out = append(out, d)
		return nil
	}, duck.Named("t", p.TargetName))
	if err != nil {
		return nil, err
	}
	return out, db.Each(ctx, `select e.erp_document_id, p.account, sum(p.amount_minor)::bigint from erp_entries as e inner join postings as p using (entry_id)
		group by 1, 2`, func(scan func(...any) error) error {
		var id string
		var account int
		var n int64
		if err := scan(&id, &account, &n); err != nil {
			return err
		}
		if d := at[id]; d != nil {
			d.rows[account] += ledger.Minor(n)
		}
		return nil
	})
}

func sortedAccounts(m map[int]ledger.Minor) []int {
	var out []int
	for a := range m {
		out = append(out, a)
	}
	sort.Ints(out)
	return out
}

func sortedKeys(m map[string]ledger.Minor) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
