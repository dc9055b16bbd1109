package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/pipeline/personal"
)

// A Retention says how long what is about persons can be read. The zero value keeps it as long as accounting
// records are kept in Sweden.
type Retention struct {
	Personal string // "7y", "90d": of what was booked, after the end of the year it came in
	Unbooked string // of orders that came to nothing, after their last day; "" keeps them as the others
}

// ForAccounting is how long accounting information is kept: to the end of the seventh year after the calendar year in
// which the fiscal year ended (bokföringslagen 7 kap. 2 §).
const ForAccounting = "7y"

// A span is a number of years or days.
type span struct{ years, days int }

func parseSpan(s string) (span, error) {
	n, err := strconv.Atoi(strings.TrimRight(s, "dy"))
	switch {
	case err == nil && n > 0 && strings.HasSuffix(s, "y"):
		return span{years: n}, nil
	case err == nil && n > 0 && strings.HasSuffix(s, "d"):
		return span{days: n}, nil
	}
	return span{}, fmt.Errorf("%w: %q is no time to keep something; write 7y or 90d", ErrUsage, s)
}

// CheckSpan reports whether s says how long something is kept.
func CheckSpan(s string) error { _, err := parseSpan(s); return err }

// A Due is one class of what is kept about persons.
type Due struct {
	Class   string `json:"class"` // "booked 2019", "unbooked"
	Until   string `json:"kept_until"`
	Persons int    `json:"persons"`
	Due     int    `json:"due"`  // whose time is over and whom no hold keeps
	Held    int    `json:"held"` // whose time is over and whom a hold keeps
	ids     []string
}

// Retained says what is kept about persons, and until when; with apply it ends what is due, year by year, by
// destroying keys. Books, digests and archive stay as they are.
//
// Errors: ErrUsage.
func (p *Project) Retained(ctx context.Context, r Retention, apply bool, by string) ([]Due, Result, error) {
	var res Result
	if r.Personal == "" {
		r.Personal = ForAccounting
	}
	booked, err := parseSpan(r.Personal)
	if err != nil {
		return nil, res, err
	}
	w, err := p.open(ctx, "retention")
	if err != nil {
		return nil, res, err
	}
	defer w.close()
	now := w.began
	years, err := w.keys.Years()
	if err != nil {
		return nil, res, err
	}
	var out []Due
	for _, y := range years {
		all, err := w.keys.All(y)
		if err != nil {
			return nil, res, err
		}
		// What came in a year may belong to a fiscal year that ends in the next one.
		end := y
		if p.Settings.Company.FiscalYear != "" && p.Settings.Company.FiscalYear != "01-01" && booked.years > 0 {
			end++
		}
		until := time.Date(end+booked.years, 12, 31, 0, 0, 0, 0, time.UTC).AddDate(0, 0, booked.days)
		d := Due{Class: fmt.Sprintf("came in %d", y), Until: until.Format("2006-01-02"), Persons: len(all)}
		if now.After(until.AddDate(0, 0, 1)) {
			if err := w.due(ctx, &d, all); err != nil {
				return nil, res, err
			}
		}
		out = append(out, d)
	}
	if r.Unbooked != "" {
		after, err := parseSpan(r.Unbooked)
		if err != nil {
			return nil, res, err
		}
		before := now.AddDate(-after.years, 0, -after.days)
		d := Due{Class: "orders that came to nothing", Until: "last day + " + r.Unbooked}
		ps, err := w.unbooked(ctx, before)
		if err != nil {
			return nil, res, err
		}
		d.Persons = len(ps)
		if err := w.due(ctx, &d, ps); err != nil {
			return nil, res, err
		}
		out = append(out, d)
	}
	if !apply {
		return out, res, nil
	}
	n := erasureNote{Kind: "retention", By: by, Reason: "its time is over"}
	var what []string
	for _, d := range out {
		if len(d.ids) > 0 {
			n.Persons = append(n.Persons, d.ids...)
			what = append(what, fmt.Sprintf("%s: %d", d.Class, len(d.ids)))
		}
	}
	if len(n.Persons) == 0 {
		return out, res, nil
	}
	n.What = strings.Join(what, ", ")
	_, res, err = w.erase(ctx, "retention", n)
	return out, res, err
}

// due parts those whose time is over into those who are held and the others.
func (w *work) due(ctx context.Context, d *Due, all []personal.Person) error {
	holds, err := w.holds(ctx)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	if len(holds) > 0 {
		at := map[string][]seen{}
		ids := idSet(all)
		if slices.ContainsFunc(holds, func(h holdNote) bool { return h.Source != "" || h.From != "" || h.To != "" }) {
			if err := w.bodies(ctx, "true", func(s seen, _ int64, body []byte) error {
				for _, id := range personal.Tokens(body) {
					if ids[id] {
						at[id] = append(at[id], s)
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		for _, x := range all {
			by, err := w.heldBy(ctx, found{persons: []personal.Person{x}, places: at[x.ID]})
			if err != nil {
				return err
			}
			held[x.ID] = len(by) > 0
		}
	}
	for _, x := range all {
		if held[x.ID] {
			d.Held++
		} else {
			d.Due++
			d.ids = append(d.ids, x.ID)
		}
	}
	return nil
}

// unbooked are the persons who are named in orders that came to nothing before a day, and in no others.
func (w *work) unbooked(ctx context.Context, before time.Time) ([]personal.Person, error) {
	idle, err := w.db.Texts(ctx, fmt.Sprintf(`select distinct o.source || '/order/' || o.order_id from documents as o
		where o.kind = 'order' and coalesce(o.changed_at, o.event_at) < timestamp '%s'
			and not exists (select 1 from documents as d where d.source = o.source and d.order_id = o.order_id and d.kind <> 'order')
			and not exists (select 1 from line_matches as m inner join documents as d using (document_id) where d.source = o.source and d.order_id = o.order_id)`,
		before.UTC().Format(timestamp)))
	if err != nil || len(idle) == 0 {
		return nil, err
	}
	ids, err := w.namedIn(ctx, idle)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for _, id := range ids {
		set[id] = true
	}
	by, err := w.ordersByPerson(ctx, set)
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		return slices.ContainsFunc(by[id], func(o string) bool { return !slices.Contains(idle, o) })
	})
	return w.keys.Known(ids)
}
