package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/tenants"
)

// MediaSweep finishes uploads and deletions that a crash cut short, in every
// tenant.
type MediaSweep struct{}

// Kind implements river.JobArgs. It never changes.
func (MediaSweep) Kind() string { return "media.sweep" }

const (
	// sweepEvery is how often they are looked for.
	sweepEvery = 15 * time.Minute
	// sweepTenants bounds one look; the next takes what is left.
	sweepTenants = 500
)

// StaleMedia finds the tenants that have something to sweep.
type StaleMedia interface {
	StaleMedia(ctx context.Context, before time.Time, limit int) ([]tenants.ID, error)
}

// MediaSweeper is the part of media.Service that a sweep needs.
type MediaSweeper interface {
	Sweep(ctx context.Context, who tenants.Scope) (int, error)
}

// RegisterMedia adds the worker that keeps the store of files clean.
func RegisterMedia(ws *river.Workers, stale StaleMedia, files MediaSweeper) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[MediaSweep]) error {
		return sweepMedia(ctx, stale, files)
	}))
}

// sweepMedia goes on with the others when one tenant's files cannot be swept.
func sweepMedia(ctx context.Context, stale StaleMedia, files MediaSweeper) error {
	ids, err := stale.StaleMedia(ctx, time.Now().Add(-media.SweepAfter), sweepTenants)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		_, err := files.Sweep(ctx, tenants.SystemScope(id))
		errs = append(errs, err)
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// PeriodicMedia is the periodic job that RegisterMedia's worker needs.
func PeriodicMedia() *river.PeriodicJob {
	return every(sweepEvery, MediaSweep{}, river.QueueDefault)
}
