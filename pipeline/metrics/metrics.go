// Package metrics shows Prometheus what kvitt did and how the books stand.
//
// What the books say is read from the published ledger, so that it is there whichever process made
// the run; what they do not say, from the tally beside it. It is read when Prometheus asks and
// something was published since it last did.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kvitt/kvitt/pipeline"
)

// Exceptions are the kinds of the contract: each is shown, at 0 when there is none, so that an alert
// sees the first one come.
var exceptions = []string{"unmatched_line", "ambiguous_match", "payout_does_not_add_up", "payout_changed", "unknown_line_type",
	"sales_account_missing", "vat_mismatch", "refund_exceeds_remaining", "document_does_not_add_up", "duplicate_sale",
	"flow_conflict", "period_locked", "erp_refused", "erp_drift", "currency_rate_missing", "malformed_record"}

// Options are the settings of New.
type Options struct {
	Project *pipeline.Project
	Results []string                    // what may become of a webhook
	Waiting func() (int, time.Time)     // webhooks that are not followed yet, and since when; nil: none
	Next    func() map[string]time.Time // when each job is due; nil: nothing is
	Hooks   []string                    // sources that may call
}

// Metrics is what is measured.
type Metrics struct {
	Options
	registry *prometheus.Registry
	webhooks *prometheus.CounterVec
	running  prometheus.Gauge

	mu    sync.Mutex
	seen  os.FileInfo
	books []prometheus.Metric
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("kvitt_"+name, help, labels, nil)
}

var (
	runDuration  = desc("run_duration_seconds", "How long each phase of the last run took.", "phase")
	records      = desc("records_total", "Answers and files in the archive.", "source", "stream")
	entries      = desc("entries_total", "Entries in the ledger.", "kind")
	open         = desc("exceptions_open", "Exceptions that need a person.", "kind")
	payoutLines  = desc("payout_lines_total", "Lines of payouts, by what became of them.", "source", "verdict")
	difference   = desc("proof_difference", "Ledger less provider on the last day with a payout, in major units of the currency.", "source", "currency")
	unexplained  = desc("proof_unexplained", "The part of the difference that held payouts and the balance before the first one do not account for.", "source", "currency")
	erpRequests  = desc("erp_requests_total", "Requests to the ERP, by status, or error.", "code")
	lastSuccess  = desc("last_success_timestamp_seconds", "When all there was of a source was last read.", "source")
	held         = desc("payouts_held", "Payouts that are not booked because something about them is wrong.", "source")
	runs         = desc("runs_total", "Runs that came to an end, by how.", "command", "status")
	lastRun      = desc("last_run_timestamp_seconds", "When a run last came to an end.", "status")
	nextRun      = desc("next_run_timestamp_seconds", "When a job is next due.", "job")
	waiting      = desc("webhooks_waiting", "Things that webhooks named and that are not fetched yet.")
	waitingSince = desc("webhooks_waiting_seconds", "For how long the oldest of them has waited.")
	readable     = desc("published_readable", "1 when the published ledger could be read.")
)

var described = []*prometheus.Desc{runDuration, records, entries, open, payoutLines, difference, unexplained, erpRequests, lastSuccess, held, runs, lastRun, nextRun, waiting, waitingSince, readable}

// New returns what is measured of a project. Its Memory bounds what reading takes.
func New(o Options) *Metrics {
	m := &Metrics{Options: o, registry: prometheus.NewRegistry()}
	m.webhooks = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kvitt_webhooks_total", Help: "Calls of providers, by what became of them."}, []string{"source", "result"})
	m.running = prometheus.NewGauge(prometheus.GaugeOpts{Name: "kvitt_run_running", Help: "1 while this process makes a run."})
	for _, s := range o.Hooks {
		for _, r := range o.Results {
			m.webhooks.WithLabelValues(s, r)
		}
	}
	m.registry.MustRegister(m, m.webhooks, m.running, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 30 * time.Second})
}

// Gatherer is what Handler shows.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Webhook counts a call.
func (m *Metrics) Webhook(source, result string) { m.webhooks.WithLabelValues(source, result).Inc() }

// Running says whether a run is on.
func (m *Metrics) Running(on bool) {
	if on {
		m.running.Set(1)
	} else {
		m.running.Set(0)
	}
}

// Names lists the metrics of kvitt's own.
func Names() []string {
	out := []string{"kvitt_webhooks_total", "kvitt_run_running"}
	for _, d := range described {
		_, rest, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		out = append(out, name)
	}
	return out
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range described {
		ch <- d
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, x := range m.fromBooks() {
		ch <- x
	}
	t := m.Project.Tally()
	for phase, s := range t.Phases {
		ch <- gauge(runDuration, s, phase)
	}
	if _, ok := t.ERPRequests["200"]; !ok {
		ch <- counter(erpRequests, 0, "200")
	}
	for code, n := range t.ERPRequests {
		ch <- counter(erpRequests, float64(n), code)
	}
	n, age := 0, 0.0
	if m.Waiting != nil {
		var since time.Time
		if n, since = m.Waiting(); n > 0 {
			age = m.Project.Now().Sub(since).Seconds()
		}
	}
	ch <- gauge(waiting, float64(n))
	ch <- gauge(waitingSince, max(age, 0))
	if m.Next != nil {
		for job, at := range m.Next() {
			ch <- gauge(nextRun, float64(at.Unix()), job)
		}
	}
}

// fromBooks returns what the published ledger says.
func (m *Metrics) fromBooks() []prometheus.Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	st, err := os.Stat(m.Project.Published())
	if err != nil {
		m.seen, m.books = nil, append(append(noExceptions(nil), m.neverRead(nil)...), gauge(readable, 0))
		return m.books
	}
	if m.seen != nil && os.SameFile(st, m.seen) && st.ModTime().Equal(m.seen.ModTime()) && st.Size() == m.seen.Size() {
		return m.books
	}
	ctx, stop := context.WithTimeout(context.Background(), 25*time.Second)
	defer stop()
	books, err := m.read(ctx)
	if err != nil {
		m.log().Error("the published ledger cannot be measured", "err", err)
		return append(m.books, gauge(readable, 0))
	}
	m.seen, m.books = st, append(books, gauge(readable, 1))
	return m.books
}

func (m *Metrics) log() *slog.Logger {
	if m.Project.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.Project.Log
}

func noExceptions(have map[string]bool) (out []prometheus.Metric) {
	for _, kind := range exceptions {
		if !have[kind] {
			out = append(out, gauge(open, 0, kind))
		}
	}
	return out
}

func (m *Metrics) read(ctx context.Context) ([]prometheus.Metric, error) {
	db, err := m.Project.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var out []prometheus.Metric
	seen := map[string]bool{}
	read := map[string]bool{}
	for _, q := range []struct {
		desc    *prometheus.Desc
		counter bool
		query   string // labels, then the value, as text
	}{
		{records, true, "select source, stream, count(*)::varchar from main.blobs group by all"},
		{entries, true, "select kind, '', count(*)::varchar from recon.entries group by all"},
		{open, false, "select kind, '', count(*)::varchar from recon.exceptions where status = 'open' group by all"},
		{payoutLines, true, "select source, coalesce(verdict, 'unknown'), count(*)::varchar from recon.payout_lines group by all"},
		{difference, false, "select source, currency, arg_max(difference, date)::varchar from recon.proof where difference is not null group by all"},
		{unexplained, false, "select source, currency, arg_max(difference - explained, date)::varchar from recon.proof where difference is not null and explained is not null group by all"},
		{held, false, "select source, '', count(*) filter (status = 'held')::varchar from recon.payouts group by all"},
		{runs, true, "select command, status, count(*)::varchar from recon.runs where status is not null group by all"},
		{lastRun, false, "select status, '', epoch(max(finished_at))::bigint::varchar from recon.runs where finished_at is not null group by all"},
		{lastSuccess, false, "select name[6:], '', epoch(replace(value, 'Z', '')::timestamp)::bigint::varchar from main.meta where name like 'read/%'"},
	} {
		one := strings.Contains(q.query, ", '', ") // one label
		err := db.Each(ctx, q.query, func(scan func(...any) error) error {
			var a, b, text string
			if err := scan(&a, &b, &text); err != nil {
				return err
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return err
			}
			labels := []string{a, b}
			if one {
				labels = labels[:1]
			}
			switch q.desc {
			case open:
				seen[a] = true
			case lastSuccess:
				read[a] = true
			}
			if q.counter {
				out = append(out, counter(q.desc, v, labels...))
			} else {
				out = append(out, gauge(q.desc, v, labels...))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return append(append(out, noExceptions(seen)...), m.neverRead(read)...), nil
}

// neverRead shows 1970 for the sources that were never read whole: a silence from the beginning is one too.
func (m *Metrics) neverRead(have map[string]bool) (out []prometheus.Metric) {
	for _, s := range m.Project.Sources {
		if !have[s.Name] {
			out = append(out, gauge(lastSuccess, 0, s.Name))
		}
	}
	return out
}
