package postgres

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A segment goes out long after the request that planned it, on another
// machine perhaps, so it is a trace of its own. The two are linked by what the
// segment's row remembers of the request's: a traceparent (W3C Trace Context).

const traceparent = "traceparent"

// traceOf is what ctx's trace is called, or "" if nobody records it.
func traceOf(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	return c[traceparent]
}

// linkTo links the span of ctx to what traceOf said elsewhere.
func linkTo(ctx context.Context, parent string) {
	span := trace.SpanFromContext(ctx)
	if parent == "" || !span.IsRecording() {
		return
	}
	from := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: parent})
	if sc := trace.SpanContextFromContext(from); sc.IsValid() && sc.TraceID() != span.SpanContext().TraceID() {
		span.AddLink(trace.Link{SpanContext: sc})
	}
}
