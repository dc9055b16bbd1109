// Package notify tells people what a run did: what was booked, what is held and why, and what needs
// them. It names documents and amounts, and nobody: what a customer is called is in no summary.
package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/netip"
	"net/smtp"
	"net/url"
	"strings"
	"time"

	"github.com/kvitt/kvitt/pipeline"
)

// A Summary is what a run did and left.
type Summary struct {
	Company string
	At      time.Time // in the company's time zone
	Command string
	Result  pipeline.Result
	Err     error   // what went wrong, or nil
	Open    []Group // what needs a person, by kind
	Items   []Item  // the newest of it
	Link    string  // where the console is, or ""

	ids string // of all that is open
}

// A Group counts exceptions of one kind.
type Group struct {
	Kind  string
	Count int64
}

// An Item is an exception.
type Item struct {
	ID, Kind, Source, Document, Amount, Currency, Reason, Suggestion string
}

// shown is how many exceptions a summary spells out.
const shown = 10

// Of makes the summary of a run. The published ledger is read for what needs a person.
func Of(ctx context.Context, p *pipeline.Project, command string, res pipeline.Result, runErr error, link string) (Summary, error) {
	s := Summary{Company: p.Settings.Company.Name, At: p.Now(), Command: command, Result: res, Err: runErr, Link: link}
	if zone, err := time.LoadLocation(p.Settings.Company.TimeZone); err == nil {
		s.At = s.At.In(zone)
	}
	db, err := p.Reader(ctx)
	if errors.Is(err, pipeline.ErrUsage) {
		return s, nil // nothing is published yet
	}
	if err != nil {
		return s, err
	}
	defer db.Close()
	sum := sha256.New()
	if err := db.Each(ctx, "select kind, count(*), md5(string_agg(exception_id::varchar, ' ' order by exception_id::varchar)) from recon.exceptions where status = 'open' group by kind order by count(*) desc, kind", func(scan func(...any) error) error {
		var g Group
		var ids string
		if err := scan(&g.Kind, &g.Count, &ids); err != nil {
			return err
		}
		fmt.Fprintln(sum, g.Kind, ids)
		s.Open = append(s.Open, g)
		return nil
	}); err != nil {
		return s, err
	}
	s.ids = hex.EncodeToString(sum.Sum(nil))
	err = db.Each(ctx, fmt.Sprintf(`select exception_id::varchar, kind, coalesce(source, ''), coalesce(document_id, ''), coalesce(amount::varchar, ''), coalesce(currency, ''),
			coalesce(reason, ''), coalesce(suggestion, '')
		from recon.exceptions where status = 'open' order by opened_at desc nulls last, exception_id limit %d`, shown), func(scan func(...any) error) error {
		var i Item
		if err := scan(&i.ID, &i.Kind, &i.Source, &i.Document, &i.Amount, &i.Currency, &i.Reason, &i.Suggestion); err != nil {
			return err
		}
		s.Items = append(s.Items, i)
		return nil
	})
	return s, err
}

// State names what is wrong, so that the same trouble is told once.
func (s Summary) State() string {
	return fmt.Sprintf("%t %d %s", s.Err != nil, s.Result.Held, s.ids)
}

// Trouble reports whether it failed or left something for a person.
func (s Summary) Trouble() bool { return s.Err != nil || s.Result.NeedsPerson() || len(s.Open) > 0 }

// Wanted reports whether it is to be told, after told was the last State that was.
//
// when is always; trouble, when what is wrong is not what was wrong; or news, then and when anything
// was booked or posted.
func (s Summary) Wanted(when, told string) bool {
	changed := s.State() != told && (s.Trouble() || told != "")
	switch when {
	case "always":
		return true
	case "trouble":
		return changed
	}
	return changed || s.Result.Entries > 0 || s.Result.Posted > 0
}

// Subject is one line.
func (s Summary) Subject() string {
	what := fmt.Sprintf("%d booked", s.Result.Entries)
	if s.Result.Posted > 0 {
		what += fmt.Sprintf(", %d posted", s.Result.Posted)
	}
	n := int64(0)
	for _, g := range s.Open {
		n += g.Count
	}
	switch {
	case s.Err != nil && s.Result.Digest == "":
		what = "the run failed"
	case s.Err != nil:
		what = "not everything could be read; " + what
	}
	if n > 0 {
		what += fmt.Sprintf(", %d need a person", n)
	}
	return fmt.Sprintf("kvitt: %s: %s", s.Company, what)
}

// Text is the whole of it.
func (s Summary) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s\n\n", s.Company, s.At.Format("2006-01-02 15:04"))
	r := s.Result
	if r.Digest != "" {
		fmt.Fprintf(&b, "Read: %d new answers and files\nBooked: %d entries\nPosted: %d vouchers\nHeld: %d payouts\n", r.Records, r.Entries, r.Posted, r.Held)
	}
	if s.Err != nil {
		fmt.Fprintf(&b, "\nWhat went wrong:\n%s\nIt is tried again. kvitt check says whether keys and connections work.\n", indent(s.Err.Error()))
	}
	if len(s.Open) > 0 {
		b.WriteString("\nNeeds a person:\n")
		for _, g := range s.Open {
			fmt.Fprintf(&b, "  %d %s\n", g.Count, strings.ReplaceAll(g.Kind, "_", " "))
		}
		fmt.Fprintf(&b, "\nThe newest:\n")
		for _, i := range s.Items {
			fmt.Fprintf(&b, "- %s %s %s %s\n  %s\n", i.Source, i.Document, i.Amount, i.Currency, oneLine(i.Reason))
			if i.Suggestion != "" {
				fmt.Fprintf(&b, "  What to do: %s\n", oneLine(i.Suggestion))
			}
			if s.Link != "" {
				fmt.Fprintf(&b, "  %s/exceptions/%s\n", s.Link, url.PathEscape(i.ID))
			}
		}
	} else if r.Digest != "" {
		b.WriteString("\nNothing needs a person.\n")
	}
	if r.RunID != "" {
		fmt.Fprintf(&b, "\nRun %s", r.RunID)
		if s.Link != "" {
			fmt.Fprintf(&b, ": %s/", s.Link)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// A Sender tells people something.
type Sender interface {
	Send(ctx context.Context, at time.Time, subject, text string) error
}

// Mail sends by a mail server.
type Mail struct {
	Server             string // host:port; TLS from the beginning on port 465, by STARTTLS on others
	Username, Password string
	From               string
	To                 []string
	TLS                *tls.Config // nil: the machine's own
}

// Send sends one message to everyone in To. Without TLS it sends to this machine only.
func (m Mail) Send(ctx context.Context, at time.Time, subject, text string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("mail to %s: %w", m.Server, err)
		}
	}()
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	conn, err := (&net.Dialer{Timeout: 15 * time.Second}).DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A server that says nothing more is left.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if m.TLS != nil {
		secure = m.TLS.Clone()
	}
	secure.ServerName = host
	isTLS := port == "465"
	if isTLS {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	defer c.Close()
	if ok, _ := c.Extension("STARTTLS"); ok && !isTLS {
		if err := c.StartTLS(secure); err != nil {
			return err
		}
		isTLS = true
	}
	if !isTLS && !isLoopback(host) {
		return errors.New("the server offers no TLS; the message would cross the network in the clear")
	}
	if m.Username != "" {
		if err := c.Auth(smtp.PlainAuth("", m.Username, m.Password, host)); err != nil {
			return err
		}
	}
	if err := c.Mail(m.From); err != nil {
		return err
	}
	for _, to := range m.To {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.message(at, subject, text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

func (m Mail) message(at time.Time, subject, text string) []byte {
	var b bytes.Buffer
	sum := sha256.Sum256([]byte(at.String() + subject + text))
	_, domain, _ := strings.Cut(m.From, "@")
	fmt.Fprintf(&b, "From: kvitt <%s>\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n", m.From, strings.Join(m.To, ", "),
		mime.QEncoding.Encode("utf-8", oneLine(subject)), at.Format(time.RFC1123Z), hex.EncodeToString(sum[:12]), domain)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\nAuto-Submitted: auto-generated\r\n\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(q, strings.ReplaceAll(text, "\n", "\r\n"))
	_ = q.Close()
	return b.Bytes()
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// A Chat is an address that takes {"text": …}, as Slack's incoming webhooks do.
type Chat struct {
	URL    string // a secret
	Client *http.Client
}

// escaped is how Slack wants the three characters that mean something to it.
var escaped = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Send posts subject and text as one message.
func (c Chat) Send(ctx context.Context, _ time.Time, subject, text string) error {
	body, err := json.Marshal(map[string]string{"text": escaped.Replace("*" + oneLine(subject) + "*\n" + text)})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("message: its address cannot be used") // without the address, which is a secret
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return fmt.Errorf("message: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("message: the answer was %s", resp.Status)
	}
	return nil
}
