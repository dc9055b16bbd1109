package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/kvitt/kvitt/pipeline"
)

// A job is an action that takes longer than a page may. It goes on when the browser leaves.
type job struct {
	ID, Action, Who string
	Title           string
	Back            string // where to go on when it is done
	Began           time.Time

	mu    sync.Mutex
	lines []string // what it said, the last 200
	now   string   // what it is at
	ended time.Time
	err   error
	says  string
}

// A jobState is a job as a page shows it.
type jobState struct {
	ID, Action, Who, Title, Back string
	Began                        time.Time
	Took                         time.Duration
	Lines                        []string
	Now, Says, Wrong             string
	Running, NeedsPerson         bool
}

const maxJobs = 100

type jobs struct {
	c   *console
	mu  sync.Mutex
	all []*job
}

func newJobs(c *console) *jobs { return &jobs{c: c} }

// start runs work in the background and sends the browser to its page. One job runs at a time:
// each would wait for the data directory anyway.
func (c *console) start(w http.ResponseWriter, r *http.Request, v *view, title, back string, work func(context.Context, *pipeline.Project, *job) (string, error)) error {
	p, err := c.project()
	if err != nil {
		return fmt.Errorf("%w: %w", errAsked, err)
	}
	c.jobs.mu.Lock()
	if i := slices.IndexFunc(c.jobs.all, func(j *job) bool { return j.running() }); i >= 0 {
		j := c.jobs.all[i]
		c.jobs.mu.Unlock()
		return fmt.Errorf("%w: %s, %s", pipeline.ErrLocked, j.Title, j.Who)
	}
	j := &job{ID: rand.Text(), Action: v.row.Action, Who: v.Who.Name, Title: title, Back: back, Began: c.Wall()}
	c.jobs.all = append(c.jobs.all, j)
	if len(c.jobs.all) > maxJobs {
		c.jobs.all = c.jobs.all[1:]
	}
	c.jobs.mu.Unlock()

	// It was loaded for this job alone. A copy of it would not do: its ERP asks the project it was built with.
	p.Progress = j.progress
	p.Log = slog.New(jobLog{j, v, p.Log.Handler()})
	row := v.row
	v.row.Outcome = "begun"
	go func() {
		var says string
		var err error
		pipeline.InNoHurry(func() { says, err = c.guard(func() (string, error) { return work(c.Context, p, j) }) })
		if err != nil {
			row.Outcome = "failed: " + short(err.Error(), 300)
		} else {
			row.Outcome = "done: " + short(says, 300)
		}
		c.note(row)
		c.books.fresh(context.WithoutCancel(c.Context))
		j.mu.Lock()
		j.ended, j.err, j.says, j.now = c.Wall(), err, says, ""
		j.mu.Unlock()
	}()
	http.Redirect(w, r, "/jobs/"+j.ID, http.StatusSeeOther)
	return nil
}

// guard turns a panic into an error: a job must not take the server with it.
func (c *console) guard(fn func() (string, error)) (says string, err error) {
	defer func() {
		if x := recover(); x != nil {
			c.Log.Error("a job failed", "panic", fmt.Sprint(x))
			err = errors.New("something went wrong; the log says what")
		}
	}()
	return fn()
}

func (j *job) running() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended.IsZero()
}

func (j *job) progress(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now = text
}

func (j *job) say(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, text)
	if len(j.lines) > 200 {
		j.lines = j.lines[1:]
	}
}

func (j *job) state(now time.Time) jobState {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := jobState{ID: j.ID, Action: j.Action, Who: j.Who, Title: j.Title, Back: j.Back, Began: j.Began, Lines: slices.Clone(j.lines), Now: j.now, Says: j.says, Running: j.ended.IsZero()}
	end := now
	if !s.Running {
		end = j.ended
	}
	s.Took = end.Sub(j.Began).Round(100 * time.Millisecond)
	if j.err != nil {
		s.Wrong = j.err.Error()
	}
	return s
}

func (js *jobs) find(id string) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	for _, j := range js.all {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// job shows how far a job is.
func (c *console) job(w http.ResponseWriter, r *http.Request, v *view) error {
	j := c.jobs.find(r.PathValue("id"))
	if j == nil {
		return notFound(v.T("There is no such job. Jobs are forgotten when the console restarts; the runs page shows what they did."))
	}
	s := j.state(c.Wall())
	v.Title = s.Title
	if s.Running {
		v.Refresh = 2
	}
	c.render(w, v, "job", s)
	return nil
}

// A jobLog shows what a run logs on the job's page too.
type jobLog struct {
	j *job
	v *view
	slog.Handler
}

func (l jobLog) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level >= slog.LevelInfo {
		text := l.v.T(l.v.Says(rec.Message))
		rec.Attrs(func(a slog.Attr) bool {
			text += " " + a.Key + "=" + a.Value.String()
			return true
		})
		l.j.say(short(text, 500))
	}
	return l.Handler.Handle(ctx, rec)
}

func (l jobLog) WithAttrs(as []slog.Attr) slog.Handler {
	return jobLog{l.j, l.v, l.Handler.WithAttrs(as)}
}
func (l jobLog) WithGroup(n string) slog.Handler { return jobLog{l.j, l.v, l.Handler.WithGroup(n)} }

// ran says in words what a run did.
func ran(v *view, res pipeline.Result) string {
	s := v.T("%d new from the sources, %d entries booked, %d vouchers posted.", res.Records, res.Entries, res.Posted)
	if res.Held > 0 || res.Exceptions > 0 {
		s += " " + v.T("Needs a person: %d payouts held, %d exceptions open.", res.Held, res.Exceptions)
	}
	for i, id := range res.Gone {
		if i == 20 {
			s += " …"
			break
		}
		s += " " + v.T("The source does not know %s.", id)
	}
	return s
}
