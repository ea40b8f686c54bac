package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/ledger"
)

// HoldsFree frees what was held for a purchase that nobody came back for, in
// every tenant.
type HoldsFree struct{}

// Kind implements river.JobArgs.
func (HoldsFree) Kind() string { return "ledger.free" }

// Holds frees stuck holds and says how many.
type Holds interface {
	Free(ctx context.Context) (int, error)
}

// RegisterLedger adds the worker that frees stuck holds.
func RegisterLedger(ws *river.Workers, holds Holds) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[HoldsFree]) error {
		_, err := holds.Free(ctx)
		return Verdict(err)
	}))
}

// PeriodicLedger is what runs by the clock, for river.Config.PeriodicJobs.
func PeriodicLedger() []*river.PeriodicJob {
	return []*river.PeriodicJob{every(ledger.Sweeps, HoldsFree{}, river.QueueDefault)}
}
