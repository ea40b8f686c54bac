package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/httpapi"
	"github.com/carillonhq/carillon/adapters/logging"
	"github.com/carillonhq/carillon/adapters/metrics"
	"github.com/carillonhq/carillon/adapters/tracing"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// observer watches the protocol for the metrics.
func observer(k *kernel) publishing.Observer { return k.metrics }

func logger(cfg config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // unknown words mean info
	return logging.New(os.Stderr, level, whereabouts)
}

// whereabouts is what every log line of a request says about it.
func whereabouts(ctx context.Context) (attrs []slog.Attr) {
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("request_id", events.RequestOf(ctx).ID)
	add("route", httpapi.RouteOf(ctx))
	if who, err := tenants.FromContext(ctx); err == nil {
		add("tenant", string(who.Tenant))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		add("trace_id", span.TraceID().String())
	}
	return attrs
}

// answered counts a request and, at level debug, logs it.
func (k *kernel) answered(ctx context.Context, o httpapi.Observation) {
	k.metrics.HTTP(o.Method, o.Route, o.Status, o.Took)
	k.log.DebugContext(ctx, "answered", "method", o.Method, "status", o.Status, "took", o.Took.String())
}

// wentOut counts what a plugin asked of the egress proxy and puts it into the
// trace of the call that it is of and, at level debug, into the log. It is the
// host's own evidence: what a plugin reports of itself is another span.
func (k *kernel) wentOut(ctx context.Context, r egress.Request) {
	method, outcome := cmp.Or(r.Call.Method, "none"), cmp.Or(r.Failed, "ok")
	k.metrics.Egress(r.Plugin, method, outcome)
	k.log.DebugContext(ctx, "went out", "plugin", r.Plugin, "call", method, "operation", r.Call.Operation, "plugin_tenant", r.Call.Tenant,
		"account", r.Call.Account, "host", r.Host, "outcome", outcome, "sent", r.Sent, "received", r.Received, "took", r.Took.String())
	if !trace.SpanFromContext(ctx).SpanContext().IsSampled() {
		return
	}
	_, span := otel.Tracer("github.com/carillonhq/carillon/cmd/carillon").Start(ctx, "egress "+r.Host, trace.WithTimestamp(r.At),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("plugin.id", r.Plugin), attribute.String("carillon.call", method), attribute.String("carillon.operation", r.Call.Operation),
			attribute.String("carillon.account", r.Call.Account), attribute.String("server.address", r.Host),
			attribute.Int64("carillon.sent", r.Sent), attribute.Int64("carillon.received", r.Received)))
	if r.Failed != "" {
		span.SetStatus(codes.Error, r.Failed)
	}
	span.End(trace.WithTimestamp(r.At.Add(r.Took)))
}

// openSight starts what the rest is watched with.
func (k *kernel) openSight(ctx context.Context) error {
	k.metrics = metrics.New(version)
	if k.cfg.TraceURL == "" {
		return nil
	}
	stop, err := tracing.Start(ctx, k.cfg.TraceURL, version, holder())
	if err != nil {
		return fmt.Errorf("CARILLON_TRACE_URL: %w", err)
	}
	k.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = stop(ctx)
	})
	return nil
}

// operate serves the operator: metrics and health, on an address of their own
// that the public never reaches. Without an address there is nothing.
func (k *kernel) operate(ctx context.Context, ready func(context.Context) error) error {
	if k.cfg.MetricsAddr == "" {
		return nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", k.cfg.MetricsAddr)
	if err != nil {
		return fmt.Errorf("CARILLON_METRICS_ADDR: %w", err)
	}
	k.log.InfoContext(ctx, "operator's listener", "addr", ln.Addr().String())
	return serveLocal(ctx, ln, operatorPages(k.metrics.Handler(), ready))
}

const operatorIndex = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Carillon, for operators</title>
<h1>Carillon, for operators</h1><ul>
<li><a href="/metrics">/metrics</a>: figures for Prometheus</li>
<li><a href="/livez">/livez</a>: this process runs</li>
<li><a href="/readyz">/readyz</a>: deliveries are being claimed</li></ul></html>
`

func operatorPages(figures http.Handler, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, operatorIndex)
	})
	mux.Handle("GET /metrics", figures)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	return mux
}
