package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/notify"
)

// A messenger tells people what runs did, beside them: a mail server that is slow holds nothing up.
type messenger struct {
	cfg     config.Notify
	link    string
	log     *slog.Logger
	file    string // the state that was told last
	senders []notify.Sender
	pending sync.WaitGroup
	one     sync.Mutex
}

func (a *app) messenger(cfg *config.Config, lg *slog.Logger) *messenger {
	m := &messenger{cfg: cfg.Notify, link: cfg.Serve.PublicURL, log: lg, file: filepath.Join(cfg.DataDir, "notified")}
	if len(m.cfg.Email) > 0 {
		m.senders = append(m.senders, notify.Mail{Server: m.cfg.SMTP, Username: m.cfg.SMTPUsername, Password: m.cfg.SMTPPassword, From: m.cfg.From, To: m.cfg.Email})
	}
	if m.cfg.Webhook != "" {
		client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		m.senders = append(m.senders, notify.Chat{URL: m.cfg.Webhook, Client: client})
	}
	return m
}

// tell makes the summary of a run and sends it, if it is wanted. It does not wait.
func (m *messenger) tell(p *pipeline.Project, command string, res pipeline.Result, runErr error) {
	if len(m.senders) == 0 {
		return
	}
	small := *p
	small.Memory = "200MB"
	m.pending.Go(func() {
		m.one.Lock()
		defer m.one.Unlock()
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
		defer stop()
		s, err := notify.Of(ctx, &small, command, res, runErr, m.link)
		if err != nil {
			m.log.Error("the summary of a run could not be made", "err", err)
			return
		}
		told, _ := os.ReadFile(m.file)
		if !s.Wanted(m.cfg.When, strings.TrimSpace(string(told))) {
			return
		}
		sent := false
		for _, to := range m.senders {
			for try := range 3 {
				if err = to.Send(ctx, s.At, s.Subject(), s.Text()); err == nil {
					sent = true
					break
				}
				m.log.Error("the summary of a run could not be sent", "try", try+1, "err", err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(2+10*try) * time.Second):
				}
			}
		}
		if sent {
			_ = os.WriteFile(m.file, []byte(s.State()+"\n"), 0o600)
		}
	})
}

// wait waits for what is being sent, but not for ever.
func (m *messenger) wait(most time.Duration) {
	done := make(chan struct{})
	go func() { m.pending.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(most):
	}
}
