package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// AnswersForget forgets what requests were answered, once it is too old to be
// honoured, in every tenant.
type AnswersForget struct{}

// Kind implements river.JobArgs.
func (AnswersForget) Kind() string { return "idempotency.forget" }

// Answers forgets up to n old answers and returns how many there were.
type Answers interface {
	ForgetAnswers(ctx context.Context, n int) (int64, error)
}

// forgetAtOnce bounds one transaction.
const forgetAtOnce = 5000

// RegisterIdempotency adds the worker that keeps the table of answers small.
func RegisterIdempotency(ws *river.Workers, answers Answers) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[AnswersForget]) error {
		return Verdict(forget(ctx, answers))
	}))
}

func forget(ctx context.Context, answers Answers) error {
	for {
		if n, err := answers.ForgetAnswers(ctx, forgetAtOnce); err != nil || n < forgetAtOnce {
			return err
		}
	}
}

// PeriodicIdempotency is what runs by the clock, for river.Config.PeriodicJobs.
func PeriodicIdempotency() []*river.PeriodicJob {
	return []*river.PeriodicJob{every(time.Hour, AnswersForget{}, river.QueueDefault)}
}
