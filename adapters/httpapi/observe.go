package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
)

// An Observation is one request that was answered. A stream is answered when
// it opens.
type Observation struct {
	Method string // as the client wrote it, if there is such a method
	Route  string // the pattern, such as "/api/v1/posts/{post}"; noRoute if nothing is there
	Status int
	Took   time.Duration
}

// noRoute stands for every address where there is nothing.
const noRoute = "none"

// RouteOf is the pattern of the request that ctx belongs to, for logs. Empty
// outside a request, and before its route is known.
func RouteOf(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.route
	}
	return ""
}

// observe times a request and puts it into the trace that the client is in.
// It is the outermost, so it sees the answer that everything else agreed on.
func (s *surface) observe(c *fiber.Ctx) error {
	begun := time.Now()
	ctx, span := s.tracer.Start(propagation.TraceContext{}.Extract(c.UserContext(), headers{c}), c.Method(), trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	c.SetUserContext(ctx)
	err := c.Next()

	o := Observation{Method: c.Method(), Route: routeOf(c), Status: c.Response().StatusCode(), Took: time.Since(begun)}
	if span.IsRecording() {
		span.SetName(o.Method + " " + o.Route)
		span.SetAttributes(attribute.String("http.request.method", o.Method), attribute.String("http.route", o.Route),
			attribute.Int("http.response.status_code", o.Status), attribute.String("carillon.request_id", requestID(c)))
		if o.Status >= http.StatusInternalServerError {
			span.SetStatus(otelcodes.Error, "")
		}
	}
	if s.Observe != nil {
		s.Observe(c.UserContext(), o)
	}
	return err
}

// routeOf is the pattern that c matched: the contract's, or that of a page
// beside it.
func routeOf(c *fiber.Ctx) string {
	if route := RouteOf(c.UserContext()); route != "" {
		return route
	}
	if path := c.Route().Path; path != "/" {
		return path
	}
	return noRoute
}

// named tells the exchange which route it is, the first thing a route does.
func named(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if x := exchangeOf(c.UserContext()); x != nil {
			x.route = base + r.Path
		}
		return c.Next()
	}
}

// headers reads the trace that a client is in.
type headers struct{ c *fiber.Ctx }

var _ propagation.TextMapCarrier = headers{}

// Get implements propagation.TextMapCarrier.
func (h headers) Get(key string) string { return h.c.Get(key) }

// Set implements propagation.TextMapCarrier. Nothing is told to clients.
func (headers) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (headers) Keys() []string { return nil }
