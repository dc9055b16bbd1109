package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// A Decision is what a person says about an exception. It is kept in the archive and
// replayed with it, so that the books can always say who decided what, when and why.
type Decision struct {
	Exception string // its ID, the beginning of one, or the document it is about where only one is open
	As        string // the action: see Actions
	Reason    string
	By        string
	NoLearn   bool // teach no alias
}

// ErrNoException is returned for an exception that is not open.
var ErrNoException = fmt.Errorf("%w: no open exception", ErrUsage)

// An Action is one way to resolve an exception.
type Action struct{ Form, Does string }

// Actions lists the ways to resolve an exception, for help texts.
var Actions = []Action{
	{"match:DOCUMENT", "the payout line settles this document (its ID, or an order number that names one)"},
	{"account:N", "post it, or the difference, to this account; account:N/M with M for the VAT of a sale without accounts"},
	{"kind:KIND", "what the provider's word means: sale refund chargeback chargeback_reversed fee reserve loan; kind:WORD=KIND where a payout has several"},
	{"accept", "right as it is: a total, a difference (to the rounding account), the newer delivery of a payout, a date in a locked period"},
	{"keep", "the first delivery of a payout is right, not the one that came later"},
	{"duplicate:DOCUMENT", "the same sale as this document: it is not booked, and what names it means the other"},
	{"rate:PRICE", "the price of one unit of its currency in the company's, on its date"},
	{"ignore", "nothing is to be done; needs --reason"},
	{"retry", "look at it again, after something was mended"},
}

// allowed says which actions answer which kind of exception. Those of payout lines are apart.
var allowed = map[string][]string{
	"document_does_not_add_up": {"accept", "account", "duplicate"},
	"sales_account_missing":    {"account", "duplicate"},
	"vat_mismatch":             {"accept"},
	"refund_exceeds_remaining": {"accept", "account", "duplicate"},
	"currency_rate_missing":    {"rate"},
	"period_locked":            {"accept"},
	"payout_does_not_add_up":   {"accept", "account"},
	"payout_changed":           {"accept", "keep"},
	"unknown_line_type":        {"kind"},
	"malformed_record":         {"accept"},
	"duplicate_sale":           {"duplicate", "accept"},
}

// ActionsFor lists the actions that an exception of a kind takes; isLine: it is about a payout line.
func ActionsFor(kind string, isLine bool) []string {
	if isLine {
		return append(slices.Clone(forLines), forAll...)
	}
	return Answers(kind)
}

var (
	forLines   = []string{"match", "account", "kind"}
	forAll     = []string{"ignore", "retry"}
	synonyms   = map[string]string{"post": "account", "map": "kind", "line_type": "kind", "adopt": "duplicate", "dismiss": "ignore"}
	lineKinds  = []string{"sale", "refund", "chargeback", "chargeback_reversed", "fee", "reserve", "loan", "carried", "payout", "decision"}
	movedKinds = []string{"sale", "refund", "chargeback", "chargeback_reversed", "fee", "reserve", "loan"}
)

// Answers are the actions that a kind of exception takes, those that every kind takes last.
func Answers(kind string) []string {
	if kind == "unmatched_line" || kind == "ambiguous_match" {
		return append(slices.Clone(forLines), forAll...)
	}
	return append(slices.Clone(allowed[kind]), forAll...)
}

// A decisionNote is a decision, or the end of one, in the archive.
type decisionNote struct {
	ID          string      `json:"decision_id,omitempty"`
	Exception   string      `json:"exception_id,omitempty"`
	Kind        string      `json:"kind,omitempty"`
	Source      string      `json:"source,omitempty"`
	Document    string      `json:"document_id,omitempty"`
	Line        string      `json:"line_id,omitempty"`
	Action      string      `json:"action,omitempty"`
	Target      string      `json:"target,omitempty"`
	Account     int         `json:"account,omitempty"`
	VATAccount  int         `json:"vat_account,omitempty"`
	LineKind    string      `json:"line_kind,omitempty"`
	PriceE8     int64       `json:"price_e8,omitempty"`
	Amount      *int64      `json:"amount_minor,omitempty"`
	ThroughBlob int64       `json:"through_blob,omitempty"`
	Teaches     []aliasNote `json:"teaches,omitempty"`

	Undo   string `json:"undo,omitempty"`   // a decision that is taken back
	Forget string `json:"forget,omitempty"` // an alias that is removed

	Reason string `json:"reason,omitempty"`
	By     string `json:"by"`
	At     string `json:"at"`
}

type aliasNote struct {
	ID       string  `json:"alias_id"`
	What     string  `json:"what"`
	Source   string  `json:"source"`
	Name     string  `json:"name"`
	Detail   *string `json:"detail,omitempty"`
	ToSource string  `json:"to_source,omitempty"`
	ToOrder  string  `json:"to_order,omitempty"`
	ToKind   string  `json:"to_kind,omitempty"`
}

// A Resolved says what a decision came to.
type Resolved struct {
	Result
	Decision string   `json:"decision_id"`
	Kind     string   `json:"kind"`
	Document string   `json:"document_id"`
	Action   string   `json:"action"`
	Open     bool     `json:"still_open"`
	Why      string   `json:"why,omitempty"` // it is still open
	Taught   []string `json:"taught,omitempty"`
	Undid    string   `json:"undid,omitempty"`
}

// an openException is an exception as it is looked up.
type openException struct {
	id, kind, source, document, line, reason string
	amount                                   *int64
}

// Resolve records d and books what follows from it.
//
// Errors: ErrUsage, ErrNoException: nothing was touched.
func (p *Project) Resolve(ctx context.Context, d Decision) (Resolved, error) {
	return p.decide(ctx, func(w *work) (decisionNote, error) {
		x, err := w.findException(ctx, d.Exception)
		if err != nil {
			return decisionNote{}, err
		}
		return w.decisionOn(ctx, x, d)
	}, d.Reason, d.By)
}

// Undo takes a decision back: what it booked is corrected, and its exception opens again.
//
// Errors: ErrUsage: nothing was touched.
func (p *Project) Undo(ctx context.Context, id, reason, by string) (Resolved, error) {
	return p.decide(ctx, func(w *work) (decisionNote, error) {
		var n decisionNote
		found, err := w.db.One(ctx, "select decision_id, kind, document_id, coalesce(line_id::varchar, ''), exception_id from decided where decision_id = $id and action <> 'retry'",
			[]any{duck.Named("id", id)}, &n.Undo, &n.Kind, &n.Document, &n.Line, &n.Exception)
		if err == nil && !found {
			err = fmt.Errorf("%w: no decision %q is in force; kvitt resolve --list lists them", ErrUsage, id)
		}
		return n, err
	}, reason, by)
}

// Forget removes an alias. What was booked by it stays.
//
// Errors: ErrUsage: nothing was touched.
func (p *Project) Forget(ctx context.Context, id, reason, by string) (Resolved, error) {
	return p.decide(ctx, func(w *work) (decisionNote, error) {
		n, err := w.db.Count(ctx, "select count(*) from aliases where alias_id = $id and forgotten_run is null", duck.Named("id", id))
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: no alias %q is in force; kvitt resolve --list lists them", ErrUsage, id)
		}
		return decisionNote{Forget: id}, err
	}, reason, by)
}

func (p *Project) decide(ctx context.Context, what func(*work) (decisionNote, error), reason, by string) (Resolved, error) {
	if strings.TrimSpace(by) == "" {
		return Resolved{}, fmt.Errorf("%w: a decision says who took it: --by NAME", ErrUsage)
	}
	w, err := p.open(ctx, "resolve")
	if err != nil {
		return Resolved{}, err
	}
	defer w.close()
	n, err := what(w)
	if err != nil {
		return Resolved{}, err
	}
	n.Reason, n.By, n.At = strings.TrimSpace(reason), strings.TrimSpace(by), w.began.Format(timestamp)
	if err := w.begin(ctx, "resolve"); err != nil {
		return Resolved{}, err
	}
	body, err := json.Marshal(n)
	if err != nil {
		return Resolved{}, err
	}
	if _, err := w.run.AddNote("decision", body); err != nil {
		return Resolved{}, err
	}
	out := Resolved{Result: Result{RunID: w.runID}, Decision: n.ID, Kind: n.Kind, Document: n.Document, Action: n.Action, Undid: n.Undo + n.Forget}
	for _, a := range n.Teaches {
		out.Taught = append(out.Taught, a.ID)
	}
	if err := w.bookAndPublish(ctx, "resolve", false, &out.Result, nil); err != nil {
		return out, err
	}
	if n.Action == "" {
		return out, nil
	}
	db, err := p.Reader(ctx)
	if err != nil {
		return out, err
	}
	defer db.Close()
	out.Open, err = db.One(ctx, `select reason from recon.exceptions where status = 'open' and kind = $kind and document_id = $doc
		and ($line = '' or line_id = try_cast($line as uuid)) limit 1`,
		[]any{duck.Named("kind", n.Kind), duck.Named("doc", n.Document), duck.Named("line", n.Line)}, &out.Why)
	return out, err
}

// findException finds the one open exception that ref names.
func (w *work) findException(ctx context.Context, ref string) (openException, error) {
	ref = strings.TrimSpace(ref)
	if ref == "" {
		return openException{}, fmt.Errorf("%w: name one; kvitt exceptions lists them", ErrNoException)
	}
	var found []openException
	var seen []string
	err := w.db.Each(ctx, `
		with x as (
			select exception_id::varchar as id, kind, source, document_id, coalesce(line_id::varchar, '') as line_id, amount_minor, reason, order_reference,
				case when exception_id::varchar = $ref then 0 when length($ref) >= 4 and starts_with(exception_id::varchar, lower($ref)) then 1
					when document_id = $ref then 2 when order_reference = $ref or split_part(document_id, '/', 3) = $ref then 3 end as how
			from recon.exceptions where status = 'open'
		)
		select id, kind, source, document_id, line_id, amount_minor, reason from x
		where how = (select min(how) from x) order by kind, id limit 20`,
		func(scan func(...any) error) error {
			var x openException
			var amount duck.NullInt64
			if err := scan(&x.id, &x.kind, &x.source, &x.document, &x.line, &amount, &x.reason); err != nil {
				return err
			}
			if amount.Valid {
				x.amount = &amount.Int64
			}
			found = append(found, x)
			seen = append(seen, fmt.Sprintf("%s (%s: %s)", x.id, x.kind, x.reason))
			return nil
		}, duck.Named("ref", ref))
	switch {
	case err != nil:
		return openException{}, err
	case len(found) == 0:
		return openException{}, fmt.Errorf("%w is called %q; kvitt --format json exceptions lists them", ErrNoException, ref)
	case len(found) > 1:
		return openException{}, fmt.Errorf("%w: %q names several exceptions, give the ID of one: %s", ErrUsage, ref, strings.Join(seen, "; "))
	}
	return found[0], nil
}

// decisionOn turns what a person wrote into a note, and refuses what cannot be.
func (w *work) decisionOn(ctx context.Context, x openException, d Decision) (decisionNote, error) {
	word, arg := splitAction(d.As)
	n := decisionNote{Exception: x.id, Kind: x.kind, Source: x.source, Document: x.document, Line: x.line, Action: word, Amount: x.amount}
	can := ActionsFor(x.kind, x.line != "")
	if !slices.Contains(can, word) {
		return n, fmt.Errorf("%w: %s cannot be resolved as %q; it takes %s", ErrUsage, x.kind, d.As, strings.Join(can, ", "))
	}
	var err error
	if n.ID, err = w.nextName(ctx, "d", "decisions"); err != nil {
		return n, err
	}
	if n.ThroughBlob, err = w.db.Count(ctx, "select coalesce(max(blob_id), 0) from blobs"); err != nil {
		return n, err
	}
	switch word {
	case "ignore":
		if strings.TrimSpace(d.Reason) == "" {
			return n, fmt.Errorf("%w: to ignore something says why: --reason TEXT", ErrUsage)
		}
	case "account":
		err = w.takeAccount(ctx, &n, arg)
	case "rate":
		var rows []rateRow
		if rows, err = rateRows([]transform.Rate{{Date: w.began, Currency: "XXX", Price: arg}}); err == nil && rows[0].PriceE8 <= 0 {
			err = errors.New("it is not above zero")
		}
		if err != nil {
			return n, fmt.Errorf("%w: rate %q: %v; write it as rate:11.2345", ErrUsage, arg, err)
		}
		n.PriceE8 = rows[0].PriceE8
	case "match":
		err = w.takeMatch(ctx, &n, arg, !d.NoLearn)
	case "kind":
		err = w.takeKind(ctx, &n, arg)
	case "duplicate":
		err = w.takeDuplicate(ctx, &n, arg)
	case "accept":
		if x.kind == "vat_mismatch" {
			n.Action = "ignore" // it is booked as stated; nobody need look at it again
		}
		if x.kind == "refund_exceeds_remaining" {
			err = w.needsLines(ctx, n)
		}
	}
	return n, err
}

// splitAction parts "match:DOC", "match=DOC" and "match DOC".
func splitAction(s string) (word, arg string) {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, ":= \t"); i >= 0 {
		s, arg = s[:i], strings.TrimSpace(s[i+1:])
	}
	word = strings.ToLower(strings.ReplaceAll(s, "-", "_"))
	if w, ok := synonyms[word]; ok {
		word = w
	}
	return word, arg
}

func (w *work) nextName(ctx context.Context, letter, table string) (string, error) {
	n, err := w.db.Count(ctx, "select count(*) + 1 from "+table)
	return letter + strconv.FormatInt(n, 10), err
}

func (w *work) takeAccount(ctx context.Context, n *decisionNote, arg string) error {
	first, second, both := strings.Cut(arg, "/")
	var err error
	if n.Account, err = accountNumber(first); err != nil {
		return err
	}
	if both {
		if n.VATAccount, err = accountNumber(second); err != nil {
			return err
		}
	}
	if n.Kind != "sales_account_missing" {
		return nil
	}
	vat, err := w.db.Count(ctx, "select coalesce(sum(abs(vat_minor)), 0)::bigint from document_groups where document_id = $doc and class = 'goods'", duck.Named("doc", n.Document))
	if err == nil && vat != 0 && n.VATAccount == 0 {
		err = fmt.Errorf("%w: %s holds VAT: give its account too, account:%d/VAT", ErrUsage, n.Document, n.Account)
	}
	return err
}

func accountNumber(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1000 || n > 9999 {
		return 0, fmt.Errorf("%w: %q is no account of four digits; write it as account:6064", ErrUsage, s)
	}
	return n, nil
}

// needsLines refuses to accept a refund of more than is left when nothing says which VAT the excess is of.
func (w *work) needsLines(ctx context.Context, n decisionNote) error {
	lines, err := w.db.Count(ctx, "select count(*) from document_lines where document_id = $doc", duck.Named("doc", n.Document))
	if err == nil && lines == 0 {
		err = fmt.Errorf("%w: the refund states an amount and no lines: what exceeds the delivery needs an account, account:N", ErrUsage)
	}
	return err
}

// takeMatch finds the document that a line is to settle.
func (w *work) takeMatch(ctx context.Context, n *decisionNote, arg string, learn bool) error {
	if arg == "" {
		return fmt.Errorf("%w: say which document: match:DOCUMENT_ID, or match:ORDER_NUMBER", ErrUsage)
	}
	type target struct{ id, kind, source, order, state string }
	var found []target
	var listed []string
	if err := w.db.Each(ctx, `
		with line as (select *, case when gross_minor > 0 then 'delivery' else 'refund' end as settles from payout_lines where line_id = $line::uuid),
		d as (
			select d.document_id, d.kind, d.source, d.order_id, coalesce(s.state, '') as state, d.event_at,
				case when d.document_id = $ref then 0
					when d.kind = l.settles and ($ref in (d.doc_ref, d.order_number, d.order_id) or normal_reference(d.order_number) = normal_reference($ref)) then 1 end as how
			from documents as d
			inner join line as l on l.currency = d.currency
			left join document_states as s using (document_id)
			where d.kind in ('order', 'delivery', 'refund')
		)
		select document_id, kind, source, order_id, state from d where how = (select min(how) from d) order by event_at, document_id limit 10`,
		func(scan func(...any) error) error {
			var t target
			if err := scan(&t.id, &t.kind, &t.source, &t.order, &t.state); err != nil {
				return err
			}
			found = append(found, t)
			listed = append(listed, t.id)
			return nil
		}, duck.Named("line", n.Line), duck.Named("ref", arg)); err != nil {
		return err
	}
	switch {
	case len(found) == 0:
		return fmt.Errorf("%w: no document %q in the line's currency; kvitt backfill reads an order that is missing", ErrUsage, arg)
	case len(found) > 1:
		return fmt.Errorf("%w: %q names several documents, give one: match:%s", ErrUsage, arg, strings.Join(listed, ", match:"))
	case found[0].state == "not_ours":
		return fmt.Errorf("%w: %s is not booked here (its flow is off, or it is a duplicate)", ErrUsage, found[0].id)
	}
	t := found[0]
	n.Target = t.id
	if !learn {
		return nil
	}
	// The reference that led nowhere means that order from now on.
	var name string
	ok, err := w.db.One(ctx, `
		select coalesce(normal_reference(l.order_reference), normal_reference(l.order_key))
		from payout_lines as l
		where l.line_id = $line::uuid and coalesce(normal_reference(l.order_reference), normal_reference(l.order_key)) is not null
			and not exists (
				select 1 from document_keys as k
				where k.normal = coalesce(normal_reference(l.order_reference), normal_reference(l.order_key)))`,
		[]any{duck.Named("line", n.Line)}, &name)
	if err != nil || !ok {
		return err
	}
	id, err := w.nextName(ctx, "a", "aliases")
	n.Teaches = []aliasNote{{ID: id, What: "reference", Source: n.Source, Name: name, ToSource: t.source, ToOrder: t.order}}
	return err
}

// takeKind says what a provider's word means: of the line, or of the payout's words that nobody mapped.
func (w *work) takeKind(ctx context.Context, n *decisionNote, arg string) error {
	only := ""
	if i := strings.LastIndexByte(arg, '='); i >= 0 {
		only, arg = strings.TrimSpace(arg[:i]), strings.TrimSpace(arg[i+1:])
	}
	n.LineKind = strings.ToLower(arg)
	kinds := lineKinds
	if n.Line != "" {
		kinds = movedKinds
	}
	if !slices.Contains(kinds, n.LineKind) {
		return fmt.Errorf("%w: %q is no kind; it is one of %s", ErrUsage, arg, strings.Join(kinds, ", "))
	}
	query := "select provider_type, provider_detail from payout_lines where line_id = try_cast($line as uuid) and $doc <> ''"
	if n.Line == "" {
		query = `select distinct l.provider_type, l.provider_detail
			from payout_lines as l
			inner join payouts as p on p.source = l.source and p.payout_id = l.payout_id and p.document_id = $doc
			inner join line_words as k on k.source = l.source and k.to_run is null and k.kind = 'unknown'
				and k.provider_type is not distinct from l.provider_type and k.provider_detail is not distinct from l.provider_detail
			where $line = '' order by all`
	}
	var words []string
	if err := w.db.Each(ctx, query, func(scan func(...any) error) error {
		var typ string
		var detail duck.NullString
		if err := scan(&typ, &detail); err != nil {
			return err
		}
		word := typ
		a := aliasNote{What: "word", Source: n.Source, Name: typ, ToKind: n.LineKind}
		if detail.Valid {
			a.Detail = &detail.String
			word += "/" + detail.String
		}
		if only == "" || only == word || only == typ {
			words, n.Teaches = append(words, word), append(n.Teaches, a)
		}
		return nil
	}, duck.Named("line", n.Line), duck.Named("doc", n.Document)); err != nil {
		return err
	}
	if len(words) == 0 {
		return fmt.Errorf("%w: there is no word %q here that nobody mapped", ErrUsage, only)
	}
	if len(words) > 1 && only == "" {
		return fmt.Errorf("%w: the payout has several words that nobody mapped: kind:%s=%s", ErrUsage, strings.Join(words, "="+n.LineKind+", kind:"), n.LineKind)
	}
	n.Target = strings.Join(words, ", ")
	for i := range n.Teaches {
		id, err := w.nextName(ctx, "a", "aliases")
		if err != nil {
			return err
		}
		k, err := strconv.Atoi(id[1:])
		if err != nil {
			return err
		}
		n.Teaches[i].ID = fmt.Sprintf("a%d", k+i)
	}
	return nil
}

// takeDuplicate finds the document that another one repeats.
func (w *work) takeDuplicate(ctx context.Context, n *decisionNote, arg string) error {
	found, err := w.db.One(ctx, `select o.document_id from documents as o inner join documents as d on d.document_id = $doc
		where o.document_id = $target and o.document_id <> d.document_id and o.kind = d.kind and o.currency = d.currency`,
		[]any{duck.Named("doc", n.Document), duck.Named("target", arg)}, &n.Target)
	if err == nil && !found {
		err = fmt.Errorf("%w: %q is no other document of the kind and currency of %s: duplicate:DOCUMENT_ID", ErrUsage, arg, n.Document)
	}
	return err
}
