package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/pipeline/personal"
	"github.com/kvitt/kvitt/sql/duck"
)

// A Who says which person is meant, by what the person is known by. An order means everyone who is named in it.
type Who struct {
	Email, Phone, NationalID, Order string
}

func (q Who) identities() []string {
	var out []string
	if strings.TrimSpace(q.Email) != "" {
		out = append(out, personal.Email(q.Email))
	}
	if strings.TrimSpace(q.Phone) != "" {
		out = append(out, personal.Phone(q.Phone))
	}
	if strings.TrimSpace(q.NationalID) != "" {
		out = append(out, personal.NationalID(q.NationalID))
	}
	return out
}

// ErrNobody is returned when nothing is kept of a person.
var ErrNobody = fmt.Errorf("%w: nothing is kept of this person", ErrUsage)

// ErrHeld is returned when a legal hold stands in the way.
var ErrHeld = fmt.Errorf("%w: a legal hold stands in the way", ErrUsage)

// An Erased says what an erasure came to, or would come to.
type Erased struct {
	Result
	ID      string   `json:"erasure_id,omitempty"`
	Persons int      `json:"persons"`          // keys that are destroyed: one for each year and identity
	Values  int      `json:"values"`           // in the archive that nobody can read any more
	Orders  []string `json:"orders,omitempty"` // whose bytes named the person; they stay booked
	Others  int      `json:"others,omitempty"` // people with an e-mail address of their own in the same orders, who are left
	Held    []string `json:"held,omitempty"`   // the holds that stand in the way
}

// An erasureNote keeps who erased somebody, when and why, and nothing of the person: lookups are keyed hashes, and the
// IDs of the keys are random.
type erasureNote struct {
	ID      string   `json:"erasure_id"`
	Kind    string   `json:"kind"` // erase | retention
	Persons []string `json:"persons"`
	Lookups []string `json:"lookups,omitempty"`
	Orders  int      `json:"orders,omitempty"`
	What    string   `json:"what,omitempty"` // of retention: which class, and of when
	Reason  string   `json:"reason,omitempty"`
	By      string   `json:"by"`
	At      string   `json:"at"`
}

// Erase destroys the keys of a person, so that what is kept of them cannot be read by anyone again, and keeps
// nothing of them from then on. Books, digests and archive stay as they are, to the byte.
//
// Errors: ErrUsage, ErrNobody, ErrHeld: nothing was touched.
func (p *Project) Erase(ctx context.Context, who Who, reason, by string, dry bool) (Erased, error) {
	var out Erased
	if err := needsReason(reason, by); err != nil && !dry {
		return out, err
	}
	w, err := p.open(ctx, "erase")
	if err != nil {
		return out, err
	}
	defer w.close()
	found, err := w.persons(ctx, who)
	if err != nil {
		return out, err
	}
	out.Persons, out.Orders, out.Others, out.Values = len(found.persons), found.orders, found.others, found.values
	if out.Held, err = w.heldBy(ctx, found); err != nil {
		return out, err
	}
	switch {
	case dry:
		return out, nil
	case len(out.Held) > 0:
		return out, fmt.Errorf("%w: %s; kvitt hold --release ID lifts it", ErrHeld, strings.Join(out.Held, "; "))
	}
	n := erasureNote{Kind: "erase", Orders: len(found.orders), Reason: strings.TrimSpace(reason), By: strings.TrimSpace(by)}
	for _, x := range found.persons {
		n.Persons = append(n.Persons, x.ID)
		for _, l := range w.keys.Lookups(x) {
			// A telephone may be another's too: only what tells one person is remembered.
			if (l[0] == 'e' || l[0] == 'o') && !slices.Contains(n.Lookups, l) {
				n.Lookups = append(n.Lookups, l)
			}
		}
	}
	out.ID, out.Result, err = w.erase(ctx, "erase", n)
	return out, err
}

func needsReason(reason, by string) error {
	if strings.TrimSpace(by) == "" {
		return fmt.Errorf("%w: say who does it: --by NAME", ErrUsage)
	}
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("%w: say why, for the audit trail, without naming the person: --why TEXT", ErrUsage)
	}
	return nil
}

// erase notes an erasure in the archive, destroys the keys, and ends the run. A kill after the note is finished by
// the next run: see settleErasures.
func (w *work) erase(ctx context.Context, command string, n erasureNote) (id string, res Result, err error) {
	if err := w.begin(ctx, command); err != nil {
		return "", res, err
	}
	if n.ID, err = w.nextName(ctx, "e", "erasures"); err != nil {
		return "", res, err
	}
	n.At = w.began.Format(timestamp)
	body, err := json.Marshal(n)
	if err != nil {
		return "", res, err
	}
	if _, err := w.run.AddNote("erasure", body); err != nil {
		return "", res, err
	}
	if err := w.commit(); err != nil {
		return "", res, err
	}
	if err := w.keys.Erase(n.Persons, n.Lookups); err != nil {
		return "", res, err
	}
	if err := w.noteKeys(); err != nil {
		return "", res, err
	}
	res.RunID = w.runID
	return n.ID, res, w.bookAndPublish(ctx, command, false, &res, nil)
}

func (w *work) takeErasure(ctx context.Context, body []byte) error {
	var n erasureNote
	if err := json.Unmarshal(body, &n); err != nil {
		return fmt.Errorf("an erasure in the archive: %w", err)
	}
	return w.db.Exec(ctx, `insert into erasures by name select $id as erasure_id, $kind as kind, $what as what, $persons::bigint as persons, $orders::bigint as orders,
		$reason as reason, $by as erased_by, $at::timestamp as erased_at, $note as note, $run::integer as run_no`,
		duck.Named("id", n.ID), duck.Named("kind", n.Kind), duck.Named("what", n.What), duck.Named("persons", len(n.Persons)), duck.Named("orders", n.Orders),
		duck.Named("reason", n.Reason), duck.Named("by", n.By), duck.Named("at", n.At), duck.Named("note", string(body)), duck.Named("run", w.runNo))
}

// found is who was asked for, and where they are.
type found struct {
	persons []personal.Person
	places  []seen
	orders  []string
	others  int
	values  int
}

// A seen is one body of the archive that names somebody.
type seen struct {
	source, stream, key string
	at                  time.Time
}

// persons finds who is meant. Those who have an e-mail address, a telephone or a national ID are one
// person wherever they are named; what the same orders say of somebody without an address is taken to be of them.
func (w *work) persons(ctx context.Context, who Who) (found, error) {
	var f found
	ids := who.identities()
	if len(ids) == 0 && strings.TrimSpace(who.Order) == "" {
		return f, fmt.Errorf("%w: say who: an e-mail address, --phone, --national-id, or --order", ErrUsage)
	}
	for _, id := range ids {
		ps, err := w.keys.Find(id)
		if err != nil {
			return f, err
		}
		f.persons = append(f.persons, ps...)
	}
	var docs []string
	if ref := strings.TrimSpace(who.Order); ref != "" {
		named, err := w.ordersCalled(ctx, ref)
		if err != nil {
			return f, err
		}
		if len(named) == 0 {
			return f, fmt.Errorf("%w: %s", ErrUnknownRef, ref)
		}
		docs = named
	}
	f.persons = w.keys.Same(f.persons)
	if len(f.persons) > 0 {
		named, err := w.ordersNaming(ctx, f.persons)
		if err != nil {
			return f, err
		}
		docs = append(docs, named...)
	}
	slices.Sort(docs)
	f.orders = slices.Compact(docs)
	// Whoever else stands in these orders.
	inOrders, err := w.namedIn(ctx, f.orders)
	if err != nil {
		return f, err
	}
	known, err := w.keys.Known(inOrders)
	if err != nil {
		return f, err
	}
	for _, x := range known {
		switch {
		case slices.Contains(f.persons, x):
		case who.Order != "" || !w.keys.HasEmail(x):
			f.persons = append(f.persons, x)
		default:
			f.others++
		}
	}
	if f.persons = w.keys.Same(f.persons); len(f.persons) == 0 {
		return f, ErrNobody
	}
	return f, w.places(ctx, &f)
}

// ordersCalled are the orders, as SOURCE/order/ID, that a reference names.
func (w *work) ordersCalled(ctx context.Context, ref string) ([]string, error) {
	return w.db.Texts(ctx, `select distinct source || '/order/' || order_id from documents
		where order_id is not null and ($ref in (document_id, order_id, doc_ref, order_number, reference) or source || '/order/' || order_id = $ref
			or normal_reference($ref) = normal_reference(order_number)) order by 1`, duck.Named("ref", ref))
}

// bodies goes through what the archive holds of the sources whose answers are sealed. Each body is read once.
func (w *work) bodies(ctx context.Context, where string, take func(s seen, blobID int64, body []byte) error) error {
	type row struct {
		seen
		id      int64
		content archive.Content
	}
	var rows []row
	if err := w.db.Each(ctx, `select source, stream, key, fetched_at, blob_id, sha256, size, place_run, place_offset, place_length from blobs
		where source <> '`+bankSource+`' and (`+where+`) order by blob_id`, func(scan func(...any) error) error {
		var r row
		var sum string
		if err := scan(&r.source, &r.stream, &r.key, &r.at, &r.id, &sum, &r.content.Size, &r.content.Place.Run, &r.content.Place.Offset, &r.content.Place.Length); err != nil {
			return err
		}
		if err := r.content.SHA256.UnmarshalText([]byte(sum)); err != nil {
			return err
		}
		rows = append(rows, r)
		return nil
	}); err != nil {
		return err
	}
	for i, r := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.Progress != nil && i%500 == 499 {
			w.Progress(fmt.Sprintf("%d of %d answers looked through", i+1, len(rows)))
		}
		body, err := w.arch.ReadBlob(r.content)
		if err != nil {
			return err
		}
		if err := take(r.seen, r.id, body); err != nil {
			return err
		}
	}
	return nil
}

// places counts what the archive holds of those who were found.
func (w *work) places(ctx context.Context, f *found) error {
	ids := idSet(f.persons)
	return w.bodies(ctx, "true", func(s seen, _ int64, body []byte) error {
		if n := personal.Count(body, ids); n > 0 {
			f.values += n
			f.places = append(f.places, s)
		}
		return nil
	})
}

func idSet(ps []personal.Person) map[string]bool {
	ids := map[string]bool{}
	for _, x := range ps {
		ids[x.ID] = true
	}
	return ids
}

// A place is where in a body a document stands.
type docPlace struct{ order, locator string }

// docsIn are the places of documents in what a blob's key held when it was last read.
func (w *work) docsIn(ctx context.Context) (map[int64][]docPlace, error) {
	out := map[int64][]docPlace{}
	err := w.db.Each(ctx, `select blob_id, source || '/order/' || order_id, coalesce(locator, '$') from documents where order_id is not null
		union
		select l.blob_id, split_part(m.document_id, '/', 1) || '/order/' || d.order_id, coalesce(l.locator, '$') from line_matches as m
			inner join payout_lines as l using (line_id) inner join documents as d on d.document_id = m.document_id where l.locator is not null`,
		func(scan func(...any) error) error {
			var id int64
			var p docPlace
			if err := scan(&id, &p.order, &p.locator); err != nil {
				return err
			}
			out[id] = append(out[id], p)
			return nil
		})
	return out, err
}

// ordersNaming are the orders whose documents name one of ps.
func (w *work) ordersNaming(ctx context.Context, ps []personal.Person) ([]string, error) {
	by, err := w.ordersByPerson(ctx, idSet(ps))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, orders := range by {
		out = append(out, orders...)
	}
	return out, nil
}

// ordersByPerson are the orders whose documents name each of ids.
func (w *work) ordersByPerson(ctx context.Context, ids map[string]bool) (map[string][]string, error) {
	docs, err := w.docsIn(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	err = w.bodies(ctx, "true", func(_ seen, id int64, body []byte) error {
		if len(docs[id]) == 0 || personal.Count(body, ids) == 0 {
			return nil
		}
		for _, d := range docs[id] {
			for _, x := range personal.Tokens(at(body, d.locator)) {
				if ids[x] && !slices.Contains(out[x], d.order) {
					out[x] = append(out[x], d.order)
				}
			}
		}
		return nil
	})
	return out, err
}

// namedIn are the IDs of everyone named in the documents of orders.
func (w *work) namedIn(ctx context.Context, orders []string) ([]string, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	docs, err := w.docsIn(ctx)
	if err != nil {
		return nil, err
	}
	var in []string
	for id, places := range docs {
		if slices.ContainsFunc(places, func(d docPlace) bool { return slices.Contains(orders, d.order) }) {
			in = append(in, fmt.Sprint(id))
		}
	}
	sort.Strings(in)
	var out []string
	err = w.bodies(ctx, "blob_id in ("+strings.Join(in, ", ")+")", func(_ seen, id int64, body []byte) error {
		for _, d := range docs[id] {
			if slices.Contains(orders, d.order) {
				out = append(out, personal.Tokens(at(body, d.locator))...)
			}
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

// at is the part of a body that a locator names; the whole where there is no telling.
func at(body []byte, locator string) []byte {
	if len(body) > 0 && body[0] == 0x1e {
		return body // several answers about one document
	}
	start, end, err := jsonPlace(body, locator)
	if err != nil {
		return body
	}
	return body[start:end]
}

// A Kept is one thing that is kept of a person, for their right to see it.
type Kept struct {
	Source string    `json:"source"`
	Key    string    `json:"key"`
	At     time.Time `json:"fetched_at"`
	Values []string  `json:"values"`
}

// Person says what is kept of a person: each value once for every document it came in.
//
// Errors: ErrUsage, ErrNobody.
func (p *Project) Person(ctx context.Context, who Who) ([]Kept, Erased, error) {
	w, err := p.open(ctx, "person")
	if err != nil {
		return nil, Erased{}, err
	}
	defer w.close()
	f, err := w.persons(ctx, who)
	if err != nil {
		return nil, Erased{}, err
	}
	ids := idSet(f.persons)
	var out []Kept
	err = w.bodies(ctx, "true", func(s seen, _ int64, body []byte) error {
		if v := w.keys.Values(body, ids); len(v) > 0 {
			slices.Sort(v)
			out = append(out, Kept{s.source, s.key, s.at.UTC(), slices.Compact(v)})
		}
		return nil
	})
	return out, Erased{Persons: len(f.persons), Orders: f.orders, Others: f.others, Values: f.values}, err
}

// A LegalHold keeps what is about persons from being erased: of one person, of a source, of a period, or of what all
// the given ones have in common.
type LegalHold struct {
	Who        Who
	Source     string
	From, To   string // company-local dates, both inclusive; "" is open
	Reason, By string
	Everything bool
}

type holdNote struct {
	ID      string   `json:"hold_id,omitempty"`
	What    string   `json:"what,omitempty"` // in words, without the person
	Lookups []string `json:"lookups,omitempty"`
	Source  string   `json:"source,omitempty"`
	From    string   `json:"from,omitempty"`
	To      string   `json:"to,omitempty"`

	Release string `json:"release,omitempty"`

	Reason string `json:"reason"`
	By     string `json:"by"`
	At     string `json:"at"`
}

// HoldFor begins a legal hold.
//
// Errors: ErrUsage, ErrNobody: nothing was touched.
func (p *Project) HoldFor(ctx context.Context, h LegalHold) (id string, res Result, err error) {
	if err := needsReason(h.Reason, h.By); err != nil {
		return "", res, err
	}
	return p.hold(ctx, func(w *work) (holdNote, error) {
		n := holdNote{Source: h.Source, From: h.From, To: h.To, Reason: strings.TrimSpace(h.Reason), By: strings.TrimSpace(h.By)}
		var what []string
		if h.Who != (Who{}) {
			f, err := w.persons(ctx, h.Who)
			if err != nil {
				return n, err
			}
			for _, x := range f.persons {
				n.Lookups = append(n.Lookups, w.keys.Lookups(x)...)
			}
			slices.Sort(n.Lookups)
			n.Lookups = slices.Compact(n.Lookups)
			what = append(what, fmt.Sprintf("one person (%d keys)", len(f.persons)))
		}
		if h.Source != "" {
			if p.source(h.Source) == nil {
				return n, fmt.Errorf("%w: no source is called %q", ErrUsage, h.Source)
			}
			what = append(what, "source "+h.Source)
		}
		if h.From != "" || h.To != "" {
			what = append(what, strings.TrimSpace("from "+or(h.From, "the beginning")+" to "+or(h.To, "ever")))
		}
		if len(what) == 0 {
			if !h.Everything {
				return n, fmt.Errorf("%w: say what is held: a person, --source, --from and --to, or --everything", ErrUsage)
			}
			what = []string{"everything"}
		}
		n.What = strings.Join(what, ", ")
		n.ID, err = w.nextName(ctx, "h", "holds")
		return n, err
	})
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Release ends a hold.
//
// Errors: ErrUsage: nothing was touched.
func (p *Project) Release(ctx context.Context, id, reason, by string) (Result, error) {
	if err := needsReason(reason, by); err != nil {
		return Result{}, err
	}
	_, res, err := p.hold(ctx, func(w *work) (holdNote, error) {
		n, err := w.db.Count(ctx, "select count(*) from holds where hold_id = $id and released_at is null", duck.Named("id", id))
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: no hold %q is in force; kvitt hold --list lists them", ErrUsage, id)
		}
		return holdNote{Release: id, Reason: strings.TrimSpace(reason), By: strings.TrimSpace(by)}, err
	})
	return res, err
}

func (p *Project) hold(ctx context.Context, what func(*work) (holdNote, error)) (id string, res Result, err error) {
	w, err := p.open(ctx, "hold")
	if err != nil {
		return "", res, err
	}
	defer w.close()
	n, err := what(w)
	if err != nil {
		return "", res, err
	}
	if err := w.begin(ctx, "hold"); err != nil {
		return "", res, err
	}
	n.At = w.began.Format(timestamp)
	body, err := json.Marshal(n)
	if err != nil {
		return "", res, err
	}
	if _, err := w.run.AddNote("hold", body); err != nil {
		return "", res, err
	}
	res.RunID = w.runID
	return n.ID, res, w.bookAndPublish(ctx, "hold", false, &res, nil)
}

func (w *work) takeHold(ctx context.Context, body []byte) error {
	var n holdNote
	if err := json.Unmarshal(body, &n); err != nil {
		return fmt.Errorf("a hold in the archive: %w", err)
	}
	if n.Release != "" {
		return w.db.Exec(ctx, "update holds set released_by = $by, released_at = $at::timestamp, released_reason = $reason where hold_id = $id",
			duck.Named("by", n.By), duck.Named("at", n.At), duck.Named("reason", n.Reason), duck.Named("id", n.Release))
	}
	return w.db.Exec(ctx, `insert into holds by name select $id as hold_id, $what as what, nullif($source, '') as source, nullif($from, '')::date as from_date, nullif($to, '')::date as to_date,
		$reason as reason, $by as held_by, $at::timestamp as held_at, $note as note, $run::integer as run_no`,
		duck.Named("id", n.ID), duck.Named("what", n.What), duck.Named("source", n.Source), duck.Named("from", n.From), duck.Named("to", n.To),
		duck.Named("reason", n.Reason), duck.Named("by", n.By), duck.Named("at", n.At), duck.Named("note", string(body)), duck.Named("run", w.runNo))
}

// holds are those in force.
func (w *work) holds(ctx context.Context) ([]holdNote, error) {
	var out []holdNote
	err := w.db.Each(ctx, "select note from holds where released_at is null order by run_no", func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		var n holdNote
		err := json.Unmarshal([]byte(text), &n)
		out = append(out, n)
		return err
	})
	return out, err
}

// heldBy says which holds cover any of those who were found.
func (w *work) heldBy(ctx context.Context, f found) ([]string, error) {
	holds, err := w.holds(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, h := range holds {
		if len(h.Lookups) > 0 && !slices.ContainsFunc(f.persons, func(x personal.Person) bool {
			return slices.ContainsFunc(w.keys.Lookups(x), func(l string) bool { return slices.Contains(h.Lookups, l) })
		}) {
			continue
		}
		held := h.Source == "" && h.From == "" && h.To == ""
		for _, s := range f.places {
			if held {
				break
			}
			if held, err = w.covers(ctx, h, s); err != nil {
				return nil, err
			}
		}
		if held {
			out = append(out, fmt.Sprintf("%s holds %s: %s", h.ID, h.What, h.Reason))
		}
	}
	return out, nil
}

// covers reports whether a body is of a hold's source and period: by the dates of the documents in it, and else by
// when it came.
func (w *work) covers(ctx context.Context, h holdNote, s seen) (bool, error) {
	if h.Source != "" && h.Source != s.source {
		return false, nil
	}
	if h.From == "" && h.To == "" {
		return true, nil
	}
	n, err := w.db.Count(ctx, `
		with days as (
			select d.event_date as day from documents as d inner join blobs as b using (blob_id) where b.source = $source and b.stream = $stream and b.key = $key
			union all
			select l.event_at::date from payout_lines as l inner join blobs as b using (blob_id) where b.source = $source and b.stream = $stream and b.key = $key
		)
		select (select count(*) from days where day between coalesce(nullif($from, '')::date, '0001-01-01') and coalesce(nullif($to, '')::date, '9999-12-31'))
			+ case when (select count(*) from days) = 0 and $at::date between coalesce(nullif($from, '')::date, '0001-01-01') and coalesce(nullif($to, '')::date, '9999-12-31') then 1 else 0 end`,
		duck.Named("source", s.source), duck.Named("stream", s.stream), duck.Named("key", s.key), duck.Named("from", h.From), duck.Named("to", h.To), duck.Named("at", s.at.Format("2006-01-02")))
	return n > 0, err
}
