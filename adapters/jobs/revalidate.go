package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/publishing"
)

// Revalidate checks what is scheduled again where rules have changed.
type Revalidate struct{}

// Kind implements river.JobArgs. It never changes.
func (Revalidate) Kind() string { return "publishing.revalidate" }

// Revalidator is the part of publishing that looks again.
type Revalidator interface {
	Revalidate(ctx context.Context) error
}

// RegisterRevalidation adds the worker that looks again. What one run leaves,
// the next takes up.
func RegisterRevalidation(ws *river.Workers, r Revalidator) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[Revalidate]) error { return Verdict(r.Revalidate(ctx)) }))
}

// PeriodicRevalidation is the periodic job that RegisterRevalidation's worker needs.
func PeriodicRevalidation() *river.PeriodicJob {
	return every(publishing.RevalidateEvery, Revalidate{}, river.QueueDefault)
}
