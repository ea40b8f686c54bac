// Package jobs is the work that the kernel does later: what is queued, and who
// does it. A job is inserted in the transaction that makes it necessary, so
// work that is owed is work that will be done.
//
// Arguments are wire format: a queued job may outlive a release, and each
// names its tenant, because the queue's row-level security looks there. A
// kind never changes. Everything here may run twice; the use cases it calls
// see to it that this makes no difference.
//
// One file per context: its arguments, and a Register function that adds its
// workers. Start with a Register.
package jobs

import (
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/ports/fault"
)

// Verdict tells River what to make of a fault: wait, try again, or give up.
// Register functions return it from their workers.
func Verdict(err error) error {
	if err == nil {
		return nil
	}
	switch f := fault.Of(err); f.Code {
	case fault.RateLimited:
		return river.JobSnooze(max(f.RetryAfter, time.Second))
	case fault.Unavailable, fault.Canceled, fault.Internal, fault.Conflict:
		return err
	default:
		return river.JobCancel(err)
	}
}

// every has args worked on a queue at the start and once in each d, whatever
// the number of processes. A try that fails is not repeated: the next one comes.
func every(d time.Duration, args river.JobArgs, queue string) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(d), func() (river.JobArgs, *river.InsertOpts) {
		return args, &river.InsertOpts{MaxAttempts: 1, Queue: queue, UniqueOpts: river.UniqueOpts{ByPeriod: d}}
	}, &river.PeriodicJobOpts{RunOnStart: true})
}
