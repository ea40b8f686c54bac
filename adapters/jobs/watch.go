package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Watch returns what makes a trace of every job that is worked, and tells
// ended of it; for river.Config.Middleware. The outcome is "ok", "snoozed",
// "canceled" or "failed".
func Watch(ended func(kind, outcome string, took time.Duration)) rivertype.Middleware {
	return &watch{ended: ended, tracer: otel.Tracer("github.com/carillonhq/carillon/adapters/jobs")}
}

type watch struct {
	river.MiddlewareDefaults
	ended  func(kind, outcome string, took time.Duration)
	tracer trace.Tracer
}

// Work implements rivertype.WorkerMiddleware.
func (w *watch) Work(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) error {
	ctx, span := w.tracer.Start(ctx, "job "+job.Kind, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.Int64("job.id", job.ID), attribute.Int("job.attempt", job.Attempt)))
	defer span.End()
	begun := time.Now()
	err := work(ctx)
	outcome := outcomeOf(err)
	if outcome == "failed" {
		span.SetStatus(codes.Error, "")
	}
	w.ended(job.Kind, outcome, time.Since(begun))
	return err
}

func outcomeOf(err error) string {
	var snooze *river.JobSnoozeError
	var cancel *river.JobCancelError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &snooze):
		return "snoozed"
	case errors.As(err, &cancel):
		return "canceled"
	}
	return "failed"
}
