package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// RefreshMetrics asks the platforms how one post is doing.
type RefreshMetrics struct {
	Tenant tenants.ID        `json:"tenant"`
	Post   publishing.PostID `json:"post"`
}

// Kind implements river.JobArgs. It never changes.
func (RefreshMetrics) Kind() string { return "publishing.metrics" }

// QueueLater is for work that yields to publishing: few at a time, so that ten
// thousand posts due at once are not slowed down by what is asked about them.
const QueueLater = "later"

// InsertOpts implements river.JobArgsWithInsertOpts.
func (RefreshMetrics) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 5, Queue: QueueLater}
}

// Metrics is the part of publishing.Service that a worker needs.
type Metrics interface {
	RefreshMetrics(ctx context.Context, who tenants.Scope, id publishing.PostID) error
}

// metricsWait is how long a refresh lets publishing go first. It is less than a
// job may take.
const metricsWait = 20 * time.Second

// RegisterMetrics registers the worker for RefreshMetrics. calm returns when
// this process has little to publish, or after a time.
func RegisterMetrics(ws *river.Workers, m Metrics, calm func(context.Context, time.Duration)) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[RefreshMetrics]) error {
		calm(ctx, metricsWait)
		return Verdict(m.RefreshMetrics(ctx, tenants.SystemScope(job.Args.Tenant), job.Args.Post))
	}))
}
