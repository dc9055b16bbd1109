package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/sql/duck"
)

// whoFlags are the ways to say which person is meant.
func whoFlags(f *pflag.FlagSet, w *pipeline.Who) {
	f.StringVar(&w.Email, "email", "", "the person's e-mail address")
	f.StringVar(&w.Phone, "phone", "", "the person's telephone number")
	f.StringVar(&w.NationalID, "national-id", "", "the person's national ID")
	f.StringVar(&w.Order, "order", "", "an order (ID, number or document): everyone named in it")
}

// whom reads PERSON: an e-mail address, or an order.
func whom(w *pipeline.Who, args []string) {
	if len(args) == 0 {
		return
	}
	if strings.Contains(args[0], "@") {
		w.Email = args[0]
	} else {
		w.Order = args[0]
	}
}

const personHelp = "PERSON is an e-mail address, or an order (its ID, number or document): then everyone named in it."

func (a *app) eraseCommand() *cobra.Command {
	var who pipeline.Who
	var why, by string
	var dry bool
	cmd := &cobra.Command{
		Use: "erase [PERSON] --why TEXT", Short: "make what is kept about a person unreadable for good; books and digests stay as they are",
		Long: "Destroys the keys that what is kept about a person was sealed with, and keeps nothing of the person from then on.\n" +
			"Balances, entries, digests and the archive's bytes stay as they are. Who, when and why are kept; whose data it was is not.\n\n" + personHelp,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			whom(&who, args)
			if by == "" {
				by = a.person()
			}
			e, err := p.Erase(cmd.Context(), who, why, by, dry)
			if err != nil {
				return err
			}
			if a.format == "json" {
				return a.asJSON(e)
			}
			if dry {
				fmt.Fprint(a.stdout, "would be erased: ")
			} else {
				fmt.Fprintf(a.stdout, "erased (%s): ", e.ID)
			}
			fmt.Fprintf(a.stdout, "%d values in the archive, %d keys; %d orders named the person and stay booked\n", e.Values, e.Persons, len(e.Orders))
			if e.Others > 0 {
				fmt.Fprintf(a.stdout, "%d others with an e-mail address of their own are named in these orders; kvitt erase --order erases everyone in one\n", e.Others)
			}
			for _, h := range e.Held {
				fmt.Fprintf(a.stdout, "held, and would be refused: %s\n", h)
			}
			if !dry {
				fmt.Fprintf(a.stdout, "ledger digest %s\n", e.Digest)
				fmt.Fprintln(a.stdout, "Report files in an inbox folder and backups of the folder personal/ are not kvitt's to erase.")
			}
			return nil
		},
	}
	f := cmd.Flags()
	whoFlags(f, &who)
	f.StringVar(&why, "why", "", "why, for the audit trail; without the person's name")
	f.StringVar(&by, "by", "", "who does it (default: KVITT_USER, or the user of this machine)")
	f.BoolVar(&dry, "dry-run", false, "say what would be erased, and touch nothing")
	return cmd
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%w: %s takes one person", errUsage, cmd.CommandPath())
	}
	return nil
}

func (a *app) asJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		fmt.Fprintf(a.stdout, "%s\n", b)
	}
	return err
}

func (a *app) personCommand() *cobra.Command {
	var who pipeline.Who
	cmd := &cobra.Command{
		Use: "person [PERSON]", Short: "what is kept about a person, and where, for their right to see it",
		Long: personHelp, Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			whom(&who, args)
			kept, sum, err := p.Person(cmd.Context(), who)
			if err != nil {
				return err
			}
			if a.format == "json" {
				return a.asJSON(map[string]any{"kept": kept, "orders": sum.Orders, "others": sum.Others})
			}
			t := duck.Table{Columns: []string{"source", "key", "fetched_at", "values"}, Numeric: make([]bool, 4)}
			for _, k := range kept {
				t.Rows = append(t.Rows, []duck.Cell{{Text: k.Source}, {Text: k.Key}, {Text: k.At.Format("2006-01-02 15:04:05")}, {Text: strings.Join(k.Values, " | ")}})
			}
			return a.show(t)
		},
	}
	whoFlags(cmd.Flags(), &who)
	return cmd
}

func (a *app) holdCommand() *cobra.Command {
	var h pipeline.LegalHold
	var release string
	var list bool
	cmd := &cobra.Command{
		Use: "hold [PERSON] --why TEXT", Short: "a legal hold: what is about a person, a source or a period is not erased until it is lifted",
		Long: personHelp + "\nWhat is given narrows the hold: a person, --source and --from with --to hold what they have in common.",
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readerProject()
			if err != nil {
				return err
			}
			if h.By == "" {
				h.By = a.person()
			}
			switch {
			case list:
				return a.published(cmd, func(db *duck.DB) error {
					what := "*"
					if a.format == "table" {
						what = "hold_id as id, held_at::date as day, held_by as who, what, reason, status"
					}
					t, _, err := db.Table(cmd.Context(), "select "+what+" from recon.holds order by held_at, hold_id", 0)
					if err != nil {
						return err
					}
					return a.show(t)
				})
			case release != "":
				if _, err := p.Release(cmd.Context(), release, h.Reason, h.By); err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "%s is lifted\n", release)
				return nil
			}
			for _, d := range []string{h.From, h.To} {
				if d != "" && !dateForm.MatchString(d) {
					return fmt.Errorf("%w: %q is no date, write 2026-03-31", errUsage, d)
				}
			}
			whom(&h.Who, args)
			id, _, err := p.HoldFor(cmd.Context(), h)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s holds it; kvitt hold --release %s lifts it\n", id, id)
			return nil
		},
	}
	f := cmd.Flags()
	whoFlags(f, &h.Who)
	f.StringVar(&h.Source, "source", "", "only what this source sent")
	f.StringVar(&h.From, "from", "", "only from this day")
	f.StringVar(&h.To, "to", "", "only to this day, inclusive")
	f.BoolVar(&h.Everything, "everything", false, "nothing at all is erased")
	f.StringVar(&h.Reason, "why", "", "why, in words")
	f.StringVar(&h.By, "by", "", "who says so (default: KVITT_USER, or the user of this machine)")
	f.StringVar(&release, "release", "", "a hold to lift")
	f.BoolVar(&list, "list", false, "the holds there are and were")
	return cmd
}

func (a *app) retentionCommand() *cobra.Command {
	var apply bool
	cmd := &cobra.Command{
		Use: "retention [--apply]", Short: "what is kept about persons and until when; --apply ends what is due",
		Long: "Says by [retention] how long what is about persons can be read, what is due and what a legal hold keeps. With --apply the keys of\n" +
			"what is due are destroyed. Accounting information itself is never removed: balances, entries, digests and the archive's bytes stay.",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, p, err := a.load()
			if err != nil {
				return err
			}
			due, res, err := p.Retained(cmd.Context(), pipeline.Retention{Personal: cfg.Retention.Personal, Unbooked: cfg.Retention.Unbooked}, apply, a.person())
			if err != nil {
				return err
			}
			if a.format == "json" {
				return a.asJSON(map[string]any{"classes": due, "applied": apply, "ledger_digest": res.Digest})
			}
			t := duck.Table{Columns: []string{"class", "kept_until", "persons", "due", "held"}, Numeric: []bool{false, false, true, true, true}}
			for _, d := range due {
				t.Rows = append(t.Rows, []duck.Cell{{Text: d.Class}, {Text: d.Until}, {Text: fmt.Sprint(d.Persons), Bare: true}, {Text: fmt.Sprint(d.Due), Bare: true}, {Text: fmt.Sprint(d.Held), Bare: true}})
			}
			if err := a.show(t); err != nil {
				return err
			}
			if res.Digest != "" {
				fmt.Fprintf(a.stdout, "what was due cannot be read any more\nledger digest %s\n", res.Digest)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "destroy the keys of what is due")
	return cmd
}
