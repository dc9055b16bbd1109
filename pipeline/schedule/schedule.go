// Package schedule says when kvitt runs by itself, and sees that every run happens once.
//
// A Job is something to do at the moments of a cron expression. Jobs that are due together are
// done together, and never two at a time. What was done is kept in a small file: a run that was
// missed, because the machine slept or kvitt was not there, is caught up once, however many were
// missed; one that was killed half way is done again, which costs little, for a run goes on where
// the last one stopped.
package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Clock is the time, and how to wait for it to pass.
type Clock interface {
	Now() time.Time
	// Sleep waits for d or until ctx ends or something comes through wake, whichever is first.
	Sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error
}

// A Job is what is done at the moments of a cron expression.
type Job struct {
	Name string // names it in the file of what was done
	Expr string // minute, hour, day of the month, month, weekday
}

// ErrBusy is wrapped by Do's error when something else has the data directory: it is tried
// again until it does not.
var ErrBusy = errors.New("busy")

// Options are the settings of New.
type Options struct {
	Zone   *time.Location
	Jobs   []Job
	Jitter time.Duration // a run is later than its moment by less than this, the same each time it is asked
	Seed   string        // tells one installation's jitter from another's
	File   string        // where what was done is kept
	Clock  Clock
	Log    *slog.Logger
	// Do does the jobs that are due. An error is tried again a little later, a few times, but not
	// after the job's next moment.
	Do func(ctx context.Context, due []Job) error
	// Also is asked before each wait for work that is not on the schedule: it says how long
	// until there is some, 0 for at once, < 0 for none. Then Other does it.
	Also  func(now time.Time) time.Duration
	Other func(ctx context.Context) error
}

// A Schedule runs jobs.
type Schedule struct {
	Options
	jobs []*entry
	wake chan struct{}
}

type entry struct {
	Job
	times  *Times
	done   time.Time // the last moment that was done
	tries  int       // of the moment that is being tried
	notYet time.Time // not tried again before

	after, next time.Time // the moment after a moment, which is asked for again and again
}

// following returns the first moment after the last one that was done.
func (e *entry) following() time.Time {
	if e.next.IsZero() || !e.after.Equal(e.done) {
		e.after, e.next = e.done, e.times.Next(e.done)
	}
	return e.next
}

const (
	// longestNap bounds a wait: a timer does not count the time that the machine sleeps.
	longestNap = 30 * time.Second
	busyWait   = 2 * time.Second
	// setBack is how far a clock may go back without a run being done again.
	setBack = time.Hour
)

// pauses are how long it takes from a failure to the next try.
var pauses = []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour}

// New reads the expressions and what was done before. A job that is new begins at its next moment.
func New(o Options) (*Schedule, error) {
	s := &Schedule{Options: o, wake: make(chan struct{}, 1)}
	kept, err := s.read()
	if err != nil {
		return nil, err
	}
	now := o.Clock.Now()
	for _, j := range o.Jobs {
		t, err := Parse(j.Expr, o.Zone)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.Name, err)
		}
		e := &entry{Job: j, times: t, done: now}
		// A moment far in the future was written by a clock that was wrong.
		if at, ok := kept[j.Name]; ok && !at.After(now.Add(setBack)) {
			e.done = at
		}
		s.jobs = append(s.jobs, e)
	}
	return s, s.keep()
}

// Wake ends the present wait: there is something to be asked of Also.
func (s *Schedule) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next returns when each job is next due, by name.
func (s *Schedule) Next() map[string]time.Time {
	out := map[string]time.Time{}
	now := s.Clock.Now()
	for _, e := range s.jobs {
		if n := e.times.Next(now); !n.IsZero() {
			out[e.Name] = n.Add(s.late(n))
		}
	}
	return out
}

// Run does what is due until ctx ends.
func (s *Schedule) Run(ctx context.Context) error {
	said := ""
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := s.Clock.Now()
		due, wait := s.look(now)
		switch {
		case len(due) > 0:
			if err := s.do(ctx, due); err != nil {
				return err
			}
			continue
		case s.Also != nil:
			if d := s.Also(now); d == 0 {
				err := s.Other(ctx)
				switch {
				case ctx.Err() != nil:
					return ctx.Err()
				case errors.Is(err, ErrBusy):
					if err.Error() != said {
						said = err.Error()
						s.Log.Info("it waits its turn", "err", err)
					}
					wait = min(wait, busyWait)
				case err != nil:
					s.Log.Error("it is tried again", "err", err)
					wait = min(wait, busyWait)
				default:
					continue
				}
			} else if d > 0 {
				wait = min(wait, d)
			}
		}
		if err := s.Clock.Sleep(ctx, wait, s.wake); err != nil {
			return err
		}
	}
}

// look says which jobs are due, and how long until one is.
func (s *Schedule) look(now time.Time) (due []*entry, wait time.Duration) {
	wait = longestNap
	for _, e := range s.jobs {
		if e.done.After(now.Add(setBack)) {
			e.done = now // the clock was wrong and is right now
		}
		next := e.following()
		if next.IsZero() {
			continue
		}
		at := next.Add(s.late(next))
		if at.Before(e.notYet) {
			at = e.notYet
		}
		if at.After(now) {
			wait = min(wait, at.Sub(now))
			continue
		}
		due = append(due, e)
	}
	return due, max(wait, time.Millisecond)
}

// do does the jobs that are due and notes it. It returns an error only when ctx has ended or what
// was done cannot be noted.
func (s *Schedule) do(ctx context.Context, due []*entry) error {
	began := s.Clock.Now()
	jobs := make([]Job, len(due))
	for i, e := range due {
		jobs[i] = e.Job
		if last := e.times.Last(e.done, began); last.After(e.following()) {
			s.Log.Info("runs were missed; one makes up for them", "job", e.Name, "since", e.following())
		}
	}
	said := ""
	err := s.Do(ctx, jobs)
	for errors.Is(err, ErrBusy) && ctx.Err() == nil {
		if err.Error() != said {
			said = err.Error()
			s.Log.Info("it waits its turn", "err", err)
		}
		if e := s.Clock.Sleep(ctx, busyWait, nil); e != nil {
			return e
		}
		err = s.Do(ctx, jobs)
	}
	if ctx.Err() != nil {
		return ctx.Err() // what was cut off is done again
	}
	now := s.Clock.Now()
	for _, e := range due {
		// Jitter may have put it after a later moment, which it is not.
		last := e.times.Last(e.done, began)
		if last.IsZero() {
			last = e.following()
		}
		for s.Jitter > 0 && last.After(e.following()) && last.Add(s.late(last)).After(began) {
			last = e.times.Last(e.done, last.Add(-time.Second))
		}
		if err != nil && e.tries < len(pauses) {
			if again := now.Add(pauses[e.tries]); e.times.Next(last).After(again) {
				e.notYet = again
				e.tries++
				s.Log.Error("a scheduled run failed; it is tried again", "job", e.Name, "at", again, "err", err)
				continue
			}
		}
		if err != nil {
			s.Log.Error("a scheduled run failed", "job", e.Name, "next", e.times.Next(last), "err", err)
		}
		e.done, e.tries, e.notYet = last, 0, time.Time{}
	}
	return s.keep()
}

// late is the jitter of a moment. Jobs of one moment are equally late, so that they stay together.
func (s *Schedule) late(at time.Time) time.Duration {
	if s.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", s.Seed, at.Unix())
	return time.Duration(h.Sum64() % uint64(s.Jitter)).Truncate(time.Second)
}

func (s *Schedule) read() (map[string]time.Time, error) {
	b, err := os.ReadFile(s.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept map[string]time.Time
	if err := json.Unmarshal(b, &kept); err != nil {
		s.Log.Error("what was run before cannot be read; the schedule begins anew", "file", filepath.Base(s.File), "err", err)
		return nil, nil
	}
	return kept, nil
}

// keep writes what was done, whole or not at all.
func (s *Schedule) keep() error {
	done := map[string]time.Time{}
	for _, e := range s.jobs {
		done[e.Name] = e.done.UTC()
	}
	b, err := json.MarshalIndent(done, "", "  ")
	if err != nil {
		return err
	}
	tmp := s.File + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, s.File)
}

// Names lists jobs, for a log line.
func Names(jobs []Job) string {
	names := make([]string, len(jobs))
	for i, j := range jobs {
		names[i] = j.Name
	}
	return strings.Join(names, ", ")
}
