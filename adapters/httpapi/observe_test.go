package httpapi

import (
	"context"
	"net/http"
	"testing"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/events"
)

func TestWhatARequestIsObservedAs(t *testing.T) {
	type seen struct {
		Observation
		request string
		inside  string // the route as the handler's own logs have it
	}
	var got seen
	cfg := testConfig()
	cfg.Observe = func(ctx context.Context, o Observation) {
		got.Observation, got.request = o, events.RequestOf(ctx).ID
	}
	addr := serve(t, cfg, api.Route{Method: "GET", Path: "/things/{thing}:ring", Public: "a test", Handler: func(c *fiber.Ctx) error {
		got.inside = RouteOf(c.UserContext())
		return c.SendStatus(fiber.StatusTeapot)
	}})
	for name, tt := range map[string]struct {
		request, route string
		status         int
	}{
		"of the contract": {"GET /api/v1/things/th_1:ring HTTP/1.1\r\nHost: h\r\n\r\n", "/api/v1/things/{thing}:ring", 418},
		"beside it":       {"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n", "/livez", 200},
		"nothing there":   {"GET /secret-looking/path HTTP/1.1\r\nHost: h\r\n\r\n", "none", 404},
		"badly framed":    {"GET http://i/livez HTTP/1.1\r\nHost: h\r\n\r\n", "none", 400},
	} {
		t.Run(name, func(t *testing.T) {
			got = seen{}
			raw(t, addr, tt.request)
			if got.Route != tt.route || got.Status != tt.status || got.Method != http.MethodGet || got.Took <= 0 {
				t.Errorf("observed %+v", got.Observation)
			}
			if tt.status < 400 && got.request == "" || tt.status == 418 && got.inside != tt.route {
				t.Errorf("the logs have request %q, route %q", got.request, got.inside)
			}
		})
	}
}

func TestARequestContinuesTheClientsTrace(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	addr := serve(t, testConfig(), api.Route{Method: "GET", Path: "/things", Public: "a test", Handler: echo})

	const id = "0af7651916cd43dd8448eb211c80319c"
	raw(t, addr, "GET /api/v1/things HTTP/1.1\r\nHost: h\r\ntraceparent: 00-"+id+"-b7ad6b7169203331-01\r\n\r\n")
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].SpanContext().TraceID().String() != id || ended[0].Name() != "GET /api/v1/things" {
		t.Errorf("spans %+v", ended)
	}
}
