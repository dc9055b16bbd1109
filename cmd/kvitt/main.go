// Kvitt settles what a shop sold against what its payment providers paid, and keeps the
// books of it.
//
// Exit status: 0 done; 1 failed, run again to continue; 2 wrong usage or configuration,
// nothing was touched; 3 done, and something needs a person; 4 another run holds the
// data directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/pipeline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{env: os.LookupEnv, clock: time.Now, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(a.main(ctx, os.Args[1:]))
}

// An app is one invocation: what main gives it instead of globals.
type app struct {
	env            func(string) (string, bool)
	clock          func() time.Time
	stdout, stderr io.Writer

	configPath, format, logFormat string
	quiet                         bool
	frozen                        bool // KVITT_NOW is set
	screen                        *screen
	log                           *slog.Logger
}

// Errors that carry their exit status.
var (
	errNeedsPerson = errors.New("something needs a person")
	errUsage       = errors.New("usage")
)

func (a *app) main(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	if err != nil && !errors.Is(err, errNeedsPerson) {
		fmt.Fprintf(a.stderr, "kvitt: %v\n", err)
		if pipeline.IsFull(err) {
			fmt.Fprintln(a.stderr, "kvitt: the disk is full. What was booked before is intact; make room and run again")
		}
	}
	return code
}

func exitCode(err error) int {
	var problems config.Errors
	var problem *config.Error
	switch {
	case err == nil:
		return 0
	case errors.Is(err, pipeline.ErrLocked):
		return 4
	case errors.As(err, &problems), errors.As(err, &problem), errors.Is(err, errUsage), errors.Is(err, pipeline.ErrUsage):
		return 2
	case errors.Is(err, errNeedsPerson), errors.Is(err, pipeline.ErrRed):
		return 3
	}
	return 1
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "kvitt",
		Short:         "Orders, payouts and fees, booked to the öre",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: unknown command %q%s", errUsage, args[0], suggest(cmd, args[0]))
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			switch a.format {
			case "table", "json", "csv":
			default:
				return fmt.Errorf("%w: --format %q: it is table, json or csv", errUsage, a.format)
			}
			if a.logFormat != "text" && a.logFormat != "json" {
				return fmt.Errorf("%w: --log-format %q: it is text or json", errUsage, a.logFormat)
			}
			if s, ok := a.env("KVITT_NOW"); ok && s != "" {
				t, err := time.Parse(time.RFC3339, s)
				if err != nil {
					return fmt.Errorf("%w: KVITT_NOW %q is no RFC 3339 time, e.g. 2026-03-31T23:00:00+02:00", errUsage, s)
				}
				a.clock, a.frozen = func() time.Time { return t }, true
			}
			return nil
		},
	}
	f := root.PersistentFlags()
	path := "kvitt.toml"
	if s, ok := a.env("KVITT_CONFIG"); ok && s != "" {
		path = s
	}
	f.StringVar(&a.configPath, "config", path, "configuration file")
	f.StringVar(&a.format, "format", "table", "table, json or csv")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json")
	f.BoolVar(&a.quiet, "quiet", false, "log errors only")
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: %v%s; %s --help lists them", errUsage, err, nearFlag(cmd, err.Error()), cmd.CommandPath())
	})
	for _, c := range []*cobra.Command{
		a.initCommand(), a.demoCommand(), a.checkCommand(), a.runCommand(), a.backfillCommand(), a.testCommand(),
		a.planCommand(), a.postCommand(), a.reverseCommand(), a.connectCommand(), a.statusCommand(), a.explainCommand(), a.queryCommand(), a.exportCommand(),
		a.ossCommand(), a.passwordCommand(), a.resolveCommand(), a.eraseCommand(), a.personCommand(), a.holdCommand(), a.retentionCommand(), a.docsCommand(), a.diffCommand(), a.verifyCommand(), a.rebuildCommand(), a.serveCommand(), a.versionCommand(),
	} {
		root.AddCommand(c)
	}
	for _, r := range reports {
		root.AddCommand(a.reportCommand(r))
	}
	for _, c := range root.Commands() {
		if c.Args == nil {
			c.Args = noArgs
		}
	}
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: %s takes no argument %q", errUsage, cmd.CommandPath(), args[0])
	}
	return nil
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%w: %s %s", errUsage, cmd.CommandPath(), what)
		}
		return nil
	}
}

func suggest(cmd *cobra.Command, word string) string {
	if s := cmd.SuggestionsFor(word); len(s) > 0 {
		return fmt.Sprintf(", did you mean %q?", s[0])
	}
	return "; kvitt --help lists them"
}

// nearFlag names the flag that an unknown one was probably meant to be: one that is at
// most two letters away.
func nearFlag(cmd *cobra.Command, message string) string {
	_, word, ok := strings.Cut(message, "unknown flag: --")
	if !ok {
		return ""
	}
	best, least := "", 3
	look := func(f *pflag.Flag) {
		if n := lettersApart(word, f.Name); n < least {
			best, least = f.Name, n
		}
	}
	cmd.Flags().VisitAll(look)
	cmd.InheritedFlags().VisitAll(look)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean \"--%s\"?", best)
}

// lettersApart is the Levenshtein distance: how many letters to add, drop or change. Two
// neighbours that changed places count once.
func lettersApart(a, b string) int {
	for i := 0; len(a) == len(b) && i+1 < len(a); i++ {
		if a[i] == b[i+1] && a[i+1] == b[i] && a[:i] == b[:i] && a[i+2:] == b[i+2:] && a != b {
			return 1
		}
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
