package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillonhq/carillon/tenants"
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
	if tenant := tenantOf(job); tenant.Valid() {
		ctx = tenants.NewContext(ctx, tenants.SystemScope(tenant)) // for log lines; use cases are told who asks
	}
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

// tenantOf is whose job it is, which every job of a tenant says in the same way.
func tenantOf(job *rivertype.JobRow) tenants.ID {
	var args struct {
		Tenant tenants.ID `json:"tenant"`
	}
	_ = json.Unmarshal(job.EncodedArgs, &args) // whoever works it will say so
	return args.Tenant
}

// Report logs a job that failed or panicked with whose it was, which River's own
// line does not say.
func Report(log *slog.Logger) river.ErrorHandler { return report{log} }

type report struct{ log *slog.Logger }

// HandleError implements river.ErrorHandler.
func (r report) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	r.line(ctx, "a job failed", job, "err", err)
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (r report) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, _ string) *river.ErrorHandlerResult {
	r.line(ctx, "a job panicked", job, "panic", fmt.Sprint(value))
	return nil
}

func (r report) line(ctx context.Context, what string, job *rivertype.JobRow, more ...any) {
	r.log.WarnContext(ctx, what, append([]any{"kind", job.Kind, "job", job.ID, "tenant", string(tenantOf(job)), "attempt", job.Attempt, "of", job.MaxAttempts}, more...)...)
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
