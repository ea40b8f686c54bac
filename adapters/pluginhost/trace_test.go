package pluginhost_test

import (
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestTracesReachThroughToThePlugin(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(before) })

	p := open(t, host(t, "good", "test.good"), "test.good")
	ctx, span := provider.Tracer("test").Start(t.Context(), "delivery")
	step, err := p.Publish(ctx, request("trace 127.0.0.1:1", false))
	span.End()
	if err != nil {
		t.Fatal(err)
	}
	want := span.SpanContext().TraceID()
	if got := step.Receipt.Ref.ID; got != want.String() {
		t.Errorf("the plugin is in trace %s, the delivery in %s", got, want)
	}
	names := map[string]bool{}
	for _, s := range spans.Ended() {
		if s.SpanContext().TraceID() == want {
			names[s.Name()] = true
		}
	}
	for _, name := range []string{"delivery", "plugin publish", "carillon.plugin.v1.SocialService/Publish", "GET 127.0.0.1:1"} {
		if !names[name] {
			t.Errorf("no span %q in %v", name, names)
		}
	}
}
