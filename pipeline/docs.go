package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/pipeline/archive"
	kvsql "github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// SystemDocs writes the system documentation and the processing history that bookkeeping
// law asks for (bokföringslagen 5 kap. 11 §), as Markdown: from the configuration, from the
// rules' own texts, and from the archive. Nothing in it is written by hand, so it is true of
// the program and the books it is written from.
func (p *Project) SystemDocs(ctx context.Context, out io.Writer) error {
	d := &docs{p: p, w: out}
	d.system()
	if err := d.history(ctx); err != nil {
		return err
	}
	return d.err
}

type docs struct {
	p   *Project
	w   io.Writer
	err error
}

func (d *docs) line(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format+"\n", args...)
	}
}

// table writes rows as a Markdown table.
func (d *docs) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		d.line("None.\n")
		return
	}
	cell := func(s string) string {
		return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
	}
	row := func(cells []string) {
		for i, c := range cells {
			cells[i] = cell(c)
		}
		d.line("| %s |", strings.Join(cells, " | "))
	}
	row(slices.Clone(head))
	row(slices.Repeat([]string{"---"}, len(head)))
	for _, r := range rows {
		row(r)
	}
	d.line("")
}

func (d *docs) system() {
	p, s := d.p, d.p.Settings
	d.line("# System documentation and processing history\n")
	d.line("Of the books that %s (%s) keeps with kvitt %s. Written %s; configuration %s.\n", s.Company.Name, orDash(s.Company.OrgNumber), p.Version,
		p.Now().UTC().Format(time.RFC3339), p.ConfigDigest)
	d.line("System documentation (systemdokumentation) is chapters 1 to 8, processing history (behandlingshistorik) chapter 9: bokföringslagen 5 kap. 11 §. Together with the archive they show how each post came to be.\n")

	d.line("## 1. What the system does\n")
	d.line("It reads orders, deliveries, refunds and settlement reports from the sources below, keeps every byte of them, books them as double entries in %s by the rules of chapter 5, and hands the sums to the accounting system (%s) as vouchers. Book dates are days in %s; the fiscal year begins on %s.\n",
		s.Company.Currency, p.TargetName, s.Company.TimeZone, s.Company.FiscalYear)
	d.line("The path of a post: bytes from the source → archive → staging tables → documents and payout lines → entries and postings → voucher. `kvitt explain REF` walks it in both directions for any post; the view `recon.lineage` names for each posting the bytes (by SHA-256), the place in them and the rule.\n")

	d.line("## 2. Sources\n")
	var rows [][]string
	for _, src := range p.Sources {
		how := "HTTP: " + src.Config.BaseURL
		if src.Config.BaseURL == "" {
			how = "HTTP: the provider's own host"
		}
		if src.Inbox != "" {
			how = "report files from an inbox folder"
		}
		rows = append(rows, []string{src.Name, src.Connector.Title, strings.Join(src.Flows, ", "), how, orDash(src.StartDate), src.Connector.Docs})
	}
	d.table([]string{"source", "provider", "flows", "how it is read", "from", "documented at"}, rows)

	d.line("## 3. Accounts\n")
	rows = nil
	add := func(n int, role string) {
		if n > 0 {
			rows = append(rows, []string{fmt.Sprint(n), ledger.AccountName(n), role})
		}
	}
	for _, src := range s.Sources {
		a := src.Accounts
		for _, x := range []struct {
			n    int
			role string
		}{{a.Receivable, "receivable"}, {a.Clearing, "clearing"}, {a.Bank, "bank"}, {a.Fee, "fee"}, {a.FeeVAT, "fee VAT (" + src.FeeVAT + ")"}, {a.Reserve, "reserve"}, {a.Dispute, "dispute"}, {a.Loan, "loan"}} {
			add(x.n, src.Name+": "+x.role)
		}
		for _, m := range src.Methods {
			for _, x := range []struct {
				n    int
				role string
			}{{m.Receivable, "receivable"}, {m.Clearing, "clearing"}, {m.Bank, "bank"}, {m.Fee, "fee"}, {m.FeeVAT, "fee VAT"}, {m.Reserve, "reserve"}, {m.Dispute, "dispute"}} {
				add(x.n, src.Name+", method "+m.Match+": "+x.role)
			}
		}
	}
	for _, x := range s.Sales {
		customer := x.Customer + "s"
		if x.Customer == "business" {
			customer = "businesses"
		}
		where := x.Country
		if where == "*" {
			where = "outside the EU"
		}
		oss := ""
		if x.OSS {
			oss = ", One Stop Shop"
		}
		add(x.Sales, fmt.Sprintf("sales to %s, %s, %s %%%s", customer, where, rateText(x.Rate), oss))
		add(x.VAT, fmt.Sprintf("VAT on sales to %s, %s, %s %%%s", customer, where, rateText(x.Rate), oss))
	}
	a := s.Accounts
	add(a.Rounding, "rounding")
	add(a.FXGain, "exchange gains")
	add(a.FXLoss, "exchange losses")
	add(a.Suspense, "suspense: what needs a person")
	add(a.GiftCards, "gift cards")
	add(a.ReverseOut, "reverse-charge VAT, outgoing")
	add(a.ReverseIn, "reverse-charge VAT, incoming")
	slices.SortStableFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	d.table([]string{"account", "name", "role"}, rows)

	d.line("## 4. What the sources' words mean\n")
	rows = nil
	for _, src := range s.Sources {
		for _, l := range src.LineTypes {
			rows = append(rows, []string{src.Name, l.Match, l.Kind, "configuration"})
		}
		var kinds []extract.Kind
		if known := p.source(src.Name); known != nil {
			kinds = known.Connector.Kinds
		}
		for _, k := range kinds {
			rows = append(rows, []string{src.Name, k.Word, k.Kind, "program"})
		}
	}
	d.table([]string{"source", "word", "kind", "by"}, rows)
	d.line("A word that is not here holds its payout until a person says what it means.\n")

	d.line("## 5. Rules\n")
	d.line("Run in this order, each as SQL or Go of the program's version above. Amounts are whole minor units; no rule uses floating point.\n")
	rows = nil
	for _, r := range transform.Rules() {
		rows = append(rows, []string{r.Name, r.Says})
	}
	d.table([]string{"rule", "what it does"}, rows)
	rows = nil
	for i := 1; i <= len(transform.Rungs); i++ {
		rows = append(rows, []string{fmt.Sprint(i), transform.Rungs[i]})
	}
	d.line("A payout line finds the document it settles by the first of these that gives exactly one:\n")
	d.table([]string{"rung", "key"}, rows)
	d.line("Differences up to %s %s are booked as rounding; above, the document or payout is held. Sales are booked on %s; a date in a locked period (through %s) is treated as %q.\n",
		ledger.Minor(s.Tolerance).Decimal(ledger.Exponent(s.Company.Currency)), s.Company.Currency, "their local date", orDash(s.Period.LockedThrough), s.Period.Policy)

	d.line("## 6. Corrections and decisions\n")
	d.line("Entries are never changed or removed. What turns out otherwise is corrected by a separate entry that names the entry it corrects, when, by what run, and, where a person decided it, who and why (bokföringslagen 5 kap. 5 §). People decide with `kvitt resolve`; the answers it takes:\n")
	rows = nil
	for _, x := range Actions {
		rows = append(rows, []string{x.Form, x.Does})
	}
	d.table([]string{"answer", "meaning"}, rows)

	d.line("## 7. Controls\n")
	rows = nil
	for _, c := range kvsql.Checks() {
		rows = append(rows, []string{c.Name, c.Says})
	}
	rows = append(rows, []string{"archive", "every byte the sources sent is there, unchanged, and the runs are a chain"},
		[]string{"digest", "the ledger's digest is the one the last run left in the archive"},
		[]string{"published", "the published files are what the last run wrote"},
		[]string{"vouchers", "what was posted is kept, each voucher once, with the sums of the ledger, on this archive's chain"})
	d.table([]string{"control (kvitt verify)", "proves"}, rows)

	d.line("## 8. Where it is kept\n")
	d.table([]string{"folder of the data directory", "holds"}, [][]string{
		{"archive/", "the accounting information as it was received: one folder per run with blobs.zst (the bytes), index.jsonl (what they are, decisions, settings, receipts of the accounting system) and manifest.json (digests of both and of the manifest before: a chain)"},
		{"work.duckdb", "the ledger; derived: kvitt rebuild makes it anew from the archive and compares the digest"},
		{"personal/", "the keys of what is about persons: one file per year, and keyed hashes of who was erased"},
		{"published/", "the ledger for readers, as a database and as Parquet, with SHA256SUMS"},
		{"sie/", "the vouchers handed over as SIE 4 files, written once and never changed"}})
	d.line("Accounting information is kept until the end of the seventh year after the calendar year in which the fiscal year ended (bokföringslagen 7 kap. 2 §). kvitt removes nothing from the archive by itself.\n")
	rows = nil
	for _, src := range p.Sources {
		if len(src.Connector.Personal) > 0 {
			rows = append(rows, []string{src.Name, strings.Join(src.Connector.Personal, ", ")})
		}
	}
	d.line("Values about persons are sealed before they are archived, each under a key of that person's own for the year it came in (personal/); ledger, views and vouchers hold order references and no names. kvitt erase destroys a person's keys, kvitt retention those whose time is over, unless a legal hold keeps them; neither changes a balance or a digest. Bank statements are archived as the bank wrote them. Sealed are the values under these names, and any e-mail address elsewhere:\n")
	d.table([]string{"source", "fields about a person"}, rows)
}

// history writes the processing history: the runs as their manifests state them, changed
// settings, decisions and what they taught.
func (d *docs) history(ctx context.Context) error {
	d.line("## 9. Processing history\n")
	if _, err := os.Stat(d.p.path("archive")); err != nil {
		d.line("No run has been made yet.\n")
		return nil
	}
	arch, err := d.p.openArchive()
	if err != nil {
		return err
	}
	infos, err := arch.Runs()
	if err != nil {
		return err
	}
	d.line("### Runs\n")
	exp := ledger.Exponent(d.p.Settings.Company.Currency)
	var rows [][]string
	for _, info := range infos {
		if !info.Finished {
			rows = append(rows, []string{info.ID, "", "", "", "broken off; finished by the next run", "", "", "", "", ""})
			continue
		}
		m, err := arch.Manifest(info.ID)
		if err != nil {
			return err
		}
		rows = append(rows, []string{m.RunID, m.FinishedAt.UTC().Format(time.RFC3339), orDash(m.By), m.Command, m.Status, m.CodeVersion, short(m.ConfigDigest),
			fmt.Sprintf("%d records, %d entries, %d posted", m.Counts["records"], m.Entries, m.Counts["posted"]), ledger.Minor(m.DebitMinor).Decimal(exp), short(m.LedgerDigest) + " / " + short(m.Digest.String())})
	}
	d.table([]string{"run", "finished (UTC)", "who", "what", "status", "program", "configuration", "counts", "debit", "ledger / chain"}, rows)

	rows = nil
	for rec, err := range arch.Records(ctx, archive.Position{}) {
		if err != nil {
			return err
		}
		if rec.Note == nil || rec.Note.Kind != "settings" {
			continue
		}
		var s transform.Settings
		if err := json.Unmarshal(rec.Note.Body, &s); err != nil {
			return fmt.Errorf("settings in the archive: %w", err)
		}
		rows = append(rows, []string{rec.Next.Run, short(digestOf(rec.Note.Body)), fmt.Sprintf("%d sources, %d sales accounts, locked through %s", len(s.Sources), len(s.Sales), orDash(s.Period.LockedThrough))})
	}
	d.line("### Settings\n\nThe whole of each is in the archive, in the index of the run.\n")
	d.table([]string{"from run", "digest", "in short"}, rows)

	db, err := d.p.Reader(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, part := range []struct{ title, query string }{
		{"Decisions", "select decision_id, strftime(decided_at, '%Y-%m-%d %H:%M') as \"when (UTC)\", decided_by as who, exception_kind as about, document_id as document, action, answer, reason, status, undone_by from recon.decisions"},
		{"Aliases they taught", "select alias_id, what, source, name, means, learned_by, status, forgotten_by from recon.aliases"},
		{"Corrections", "select run_id as run, book_date, text, corrects from recon.entries where corrects is not null order by run_no, entry_id limit 1000"},
	} {
		d.line("### %s\n", part.title)
		t, _, err := db.Table(ctx, part.query, 0)
		if err != nil {
			return err
		}
		d.table(t.Columns, cells(t))
	}
	return nil
}

func cells(t duck.Table) [][]string {
	var out [][]string
	for _, r := range t.Rows {
		var row []string
		for _, c := range r {
			row = append(row, c.Text)
		}
		out = append(out, row)
	}
	return out
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func rateText(bp int) string {
	if bp%100 == 0 {
		return fmt.Sprint(bp / 100)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%02d", bp/100, bp%100), "0")
}
