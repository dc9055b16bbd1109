package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Times are the moments of one cron expression in one time zone.
//
// An expression that names hours means hours of the wall clock. On the night when the clock goes
// forward a time that does not exist comes an hour later, and on the night when it goes back a
// time that exists twice comes the first time: every day has its run, and one only. An expression
// that leaves the hour open ("*/15 * * * *") means so and so often, through such nights as well.
type Times struct {
	spec  cron.Schedule // in UTC, which stands for the wall clock when hours are named
	zone  *time.Location
	often bool
}

// longest is more than any clock is ever set forward or back by.
const longest = 3 * time.Hour

// Parse reads five fields: minute, hour, day of the month, month, weekday.
func Parse(expr string, zone *time.Location) (*Times, error) {
	fields := strings.Fields(expr)
	if len(fields) != 5 {
		return nil, fmt.Errorf("cron expression %q has %d fields, not 5", expr, len(fields))
	}
	for _, f := range fields {
		if strings.ContainsRune(f, '=') {
			return nil, fmt.Errorf("cron expression %q names a time zone; it is the company's", expr)
		}
	}
	t := &Times{zone: zone, often: fields[1] == "*"}
	in := time.UTC
	if t.often {
		in = zone
	}
	spec, err := cron.ParseStandard(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("cron expression %q: %w", expr, err)
	}
	if s, ok := spec.(*cron.SpecSchedule); ok {
		s.Location = in
	}
	t.spec = spec
	return t, nil
}

// Next returns the first moment after t, or the zero time when there is none within five years.
func (s *Times) Next(t time.Time) time.Time {
	if s.often {
		n := s.spec.Next(t)
		if n.IsZero() {
			return n
		}
		return n.UTC()
	}
	// What the wall clock shows, as if it were UTC, where every time exists once.
	shown := wall(t.In(s.zone))
	var best time.Time
	// A clock that was set is out of order by less than longest: look at all that may be next.
	for w := s.spec.Next(shown.Add(-longest)); !w.IsZero(); w = s.spec.Next(w) {
		if at := s.moment(w); at.After(t) && (best.IsZero() || at.Before(best)) {
			best = at
		}
		if !best.IsZero() && w.After(shown.Add(longest)) {
			break
		}
	}
	return best
}

// Last returns the latest moment at or before t and after since, or the zero time.
func (s *Times) Last(since, t time.Time) time.Time {
	// From far back the way is long: go back in steps that double.
	for back := time.Hour; ; back *= 4 {
		from := t.Add(-back)
		if from.Before(since) {
			from = since
		}
		var last time.Time
		for n := s.Next(from); !n.IsZero() && !n.After(t); n = s.Next(n) {
			last = n
		}
		if !last.IsZero() || from.Equal(since) {
			return last
		}
	}
}

func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// moment is when the clocks of the zone show w: of two the first, of none as much later as the
// clocks were set forward.
func (s *Times) moment(w time.Time) time.Time {
	// The offsets in force well before and well after.
	_, before := w.Add(-longest).Add(-s.offset(w)).In(s.zone).Zone()
	_, after := w.Add(longest).Add(-s.offset(w)).In(s.zone).Zone()
	first, second := w.Add(-time.Duration(before)*time.Second), w.Add(-time.Duration(after)*time.Second)
	if second.Before(first) {
		first, second = second, first
	}
	for _, at := range []time.Time{first, second} {
		if wall(at.In(s.zone)).Equal(w) {
			return at
		}
	}
	return w.Add(-time.Duration(before) * time.Second) // in the gap, counted by the clock before it
}

func (s *Times) offset(w time.Time) time.Duration {
	_, o := w.In(s.zone).Zone()
	return time.Duration(o) * time.Second
}
