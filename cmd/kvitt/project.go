package main

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load/sie"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/transport"
)

// version is set by the linker for a release.
var version = "dev"

// memoryLimit keeps a run below a gigabyte: DuckDB spills to the data directory instead.
const memoryLimit = "500MB"

// logger returns the log of this invocation.
func (a *app) logger() *slog.Logger {
	if a.log == nil {
		a.log = a.newLogger()
	}
	return a.log
}

func (a *app) newLogger() *slog.Logger {
	level := slog.LevelInfo
	if a.quiet {
		level = slog.LevelError
	}
	if v, ok := a.env("KVITT_DEBUG"); ok && v != "" {
		level = slog.LevelDebug
	}
	opts := &slog.HandlerOptions{Level: level}
	a.screen = &screen{w: a.stderr}
	if a.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.screen, opts))
	}
	opts.ReplaceAttr = func(groups []string, at slog.Attr) slog.Attr {
		if at.Key == slog.TimeKey && len(groups) == 0 {
			return slog.String("time", at.Value.Time().Format("15:04:05"))
		}
		return at
	}
	return slog.New(slog.NewTextHandler(a.screen, opts))
}

// load reads the configuration and builds what the pipeline is handed.
func (a *app) load() (*config.Config, *pipeline.Project, error) {
	cfg, err := config.Load(a.configPath, a.env, all.Sources(), config.Keyring(keyringEntry), config.Targets("sie", "fortnox"))
	if err != nil {
		return nil, nil, err
	}
	return cfg, a.project(cfg), nil
}

func (a *app) project(cfg *config.Config) *pipeline.Project {
	lg := a.logger()
	if a.frozen {
		lg.Warn("KVITT_NOW sets the clock", "now", a.clock().Format(time.RFC3339))
	}
	p := &pipeline.Project{
		DataDir:        cfg.DataDir,
		BankStatements: cfg.BankStatements,
		Settings:       cfg.Settings,
		TargetName:     cfg.ERP.Provider,
		Aggregate:      cfg.ERP.Aggregate,
		AutoPost:       cfg.ERP.AutoPost,
		AccountName:    ledger.AccountName,
		ConfigDigest:   cfg.Digest,
		Config:         cfg.Redacted(),
		Version:        version,
		By:             a.person(),
		Now:            a.clock,
		Wall:           time.Now,
		Log:            lg,
		Memory:         memoryLimit,
		ERPRequests:    &pipeline.Counter{},
	}
	if !a.quiet && isTerminal(a.stderr) {
		p.Progress = a.screen.progress
	}
	connectors := all.Sources()
	kept := openVault(cfg)
	for _, s := range cfg.Sources {
		src := pipeline.Source{Name: s.Name, Config: s.Extract, Flows: s.Flows, Inbox: s.Inbox, StartDate: s.StartDate, FollowDays: s.FollowDays}
		src.Config.Now, src.Config.Vault = a.clock, kept
		for _, c := range connectors {
			if c.Name == s.Provider {
				src.Connector = c
			}
		}
		opts := transport.Options{Log: lg, Now: time.Now, Agent: "kvitt/" + version}
		if src.Connector.Every != nil {
			opts.Every = src.Connector.Every(src.Config)
		}
		if n := src.Connector.Largest; n > 0 { // a file, not a page: it takes its time too
			opts.MaxBody, opts.TryTimeout = n, 10*time.Minute
		}
		src.Config.Client = transport.New(opts)
		p.Sources = append(p.Sources, src)
	}
	p.Mode = cfg.ERP.Mode
	if cfg.ERP.Provider == "fortnox" {
		p.Outbox = a.fortnox(cfg, p, kept)
		return p
	}
	p.Target = &sie.Target{
		Dir:         p.SIEDir(),
		Company:     cfg.Settings.Company.Name,
		OrgNumber:   cfg.Settings.Company.OrgNumber,
		Currency:    cfg.Settings.Company.Currency,
		FiscalYear:  cfg.Settings.Company.FiscalYear,
		Series:      cfg.ERP.Series,
		Program:     "kvitt",
		Version:     version,
		AccountName: ledger.AccountName,
		Warn:        func(w sie.Warning) { lg.Warn("respelled for the SIE file", "where", w.Where, "what", w.String()) },
	}
	return p
}

// reader loads the configuration for a command that only reads what is published.
func (a *app) readerProject() (*pipeline.Project, error) {
	_, p, err := a.load()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(p.DataDir); err != nil {
		return nil, fmt.Errorf("%w: there is no data in %s yet; kvitt run makes it", errUsage, p.DataDir)
	}
	return p, nil
}
