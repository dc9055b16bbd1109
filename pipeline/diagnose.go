package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// Diagnose ranks what may lie behind an exception of recon.exceptions, by its ID.
//
// Errors: ErrUnknownRef.
func (p *Project) Diagnose(ctx context.Context, id string) ([]transform.Cause, error) {
	db, err := p.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return diagnose(ctx, db, id)
}

func diagnose(ctx context.Context, db *duck.DB, id string) ([]transform.Cause, error) {
	if _, last := idRange(id); last != strings.ToLower(id) {
		return nil, fmt.Errorf("%w: exception %s", ErrUnknownRef, id)
	}
	var x KnownException
	found, err := db.One(ctx, "select "+knownColumns+" from recon.exceptions where exception_id = "+duck.Quote(id)+"::uuid order by status limit 1", nil, x.into()...)
	if err == nil && !found {
		err = fmt.Errorf("%w: exception %s", ErrUnknownRef, id)
	}
	if err != nil {
		return nil, err
	}
	return x.Causes(ctx, db)
}

// A KnownException is what an exception says of itself.
type KnownException struct {
	ID, Kind, Document, Reason, Evidence, Suggestion string
	IsLine                                           bool   // it is about a payout line
	Place                                            string // that line's rowid in payout_lines, as far as is known; "": it is looked for
	lines                                            string // a table with the line as payout_lines has it, where there is one
}

const knownColumns = "exception_id::varchar, kind, document_id, coalesce(reason, ''), coalesce(evidence, ''), coalesce(suggestion, ''), line_id is not null"

// into are where knownColumns are read to.
func (x *KnownException) into() []any {
	return []any{&x.ID, &x.Kind, &x.Document, &x.Reason, &x.Evidence, &x.Suggestion, &x.IsLine}
}

// Causes ranks what may lie behind it, by the published ledger that it is from.
func (x *KnownException) Causes(ctx context.Context, db *duck.DB) ([]transform.Cause, error) {
	switch {
	case x.IsLine:
		f, sought, err := lineFacts(ctx, db, x.ID, x.Place, x.lines)
		if err != nil {
			return nil, err
		}
		if sought {
			return transform.LineCauses(f), nil
		}
	case x.Kind == "payout_does_not_add_up":
		f, err := payoutFacts(ctx, db, x.Document)
		if err != nil {
			return nil, err
		}
		return transform.PayoutCauses(f), nil
	}
	// What the rules found is the cause itself.
	return []transform.Cause{{Name: x.Kind, Says: x.Reason, Evidence: x.Evidence, Action: x.Suggestion, Weight: 90}}, nil
}

func payoutFacts(ctx context.Context, db *duck.DB, document string) (transform.PayoutFacts, error) {
	var f transform.PayoutFacts
	var stated, paid string
	if _, err := db.One(ctx, `select source, payout_id, coalesce(currency, ''), coalesce(difference_minor, 0), coalesce(formula_off_minor, 0), coalesce(stated, ''), coalesce(paid_date::varchar, ''),
			not has_header and not exists (select 1 from payout_lines as l inner join line_words as w on w.source = l.source and w.to_run is null and w.kind in ('payout', 'carried')
				and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
				where l.source = p.source and l.payout_id = p.payout_id)
		from payouts as p where document_id = $d`, []any{duck.Named("d", document)}, &f.Source, &f.ID, &f.Currency, &f.Difference, &f.FormulaOff, &stated, &paid, &f.CutOff); err != nil {
		return f, err
	}
	var err error
	if f.Rows, err = payoutRows(ctx, db, f.Source, f.ID); err != nil {
		return f, err
	}
	f.Stated = statedTotals(stated, f.Currency, f.Rows)
	var others []transform.OtherPayout
	if err := db.Each(ctx, `select payout_id, difference_minor from payouts
		where source = $s and payout_id <> $p and currency = $c and status = 'held' and difference_minor between -$d::bigint - 2 and -$d::bigint + 2 and difference_minor <> 0
			and ($day = '' or paid_date between nullif($day, '')::date - 35 and nullif($day, '')::date + 35)
		order by abs(difference_minor + $d::bigint), payout_id limit 3`, func(scan func(...any) error) error {
		var o transform.OtherPayout
		if err := scan(&o.ID, &o.Difference); err != nil {
			return err
		}
		others = append(others, o)
		return nil
	}, duck.Named("s", f.Source), duck.Named("p", f.ID), duck.Named("c", f.Currency), duck.Named("d", f.Difference), duck.Named("day", paid)); err != nil {
		return f, err
	}
	for i := range others {
		if others[i].Rows, err = payoutRows(ctx, db, f.Source, others[i].ID); err != nil {
			return f, err
		}
	}
	f.Held = others
	return f, db.Each(ctx, `select d.document_id, coalesce(d.order_number, ''), d.kind, d.event_date::varchar, case d.kind when 'refund' then -d.amount_minor else d.amount_minor end
		from documents as d
		inner join document_states as t on t.document_id = d.document_id and t.state in ('booked', 'held')
		inner join set_sources as s on s.source = d.source
		where d.kind in ('delivery', 'refund') and (d.source = $s or s.is_shop) and d.currency = $c
			and d.document_id not in (select document_id from line_matches where document_id is not null)
			-- Rows of this payout that are not booked yet will settle theirs.
			and d.document_id not in (select k.document_id from document_keys as k inner join payout_lines as l on l.event_key = k.value and l.source = $s and l.gross_minor <> 0 where k.key_type = 'event_id')
			and ($day = '' or d.event_date between nullif($day, '')::date - 60 and nullif($day, '')::date)
			and (case d.kind when 'refund' then -d.amount_minor else d.amount_minor end = -$d::bigint or (d.kind = 'delivery' and d.amount_minor between -$d::bigint and -$d::bigint + d.amount_minor * 6 // 100 + 500))
		order by abs(d.amount_minor + $d::bigint), d.document_id limit 5`, func(scan func(...any) error) error {
		var o transform.OpenDocument
		if err := scan(&o.ID, &o.Number, &o.Kind, &o.Date, &o.Amount); err != nil {
			return err
		}
		f.Open = append(f.Open, o)
		return nil
	}, duck.Named("s", f.Source), duck.Named("c", f.Currency), duck.Named("d", f.Difference), duck.Named("day", paid))
}

func payoutRows(ctx context.Context, db *duck.DB, source, payout string) ([]transform.RowFacts, error) {
	var out []transform.RowFacts
	return out, db.Each(ctx, `select l.line_id::varchar, coalesce(w.kind, 'unknown'), coalesce(l.method, ''), coalesce(l.event_key, ''), coalesce(l.order_key, ''), coalesce(l.order_reference, ''),
			concat_ws('/', l.provider_type, l.provider_detail), coalesce(l.gross_minor, 0), coalesce(l.fee_minor, 0), coalesce(l.fee_vat_minor, 0), coalesce(l.net_minor, 0)
		from payout_lines as l
		left join line_words as w on w.source = l.source and w.to_run is null
			and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
		where l.source = $s and l.payout_id = $p
		order by l.part, l.row_no, l.line_id`, func(scan func(...any) error) error {
		var r transform.RowFacts
		if err := scan(&r.Line, &r.Kind, &r.Method, &r.Key, &r.Order, &r.Reference, &r.Type, &r.Gross, &r.Fee, &r.FeeVAT, &r.Net); err != nil {
			return err
		}
		out = append(out, r)
		return nil
	}, duck.Named("s", source), duck.Named("p", payout))
}

// statedTotals sets the provider's figures, known by what providers call them, beside what its rows
// add up to. Whether they are in minor units is seen by which of them agree with the rows, or nearly.
func statedTotals(stated, currency string, rows []transform.RowFacts) []transform.StatedTotal {
	var body any
	dec := json.NewDecoder(strings.NewReader(stated))
	dec.UseNumber()
	if dec.Decode(&body) != nil {
		return nil
	}
	var sales, refunds, fees, vat, gross int64
	for _, r := range rows {
		if r.Kind != "fee" && r.Kind != "carried" && r.Kind != "payout" {
			gross += r.Gross
		}
		switch r.Kind {
		case "sale":
			sales += r.Gross
		case "refund":
			refunds -= r.Gross
		}
		fee := r.Fee
		if r.Kind == "fee" {
			fee -= r.Gross
		}
		fees, vat = fees+max(fee, 0), vat+max(r.FeeVAT, 0)
	}
	type figure struct {
		name, text string
		rows       int64
	}
	var figures []figure
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(k, x)
			}
		case json.Number:
			n := strings.ToLower(name)
			has := func(s string) bool { return strings.Contains(n, s) }
			switch {
			case has("correction") || has("reversal") || has("commission") || has("refund") && (has("fee") || has("tax") || has("vat")):
			case has("tax") || has("vat") && !has("exclud"):
				figures = append(figures, figure{name, v.String(), vat})
			case has("fee"):
				figures = append(figures, figure{name, v.String(), fees})
			case has("sale"):
				figures = append(figures, figure{name, v.String(), sales})
			case has("nominal"):
				figures = append(figures, figure{name, v.String(), abs(gross)})
			case has("return") || has("refund"):
				figures = append(figures, figure{name, v.String(), refunds})
			}
		}
	}
	walk("", body)
	best, agree := []transform.StatedTotal(nil), 0
	for _, exp := range []int{0, ledger.Exponent(currency)} {
		var out []transform.StatedTotal
		n := 0
		for _, x := range figures {
			minor, err := ledger.ParseMinor(x.text, exp)
			if err != nil {
				n = -1
				break
			}
			v := max(int64(minor), -int64(minor))
			switch {
			case v == x.rows:
				n += 1000
			case v > x.rows/3 && v < 3*x.rows: // where none agrees, those that are of the same size
				n++
			}
			out = append(out, transform.StatedTotal{Name: x.name, Stated: v, Rows: x.rows})
		}
		if n > agree {
			best, agree = out, n
		}
	}
	return best
}

func abs(n int64) int64 { return max(n, -n) }

// lineFacts gathers what is known of a payout line; sought is false for one that looks for no document. What the line says is written
// into what is asked for next: only that narrows what DuckDB reads of a table of millions.
func lineFacts(ctx context.Context, db *duck.DB, id, place, lines string) (f transform.LineFacts, sought bool, err error) {
	given := place != ""
	if lines == "" && !given {
		found, err := db.Texts(ctx, "select rowid::varchar from payout_lines where line_id = "+duck.Quote(id)+"::uuid")
		if err != nil || len(found) == 0 {
			return f, false, err
		}
		place = found[0]
	}
	if lines == "" {
		lines = "(select * from payout_lines where rowid = " + place + ")"
	}
	var at, newest duck.NullTime
	var kind, refs string
	found, err := db.One(ctx, `select l.line_id::varchar, l.source, l.payout_id, l.currency, coalesce(w.kind, ''),
			case when w.kind = 'sale' and l.gross_minor > 0 then 'delivery' when w.kind = 'refund' and l.gross_minor < 0 then 'refund' else '' end,
			abs(l.gross_minor), l.event_at, coalesce(l.order_reference, ''), coalesce(l.order_key, ''), coalesce(l.event_key, ''), coalesce(l.row_off_minor, 0), coalesce(l.other_references, '')
		from `+lines+` as l
		inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id
		left join line_words as w on w.source = l.source and coalesce(p.booked_run, 2147483647) between w.from_run and coalesce(w.to_run, 2147483647)
			and w.provider_type is not distinct from l.provider_type and w.provider_detail is not distinct from l.provider_detail
		where l.line_id = `+duck.Quote(id)+`::uuid
		limit 1`, nil, &f.Line, &f.Source, &f.Payout, &f.Currency, &kind, &f.Settles, &f.Amount, &at, &f.Reference, &f.Order, &f.Event, &f.RowOff, &refs)
	if err != nil {
		return f, false, err
	}
	if !found && given {
		return lineFacts(ctx, db, id, "", "") // a copy that was published since may have it elsewhere
	}
	if kind != "sale" && kind != "refund" {
		return f, false, nil
	}
	f.At = at.Time
	moment := "null::timestamp"
	if at.Valid {
		moment = duck.Quote(at.Time.UTC().Format("2006-01-02 15:04:05.999999")) + "::timestamp"
	}
	shops, err := db.Texts(ctx, "select source from set_sources where is_shop order by source")
	if err != nil {
		return f, true, err
	}
	f.IsShop = len(shops) > 0
	of := duck.Quote(f.Source) // whose documents it may settle
	for _, s := range shops {
		of += ", " + duck.Quote(s)
	}
	var documents int64
	if _, err := db.One(ctx, "select max(event_at) filter (where kind in ('delivery', 'refund')), count(*) from documents where source in ("+of+")", nil, &newest, &documents); err != nil {
		return f, true, err
	}
	if newest.Valid {
		f.Newest = newest.Time
	}
	if f.Order != "" {
		n, err := db.Count(ctx, "select count(*) from blobs where key = "+duck.Quote("order/"+f.Order)+" and source = "+duck.Quote(f.Source)+" and gone")
		if err == nil && n > 0 {
			n, err = db.Count(ctx, "select count(*) from documents where source = "+duck.Quote(f.Source)+" and order_id = "+duck.Quote(f.Order))
			f.Gone = n == 0
		}
		if err != nil {
			return f, true, err
		}
	}
	if documents == 0 {
		return f, true, nil
	}
	if f.Sharing, err = sharing(ctx, db, f, refs, of, moment); err != nil {
		return f, true, err
	}
	f.Near, err = near(ctx, db, f, of, moment)
	return f, true, err
}

// sharing are the documents of the sources of that have a key in common with a line at a moment.
func sharing(ctx context.Context, db *duck.DB, f transform.LineFacts, refs, of, moment string) ([]transform.Shared, error) {
	var pairs []string
	pair := func(rung int, where string) {
		pairs = append(pairs, fmt.Sprintf("select document_id, key_type || ' ' || value as said, %d as rung from document_keys where %s", rung, where))
	}
	if f.Event != "" {
		pair(1, "key_type = 'event_id' and value = "+duck.Quote(f.Event))
	}
	if f.Order != "" {
		pair(2, "key_type = 'order_id' and value = "+duck.Quote(f.Order))
		pair(3, "key_type = 'payment_id' and normal = normal_reference("+duck.Quote(f.Order)+")")
	}
	var normal []string
	for _, r := range strings.Split(f.Reference+"|"+refs, "|") {
		if r != "" {
			normal = append(normal, "normal_reference("+duck.Quote(r)+")")
		}
	}
	if len(normal) > 0 {
		pair(4, "key_type in ('order_number', 'reference') and normal in ("+strings.Join(normal, ", ")+")")
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	if err := db.Exec(ctx, "create or replace temp table sought_pairs as "+strings.Join(pairs, " union all ")); err != nil {
		return nil, err
	}
	list, err := listed(ctx, db, "select distinct document_id from sought_pairs", "varchar")
	if err != nil || list == "" {
		return nil, err
	}
	var out []transform.Shared
	return out, db.Each(ctx, strings.NewReplacer("{{documents}}", list, "{{of}}", of, "{{moment}}", moment, "{{line}}", duck.Quote(f.Line), "{{currency}}", duck.Quote(f.Currency)).Replace(`
		with settled as (
			select m.document_id, sum(m.amount_minor)::bigint as amount, max_by(m.payout_id, m.amount_minor) as payout, max_by(abs(x.gross_minor), m.amount_minor) as gross
			from line_matches as m inner join payout_lines as x on x.line_id = m.line_id
			where m.state in ('matched', 'not_delivered') and m.line_id <> {{line}}::uuid and m.document_id in ({{documents}})
			group by m.document_id
		)
		select d.document_id, d.kind, coalesce(t.state, ''), coalesce(d.currency, ''), min_by(p.said, p.rung), coalesce(d.amount_minor, 0), coalesce(d.amount_minor, 0) - coalesce(any_value(s.amount), 0),
			coalesce(any_value(s.payout), ''), coalesce(any_value(s.gross), 0),
			coalesce(case when {{currency}} = c.currency and exponent({{currency}}) = exponent(d.currency) then (select max_by(r.price_e8, r.date) from set_rates as r where r.currency = d.currency and r.date <= local_date({{moment}}, c.time_zone)) end, 0)
		from sought_pairs as p
		inner join documents as d using (document_id)
		left join document_states as t using (document_id)
		left join settled as s using (document_id)
		cross join set_company as c
		where d.document_id in ({{documents}}) and d.source in ({{of}}) and coalesce(t.state, '') <> 'not_ours'
		group by d.document_id, d.kind, t.state, d.currency, d.amount_minor, c.currency, c.time_zone
		order by min(p.rung), d.document_id limit 20`), func(scan func(...any) error) error {
		var s transform.Shared
		if err := scan(&s.Document, &s.Kind, &s.State, &s.Currency, &s.Key, &s.Amount, &s.Open, &s.SettledBy, &s.SettledAmount, &s.PriceE8); err != nil {
			return err
		}
		out = append(out, s)
		return nil
	})
}

// near are the documents of the sources of with a line's amount, about its moment, that no line settles.
func near(ctx context.Context, db *duck.DB, f transform.LineFacts, of, moment string) ([]transform.Near, error) {
	if err := db.Exec(ctx, strings.NewReplacer("{{settles}}", duck.Quote(f.Settles), "{{of}}", of, "{{moment}}", moment, "{{currency}}", duck.Quote(f.Currency), "{{amount}}", fmt.Sprint(f.Amount)).Replace(`
		create or replace temp table sought_near as
		select document_id, order_number, reference, amount_minor, event_at, abs(epoch(event_at - {{moment}})) as apart from documents
		where kind = {{settles}} and currency = {{currency}} and amount_minor = {{amount}} and source in ({{of}})
			and event_at between {{moment}} - interval 45 days and {{moment}} + interval 45 days`)); err != nil {
		return nil, err
	}
	list, err := listed(ctx, db, "select document_id from sought_near", "varchar")
	if err != nil || list == "" {
		return nil, err
	}
	var out []transform.Near
	return out, db.Each(ctx, strings.ReplaceAll(`
		select n.document_id, coalesce(n.order_number, ''), coalesce(n.reference, ''), n.amount_minor, n.event_at
		from sought_near as n
		inner join (select document_id from document_states where state = 'booked' and document_id in ({{documents}})) as t using (document_id)
		where n.document_id not in (select document_id from line_matches where state = 'matched' and document_id in ({{documents}}))
		order by n.apart, n.document_id limit 10`, "{{documents}}", list), func(scan func(...any) error) error {
		var n transform.Near
		if err := scan(&n.Document, &n.Number, &n.Reference, &n.Amount, &n.At); err != nil {
			return err
		}
		out = append(out, n)
		return nil
	})
}
