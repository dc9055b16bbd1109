package qliro

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

const (
	adminAPI = "/checkout/adminapi/v2"
	slashed  = "2006/01/02" // how Qliro writes a day in a query
	// maxDays bounds a query by date: 61 days for settlements, 60 for bank transfers; for batches
	// no limit is documented. 60 days, both ends counted, are within each.
	maxDays = 60
)

// beginning is sent for a window without a beginning. Qliro began in 2014.
var beginning = time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)

// A span is some whole days, both inclusive.
type span struct{ from, to time.Time }

func (s span) key() string {
	return fmt.Sprintf("payouts?from=%s&to=%s", s.from.Format(time.DateOnly), s.to.Format(time.DateOnly))
}

// spans cuts a window into queries Qliro accepts: none with today or later in it, none longer
// than maxDays. Two that follow each other share a day: whether a batch late on the last
// day of a query belongs to it is not documented.
func spans(w extract.Window, now time.Time) []span {
	day := func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
	// A window may begin in the evening before its first day, which is local; a day more costs nothing.
	from := day(w.Since)
	if w.Since.Before(beginning) {
		from = beginning
	}
	// Whose today counts is not documented; UTC's is never ahead of Sweden's.
	to := day(w.Until.Add(-time.Nanosecond))
	if yesterday := day(now).AddDate(0, 0, -1); to.After(yesterday) {
		to = yesterday
	}
	var out []span
	for !from.After(to) {
		last := from.AddDate(0, 0, maxDays-1)
		if !last.Before(to) {
			return append(out, span{from, to})
		}
		out = append(out, span{from, last})
		from = last
	}
	return out
}

// batches yields the list of batches transferred within w, a blob per query.
func (q *sequence) batches(ctx context.Context, w extract.Window) {
	if w.Until.IsZero() {
		q.Fail(fmt.Errorf("%w: a window without an end", extract.ErrRefused), "")
		return
	}
	if err := ctx.Err(); err != nil {
		q.Fail(err, "")
		return
	}
	if !w.Since.Before(w.Until) {
		return
	}
	byKey := map[string]span{}
	var ids []string
	for _, s := range spans(w, q.client.now()) {
		byKey[s.key()] = s
		ids = append(ids, s.key())
	}
	q.Whole = true
	q.Ahead(ctx, ahead, ids, func(ctx context.Context, key string) ([]extract.Blob, error) {
		return q.client.batchList(ctx, byKey[key])
	})
}

// batchList returns the batches of some days. When Qliro's yesterday is not ours, the last
// day is left for another run.
func (c *client) batchList(ctx context.Context, s span) ([]extract.Blob, error) {
	const path = adminAPI + "/settlements/GetSettlementBatches"
	a, err := c.get(ctx, path, url.Values{"FromBatchDate": {s.from.Format(slashed)}, "ToBatchDate": {s.to.Format(slashed)}})
	if errors.Is(err, errNotSettled) && s.to.After(s.from) {
		s.to = s.to.AddDate(0, 0, -1)
		a, err = c.get(ctx, path, url.Values{"FromBatchDate": {s.from.Format(slashed)}, "ToBatchDate": {s.to.Format(slashed)}})
	}
	if err == nil && a.gone {
		err = extract.Advise(fmt.Errorf("%w: 404 for a list", extract.ErrRefused), c.wrongBase())
	}
	if err == nil {
		_, err = list(a.body, "SettlementBatches")
		err = c.advise(err)
	}
	if err != nil {
		return nil, extract.At(err, path+" "+s.key(), s.key())
	}
	return []extract.Blob{{Key: s.key(), At: c.now().UTC(), Type: a.typ, Body: a.body}}, nil
}

// batchLines returns the lines of one batch, or the answer that there is none. id is
// "501", or "501/38625/36750" with the two sums its header may mean.
func (c *client) batchLines(ctx context.Context, id string) ([]extract.Blob, error) {
	const path = adminAPI + "/settlements/GetSettlementsByBatchId"
	number, sums, hasSums := strings.Cut(id, "/")
	key := "payout_lines/" + url.PathEscape(number)
	if hasSums {
		total, less, _ := strings.Cut(sums, "/")
		key += "?total=" + url.QueryEscape(total) + "&less_fees=" + url.QueryEscape(less)
	}
	if _, err := strconv.ParseInt(number, 10, 64); err != nil {
		return nil, extract.At(fmt.Errorf("%w: %q is no batch; its Id is a whole number", extract.ErrRefused, extract.Clip(number)), "", key)
	}
	a, err := c.get(ctx, path, url.Values{"Id": {number}})
	if err == nil && !a.gone {
		_, err = list(a.body, "Settlements")
		err = c.advise(err)
	}
	if err != nil {
		return nil, extract.At(err, path+" Id "+number, key)
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}}, nil
}

// order returns one order, or the answer that there is none. An order may be asked for by its
// merchant reference too, when that is no number.
func (c *client) order(ctx context.Context, id string) ([]extract.Blob, error) {
	key := "order/" + url.PathEscape(id)
	if err := extract.CheckID(id, 255); err != nil {
		return nil, extract.At(err, "", key)
	}
	path := adminAPI + "/orders/" + url.PathEscape(id)
	a, err := c.get(ctx, path, nil)
	if err == nil && !a.gone {
		err = c.advise(names(a.body, id))
	}
	if err != nil {
		return nil, extract.At(err, path, key)
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}}, nil
}

// list returns how many elements the named list in body has; null is an empty one.
//
// Errors: wrap ErrMalformed.
func list(body []byte, name string) (int, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return 0, fmt.Errorf("%w: not a JSON object: %w", extract.ErrMalformed, err)
	}
	raw, ok := doc[name]
	if !ok {
		return 0, fmt.Errorf("%w: %s is missing", extract.ErrMalformed, name)
	}
	var elements []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return 0, fmt.Errorf("%w: %s is no list of objects", extract.ErrMalformed, name)
	}
	return len(elements), nil
}

// names checks that body is the order id asks for. A number asks for an OrderId and nothing
// else: the same path answers to merchant references, and a shop's may be numbers.
//
// Errors: wrap ErrMalformed, or ErrRefused for the order of another merchant reference.
func names(body []byte, id string) error {
	var doc struct {
		OrderID   any `json:"OrderId"`
		Reference any `json:"MerchantReference"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return fmt.Errorf("%w: not a JSON object: %w", extract.ErrMalformed, err)
	}
	got := text(doc.OrderID)
	if got == "" {
		return fmt.Errorf("%w: OrderId is missing", extract.ErrMalformed)
	}
	_, err := strconv.ParseInt(id, 10, 64)
	isNumber := err == nil
	reference := text(doc.Reference)
	switch {
	case got == id || isNumber && got == strings.TrimLeft(id, "0"):
		return nil
	case !isNumber && strings.EqualFold(reference, id):
		return nil
	case isNumber && reference == id:
		return extract.Advise(fmt.Errorf("%w: there is no order with the ID %s, but order %s has it as its merchant reference", extract.ErrRefused, id, extract.Clip(got)),
			"if that order is meant, ask for "+extract.Clip(got))

	}
	return fmt.Errorf("%w: %q was asked for, order %q came", extract.ErrMalformed, extract.Clip(id), extract.Clip(got))
}

// text writes an ID that may be a JSON number or string.
func text(v any) string {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case string:
		return v
	}
	return ""
}
