package main

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
)

// The metrics, each described in docs/metrics.md. Labels have values of pgveil's own, or names
// of keys; never what a client has sent.
var (
	descUp          = describe("up", "1 while clients are served, 0 before and while pgveil ends.")
	descSessions    = describe("sessions", "Open sessions of clients.")
	descConnections = describe("connections_total", "Connections that were accepted.")
	descRejected    = describe("connections_rejected_total", "Clients that did not get in, by reason.", "reason")
	descStatements  = describe("statements_total", "Messages with statements, by what became of them.", "outcome")
	descRows        = describe("rows_total", "Rows of statements with tagged columns that were sent.")
	descOpened      = describe("values_opened_total", "Values that were opened, by the verdict that they were shown under.", "verdict")
	descErased      = describe("values_erased_total", "Values that were shown as erased, as their key was destroyed.")
	descUnopened    = describe("values_unopened_total", "Values that could not be opened.")
	descExceeded    = describe("budgets_exceeded_total", "Statements that a budget has stopped.")
	descReads       = describe("catalog_reads_total", "Times that a catalog was read as a whole.")
	descReadErrors  = describe("catalog_errors_total", "Times that a catalog could not be compared or read.")
	descFlush       = describe("audit_flush_seconds", "How long it took to make a group of audit records durable.")
	descRecords     = describe("audit_records_total", "Audit records that were made durable.")
	descFlushErrors = describe("audit_flush_errors_total", "Groups of audit records that could not be made durable.")
	descAuditUp     = describe("audit_up", "1 while the audit log can be written.")
	descUnsigned    = describe("audit_unsigned_segments", "Ended segments of the audit log that have no signed checkpoint yet.")
	descAlerts      = describe("alerts_total", "Alerts, those too that were folded into one like them, by kind.", "kind")
	descUndelivered = describe("alerts_undelivered_total", "Alerts that the webhook has not taken, for good.")
	descWaiting     = describe("alerts_waiting", "Alerts that wait for the webhook.")
	descKeyAge      = describe("key_age_seconds", "How long ago a keyset was made.", "key")
	descKeyStale    = describe("key_unconfirmed_seconds", "How long ago the store last vouched for a keyset.", "key")
	descKeyWithheld = describe("key_withheld", "1 while nothing is sealed or opened with a keyset, as the store has not vouched for it for too long.", "key")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("pgveil_"+name, help, labels, nil)
	descriptions = append(descriptions, d)
	return d
}

var descriptions []*prometheus.Desc

// metrics collects what the parts of a pgveil that serves have counted, when it is asked.
type metrics struct{ health *health }

// Describe is for [prometheus.Collector].
func (m metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		to <- d
	}
}

// Collect is for [prometheus.Collector].
func (m metrics) Collect(to chan<- prometheus.Metric) {
	serving := m.health.keys.Load()
	up := 0.0
	if serving != nil && !m.health.ending.Load() {
		up = 1
	}
	gauge(to, descUp, up)
	if server := m.health.proxy.Load(); server != nil {
		collectServer(to, server.Stats())
	}
	if trail := m.health.trail.Load(); trail != nil {
		collectAudit(to, trail)
	}
	if serving == nil {
		return
	}
	now := time.Now()
	for _, key := range serving.ages() {
		if !key.created.IsZero() {
			gauge(to, descKeyAge, now.Sub(key.created).Seconds(), key.name)
		}
		gauge(to, descKeyStale, now.Sub(key.confirmed).Seconds(), key.name)
		gauge(to, descKeyWithheld, flag(key.withheld), key.name)
	}
}

func collectServer(to chan<- prometheus.Metric, stats proxy.Stats) {
	gauge(to, descSessions, float64(stats.Open))
	counter(to, descConnections, stats.Accepted)
	counter(to, descRejected, stats.RejectedLogins, "authentication")
	counter(to, descRejected, stats.RejectedRule, "rule")
	counter(to, descRejected, stats.RejectedFull, "full")
	counter(to, descStatements, stats.Forwarded, "forwarded")
	counter(to, descStatements, stats.Planned, "planned")
	counter(to, descStatements, stats.Refused, "refused")
	counter(to, descRows, stats.Rows)
	for verdict := schema.Mask; verdict <= schema.Decrypt; verdict++ {
		counter(to, descOpened, stats.Opened[verdict], verdict.String())
	}
	counter(to, descErased, stats.Erased)
	counter(to, descUnopened, stats.Unopened)
	counter(to, descExceeded, stats.Exceeded)
	for _, kind := range alert.Kinds() {
		counter(to, descAlerts, stats.Alerts.Raised[kind], kind.String())
	}
	counter(to, descUndelivered, stats.Alerts.Undelivered)
	gauge(to, descWaiting, float64(stats.Alerts.Waiting))
	counter(to, descReads, stats.CatalogReads)
	counter(to, descReadErrors, stats.CatalogErrors)
}

func collectAudit(to chan<- prometheus.Metric, trail *audit.Log) {
	f := trail.Flushes()
	within := make(map[float64]uint64, len(audit.FlushBounds))
	for i, bound := range audit.FlushBounds {
		within[bound.Seconds()] = f.Within[i]
	}
	to <- prometheus.MustNewConstHistogram(descFlush, f.Count, f.Sum.Seconds(), within)
	counter(to, descRecords, f.Records)
	counter(to, descFlushErrors, f.Failed)
	gauge(to, descAuditUp, flag(trail.Err() == nil))
	unsigned, _, _ := trail.Unsigned()
	gauge(to, descUnsigned, float64(unsigned))
}

func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(to chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// metricsHandler answers with all metrics in Prometheus' text format.
func metricsHandler(h *health) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics{h})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 5 * time.Second})
}

// keyAge is how old a key is, and how old what is known of it.
type keyAge struct {
	name               string
	created, confirmed time.Time // created is zero if the store does not say
	withheld           bool
}

// ages lists the keys, by name.
func (l *liveKeys) ages() []keyAge {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []keyAge
	for _, name := range slices.Sorted(maps.Keys(l.keys)) {
		key := l.keys[name]
		age := keyAge{name: name, confirmed: key.confirmed, withheld: key.withheld}
		if key.ring != nil {
			age.created = key.ring.Info().Created
		}
		list = append(list, age)
	}
	return list
}
