package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// EraseTenants goes on with the end of tenants that is due.
type EraseTenants struct{}

// Kind implements river.JobArgs. It never changes.
func (EraseTenants) Kind() string { return "tenant.erase" }

// Eraser is the part of erasure.Service that a worker needs.
type Eraser interface {
	Run(ctx context.Context) error
}

// eraseTime bounds one job: what is left, the next one takes up.
const eraseTime = time.Hour

type erasing struct {
	river.WorkerDefaults[EraseTenants]
	eraser Eraser
}

// Timeout implements river.Worker.
func (erasing) Timeout(*river.Job[EraseTenants]) time.Duration { return eraseTime }

// Work implements river.Worker.
func (w erasing) Work(ctx context.Context, _ *river.Job[EraseTenants]) error {
	return Verdict(w.eraser.Run(ctx))
}

// RegisterErasures adds the worker that ends tenants.
func RegisterErasures(ws *river.Workers, e Eraser) { river.AddWorker(ws, erasing{eraser: e}) }

// PeriodicErasures is the periodic job that RegisterErasures' worker needs.
func PeriodicErasures() *river.PeriodicJob {
	return every(lookEvery, EraseTenants{}, QueueLater)
}
