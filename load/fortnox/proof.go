package fortnox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"

	"github.com/kvitt/kvitt/load"
)

// attach connects the provider's report with the voucher it is the evidence of. The file goes to the inbox of
// vouchers first; the connection counts, and is looked up before it is made.
func (t *Target) attach(ctx context.Context, d load.Document, v *wireVoucher, year int, again bool) (load.Part, error) {
	type connection struct {
		FileID        text    `json:"FileId"`
		VoucherNumber text    `json:"VoucherNumber"`
		VoucherSeries text    `json:"VoucherSeries"`
		VoucherYear   intText `json:"VoucherYear,omitempty"`
	}
	part := load.Part{Kind: "file"}
	body, err := t.o.Report(ctx, d.Proof.Blob)
	if err != nil {
		return part, err
	}
	number := strconv.Itoa(int(v.VoucherNumber))
	find := func() (*connection, error) {
		var found *connection
		q := url.Values{"vouchernumber": {number}, "voucherseries": {string(v.VoucherSeries)}, "voucheryear": {strconv.Itoa(year)}}
		err := list(ctx, t, "/voucherfileconnections", "VoucherFileConnections", q, func(c connection) string { return string(c.FileID) }, func(c connection) bool {
			if string(c.VoucherNumber) == number && c.VoucherSeries == v.VoucherSeries && (c.VoucherYear == 0 || int(c.VoucherYear) == year) {
				found = &c
			}
			return found == nil
		})
		return found, err
	}
	c, err := once(ctx, t, again, find, func() (*connection, error) {
		id, err := t.upload(ctx, clean(d.Proof.Name, 100), body)
		if err != nil {
			return nil, err
		}
		made := connection{FileID: text(id), VoucherNumber: text(number), VoucherSeries: v.VoucherSeries, VoucherYear: intText(year)}
		err = t.write(ctx, http.MethodPost, "/voucherfileconnections", nil, map[string]any{"VoucherFileConnection": made}, nil)
		return &made, err
	})
	var e *Error
	if errors.As(err, &e) && e.Class != retry || errors.Is(err, errUpload) {
		// The books are right without it: say so, and go on.
		t.o.Log.Warn("fortnox: the report could not be attached to its voucher", "voucher", string(v.VoucherSeries)+number, "why", err)
		return part, nil
	}
	if err != nil {
		return part, err
	}
	part.Number = string(c.FileID)
	return part, nil
}

var errUpload = errors.New("the file was not taken")

func (t *Target) upload(ctx context.Context, name string, content []byte) (string, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="file"; filename=%q`, name))
	h.Set("Content-Type", "application/octet-stream")
	p, err := w.CreatePart(h)
	if err != nil {
		return "", err
	}
	if _, err := p.Write(content); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	answer, err := t.do(ctx, http.MethodPost, "/inbox", url.Values{"path": {"inbox_v"}}, w.FormDataContentType(), b.Bytes())
	if err != nil {
		return "", err
	}
	var got struct {
		File struct {
			ID            text `json:"Id"`
			ArchiveFileID text `json:"ArchiveFileId"`
		}
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.File.ID == "" {
		return "", errUpload
	}
	return string(got.File.ID), nil
}
