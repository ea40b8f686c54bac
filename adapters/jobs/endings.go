package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	names "github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
)

// An Ending is what became of work that somebody asked for.
type Ending struct {
	Tenant tenants.ID
	Job    names.ID
	Queue  *rivertype.JobRow
	Status names.Status // Succeeded, Failed or Canceled
	Err    error        // why, unless it succeeded
}

// Ender ends a job and tells its tenant, both or neither. A job that goes on as
// another one of the queue is none of its business.
type Ender interface {
	EndJob(ctx context.Context, e Ending) error
}

// metadata is what the queue keeps beside a job's arguments.
type metadata struct {
	Job names.ID `json:"carillon_job,omitempty"`
}

// Named adds a job's name to the options that it is queued with; nil are none.
func Named(job names.ID, opts *river.InsertOpts) *river.InsertOpts {
	var out river.InsertOpts
	if opts != nil {
		out = *opts
	}
	out.Metadata, _ = json.Marshal(metadata{job}) // a string
	return &out
}

// endTime bounds what must happen even though the work was stopped.
const endTime = 10 * time.Second

// Endings returns what hands the end of jobs with a name to e; for
// river.Config.Middleware, inside of Watch. All others the queue ends itself.
func Endings(e Ender) rivertype.Middleware { return &endings{ender: e} }

type endings struct {
	river.MiddlewareDefaults
	ender Ender
}

// Work implements rivertype.WorkerMiddleware.
func (m *endings) Work(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) error {
	var of metadata
	if json.Unmarshal(job.Metadata, &of) != nil || of.Job == "" {
		return work(ctx)
	}
	err := work(ctx)
	status, over := ended(ctx, job, err)
	if !over {
		return err
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	telling := m.ender.EndJob(after, Ending{Tenant: tenantOf(job), Job: of.Job, Queue: job, Status: status, Err: err})
	if err == nil {
		return telling // work that cannot be told of is done again
	}
	return err
}

// ended reports whether a try was the last one, and what came of it.
func ended(ctx context.Context, job *rivertype.JobRow, err error) (names.Status, bool) {
	var snooze *river.JobSnoozeError
	var cancel *river.JobCancelError
	switch {
	case err == nil:
		return names.Succeeded, true
	case errors.Is(context.Cause(ctx), rivertype.ErrJobCancelledRemotely):
		return names.Canceled, true
	case errors.As(err, &snooze):
		return "", false
	case errors.As(err, &cancel), job.Attempt >= job.MaxAttempts:
		return names.Failed, true
	}
	return "", false
}
