// Package metrics counts what an installation does, for Prometheus.
//
// Two kinds of figures: what happens is counted when it happens (HTTP, Plugin,
// Job, Settled), what is so at the moment is read when somebody asks (Watch).
// Labels are words that we chose: route patterns, plugin ids, states. Never a
// tenant, an address or anything a caller made up; each new value of a label
// costs memory for the life of the process.
//
// Start with New. Every figure is listed in docs/operations.md.
package metrics

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/carillonhq/carillon/core/publishing"
)

// Metrics is the figures of one process. Its methods may be called from many
// goroutines.
type Metrics struct {
	registry *prometheus.Registry
	http     *prometheus.HistogramVec
	plugin   *prometheus.HistogramVec
	egress   *prometheus.CounterVec
	job      *prometheus.HistogramVec
	late     prometheus.Histogram
	settled  *prometheus.CounterVec
	points   *prometheus.CounterVec
}

// Bounds of the histograms, in seconds. Lateness has bounds at its targets:
// half of all within 0.3 s, 99 % within 1 s, a burst of 10,000 within 45 s.
var (
	answerBounds = []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15}
	callBounds   = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	lateBounds   = []float64{.05, .1, .2, .3, .5, .75, 1, 2, 5, 10, 20, 45, 120, 600, 3600}
)

// New returns figures that are all zero. version is the program's.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		http:     histogram("carillon_http_request_duration_seconds", "Time to answer a request, streams excepted.", answerBounds, "method", "route", "status"),
		plugin:   histogram("carillon_plugin_call_duration_seconds", "Time of a call to a plugin, commits being the tries to publish.", callBounds, "plugin", "method", "outcome"),
		egress:   counter("carillon_egress_calls_total", "Connections and requests of a plugin by the kind of call that they are of; none: it did not say.", "plugin", "method", "outcome"),
		job:      histogram("carillon_job_duration_seconds", "Time a job was worked.", callBounds, "kind", "outcome"),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "carillon_publish_lateness_seconds", Help: "Time from due to live, of the first segment of a delivery.", Buckets: lateBounds}),
		settled: counter("carillon_segments_settled_total", "Segments that came to rest.", "state"),
		points:  counter("carillon_publish_steps_total", "Places in the publish protocol that were passed.", "point"),
	}
	m.registry.MustRegister(m.http, m.plugin, m.egress, m.job, m.late, m.settled, m.points,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Watch("carillon_build_info", "The running version.", Gauge, []string{"version"}, func(_ context.Context, is Is) error {
		is(1, version)
		return nil
	})
	return m
}

func histogram(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Handler answers with every figure. Who reaches it reads all of them: serve
// it to the operator only.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second, ErrorHandling: promhttp.ContinueOnError})
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// HTTP counts one answered request. route is the pattern, never the path.
func (m *Metrics) HTTP(method, route string, status int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = "other"
	}
	m.http.WithLabelValues(method, route, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}

// Plugin counts one call to a plugin that ended.
func (m *Metrics) Plugin(plugin, method, outcome string, took time.Duration) {
	m.plugin.WithLabelValues(plugin, method, outcome).Observe(took.Seconds())
}

// Egress counts one request of a plugin to the outside, of a call of that
// method.
func (m *Metrics) Egress(plugin, method, outcome string) {
	m.egress.WithLabelValues(plugin, method, outcome).Inc()
}

// Job counts one job that was worked.
func (m *Metrics) Job(kind, outcome string, took time.Duration) {
	m.job.WithLabelValues(kind, outcome).Observe(took.Seconds())
}

var _ publishing.Observer = (*Metrics)(nil)

// At implements publishing.Observer.
func (m *Metrics) At(p publishing.Point) { m.points.WithLabelValues(string(p)).Inc() }

// Settled implements publishing.Observer.
func (m *Metrics) Settled(s publishing.State, late time.Duration) {
	m.settled.WithLabelValues(string(s)).Inc()
	if s == publishing.Live && late >= 0 {
		m.late.Observe(late.Seconds())
	}
}
