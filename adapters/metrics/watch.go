package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Type says how a watched figure moves.
type Type = prometheus.ValueType

// A Gauge goes up and down; a Counter only grows while the process lives.
const (
	Gauge   = prometheus.GaugeValue
	Counter = prometheus.CounterValue
)

// Is tells a value, with one word for each label.
type Is func(value float64, labels ...string)

// readTimeout bounds one look; a database that is away must not keep the
// other figures from being read.
const readTimeout = 2 * time.Second

// Watch adds a figure that read tells each time somebody asks. A figure whose
// read fails is left out of that answer. It panics if the name is taken or is
// no name, which the first start shows.
func (m *Metrics) Watch(name, help string, t Type, labels []string, read func(context.Context, Is) error) {
	m.registry.MustRegister(watched{prometheus.NewDesc(name, help, labels, nil), t, read})
}

type watched struct {
	desc *prometheus.Desc
	typ  Type
	read func(context.Context, Is) error
}

// Describe implements prometheus.Collector.
func (w watched) Describe(ch chan<- *prometheus.Desc) { ch <- w.desc }

// Collect implements prometheus.Collector.
func (w watched) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	var told []prometheus.Metric
	err := w.read(ctx, func(value float64, labels ...string) {
		m, err := prometheus.NewConstMetric(w.desc, w.typ, value, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(w.desc, err)
		}
		told = append(told, m)
	})
	if err != nil {
		told = []prometheus.Metric{prometheus.NewInvalidMetric(w.desc, err)}
	}
	for _, m := range told {
		ch <- m
	}
}
