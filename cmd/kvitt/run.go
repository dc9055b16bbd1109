package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/pipeline"
)

func (a *app) runCommand() *cobra.Command {
	var sel pipeline.Selection
	var post, noPost, tell bool
	cmd := &cobra.Command{
		Use: "run", Short: "extract, stage, book, plan, and post when asked to",
		Long: "Takes what is new from every source to the published ledger. Running it again takes\nonly what came since; a run that was cut off is finished by the next one.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if post && noPost {
				return fmt.Errorf("%w: --post and --no-post contradict each other", errUsage)
			}
			cfg, p, err := a.load()
			if err != nil {
				return err
			}
			if err := checkSelection(cfg, sel); err != nil {
				return err
			}
			p.StepBack = true
			res, err := p.Run(cmd.Context(), "run", sel, post || (p.AutoPost && !noPost))
			if tell && !errors.Is(err, pipeline.ErrLocked) {
				m := a.messenger(cfg, p.Log)
				m.tell(p, "run", res, err)
				m.pending.Wait()
			}
			return a.ran(p, res, err)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&sel.Sources, "source", nil, "only this source; may be repeated")
	f.StringVar(&sel.From, "from", "", "first day to read, YYYY-MM-DD")
	f.StringVar(&sel.To, "to", "", "last day to read, YYYY-MM-DD")
	f.BoolVar(&post, "post", false, "post the plan when it is booked")
	f.BoolVar(&tell, "notify", false, "send the summary that [notify] asks for, as kvitt serve does")
	f.BoolVar(&noPost, "no-post", false, "do not post, whatever the configuration says")
	return cmd
}

func checkSelection(cfg *config.Config, sel pipeline.Selection) error {
	for _, s := range append(slices.Clone(sel.Sources), sel.Source) {
		if s != "" && !slices.Contains(cfg.SourceNames(), s) {
			return fmt.Errorf("%w: there is no source %q; there are %s", errUsage, s, strings.Join(cfg.SourceNames(), ", "))
		}
	}
	if src, ok := cfg.Source(sel.Source); ok && len(sel.IDs) > 0 && src.Inbox != "" {
		return fmt.Errorf("%w: %s reads report files; it has no single documents to fetch", errUsage, sel.Source)
	}
	for _, d := range []string{sel.From, sel.To} {
		if d == "" {
			continue
		}
		if _, err := time.Parse("2006-01-02", d); err != nil {
			return fmt.Errorf("%w: %q is no date: write it as 2026-03-31", errUsage, d)
		}
	}
	if sel.From != "" && sel.To != "" && sel.From > sel.To {
		return fmt.Errorf("%w: --from %s is after --to %s", errUsage, sel.From, sel.To)
	}
	return nil
}

// ran tells what a run did and turns what is left for a person into its exit status.
func (a *app) ran(p *pipeline.Project, res pipeline.Result, err error) error {
	if res.Digest != "" {
		if a.format == "json" {
			b, e := json.MarshalIndent(res, "", "  ")
			if e != nil {
				return e
			}
			fmt.Fprintf(a.stdout, "%s\n", b)
		} else {
			fmt.Fprintf(a.stdout, "run %s: %d new from the sources, %d entries booked, %d vouchers posted\n", res.RunID, res.Records, res.Entries, res.Posted)
			if res.Held > 0 || res.Exceptions > 0 {
				fmt.Fprintf(a.stdout, "needs a person: %d payouts held, %d exceptions open; kvitt exceptions says why\n", res.Held, res.Exceptions)
			}
			fmt.Fprintf(a.stdout, "ledger digest %s\n", res.Digest)
		}
	}
	for _, id := range res.Gone {
		fmt.Fprintf(a.stderr, "kvitt: the source does not know %s\n", id)
	}
	if err != nil {
		return err
	}
	if res.NeedsPerson() {
		return errNeedsPerson
	}
	return nil
}

func (a *app) backfillCommand() *cobra.Command {
	var source, file string
	var ids []string
	cmd := &cobra.Command{
		Use: "backfill --source NAME (--ids A,B | --ids-file F)", Short: "historical orders by checkout ID",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if source == "" {
				return fmt.Errorf("%w: backfill needs --source", errUsage)
			}
			all, err := gatherIDs(ids, file)
			if err != nil {
				return err
			}
			cfg, p, err := a.load()
			if err != nil {
				return err
			}
			sel := pipeline.Selection{Source: source, IDs: all}
			if err := checkSelection(cfg, sel); err != nil {
				return err
			}
			p.StepBack = true
			res, err := p.Run(cmd.Context(), "backfill", sel, false)
			return a.ran(p, res, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&source, "source", "", "whose orders they are")
	f.StringSliceVar(&ids, "ids", nil, "checkout IDs, with commas between")
	f.StringVar(&file, "ids-file", "", "a file with one checkout ID a line")
	return cmd
}

// gatherIDs reads the IDs given by flag and file, each once, in the order given.
func gatherIDs(ids []string, file string) ([]string, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("%w: --ids-file: %v", errUsage, err)
		}
		defer f.Close()
		sc := bufio.NewScanner(f)
		for sc.Scan() {
			if s := strings.TrimSpace(sc.Text()); s != "" && !strings.HasPrefix(s, "#") {
				ids = append(ids, s)
			}
		}
		if err := sc.Err(); err != nil {
			return nil, fmt.Errorf("%w: --ids-file: %v", errUsage, err)
		}
	}
	var out []string
	for _, id := range ids {
		if id = strings.TrimSpace(id); id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if len(out) == 0 {
		return nil, errors.Join(errUsage, errors.New("no checkout IDs: give --ids or --ids-file"))
	}
	return out, nil
}
