package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// moments lists those of expr from the first day to the last, as the clocks of the zone show them.
func moments(t *testing.T, expr, name, from, to string) []string {
	t.Helper()
	z := zone(t, name)
	s, err := Parse(expr, z)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := time.ParseInLocation("2006-01-02", from, z)
	last, _ := time.ParseInLocation("2006-01-02", to, z)
	var out []string
	at := first.Add(-time.Second)
	for range 10000 {
		n := s.Next(at)
		if n.IsZero() || !n.Before(last) {
			return out
		}
		if !n.After(at) {
			t.Fatalf("%s: %v comes after %v", expr, n, at)
		}
		at = n
		out = append(out, n.In(z).Format("02 15:04 -0700"))
	}
	t.Fatalf("%s never ends", expr)
	return nil
}

func TestEveryDayHasItsRunAndOneOnly(t *testing.T) {
	for _, tt := range []struct {
		expr, zone, from, to string
		want                 []string
	}{
		{"0 23 * * *", "Europe/Stockholm", "2026-03-28", "2026-03-31", []string{"28 23:00 +0100", "29 23:00 +0200", "30 23:00 +0200"}},
		{"30 2 * * *", "Europe/Stockholm", "2026-03-28", "2026-03-31", []string{"28 02:30 +0100", "29 03:30 +0200", "30 02:30 +0200"}},
		{"0 2 * * *", "Europe/Stockholm", "2026-03-29", "2026-03-30", []string{"29 03:00 +0200"}},
		{"0 3 * * *", "Europe/Stockholm", "2026-03-29", "2026-03-30", []string{"29 03:00 +0200"}},
		{"0 2,3 * * *", "Europe/Stockholm", "2026-03-29", "2026-03-30", []string{"29 03:00 +0200"}},
		{"30 2 * * *", "Europe/Stockholm", "2026-10-24", "2026-10-27", []string{"24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"}},
		{"0 */6 * * *", "Europe/Stockholm", "2026-10-25", "2026-10-26", []string{"25 00:00 +0200", "25 06:00 +0100", "25 12:00 +0100", "25 18:00 +0100"}},
		{"30 1-3 * * *", "Europe/Stockholm", "2026-10-25", "2026-10-26", []string{"25 01:30 +0200", "25 02:30 +0200", "25 03:30 +0100"}},
		{"59 23 28-31 * *", "Europe/Stockholm", "2026-02-27", "2026-03-02", []string{"28 23:59 +0100"}},
		{"0 0 * * *", "America/Santiago", "2026-09-05", "2026-09-08", []string{"05 00:00 -0400", "06 01:00 -0300", "07 00:00 -0300"}}, // midnight does not exist on the 6th
		{"10 2 * * *", "Australia/Lord_Howe", "2026-10-03", "2026-10-06", []string{"03 02:10 +1030", "04 02:40 +1100", "05 02:10 +1100"}},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04", "2026-04-07", []string{"04 01:45 +1100", "05 01:45 +1100", "06 01:45 +1030"}},
		{"0 23 * * *", "Asia/Kathmandu", "2026-03-28", "2026-03-29", []string{"28 23:00 +0545"}},
		{"0 3 * * sun", "UTC", "2026-03-28", "2026-04-06", []string{"29 03:00 +0000", "05 03:00 +0000"}},
	} {
		got := moments(t, tt.expr, tt.zone, tt.from, tt.to)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s in %s (-want +got):\n%s", tt.expr, tt.zone, diff)
		}
	}
	// So and so often is so and so often, whatever the clocks show.
	for day, want := range map[string]int{"2026-03-28": 96, "2026-03-29": 92, "2026-10-25": 100} {
		next, _ := time.Parse("2006-01-02", day)
		if got := moments(t, "*/15 * * * *", "Europe/Stockholm", day, next.AddDate(0, 0, 1).Format("2006-01-02")); len(got) != want {
			t.Errorf("every quarter of an hour on %s: %d times, want %d", day, len(got), want)
		}
	}
	for _, expr := range []string{"", "* * * *", "@daily x x x x", "61 * * * *", "TZ=UTC 0 3 * * ", "0 0 32 * *", "0 23 * * * *"} {
		if _, err := Parse(expr, time.UTC); err == nil {
			t.Errorf("%q is taken for a cron expression", expr)
		}
	}
}

func TestLastIsTheLatest(t *testing.T) {
	s, err := Parse("30 2 * * *", zone(t, "Europe/Stockholm"))
	if err != nil {
		t.Fatal(err)
	}
	day := func(s string) time.Time { at, _ := time.Parse(time.RFC3339, s); return at }
	since, now := day("2024-01-01T00:00:00Z"), day("2026-03-29T12:00:00Z")
	if got := s.Last(since, now); !got.Equal(day("2026-03-29T01:30:00Z")) {
		t.Errorf("last %v", got)
	}
	if got := s.Last(day("2026-03-29T01:30:00Z"), now); !got.IsZero() {
		t.Errorf("nothing since, but %v", got)
	}
}

// A simulated is a clock that waits by going on, and a machine that sleeps at times.
type simulated struct {
	now, end time.Time
	asleep   [][2]time.Time // from, until
	stop     context.CancelFunc
}

func (c *simulated) Now() time.Time { return c.now }

func (c *simulated) Sleep(ctx context.Context, d time.Duration, _ <-chan struct{}) error {
	c.pass(d)
	return ctx.Err()
}

func (c *simulated) pass(d time.Duration) {
	c.now = c.now.Add(d)
	for _, a := range c.asleep {
		if !c.now.Before(a[0]) && c.now.Before(a[1]) {
			c.now = a[1]
		}
	}
	if !c.now.Before(c.end) {
		c.stop()
	}
}

type ran struct {
	at   string
	jobs string
}

// A week of the last of March: the clock goes forward, the month ends, the machine sleeps through
// two nights, is killed in the middle of a run and started again.
func TestAWeekWithEveryRunOnce(t *testing.T) {
	z := zone(t, "Europe/Stockholm")
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, z)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	clock := &simulated{now: at("2026-03-26 12:00"), end: at("2026-04-03 12:00"), stop: stop, asleep: [][2]time.Time{
		{at("2026-03-30 22:10"), at("2026-04-01 07:31")}, // two nights, and the end of the month
	}}
	file := filepath.Join(t.TempDir(), "schedule.json")
	var log bytes.Buffer
	var runs []ran
	running, orders := false, 0
	killed, kill := false, func() {}
	start := func(ctx context.Context) error {
		s, err := New(Options{Zone: z, File: file, Clock: clock, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Jobs: []Job{{"payouts", "0 23 * * *"}, {"klarna", "30 2 * * *"}, {"orders", "*/15 * * * *"}, {"month", "5 0 1 * *"}},
			Do: func(ctx context.Context, due []Job) error {
				if running {
					t.Error("two runs at a time")
				}
				running = true
				defer func() { running = false }()
				began := clock.now
				clock.pass(7 * time.Minute)
				if !killed && !began.Before(at("2026-03-28 23:00")) {
					killed = true
					kill()
					return context.Canceled
				}
				names := Names(due)
				if strings.Contains(names, "orders") {
					orders++
				}
				if rest := strings.TrimPrefix(names, "orders"); rest != "" {
					runs = append(runs, ran{began.In(z).Format("02 15:04"), names})
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		return s.Run(ctx)
	}
	first, cut := context.WithCancel(ctx)
	kill = cut
	if err := start(first); !errors.Is(err, context.Canceled) || ctx.Err() != nil {
		t.Fatalf("it was not killed: %v", err)
	}
	if err := start(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	want := []ran{
		{"26 23:00", "payouts, orders"}, {"27 02:30", "klarna, orders"}, {"27 23:00", "payouts, orders"}, {"28 02:30", "klarna, orders"},
		{"28 23:07", "payouts, orders"},
		{"29 03:30", "klarna, orders"}, {"29 23:00", "payouts, orders"}, {"30 02:30", "klarna, orders"},
		{"01 07:31", "payouts, klarna, orders, month"},
		{"01 23:00", "payouts, orders"}, {"02 02:30", "klarna, orders"}, {"02 23:00", "payouts, orders"}, {"03 02:30", "klarna, orders"},
	}
	if diff := cmp.Diff(want, runs, cmp.AllowUnexported(ran{})); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if orders < 96*5 {
		t.Errorf("orders were read %d times", orders)
	}
	if !strings.Contains(log.String(), "runs were missed") {
		t.Error("nobody was told that runs were missed")
	}
}

func TestWhatFailsIsTriedAgainAndWhoIsInTheWayIsNamed(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	start := time.Date(2026, 3, 2, 22, 59, 0, 0, time.UTC)
	clock := &simulated{now: start, end: start.AddDate(0, 0, 1), stop: stop}
	var log bytes.Buffer
	var at []string
	answers := []error{fmt.Errorf("%w: process 7, kvitt run", ErrBusy), fmt.Errorf("%w: process 7, kvitt run", ErrBusy), errors.New("the network is down"), errors.New("still down"), nil}
	s, err := New(Options{Zone: time.UTC, File: filepath.Join(t.TempDir(), "s"), Clock: clock, Log: slog.New(slog.NewTextHandler(&log, nil)), Jobs: []Job{{"payouts", "0 23 * * *"}},
		Do: func(context.Context, []Job) error {
			at = append(at, clock.now.Format("15:04:05"))
			if len(at) > len(answers) {
				return nil
			}
			return answers[len(at)-1]
		}})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Run(ctx)
	if diff := cmp.Diff([]string{"23:00:00", "23:00:02", "23:00:04", "23:05:04", "23:20:04"}, at); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
	if n := strings.Count(log.String(), "process 7"); n != 1 {
		t.Errorf("who is in the way is named %d times, want once:\n%s", n, log.String())
	}
}

func TestJitterIsTheSameEachTimeAndKeepsARunOnce(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := &simulated{now: start, end: start.AddDate(0, 0, 20), stop: stop}
	file := filepath.Join(t.TempDir(), "s")
	var late []time.Duration
	for ctx.Err() == nil {
		part, cut := context.WithCancel(ctx)
		n := 0
		s, err := New(Options{Zone: time.UTC, File: file, Clock: clock, Log: slog.New(slog.DiscardHandler), Jitter: 40 * time.Minute, Seed: "x",
			Jobs: []Job{{"a", "0 23 * * *"}, {"b", "0 23 * * *"}},
			Do: func(_ context.Context, due []Job) error {
				if len(due) != 2 {
					t.Errorf("%v are due: jobs of one moment belong together", due)
				}
				late = append(late, clock.now.Sub(clock.now.Truncate(24*time.Hour))-23*time.Hour)
				clock.pass(time.Minute)
				n++
				return nil
			},
			Also: func(time.Time) time.Duration {
				if n == 3 {
					cut() // and started again, with the same jitter
				}
				return -1
			}})
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Run(part)
		cut()
	}
	if len(late) != 20 {
		t.Errorf("%d runs in 20 days", len(late))
	}
	slices.Sort(late)
	if late[0] < 0 || late[len(late)-1] >= 41*time.Minute || late[0] == late[len(late)-1] {
		t.Errorf("late by %v", late)
	}
}

func TestWhatWasDoneCannotBeRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock := &simulated{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s, err := New(Options{Zone: time.UTC, File: file, Clock: clock, Log: slog.New(slog.DiscardHandler), Jobs: []Job{{"a", "0 23 * * *"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Next()["a"]; got.Hour() != 23 {
		t.Errorf("next %v", got)
	}
	if due, _ := s.look(clock.now); len(due) != 0 {
		t.Errorf("due at once: %v", due)
	}
}
