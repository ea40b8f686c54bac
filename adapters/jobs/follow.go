package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// FollowUp asks the platforms whether what they have accepted of a post is
// visible by now.
type FollowUp struct {
	Tenant tenants.ID        `json:"tenant"`
	Post   publishing.PostID `json:"post"`
}

// Kind implements river.JobArgs. It never changes.
func (FollowUp) Kind() string { return "publishing.follow" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (FollowUp) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: QueueLater} }

// Follower is the part of publishing.Service that the worker needs.
type Follower interface {
	FollowUp(ctx context.Context, who tenants.Scope, id publishing.PostID) (again time.Duration, err error)
}

// RegisterFollowUp registers the worker for FollowUp, which rests between two
// looks. A look that failed is made again with the same pauses.
func RegisterFollowUp(ws *river.Workers, f Follower) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[FollowUp]) error {
		again, err := f.FollowUp(ctx, tenants.SystemScope(job.Args.Tenant), job.Args.Post)
		if again > 0 {
			return river.JobSnooze(again)
		}
		return Verdict(err)
	}))
}
