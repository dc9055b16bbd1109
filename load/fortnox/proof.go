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
	"time"

	"github.com/kvitt/kvitt/load"
)

// A fileLink connects a file of the archive with a voucher.
type fileLink struct {
	FileID        text    `json:"FileId"`
	VoucherNumber text    `json:"VoucherNumber"`
	VoucherSeries text    `json:"VoucherSeries"`
	VoucherYear   intText `json:"VoucherYear,omitempty"`
}

func (l fileLink) voucher() string {
	return string(l.VoucherSeries) + " " + string(l.VoucherNumber) + " " + strconv.Itoa(int(l.VoucherYear))
}

// attach connects the provider's report with the voucher it is the evidence of. The file goes to the inbox of vouchers
// first. Connections can be asked for by file only, or all together; so an interrupted one is looked for among all, and a file
// that may have been uploaded is looked for in the inbox by its name.
func (t *Target) attach(ctx context.Context, d load.Document, v *wireVoucher, year int, again bool) (load.Part, error) {
	part := load.Part{Kind: "file"}
	body, err := t.o.Report(ctx, d.Proof.Blob)
	if err != nil {
		return part, err
	}
	link := fileLink{VoucherNumber: text(strconv.Itoa(int(v.VoucherNumber))), VoucherSeries: v.VoucherSeries, VoucherYear: intText(year)}
	id, err := t.link(ctx, link, clean(d.Proof.Name, 100), body, again)
	var e *Error
	if errors.As(err, &e) && e.Class != retry || errors.Is(err, errUpload) {
		// The books are right without it: say so, and go on.
		t.o.Log.Warn("fortnox: the report could not be attached to its voucher", "voucher", link.voucher(), "why", err)
		return part, nil
	}
	part.Number = string(id)
	return part, err
}

func (t *Target) link(ctx context.Context, link fileLink, name string, body []byte, again bool) (text, error) {
	if again {
		if err := t.quiet(ctx); err != nil {
			return "", err
		}
		there, err := t.linksBefore(ctx, link)
		if err != nil || there != "" {
			return there, err
		}
	}
	var last error
	for try := range maxCreates {
		if try > 0 {
			wait := 2 * time.Second
			if timedOut(last) {
				wait = settled
			}
			if err := t.o.Sleep(ctx, wait); err != nil {
				return "", fmt.Errorf("%w: %w", load.ErrUnsure, err)
			}
		}
		if link.FileID != "" { // was it connected after all?
			var got struct{ VoucherFileConnection *fileLink }
			err := t.get(ctx, "/voucherfileconnections/"+url.PathEscape(string(link.FileID)), nil, &got)
			var e *Error
			if err == nil && got.VoucherFileConnection != nil {
				return link.FileID, nil
			} else if err != nil && (!errors.As(err, &e) || e.Class == stop) {
				return "", fmt.Errorf("%w: %w", load.ErrUnsure, err)
			}
		}
		if link.FileID == "" && (again || try > 0) {
			link.FileID = t.inInbox(ctx, name)
		}
		if link.FileID == "" {
			id, err := t.upload(ctx, name, body)
			if err != nil {
				if last = err; errors.Is(err, load.ErrUnsure) && ctx.Err() == nil {
					continue
				}
				return "", err
			}
			link.FileID = text(id)
		}
		err := t.write(ctx, http.MethodPost, "/voucherfileconnections", nil, map[string]any{"VoucherFileConnection": link}, nil)
		if err == nil {
			return link.FileID, nil
		}
		if last = err; !errors.Is(err, load.ErrUnsure) || ctx.Err() != nil {
			return "", err
		}
	}
	return "", last
}

// linksBefore returns the file that was connected with a voucher before this process began, "" for none. Of a company with
// very many it is not known, and the report may be there a second time.
func (t *Target) linksBefore(ctx context.Context, link fileLink) (text, error) {
	t.looking.Lock()
	defer t.looking.Unlock()
	if t.before.links == nil {
		var err error
		t.before.links, err = take(ctx, t, "/voucherfileconnections", "VoucherFileConnections", nil, func(l fileLink) string { return string(l.FileID) }, fileLink.voucher)
		if err != nil {
			return "", err
		}
	}
	whole := link.voucher()
	link.VoucherYear = 0 // lists may leave it out
	for _, key := range []string{whole, link.voucher()} {
		if got := t.before.links.by[key]; len(got) > 0 {
			return got[0].FileID, nil
		}
	}
	return "", nil
}

// inInbox returns the file of that name that waits in the inbox of vouchers, "" for none, or when it cannot be told.
func (t *Target) inInbox(ctx context.Context, name string) text {
	var got struct {
		Folder struct {
			Files []struct {
				ID   text `json:"Id"`
				Name text
			}
		}
	}
	if err := t.get(ctx, "/inbox/"+inbox, nil, &got); err != nil {
		return ""
	}
	for _, f := range got.Folder.Files {
		if string(f.Name) == name {
			return f.ID
		}
	}
	return ""
}

// inbox is the folder of files that belong with vouchers.
const inbox = "inbox_v"

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
	answer, err := t.do(ctx, http.MethodPost, "/inbox", url.Values{"path": {inbox}}, w.FormDataContentType(), b.Bytes())
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
