package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// schedule reads [schedule]: when each flow runs by itself.
func (r *reader) schedule(file section) (map[string]string, time.Duration) {
	s := file.sub("schedule", inSchedule, "[schedule]")
	times := s.cron()
	var jitter time.Duration
	if v := s.get("jitter"); v != nil {
		text := s.text("jitter", "", "5m")
		d, err := time.ParseDuration(text)
		if v.kind == stringKind && (err != nil || d < 0 || d > 6*time.Hour) {
			r.fail(v.at, s.key("jitter"), fmt.Sprintf("jitter = %q is no duration up to six hours", text), `write e.g. jitter = "5m"`)
			d = 0
		}
		jitter = d
	}
	return times, jitter
}

// cron reads the cron expressions of a section, by flow.
func (s section) cron() map[string]string {
	s.refuseUnknown(nil)
	var times map[string]string
	for _, flow := range flows {
		if !s.has(flow) {
			continue
		}
		const example = "0 23 * * *"
		expr := s.text(flow, "", example)
		if s.get(flow).kind != stringKind {
			continue
		}
		if why := wrongCron(expr); why != "" {
			s.r.fail(s.place(flow), s.key(flow), fmt.Sprintf("%s = %q is no cron expression: %s", flow, expr, why), fmt.Sprintf("write minute, hour, day, month and weekday: %s = %q", flow, example))
			continue
		}
		if times == nil {
			times = map[string]string{}
		}
		times[flow] = strings.Join(strings.Fields(expr), " ")
	}
	return times
}

var cronFields = []struct {
	name      string
	low, high int
	words     []string // stand for low, low+1, …
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"weekday", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// wrongCron says what is wrong with a cron expression of five fields, or "".
func wrongCron(expr string) string {
	fields := strings.Fields(expr)
	if len(fields) != len(cronFields) {
		return fmt.Sprintf("it has %d fields, not %d", len(fields), len(cronFields))
	}
	for i, f := range cronFields {
		for _, part := range strings.Split(fields[i], ",") {
			span, step, stepped := strings.Cut(part, "/")
			if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > f.high) {
				return fmt.Sprintf("%q is no step for the %s", part, f.name)
			}
			if span == "*" {
				continue
			}
			from, to, ranged := strings.Cut(span, "-")
			low, okLow := cronValue(from, f.low, f.high, f.words)
			high, okHigh := low, true
			if ranged {
				high, okHigh = cronValue(to, f.low, f.high, f.words)
			}
			if !okLow || !okHigh || low > high {
				return fmt.Sprintf("%q is no %s, %d to %d", part, f.name, f.low, f.high)
			}
		}
	}
	return ""
}

func cronValue(s string, low, high int, words []string) (int, bool) {
	if i := slices.Index(words, strings.ToLower(s)); i >= 0 {
		return low + i, true
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= low && n <= high
}
