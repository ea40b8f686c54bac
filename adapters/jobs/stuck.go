package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// EndStuck ends what somebody asked for and a process died of, or with, in its
// last try: no code of the job's own is left to say so. What has tries left the
// queue takes up again by itself.
type EndStuck struct{}

// Kind implements river.JobArgs. It never changes.
func (EndStuck) Kind() string { return "jobs.stuck" }

// Stuck ends jobs with a name that have been at their last try for longer than
// after, each as Ender does, but no export: that has a lease of its own, and a
// sweep which follows it.
type Stuck interface {
	EndStuck(ctx context.Context, after time.Duration) error
}

// How long a try may take before it counts as dead. The queue gives up on it
// itself, and tells nobody, after RescueAfter: later, so that ours comes first.
// Any try of what somebody asked for is cut off after a minute, but an export's,
// which may take its time: Stuck leaves it alone.
const (
	stuckAfter  = 30 * time.Minute
	RescueAfter = time.Hour
	stuckEvery  = time.Minute
)

// RegisterStuck adds the worker that ends what nobody else will.
func RegisterStuck(ws *river.Workers, s Stuck) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[EndStuck]) error {
		return Verdict(s.EndStuck(ctx, stuckAfter))
	}))
}

// PeriodicStuck is the periodic job that RegisterStuck's worker needs.
func PeriodicStuck() *river.PeriodicJob {
	return every(stuckEvery, EndStuck{}, river.QueueDefault)
}
