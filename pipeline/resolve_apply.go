package pipeline

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/sql/duck"
)

// A decisionRow is a row of decisions.
type decisionRow struct {
	ID           string  `json:"decision_id"`
	Exception    string  `json:"exception_id"`
	Kind         string  `json:"kind"`
	Source       string  `json:"source"`
	Document     string  `json:"document_id"`
	Line         *string `json:"line_id"`
	Action       string  `json:"action"`
	Target       *string `json:"target"`
	Account      *int    `json:"account"`
	VATAccount   *int    `json:"vat_account"`
	LineKind     *string `json:"line_kind"`
	PriceE8      *int64  `json:"price_e8"`
	Amount       *int64  `json:"amount_minor"`
	ThroughBlob  int64   `json:"through_blob"`
	EarlierBlobs *string `json:"earlier_blobs"`
	WasBooked    bool    `json:"was_booked"`
	Reason       string  `json:"reason"`
	By           string  `json:"decided_by"`
	At           string  `json:"decided_at"`
	RunNo        int64   `json:"run_no"`
}

type aliasRow struct {
	ID       string  `json:"alias_id"`
	Decision string  `json:"decision_id"`
	Source   string  `json:"source"`
	What     string  `json:"what"`
	Name     string  `json:"name"`
	Detail   *string `json:"detail"`
	ToSource *string `json:"to_source"`
	ToOrder  *string `json:"to_order"`
	ToKind   *string `json:"to_kind"`
	By       string  `json:"learned_by"`
	At       string  `json:"learned_at"`
	RunNo    int64   `json:"run_no"`
}

func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// takeDecision applies a decision of the archive to the tables, live as in a replay: it is
// noted, and what it is about is put where the next booking looks.
func (s *staging) takeDecision(rec *archive.Note) error {
	var n decisionNote
	if err := json.Unmarshal(rec.Body, &n); err != nil {
		return fmt.Errorf("decision in the archive: %w", err)
	}
	db, run := s.w.db, s.w.runNo
	args := []any{duck.Named("by", n.By), duck.Named("at", n.At), duck.Named("why", n.Reason), duck.Named("run", run)}
	switch {
	case n.Forget != "":
		return db.Exec(s.ctx, "update aliases set forgotten_by = $by, forgotten_at = $at::timestamp, forgotten_run = $run::integer where alias_id = $id and forgotten_run is null",
			args[0], args[1], args[3], duck.Named("id", n.Forget))
	case n.Undo != "":
		if err := s.reconsider(n.Undo, true); err != nil {
			return err
		}
		// What it taught is unlearned with it.
		if err := db.Exec(s.ctx, "update aliases set forgotten_by = $by, forgotten_at = $at::timestamp, forgotten_run = $run::integer where decision_id = $id and forgotten_run is null",
			args[0], args[1], args[3], duck.Named("id", n.Undo)); err != nil {
			return err
		}
		return db.Exec(s.ctx, "update decisions set undone_by = $by, undone_at = $at::timestamp, undone_reason = $why, undone_run = $run::integer where decision_id = $id and undone_run is null",
			append(args, duck.Named("id", n.Undo))...)
	}
	// One decision stands per exception: a later one takes the place of an earlier.
	if err := db.Exec(s.ctx, `update decisions set undone_by = $by, undone_at = $at::timestamp, undone_reason = $why, undone_run = $run::integer
		where undone_run is null and kind = $kind and document_id = $doc and coalesce(line_id::varchar, '') = $line`,
		duck.Named("by", n.By), duck.Named("at", n.At), duck.Named("why", "decided anew: "+n.ID), duck.Named("run", run),
		duck.Named("kind", n.Kind), duck.Named("doc", n.Document), duck.Named("line", n.Line)); err != nil {
		return err
	}
	row := decisionRow{ID: n.ID, Exception: n.Exception, Kind: n.Kind, Source: n.Source, Document: n.Document, Line: orNil(n.Line), Action: n.Action,
		Target: orNil(n.Target), Account: orNil(n.Account), VATAccount: orNil(n.VATAccount), LineKind: orNil(n.LineKind), PriceE8: orNil(n.PriceE8),
		Amount: n.Amount, ThroughBlob: n.ThroughBlob, Reason: n.Reason, By: n.By, At: n.At, RunNo: run}
	if n.Kind == "payout_changed" && n.Action == "accept" {
		blobs, err := db.Texts(s.ctx, `
			select blob_id::varchar from (
				select p.blob_id from payouts as p where p.document_id = $doc
				union
				select l.blob_id from payout_lines as l inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id where p.document_id = $doc
			) where blob_id is not null order by blob_id`, duck.Named("doc", n.Document))
		if err != nil {
			return err
		}
		row.EarlierBlobs = orNil(strings.Join(blobs, " "))
		n, err := db.Count(s.ctx, "select count(*) from payouts where document_id = $doc and booked_run is not null", duck.Named("doc", n.Document))
		if err != nil {
			return err
		}
		row.WasBooked = n > 0
	}
	if err := db.Insert(s.ctx, "decisions", []decisionRow{row}); err != nil {
		return err
	}
	var taught []aliasRow
	for _, a := range n.Teaches {
		taught = append(taught, aliasRow{a.ID, n.ID, a.Source, a.What, a.Name, a.Detail, orNil(a.ToSource), orNil(a.ToOrder), orNil(a.ToKind), n.By, n.At, run})
	}
	if err := db.Insert(s.ctx, "aliases", taught); err != nil {
		return err
	}
	if n.Action == "retry" {
		if err := db.Exec(s.ctx, "update decisions set undone_run = $run::integer where decision_id = $id", duck.Named("run", run), duck.Named("id", n.ID)); err != nil {
			return err
		}
	}
	// Lines that carry the reference just learned, and found nothing, are looked at again.
	if err := db.Exec(s.ctx, `
		insert into todo_lines
		select l.line_id from payout_lines as l
		inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id and p.booked_run is not null
		inner join aliases as a on a.decision_id = $id and a.what = 'reference' and a.source = l.source
			and a.name in (normal_reference(l.order_reference), normal_reference(l.order_key))
		where l.line_id not in (select line_id from line_matches) and l.line_id not in (select line_id from todo_lines)`,
		duck.Named("id", n.ID)); err != nil {
		return err
	}
	return s.reconsider(n.ID, false)
}

// reconsider puts what a decision is about where the next booking looks, because it was
// taken (undo false) or is about to be taken back.
func (s *staging) reconsider(id string, undo bool) error {
	db := s.w.db
	var kind, source, doc, line, action, earlier, exception string
	var through int64
	var wasBooked bool
	if found, err := db.One(s.ctx, `select kind, source, document_id, coalesce(line_id::varchar, ''), action, coalesce(earlier_blobs, ''), through_blob, exception_id, coalesce(was_booked, false)
		from decisions where decision_id = $id`, []any{duck.Named("id", id)}, &kind, &source, &doc, &line, &action, &earlier, &through, &exception, &wasBooked); err != nil || !found {
		return err
	}
	if line != "" {
		return db.Exec(s.ctx, "insert into todo_lines select $line::uuid except select line_id from todo_lines", duck.Named("line", line))
	}
	about := func(query string) error { return db.Exec(s.ctx, strings.ReplaceAll(query, "$doc", duck.Quote(doc))) }
	if err := about(`
		insert into todo_documents select document_id from documents where document_id = $doc except select document_id from todo_documents;
		insert into todo_payouts select source, payout_id from payouts where document_id = $doc except select source, payout_id from todo_payouts`); err != nil {
		return err
	}
	switch action {
	case "ignore", "retry", "keep":
		// What no rule raises again is closed and opened here: an answer or a file that nobody could read, and what
		// the ERP did. What it has taken since is not opened again.
		status, closed, but := "resolved", "(select began from this_run)", ""
		if undo {
			status, closed = "open", "null"
			but = " and (kind <> 'erp_refused' or evidence not in (select 'ERP document ' || erp_document_id from erp_documents where status = 'posted'))"
		}
		if action == "ignore" {
			return db.Exec(s.ctx, `update exceptions set status = '`+status+`', closed_at = `+closed+` where exception_id::varchar = $id
				and (starts_with(coalesce(evidence, ''), 'ERP document ')
					or document_id not in (select document_id from documents) and document_id not in (select document_id from payouts))`+but, duck.Named("id", exception))
		}
		return nil
	}
	if undo || action == "duplicate" {
		// Lines that settle the document are matched anew, now that it is another one or none.
		if err := db.Exec(s.ctx, `insert into todo_lines
			select line_id from line_matches where document_id = $doc except select line_id from todo_lines`, duck.Named("doc", doc)); err != nil {
			return err
		}
	}
	changed := kind == "payout_changed" && action == "accept"
	var payout string
	booked := false
	if found, err := db.One(s.ctx, "select payout_id, booked_run is not null from payouts where document_id = $doc", []any{duck.Named("doc", doc)}, &payout, &booked); err != nil || !found {
		return err
	}
	if booked && (undo || changed) {
		if err := about(`
			insert into todo_reopened select source, payout_id, ` + strconv.FormatBool(undo && wasBooked) + ` from payouts where document_id = $doc;
			delete from line_matches where (source, payout_id) in (select (source, payout_id) from payouts where document_id = $doc);
			delete from line_issues where (source, payout_id) in (select (source, payout_id) from payouts where document_id = $doc);
			update payouts set booked_run = null, booked_at = null, status = 'pending' where document_id = $doc`); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	blobs := strings.Fields(earlier)
	if !undo {
		var err error
		if blobs, err = db.Texts(s.ctx, `select distinct blob_id::varchar from payout_flags
			where source = $source and payout_id = $payout and kind = 'payout_changed' and blob_id <= $through::bigint order by blob_id::bigint`,
			duck.Named("source", source), duck.Named("payout", payout), duck.Named("through", through)); err != nil {
			return err
		}
	}
	return s.restage(source, payout, blobs)
}

// restage takes one payout anew from bytes that were read before, in place of what is
// known of it from others.
func (s *staging) restage(source, payout string, blobs []string) error {
	db, src := s.w.db, s.w.source(source)
	if src == nil {
		s.w.Log.Warn("the source is no longer configured; its payout stays as it is", "source", source, "payout", payout)
		return nil
	}
	var first int64
	if _, err := db.One(s.ctx, "select run_no from payouts where source = $source and payout_id = $payout",
		[]any{duck.Named("source", source), duck.Named("payout", payout)}, &first); err != nil {
		return err
	}
	// Rows are about to be taken out: the others keep their place in their file.
	if err := db.Exec(s.ctx, `update payout_lines as l set row_no = l.rowid - b.first_rowid + 2
		from blobs as b where b.blob_id = l.blob_id and b.first_rowid is not null and l.row_no is null`); err != nil {
		return err
	}
	s.only = payout
	defer func() { s.only = "" }()
	if err := s.own.useMacros(s.ctx, src.Connector); err != nil {
		return err
	}
	for _, id := range blobs {
		if err := s.restageBlob(*src, id); err != nil {
			return fmt.Errorf("%s: payout %s: %w", source, payout, err)
		}
	}
	return db.Exec(s.ctx, "update payouts set run_no = $run::integer where source = $source and payout_id = $payout",
		duck.Named("run", first), duck.Named("source", source), duck.Named("payout", payout))
}

func (s *staging) restageBlob(src Source, id string) error {
	db := s.w.db
	var b archive.Blob
	var stream, sum, media string
	seq, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return err
	}
	found, err := db.One(s.ctx, "select stream, key, fetched_at, sha256, coalesce(media_type, ''), size, place_run, place_offset, place_length from blobs where blob_id = $id::bigint",
		[]any{duck.Named("id", seq)}, &stream, &b.Key, &b.FetchedAt, &sum, &media, &b.Size, &b.Place.Run, &b.Place.Offset, &b.Place.Length)
	if err != nil || !found {
		return err
	}
	b.Seq, b.Stream, b.MediaType = seq, stream, media
	if err := b.SHA256.UnmarshalText([]byte(sum)); err != nil {
		return err
	}
	if src.isFile(&b) {
		return s.restageReport(src, &b)
	}
	body, err := s.w.arch.ReadBlob(b.Content)
	if err != nil {
		return err
	}
	return s.read(src, stream, []jsonBody{newBody(&b, body)})
}

func (s *staging) restageReport(src Source, b *archive.Blob) error {
	path, done, err := s.spoolFile(b)
	if err != nil {
		return err
	}
	head, err := readHeader(path)
	if err != nil {
		return err
	}
	if err := s.w.db.Exec(s.ctx, head.view(*src.Connector.Inbox, path, b.Seq)); err != nil {
		return err
	}
	for _, m := range src.Connector.Models {
		if m.Stream != src.Connector.Inbox.Stream {
			continue
		}
		if err := s.takeRows(src, m, b.Seq); err != nil {
			return fmt.Errorf("%s: %w", b.Key, err)
		}
	}
	if err := s.w.db.Exec(s.ctx, "drop table if exists rejected_rows; drop table if exists rejected_scans"); err != nil {
		return err
	}
	return done()
}

// narrow leaves in incoming only the payout that is staged anew, and takes out what is to
// be replaced by it.
func (s *staging) narrow(src Source, entity string) error {
	if s.only == "" {
		return nil
	}
	query := "delete from incoming where payout_id is distinct from $payout;"
	switch entity {
	case "payouts":
		query += "delete from payouts where source = $source and payout_id in (select payout_id from incoming);"
	case "payout_lines":
		query += "delete from payout_lines where source = $source and payout_id = $payout and part in (select part from incoming);"
	}
	return s.w.db.Exec(s.ctx, strings.NewReplacer("$source", duck.Quote(src.Name), "$payout", duck.Quote(s.only)).Replace(query))
}
