// Package tracing sends spans to an OpenTelemetry collector.
//
// A trace follows one thing through the installation: a request to its
// statements, a segment from its claim over the plugin to the platform, a job.
// What a span says is chosen like a log line: names, ids, durations, no
// contents. Statements go without their text, because bun writes arguments
// into it.
//
// Without Start nothing is recorded, and a span costs a few nanoseconds. Start
// with Start; whoever opens spans asks package otel for a tracer.
package tracing

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Start sends spans to collector, an OTLP endpoint over HTTP such as
// "http://127.0.0.1:4318"; /v1/traces is added if it has no path. version and
// instance name the process. The returned function sends what is left and must
// be called. How much is sampled is OTEL_TRACES_SAMPLER's to say, as in every
// program with this SDK; everything by default, but a client's own decision
// stands.
func Start(ctx context.Context, collector, version, instance string) (stop func(context.Context) error, err error) {
	u, err := url.Parse(collector)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%.100q is not the address of a collector", collector)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()))
	if err != nil {
		return nil, err
	}
	p := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "carillon"), attribute.String("service.version", version),
		attribute.String("service.instance.id", instance))))
	otel.SetTracerProvider(p)
	return p.Shutdown, nil
}

// Statements makes a span of each statement that is part of a trace, for
// postgres.Config. It begins none of its own: a dispatcher that looks whether
// something is due is no news.
func Statements() *otelpgx.Tracer {
	return otelpgx.NewTracer(otelpgx.WithDisableSQLStatementInAttributes(), otelpgx.WithDisableConnectionDetailsInAttributes(),
		otelpgx.WithSpanNameFunc(nameOf), otelpgx.WithDisableAcquireTracer())
}

var (
	// What is in quotes or remarks, to the end if the end was cut off.
	contents = regexp.MustCompile(`(?s)'(?:[^']|'')*(?:'|$)|/\*.*?(?:\*/|$)|--[^\n]*`)
	target   = regexp.MustCompile(`(?i)\b(?:from|into|update)\s+("?[a-z_][a-z0-9_]{0,62}"?(?:\."?[a-z_][a-z0-9_]{0,62}"?)?)`)
	verb     = regexp.MustCompile(`(?i)^[a-z]{1,12}\b`)
)

// nameOf says what a statement does and to which table, and nothing that was
// put into it.
func nameOf(sql string) string {
	sql = strings.TrimSpace(contents.ReplaceAllString(sql[:min(len(sql), maxLook)], ""))
	name := strings.ToLower(verb.FindString(sql))
	switch name {
	case "select", "insert", "update", "delete", "with":
	case "":
		return "statement"
	default: // begin, commit, set: their arguments are not tables
		return name
	}
	if m := target.FindStringSubmatch(sql); m != nil {
		name += " " + strings.ReplaceAll(m[1], `"`, "")
	}
	return name
}

// maxLook is how far into a statement its table is looked for.
const maxLook = 2 << 10
