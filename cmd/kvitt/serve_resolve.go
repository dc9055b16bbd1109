package main

import (
	"context"
	"fmt"
	"regexp"

	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/console"
	"github.com/kvitt/kvitt/sql/duck"
)

// A resolver lets the console do what kvitt resolve does.
type resolver struct{}

// click finds in a cause's advice the decision that one click would make. Where a person has to fill
// something in, there is none.
var click = regexp.MustCompile(`^kvitt resolve \S+ --as (match|account|kind|duplicate|rate|accept|keep|retry)(?::(\S+))?$`)

func (resolver) Causes(ctx context.Context, db *duck.DB, x pipeline.KnownException) ([]console.Cause, error) {
	found, err := x.Causes(ctx, db)
	if err != nil {
		return nil, err
	}
	var out []console.Cause
	for _, f := range found {
		c := console.Cause{Says: f.Says}
		if f.Evidence != "" {
			c.Evidence = append(c.Evidence, f.Evidence)
		}
		if m := click.FindStringSubmatch(f.Action); m != nil && m[2] != "NUMBER" {
			c.Decision = &console.Decision{As: m[1], To: m[2], Note: f.Says}
		} else if f.Action != "" {
			c.Evidence = append(c.Evidence, "→ "+f.Action)
		}
		out = append(out, c)
	}
	return out, nil
}

func (resolver) Resolve(ctx context.Context, p *pipeline.Project, exception string, d console.Decision) (pipeline.Result, error) {
	if d.As == "undo" {
		id, err := lastDecision(ctx, p, exception)
		if err != nil {
			return pipeline.Result{}, err
		}
		res, err := p.Undo(ctx, id, d.Note, d.By)
		return res.Result, err
	}
	as := d.As
	if d.To != "" {
		as += ":" + d.To
	}
	res, err := p.Resolve(ctx, pipeline.Decision{Exception: exception, As: as, Reason: d.Note, By: d.By})
	return res.Result, err
}

// lastDecision is the newest decision on an exception that is in force.
func lastDecision(ctx context.Context, p *pipeline.Project, exception string) (string, error) {
	db, err := p.Reader(ctx)
	if err != nil {
		return "", err
	}
	defer db.Close()
	ids, err := db.Texts(ctx, "select decision_id from recon.decisions where exception_id::varchar = $id and status = 'in force' order by decided_at desc limit 1", duck.Named("id", exception))
	if err != nil {
		return "", err
	}
	if len(ids) == 0 {
		return "", fmt.Errorf("%w: no decision on this exception is in force", pipeline.ErrUsage)
	}
	return ids[0], nil
}
