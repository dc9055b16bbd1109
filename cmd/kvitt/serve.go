package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/metrics"
	"github.com/kvitt/kvitt/pipeline/schedule"
	"github.com/kvitt/kvitt/pipeline/webhook"
)

// deployed are files for those who run it: printed by --print.
//
//go:embed deploy
var deployed embed.FS

var printable = []struct{ word, file string }{
	{"systemd", "kvitt.service"}, {"timer", "kvitt.timer"}, {"container", "Containerfile"}, {"alerts", "alerts.yml"}, {"dashboard", "dashboard.json"},
}

func (a *app) serveCommand() *cobra.Command {
	var show string
	var setUp bool
	cmd := &cobra.Command{
		Use: "serve", Short: "schedule, webhooks, metrics and console, in one process",
		Long: "Runs by the schedule, takes webhooks at /hooks/NAME, shows /metrics, /healthz and /readyz. It may be\nstopped or killed at any moment; what was begun is finished when it is started again.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show != "" {
				return a.printDeployed(show)
			}
			a.startClock()
			cfg, err := a.loadToServe()
			if err != nil && !setUp {
				return err
			}
			for ctx := cmd.Context(); ctx.Err() == nil; {
				if err != nil {
					a.logger().Warn("the configuration is not complete: only the set-up pages are served", "err", err)
					if err := a.serveSetUp(ctx); err != nil {
						return err
					}
				} else if err := a.serve(ctx, cfg); !errors.Is(err, errConfigChanged) {
					return err
				}
				cfg, err = a.loadToServe()
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&setUp, "setup", false, "begin without a complete configuration: serve the pages that write one")
	cmd.Flags().StringVar(&show, "print", "", "print a file and end: systemd, timer, container, alerts or dashboard")
	return cmd
}

// loadToServe loads a configuration that may be served.
func (a *app) loadToServe() (*config.Config, error) {
	cfg, _, err := a.load()
	if err != nil {
		return nil, err
	}
	return cfg, cfg.Serve.MayListen()
}

// errConfigChanged ends a serve whose configuration is another now.
var errConfigChanged = errors.New("the configuration changed")

// untilChanged returns when kvitt.toml was changed and is still right. One that is wrong is said and
// left: what is served goes on by the one before.
func (a *app) untilChanged(ctx context.Context, lg *slog.Logger, idle func() bool) error {
	stamp := func() (t time.Time, n int64) {
		if st, err := os.Stat(a.configPath); err == nil {
			t, n = st.ModTime(), st.Size()
		}
		return t, n
	}
	at, size := stamp()
	changed := false
	for {
		if err := (wallClock{a.clock}).Sleep(ctx, 2*time.Second, nil); err != nil {
			return err
		}
		if t, n := stamp(); !t.Equal(at) || n != size {
			at, size = t, n
			_, err := a.loadToServe()
			if changed = err == nil; err != nil {
				lg.Warn("kvitt.toml was changed and is not right; the one before is served", "err", err)
			}
		}
		if changed && idle() {
			return errConfigChanged
		}
	}
}

// serveSetUp serves the console on this machine until the configuration is complete.
func (a *app) serveSetUp(ctx context.Context) error {
	lg := a.logger()
	dir := filepath.Join(filepath.Dir(a.configPath), "data")
	held, err := pipeline.Hold(dir, "serve.lock", "serve", a.clock())
	if err != nil {
		return err
	}
	defer held.Release()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pages, err := a.console(ctx, dir, nil, lg)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": version})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "the configuration is not complete"})
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:8740")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(a.stdout, "kvitt serve: listening on http://%s\n", listener.Addr())
	srv := newHTTPServer(mux, lg)
	go func() {
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			stop(err)
		}
	}()
	go func() { stop(a.untilChanged(ctx, lg, func() bool { return true })) }()
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		srv.Close()
	}
	if err := context.Cause(ctx); !errors.Is(err, errConfigChanged) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func newHTTPServer(h http.Handler, lg *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(lg.Handler(), slog.LevelDebug),
	}
}

func (a *app) printDeployed(word string) error {
	var words []string
	for _, p := range printable {
		if p.word == word {
			b, err := deployed.ReadFile("deploy/" + p.file)
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(b)
			return err
		}
		words = append(words, p.word)
	}
	return fmt.Errorf("%w: --print %q: it is one of %s", errUsage, word, strings.Join(words, ", "))
}

// A server is kvitt serve.
type server struct {
	*app
	cfg      *config.Config
	log      *slog.Logger
	queue    *webhook.Queue
	metrics  *metrics.Metrics
	schedule *schedule.Schedule
	told     *messenger

	called   atomic.Bool // a webhook came since a batch was taken
	stopping atomic.Bool
	busy     atomic.Bool // a run is on
	notAgain time.Time   // no batch of webhooks before; of the schedule's goroutine alone
}

const (
	// hooksGather is how long calls are gathered before what they name is fetched: they come in bursts.
	hooksGather = 2 * time.Second
	// hooksRest is the least time between two such runs; a run that takes long rests three times as long.
	hooksRest  = 5 * time.Second
	hooksBatch = 2000
)

// serve runs until ctx ends.
func (a *app) serve(ctx context.Context, cfg *config.Config) error {
	lg := a.logger()
	held, err := pipeline.Hold(cfg.DataDir, "serve.lock", "serve", a.clock())
	if err != nil {
		return err
	}
	defer held.Release()
	s := &server{app: a, cfg: cfg, log: lg, told: a.messenger(cfg, lg)}
	if s.queue, err = webhook.OpenQueue(filepath.Join(cfg.DataDir, "hooks"), lg); err != nil {
		return err
	}
	defer s.queue.Close()
	hooks := s.hooks()
	s.metrics = metrics.New(metrics.Options{Project: s.small(), Results: webhook.Results, Hooks: hookNames(hooks),
		Waiting: func() (int, time.Time) { return s.queue.Len(), s.queue.Oldest() }, Next: func() map[string]time.Time { return s.schedule.Next() }})
	zone, err := time.LoadLocation(cfg.Settings.Company.TimeZone)
	if err != nil {
		return err
	}
	if s.schedule, err = schedule.New(schedule.Options{
		Zone: zone, Jobs: jobs(cfg), Jitter: cfg.Jitter, Seed: cfg.DataDir, File: filepath.Join(cfg.DataDir, "schedule.json"), Clock: wallClock{a.clock}, Log: lg,
		Do: s.scheduled, Also: s.untilHooks, Other: s.followHooks,
	}); err != nil {
		return err
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pages, err := a.console(ctx, cfg.DataDir, cfg, lg)
	if err != nil {
		listener.Close()
		return err
	}
	srv := newHTTPServer(s.handler(hooks, pages), lg)
	scheme := "http"
	if cfg.Serve.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(a.stdout, "kvitt serve: listening on %s://%s\n", scheme, listener.Addr())
	next := s.schedule.Next()
	for _, name := range slices.Sorted(maps.Keys(next)) {
		lg.Info("next run", "job", name, "at", next[name].In(zone).Format("2006-01-02 15:04 -0700"))
	}

	var both sync.WaitGroup
	both.Go(func() {
		if err := a.untilChanged(ctx, lg, func() bool { return !s.busy.Load() }); errors.Is(err, errConfigChanged) {
			lg.Info("kvitt.toml was changed: it is served anew")
			stop(err)
		}
	})
	both.Go(func() {
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("listen: %w", err))
		}
	})
	both.Go(func() {
		if err := s.schedule.Run(ctx); ctx.Err() == nil {
			stop(fmt.Errorf("schedule: %w", err))
		}
	})
	<-ctx.Done()
	s.stopping.Store(true)
	lg.Info("stopping")
	// What is being answered is answered; what runs stops where it is.
	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		srv.Close()
	}
	both.Wait()
	s.told.wait(10 * time.Second)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// startClock lets the clock go on from where KVITT_NOW set it.
func (a *app) startClock() {
	if !a.frozen {
		return
	}
	set, started := a.clock(), time.Now()
	a.frozen = false
	a.logger().Warn("KVITT_NOW sets the clock, which goes on from there", "now", set.Format(time.RFC3339))
	a.clock = func() time.Time { return set.Add(time.Since(started)) }
}

// wallClock is the machine's time, without the monotonic reading that stands still while it sleeps.
type wallClock struct{ now func() time.Time }

func (c wallClock) Now() time.Time { return c.now().Round(0) }

func (c wallClock) Sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err()
}

const (
	nightly = "0 23 * * *"
	payouts = "payouts"
)

// jobs are one per source and flow. Payouts come at 23:00 unless told otherwise, orders with them, and
// invoices and refunds with the orders.
func jobs(cfg *config.Config) []schedule.Job {
	var out []schedule.Job
	for _, s := range cfg.Sources {
		at := func(flow, fallback string) string {
			if e := s.Schedule[flow]; e != "" {
				return e
			}
			if e := cfg.Schedule[flow]; e != "" {
				return e
			}
			return fallback
		}
		pay := at(payouts, nightly)
		orders := at("orders", pay)
		times := map[string]string{payouts: pay, "orders": orders, "invoices": at("invoices", orders), "refunds": at("refunds", orders)}
		for _, flow := range s.Flows {
			out = append(out, schedule.Job{Name: flow + "/" + s.Name, Expr: times[flow]})
		}
	}
	return out
}

// selection is what jobs that are due together read. Payouts bring the sales behind them: a payout is
// booked against what was delivered by then, so everything of its source is read with it.
func selection(cfg *config.Config, due []schedule.Job) pipeline.Selection {
	flows := map[string][]string{}
	for _, j := range due {
		flow, name, _ := strings.Cut(j.Name, "/")
		src, _ := cfg.Source(name)
		if flow == payouts {
			flows[name] = src.Flows
		} else if !slices.Contains(flows[name], flow) {
			flows[name] = append(flows[name], flow)
		}
	}
	return pipeline.Selection{Flows: flows}
}

// scheduled does the jobs that are due.
func (s *server) scheduled(ctx context.Context, due []schedule.Job) error {
	s.log.Info("scheduled run", "jobs", schedule.Names(due))
	res, err := s.run(ctx, "serve", selection(s.cfg, due))
	if err == nil || ctx.Err() != nil || errors.Is(err, schedule.ErrBusy) {
		return err
	}
	// What a source refuses it refuses in a quarter of an hour as well: a person was told.
	if res.Digest != "" && !errors.Is(err, extract.ErrTransient) {
		return nil
	}
	return err
}

// run is one run of the whole pipeline, told to those who want to know.
func (s *server) run(ctx context.Context, command string, sel pipeline.Selection) (res pipeline.Result, err error) {
	s.metrics.Running(true)
	s.busy.Store(true)
	defer func() { s.metrics.Running(false); s.busy.Store(false) }()
	p := s.project(s.cfg)
	p.Log = s.log
	p.Progress = nil
	pipeline.InNoHurry(func() { res, err = p.Run(ctx, command, sel, p.AutoPost) })
	if errors.Is(err, pipeline.ErrLocked) {
		return res, fmt.Errorf("%w: %w", schedule.ErrBusy, err)
	}
	if ctx.Err() == nil {
		s.told.tell(p, command, res, err)
	}
	return res, err
}

// untilHooks says how long until there is something to fetch that webhooks named.
func (s *server) untilHooks(now time.Time) time.Duration {
	d := s.queue.Wait(now)
	if d < 0 {
		return d
	}
	return max(d, s.queue.Oldest().Add(hooksGather).Sub(now), s.notAgain.Sub(now))
}

// followHooks fetches what webhooks named. It is taken off the queue when it is in the archive.
func (s *server) followHooks(ctx context.Context) error {
	s.called.Store(false)
	began := s.clock()
	batch := s.queue.Take(began, hooksBatch)
	sel := pipeline.Selection{}
	for _, h := range batch.Hints {
		sel.Hints = append(sel.Hints, pipeline.Hint{Source: h.Source, Hint: extract.Hint{Stream: h.Stream, ID: h.ID}})
	}
	s.log.Info("webhooks named", "things", len(batch.Hints))
	res, err := s.run(ctx, "serve webhooks", sel)
	if ctx.Err() != nil || errors.Is(err, schedule.ErrBusy) {
		return err
	}
	var left []webhook.Left
	switch {
	case err != nil && res.Digest == "":
		for _, h := range batch.Hints {
			left = append(left, webhook.Left{Hint: h})
		}
	default:
		for _, u := range res.Unread {
			left = append(left, webhook.Left{Hint: webhook.Hint{Source: u.Source, Stream: u.Stream, ID: u.ID}, Gone: u.Gone})
		}
	}
	now := s.clock()
	s.notAgain = now.Add(max(hooksRest, 3*now.Sub(began)))
	return s.queue.Done(batch, left, now)
}

// hooks are the sources that may call.
func (s *server) hooks() []webhook.Source {
	var out []webhook.Source
	for _, src := range s.project(s.cfg).Sources {
		if src.Connector.Hook != nil && src.Inbox == "" {
			out = append(out, webhook.Source{Name: src.Name, Connector: src.Connector, Config: src.Config, Secrets: webhook.SplitSecrets(src.Config.Keys["webhook_secret"])})
		}
	}
	return out
}

func hookNames(hooks []webhook.Source) (names []string) {
	for _, h := range hooks {
		names = append(names, h.Name)
	}
	return names
}

// small is the project for what reads beside a run.
func (s *server) small() *pipeline.Project {
	p := s.project(s.cfg)
	p.Memory, p.Log = "200MB", s.log
	return p
}

// handler is everything that is served.
func (s *server) handler(hooks []webhook.Source, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.Handle("/hooks/", webhook.New(webhook.Options{
		Sources: hooks, Queue: s.queue, Now: s.clock, Log: s.log, Count: s.metrics.Webhook, BehindProxy: s.cfg.Serve.BehindProxy,
		Kept: func() {
			if s.called.CompareAndSwap(false, true) {
				s.schedule.Wake()
			}
		},
	}))
	mux.Handle("GET /metrics", s.onlyHere(s.metrics.Handler()))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": version})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch err := s.queue.Err(); {
		case s.stopping.Load():
			answerJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "stopping"})
		case err != nil:
			answerJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "webhooks cannot be kept: is the disk full?"})
		default:
			answerJSON(w, http.StatusOK, map[string]string{"status": "ready"})
		}
	})
	return mux
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// onlyHere serves this machine, and others that know metrics_token: what is measured says how the
// company does.
func (s *server) onlyHere(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + s.cfg.Serve.MetricsToken))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		ip := net.ParseIP(host)
		// A proxy on this machine speaks for others.
		isHere := ip != nil && ip.IsLoopback() && !s.cfg.Serve.BehindProxy && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if !isHere && (s.cfg.Serve.MetricsToken == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="kvitt metrics"`)
			http.Error(w, "metrics are for this machine, or for who knows metrics_token", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// listen opens the address, with TLS where it is set.
func (s *server) listen(ctx context.Context) (net.Listener, error) {
	var secure *tls.Config
	if c := s.cfg.Serve; c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("%w: [serve] tls_cert and tls_key: %v", errUsage, err)
		}
		latest := &certificate{cert: c.TLSCert, key: c.TLSKey, pair: &pair, log: s.log}
		secure = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: latest.get, NextProtos: []string{"http/1.1"}}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Serve.Listen)
	if err != nil {
		return nil, fmt.Errorf("[serve] listen: %w", err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	return l, nil
}

// A certificate is read anew when its file changed: they are short-lived.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu   sync.Mutex
	pair *tls.Certificate
	seen time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st, err := os.Stat(c.cert); err == nil && !st.ModTime().Equal(c.seen) {
		c.seen = st.ModTime()
		if pair, err := tls.LoadX509KeyPair(c.cert, c.key); err == nil {
			c.pair = &pair
		} else {
			c.log.Error("the new certificate cannot be read; the old one is used", "err", err)
		}
	}
	return c.pair, nil
}
