package main

import (
	"encoding/json"
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/pipeline"
)

func (a *app) resolveCommand() *cobra.Command {
	var d pipeline.Decision
	var undo, forget string
	var list bool
	cmd := &cobra.Command{
		Use: "resolve EXCEPTION --as ACTION [--reason TEXT]", Short: "decide an exception; who, when and why are kept, and it can be undone",
		Long: resolveHelp(),
		Args: func(cmd *cobra.Command, args []string) error {
			asked := 0
			for _, on := range []bool{len(args) > 0 || d.As != "", undo != "", forget != "", list} {
				if on {
					asked++
				}
			}
			if asked != 1 || len(args) > 1 || (len(args) == 0) != (d.As == "") {
				return fmt.Errorf("%w: %s takes one exception with --as ACTION, or one of --undo, --forget and --list; --help lists the actions", errUsage, cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return a.listDecisions(cmd)
			}
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			if d.By == "" {
				d.By = a.person()
			}
			var r pipeline.Resolved
			switch {
			case undo != "":
				r, err = p.Undo(cmd.Context(), undo, d.Reason, d.By)
			case forget != "":
				r, err = p.Forget(cmd.Context(), forget, d.Reason, d.By)
			default:
				d.Exception = args[0]
				r, err = p.Resolve(cmd.Context(), d)
			}
			return a.resolved(r, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.As, "as", "", "what to do: match:DOCUMENT, account:N, kind:KIND, accept, keep, duplicate:DOCUMENT, rate:PRICE, ignore, retry")
	f.StringVar(&d.Reason, "reason", "", "why, in words")
	f.StringVar(&d.By, "by", "", "who decides (default: KVITT_USER, or the user of this machine)")
	f.BoolVar(&d.NoLearn, "no-learn", false, "teach no alias: decide this one only")
	f.StringVar(&undo, "undo", "", "a decision to take back; what it booked is corrected")
	f.StringVar(&forget, "forget", "", "an alias to remove; what was booked by it stays")
	f.BoolVar(&list, "list", false, "the decisions and the aliases they taught")
	return cmd
}

func resolveHelp() string {
	var b strings.Builder
	b.WriteString("EXCEPTION is its ID (kvitt --format json exceptions), the beginning of one, or the document it\nis about where only one is open. What it leads to is booked at once. ACTION is one of\n\n")
	for _, x := range pipeline.Actions {
		fmt.Fprintf(&b, "  %-20s %s\n", x.Form, x.Does)
	}
	return strings.TrimRight(b.String(), "\n")
}

// person names who sits at the machine.
func (a *app) person() string {
	for _, name := range []string{"KVITT_USER", "USER", "LOGNAME"} {
		if s, ok := a.env(name); ok && s != "" {
			return s
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown user"
}

func (a *app) resolved(r pipeline.Resolved, err error) error {
	if r.Digest != "" {
		if a.format == "json" {
			b, e := json.MarshalIndent(r, "", "  ")
			if e != nil {
				return e
			}
			fmt.Fprintf(a.stdout, "%s\n", b)
		} else {
			switch {
			case r.Undid != "":
				fmt.Fprintf(a.stdout, "%s is taken back\n", r.Undid)
			case r.Open:
				fmt.Fprintf(a.stdout, "decided (%s), and %s of %s is still open: %s\n", r.Decision, r.Kind, r.Document, r.Why)
			default:
				fmt.Fprintf(a.stdout, "%s of %s is resolved (%s)\n", r.Kind, r.Document, r.Decision)
			}
			if len(r.Taught) > 0 {
				fmt.Fprintf(a.stdout, "learned %s; kvitt resolve --list shows it, --forget removes it\n", strings.Join(r.Taught, ", "))
			}
			fmt.Fprintf(a.stdout, "%d entries booked\nledger digest %s\n", r.Entries, r.Digest)
		}
	}
	if err != nil {
		return err
	}
	if r.Open {
		return errNeedsPerson
	}
	return nil
}

// listDecisions shows the decisions and what they taught.
func (a *app) listDecisions(cmd *cobra.Command) error {
	p, err := a.readerProject()
	if err != nil {
		return err
	}
	db, err := p.Reader(cmd.Context())
	if err != nil {
		return err
	}
	defer db.Close()
	decisions, aliases := "*", "*"
	if a.format == "table" {
		decisions = "decision_id as id, decided_at::date as day, decided_by as who, exception_kind, document_id, action, answer, status, reason"
		aliases = "alias_id as id, what, source, name, means, used, status"
	}
	if a.format == "json" {
		fmt.Fprint(a.stdout, "{\"decisions\": ")
	}
	for i, s := range []struct{ title, query string }{
		{"decisions", "select " + decisions + " from recon.decisions order by decided_at, decision_id"},
		{"aliases", "select " + aliases + " from recon.aliases order by learned_at, alias_id"},
	} {
		t, _, err := db.Table(cmd.Context(), s.query, 0)
		if err != nil {
			return err
		}
		switch {
		case i > 0 && a.format == "json":
			fmt.Fprint(a.stdout, ", \"aliases\": ")
		case a.format == "table":
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			fmt.Fprintln(a.stdout, s.title)
			if len(t.Rows) == 0 {
				fmt.Fprintln(a.stdout, "none")
				continue
			}
		}
		if err := a.show(t); err != nil {
			return err
		}
	}
	if a.format == "json" {
		fmt.Fprintln(a.stdout, "}")
	}
	return nil
}
