package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/kvitt/kvitt/pipeline"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func trouble() Summary {
	return Summary{Company: "Å & Ö <Handel>", At: noon, Link: "https://kvitt.exempel.se", Err: errors.New("klarna payouts: try again later"),
		Result: pipeline.Result{RunID: "r1", Digest: "d", Entries: 7, Posted: 2, Exceptions: 1, Held: 1},
		Open:   []Group{{"payout_does_not_add_up", 1}},
		Items:  []Item{{"x-1", "payout_does_not_add_up", "klarna", "payout/P1", "-10.00", "SEK", "its rows\nmiss its total by 10.00", "ask Klarna"}}}
}

func TestASummarySaysWhatWasBookedAndWhatNeedsAPerson(t *testing.T) {
	s := trouble()
	if got, want := s.Subject(), "kvitt: Å & Ö <Handel>: not everything could be read; 7 booked, 2 posted, 1 need a person"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	for _, want := range []string{"Booked: 7 entries", "Held: 1 payouts", "try again later", "1 payout does not add up", "klarna payout/P1 -10.00 SEK", "its rows miss its total by 10.00", "What to do: ask Klarna", "https://kvitt.exempel.se/exceptions/x-1"} {
		if !strings.Contains(s.Text(), want) {
			t.Errorf("it does not say %q:\n%s", want, s.Text())
		}
	}
	quiet := Summary{Company: "A", Result: pipeline.Result{Digest: "d"}}
	if !strings.Contains(quiet.Text(), "Nothing needs a person") {
		t.Error(quiet.Text())
	}
	// The same trouble is told once; its end is told too.
	for _, tt := range []struct {
		s          Summary
		when, told string
		want       bool
	}{
		{quiet, "always", "", true},
		{quiet, "news", "", false},
		{quiet, "news", quiet.State(), false},
		{quiet, "trouble", s.State(), true},
		{Summary{Result: pipeline.Result{Entries: 1}}, "news", "", true},
		{Summary{Result: pipeline.Result{Entries: 1}}, "trouble", "", false},
		{Summary{Err: errors.New("x")}, "trouble", "", true},
		{Summary{Err: errors.New("x")}, "trouble", Summary{Err: errors.New("y")}.State(), false},
		{Summary{Open: []Group{{"a", 1}}, ids: "2"}, "trouble", Summary{ids: "1"}.State(), true},
	} {
		if got := tt.s.Wanted(tt.when, tt.told); got != tt.want {
			t.Errorf("%+v, %s after %q: %t", tt.s, tt.when, tt.told, got)
		}
	}
}

// server is a mail server that keeps what it gets.
func server(t *testing.T, lines chan<- string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		defer close(lines)
		fmt.Fprint(c, "220 mail ready\r\n")
		r := bufio.NewReader(c)
		data := false
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimRight(line, "\r\n")
			lines <- line
			switch {
			case data && line == ".":
				data = false
				fmt.Fprint(c, "250 kept\r\n")
			case data:
			case strings.HasPrefix(line, "EHLO"):
				fmt.Fprint(c, "250-mail\r\n250 8BITMIME\r\n")
			case line == "DATA":
				data = true
				fmt.Fprint(c, "354 go on\r\n")
			case line == "QUIT":
				fmt.Fprint(c, "221 bye\r\n")
				return
			default:
				fmt.Fprint(c, "250 ok\r\n")
			}
		}
	}()
	return l.Addr().String()
}

func TestMail(t *testing.T) {
	lines := make(chan string, 1000)
	m := Mail{Server: server(t, lines), From: "kvitt@exempel.se", To: []string{"a@exempel.se", "b@exempel.se"}}
	s := trouble()
	s.Company = "Å\r\nBcc: x@exempel.se"
	if err := m.Send(context.Background(), noon, s.Subject(), s.Text()); err != nil {
		t.Fatal(err)
	}
	var all []string
	for l := range lines {
		all = append(all, l)
	}
	text := strings.Join(all, "\r\n")
	for _, want := range []string{"MAIL FROM:<kvitt@exempel.se>", "RCPT TO:<a@exempel.se>", "RCPT TO:<b@exempel.se>"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	_, message, _ := strings.Cut(text, "DATA\r\n")
	message, _, _ = strings.Cut(message, "\r\n.\r\n")
	got, err := mail.ReadMessage(strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Bcc") != "" {
		t.Error("a name became a header")
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "kvitt: Å Bcc: x@exempel.se: ") {
		t.Errorf("subject %q, %v", subject, err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	if err != nil || !strings.Contains(string(body), "miss its total by 10.00") {
		t.Errorf("%v: %s", err, body)
	}
}

func TestChat(t *testing.T) {
	var said string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Text string }
		_ = json.NewDecoder(r.Body).Decode(&m)
		said = m.Text
		if r.URL.Path != "/ok" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer srv.Close()
	s := trouble()
	if err := (Chat{srv.URL + "/ok", srv.Client()}).Send(context.Background(), noon, s.Subject(), s.Text()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said, "Å &amp; Ö &lt;Handel&gt;") || !strings.Contains(said, "Booked: 7") {
		t.Errorf("said %s", said)
	}
	for _, url := range []string{srv.URL + "/secret-path", "http://127.0.0.1:1/secret-path"} {
		err := (Chat{url, srv.Client()}).Send(context.Background(), noon, "x", "y")
		if err == nil || strings.Contains(err.Error(), "secret-path") {
			t.Errorf("%v", err)
		}
	}
}
