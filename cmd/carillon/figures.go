package main

import (
	"context"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/metrics"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/stream"
)

// watch adds the figures that are read when somebody asks.
func (k *kernel) watch(context.Context) error {
	k.watchDatabase()
	k.watchPlugins()
	return nil
}

func (k *kernel) watchDatabase() {
	m := k.metrics
	m.Watch("carillon_due_segments", "Segments that are due and wait to be taken, paused ones too.", metrics.Gauge, nil, func(ctx context.Context, is metrics.Is) error {
		b, err := k.db.Backlog(ctx)
		is(float64(b.Due))
		return err
	})
	m.Watch("carillon_due_oldest_seconds", "How late the longest waiting of them is.", metrics.Gauge, nil, func(ctx context.Context, is metrics.Is) error {
		b, err := k.db.Backlog(ctx)
		is(b.Oldest.Seconds())
		return err
	})
	m.Watch("carillon_workers", "Worker processes that claimed within the last ten seconds.", metrics.Gauge, nil, func(ctx context.Context, is metrics.Is) error {
		ws, err := k.db.Workers(ctx)
		n := 0
		for _, w := range ws {
			if w.Quiet < claimWithin {
				n++
			}
		}
		is(float64(n))
		return err
	})
	m.Watch("carillon_jobs", "Jobs in the queue.", metrics.Gauge, []string{"state"}, func(ctx context.Context, is metrics.Is) error {
		counts, err := k.db.JobCounts(ctx)
		for state, n := range counts {
			is(float64(n), state)
		}
		return err
	})
	for _, f := range []struct {
		name, help string
		typ        metrics.Type
		of         func(p postgres.Pool) float64
	}{
		{"carillon_db_connections_max", "Connections a pool may have.", metrics.Gauge, func(p postgres.Pool) float64 { return float64(p.Max) }},
		{"carillon_db_connections_open", "Connections a pool has.", metrics.Gauge, func(p postgres.Pool) float64 { return float64(p.Open) }},
		{"carillon_db_connections_busy", "Connections in use.", metrics.Gauge, func(p postgres.Pool) float64 { return float64(p.Busy) }},
		{"carillon_db_acquires_total", "Connections taken from a pool.", metrics.Counter, func(p postgres.Pool) float64 { return float64(p.Acquired) }},
		{"carillon_db_waits_total", "Of those, how many had to wait for one.", metrics.Counter, func(p postgres.Pool) float64 { return float64(p.Waited) }},
		{"carillon_db_wait_seconds_total", "Time spent waiting for one.", metrics.Counter, func(p postgres.Pool) float64 { return p.Waiting.Seconds() }},
	} {
		m.Watch(f.name, f.help, f.typ, []string{"role"}, func(_ context.Context, is metrics.Is) error {
			for _, p := range k.db.Pools() {
				is(f.of(p), p.Role)
			}
			return nil
		})
	}
}

func (k *kernel) watchPlugins() {
	k.metrics.Watch("carillon_plugin_state", "What a plugin is doing: 1 for its state.", metrics.Gauge, []string{"plugin", "state"}, func(_ context.Context, is metrics.Is) error {
		for _, s := range k.plugins.Status() {
			for _, state := range pluginhost.States {
				is(one(s.State == state), s.ID, string(state))
			}
		}
		return nil
	})
	for _, f := range []struct {
		name, help string
		typ        metrics.Type
		of         func(pluginhost.Status) float64
	}{
		{"carillon_plugin_up", "Whether a plugin's process runs; it starts when it is needed.", metrics.Gauge, func(s pluginhost.Status) float64 { return one(s.PID != 0) }},
		{"carillon_plugin_quarantined", "Whether a plugin was given up for a while.", metrics.Gauge, func(s pluginhost.Status) float64 { return one(!s.Quarantined.IsZero()) }},
		{"carillon_plugin_parked_operations", "Operations that are refused because a plugin fell under them twice.", metrics.Gauge, func(s pluginhost.Status) float64 { return float64(s.Parked) }},
		{"carillon_plugin_breakers_open", "Accounts, platforms, models and quotas that a plugin is not asked about for a moment.", metrics.Gauge, func(s pluginhost.Status) float64 { return float64(len(s.Breakers)) }},
		{"carillon_plugin_old_versions", "Versions that were replaced and finish what they began.", metrics.Gauge, func(s pluginhost.Status) float64 { return float64(len(s.Older)) }},
		{"carillon_plugin_calls_in_flight", "Calls that a plugin has not answered.", metrics.Gauge, func(s pluginhost.Status) float64 { return float64(s.InFlight) }},
		{"carillon_plugin_starts_total", "Times a plugin's process was started.", metrics.Counter, func(s pluginhost.Status) float64 { return float64(s.Starts) }},
	} {
		k.metrics.Watch(f.name, f.help, f.typ, []string{"plugin"}, func(_ context.Context, is metrics.Is) error {
			for _, s := range k.plugins.Status() {
				is(f.of(s), s.ID)
			}
			return nil
		})
	}
	for _, f := range []struct {
		name, help string
		of         func(egress.Usage) int64
	}{
		{"carillon_egress_requests_total", "Connections and requests of a plugin through the egress proxy.", func(u egress.Usage) int64 { return u.Requests }},
		{"carillon_egress_refused_total", "What the egress proxy refused a plugin.", func(u egress.Usage) int64 { return u.Refused }},
		{"carillon_egress_sent_bytes_total", "Bytes from a plugin.", func(u egress.Usage) int64 { return u.Sent }},
		{"carillon_egress_received_bytes_total", "Bytes to a plugin.", func(u egress.Usage) int64 { return u.Received }},
	} {
		k.metrics.Watch(f.name, f.help, metrics.Counter, []string{"plugin"}, func(_ context.Context, is metrics.Is) error {
			for _, u := range k.proxy.Usage() {
				is(float64(f.of(u)), u.Plugin)
			}
			return nil
		})
	}
}

// watchWorker adds a dispatcher's own figures.
func (k *kernel) watchWorker(w worker) {
	gauge := func(name, help string, read func() float64) {
		k.metrics.Watch(name, help, metrics.Gauge, nil, func(_ context.Context, is metrics.Is) error { is(read()); return nil })
	}
	gauge("carillon_dispatch_slots", "Segments that this process carries at a time.", func() float64 { return float64(k.cfg.Slots) })
	gauge("carillon_dispatch_busy", "Segments that this process carries now.", func() float64 { return float64(w.Busy()) })
	gauge("carillon_dispatch_claim_age_seconds", "Time since the database last answered this process's claim.", func() float64 { return w.quiet().Seconds() })
}

// watchStreams adds a hub's figure.
func (k *kernel) watchStreams(hub *stream.Hub) {
	k.metrics.Watch("carillon_stream_subscribers", "Event streams that are open here.", metrics.Gauge, nil, func(_ context.Context, is metrics.Is) error {
		is(float64(hub.Subscribers()))
		return nil
	})
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
