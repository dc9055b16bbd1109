package klarna

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

// beginning is sent for a window without a beginning: what an absent start_date means
// is not documented. Klarna has no settlements older than that.
var beginning = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)

// payoutList yields the pages of the list of payouts dated within w.
func (q *sequence) payoutList(ctx context.Context, w extract.Window) {
	if w.Until.IsZero() {
		q.Fail(fmt.Errorf("%w: a window without an end", extract.ErrRefused), "")
		return
	}
	if !w.Since.Before(w.Until) {
		return
	}
	since := w.Since.UTC().Truncate(time.Second)
	if w.Since.IsZero() {
		since = beginning
	}
	// Klarna's end is inclusive: the last second before Until.
	until := w.Until.UTC().Add(-time.Nanosecond).Truncate(time.Second)
	p := pages{
		client: q.client, path: "/settlements/v1/payouts", list: "payouts",
		query: url.Values{"start_date": {since.Format(time.RFC3339)}, "end_date": {until.Format(time.RFC3339)}},
		key:   fmt.Sprintf("payouts?since=%s&until=%s", day(since, "00:00:00"), day(until, "23:59:59")),
	}
	for b, err := range p.all(ctx) {
		if err != nil {
			q.Fail(err, "")
			return
		}
		if !q.Yield(b, nil) {
			return
		}
	}
}

// day writes t as a date when its time is the one that a whole day has there, else in full.
func day(t time.Time, whole string) string {
	if t.Format(time.TimeOnly) == whole {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}

// payout returns one payout, or the answer that there is none.
func (c *client) payout(ctx context.Context, ref string) ([]extract.Blob, error) {
	path := "/settlements/v1/payouts/" + url.PathEscape(ref)
	key := "payout/" + url.PathEscape(ref)
	return c.one(ctx, ref, path, key, "payment_reference")
}

// order returns one order, or the answer that there is none.
func (c *client) order(ctx context.Context, id string) ([]extract.Blob, error) {
	path := "/ordermanagement/v1/orders/" + url.PathEscape(id)
	key := "order/" + url.PathEscape(id)
	return c.one(ctx, id, path, key, "order_id")
}

// one returns the document at path, whose field named idField must be id.
func (c *client) one(ctx context.Context, id, path, key, idField string) ([]extract.Blob, error) {
	if err := extract.CheckID(id, 255); err != nil {
		return nil, extract.At(err, "", key)
	}
	a, err := c.get(ctx, path, nil)
	if err != nil {
		return nil, extract.At(err, path, key)
	}
	if !a.gone {
		if err := names(a.body, idField, id); err != nil {
			return nil, extract.At(extract.Advise(err, c.wrongBase()), path, key)
		}
	}
	return []extract.Blob{{Key: key, At: c.now().UTC(), Type: a.typ, Body: a.body, Gone: a.gone}}, nil
}

// names checks that body is a JSON object whose field is id.
//
// Errors: wrap ErrMalformed.
func names(body []byte, field, id string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		return fmt.Errorf("%w: not a JSON object: %w", extract.ErrMalformed, err)
	}
	var got string
	if err := json.Unmarshal(object[field], &got); err != nil {
		return fmt.Errorf("%w: %s is missing or no string", extract.ErrMalformed, field)
	}
	if !strings.EqualFold(got, id) {
		return fmt.Errorf("%w: %q was asked for, %q came", extract.ErrMalformed, extract.Clip(id), extract.Clip(got))
	}
	return nil
}

// payoutLines returns every page of one payout's lines, or the answer that there is no such payout.
func (c *client) payoutLines(ctx context.Context, ref string) ([]extract.Blob, error) {
	key := "payout_lines/" + url.PathEscape(ref)
	if err := extract.CheckID(ref, 255); err != nil {
		return nil, extract.At(err, "", key)
	}
	p := pages{
		client: c, path: "/settlements/v1/transactions", list: "transactions",
		query: url.Values{"payment_reference": {ref}},
		key:   key, mayBeGone: true,
	}
	var blobs []extract.Blob
	for b, err := range p.all(ctx) {
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, b)
	}
	return blobs, nil
}
