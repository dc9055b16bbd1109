package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// A verdict is one line of check.
type verdict struct {
	light string // green, yellow, red
	what  string
	says  string
}

func (a *app) checkCommand() *cobra.Command {
	offline := false
	cmd := &cobra.Command{
		Use: "check", Short: "a green or red line per setting and connection, before anything is touched",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, p, err := a.load()
			if err != nil {
				return err
			}
			vs := a.checks(cmd.Context(), cfg, p, offline)
			t := duck.Table{Columns: []string{"", "what", "says"}, Numeric: []bool{false, false, false}}
			red := 0
			for _, v := range vs {
				t.Rows = append(t.Rows, []duck.Cell{{Text: v.light}, {Text: v.what}, {Text: v.says}})
				if v.light == "red" {
					red++
				}
			}
			if a.format == "table" {
				for _, v := range vs {
					fmt.Fprintf(a.stdout, "%-6s  %s: %s\n", v.light, v.what, v.says)
				}
			} else {
				t.Columns[0] = "light"
				if err := a.show(t); err != nil {
					return err
				}
			}
			if red > 0 {
				return fmt.Errorf("%w: %d red", errNeedsPerson, red)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "speak to nobody")
	return cmd
}

func (a *app) checks(ctx context.Context, cfg *config.Config, p *pipeline.Project, offline bool) []verdict {
	var out []verdict
	add := func(light, what, says string, args ...any) {
		out = append(out, verdict{light, what, fmt.Sprintf(says, args...)})
	}
	add("green", "configuration", "%s, digest %.12s", cfg.Path, cfg.Digest)
	for _, w := range cfg.Warnings {
		add("yellow", fmt.Sprintf("%s:%d:%d", filepath.Base(w.File), w.Line, w.Column), "%s", w.Message)
	}
	if a.frozen {
		add("yellow", "clock", "KVITT_NOW holds it at %s", a.clock().Format(time.RFC3339))
	} else {
		add("green", "clock", "%s", a.clock().UTC().Format(time.RFC3339))
	}
	if err := cfg.Serve.MayListen(); err != nil {
		add("red", "kvitt serve", "%v", err)
	}
	for _, src := range p.Sources {
		if h := src.Connector.Hook; h != nil && h.Unsigned && src.Inbox == "" && src.Config.Keys["webhook_secret"] == "" {
			add("yellow", "webhooks of "+src.Name, "they are not signed: set webhook_secret and put it into their address; until then they are refused and polling finds it all")
		}
	}
	c := cfg.Settings.Company
	add("green", "company", "%s, books in %s, days in %s, fiscal year from %s", c.Name, c.Currency, c.TimeZone, c.FiscalYear)
	out = append(out, dataDir(p.DataDir))
	for _, s := range cfg.Settings.Sources {
		add("green", s.Name, "%s, flows %v, receivable %d, clearing %d, bank %d, fees %d", s.Provider, s.Flows, s.Accounts.Receivable, s.Accounts.Clearing, s.Accounts.Bank, s.Accounts.Fee)
	}
	add("green", "sales", "%d rows of country and VAT rate", len(cfg.Settings.Sales))
	unknown, err := transform.UnknownRates(ctx, cfg.Settings.Sales, a.clock())
	if err != nil {
		add("yellow", "sales", "%v", err)
	}
	for _, says := range unknown {
		add("yellow", "sales", "%s; sales that state it are booked all the same", says)
	}
	add("green", "erp", "%s, mode %s, by %s, series %s", cfg.ERP.Provider, cfg.ERP.Mode, cfg.ERP.Aggregate, cfg.ERP.Series)
	if p.Outbox != nil && !offline {
		for _, f := range p.Outbox.Check(ctx, p.Needs()) {
			add(f.Light, f.What, "%s", f.Says)
		}
	}
	said := make([]verdict, len(p.Sources)) // one that does not answer is asked for a while: all are asked at the same time
	var asked sync.WaitGroup
	for i, s := range p.Sources {
		if s.Inbox == "" && !offline {
			asked.Go(func() {
				light, says := greet(ctx, s, a.clock())
				said[i] = verdict{light, s.Name, says}
			})
		}
	}
	asked.Wait()
	for i, s := range p.Sources {
		switch {
		case s.Inbox != "":
			if st, err := os.Stat(s.Inbox); err != nil || !st.IsDir() {
				add("red", s.Name, "the inbox %s is no folder; make it, or correct inbox", s.Inbox)
			} else if _, err := os.ReadDir(s.Inbox); err != nil {
				add("red", s.Name, "the inbox cannot be read: %v", errors.Unwrap(err))
			} else {
				add("green", s.Name, "the inbox can be read")
			}
		case offline:
			add("yellow", s.Name, "not asked (--offline)")
		default:
			out = append(out, said[i])
		}
	}
	return out
}

// greet asks a source for one small thing of every list it has, to see that it answers, knows the key and lets it read them.
func greet(ctx context.Context, s pipeline.Source, now time.Time) (light, says string) {
	x, err := s.Connector.Open(s.Config)
	if err != nil {
		return "red", err.Error()
	}
	light, says = "green", "it answers"
	for _, st := range s.Connector.Stages {
		on := slices.ContainsFunc(st.Flows, func(f string) bool { return slices.Contains(s.Flows, f) })
		if st.Follow != "" && !st.Listed || len(st.Flows) > 0 && !on {
			continue
		}
		empty := true
		for _, err := range x.Extract(ctx, extract.Request{Stream: st.Stream, Window: extract.Window{Since: now.Add(-24 * time.Hour), Until: now}}) {
			if err != nil && st.Optional {
				return "yellow", "it answers; the books are made without this: " + err.Error()
			}
			if err != nil {
				return "red", err.Error()
			}
			empty, says = false, "it answers and knows the key"
			break
		}
		if empty && st.Listed {
			return "yellow", "it answers, and has nothing to read yet; if it should have, check the account and where to begin"
		}
	}
	return light, says
}

// dataDir says whether the data directory can be written and has room.
func dataDir(dir string) verdict {
	d := dir
	for {
		if _, err := os.Stat(d); err == nil || d == filepath.Dir(d) {
			break
		}
		d = filepath.Dir(d)
	}
	if err := syscall.Access(d, 2); err != nil {
		return verdict{"red", "data_dir", fmt.Sprintf("%s cannot be written: %v", d, err)}
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(d, &st); err != nil {
		return verdict{"red", "data_dir", err.Error()}
	}
	free := st.Bavail * uint64(st.Bsize)
	if free < 1<<30 {
		return verdict{"red", "data_dir", fmt.Sprintf("%s has %d MB left; make room", dir, free>>20)}
	}
	return verdict{"green", "data_dir", fmt.Sprintf("%s, %d GB free", dir, free>>30)}
}
