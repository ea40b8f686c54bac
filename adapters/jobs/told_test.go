package jobs_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/events"
	names "github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// refresher answers for a post what it was told to.
type refresher map[publishing.PostID]error

func (r refresher) RefreshMetrics(_ context.Context, _ tenants.Scope, id publishing.PostID) error {
	return r[id]
}

// Through the real queue: whoever hears that a job has ended finds that it has.
func TestTheEndOfAJobIsTold(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	want, posts := map[names.ID]names.Status{}, refresher{}
	ask := func(status names.Status, err error) names.ID {
		job, post := names.NewID(), publishing.NewPost(publishing.Content{}, "usr_x").ID
		want[job], posts[post] = status, err
		mustHook(t, db.Posts().Update(t.Context(), us, func(ctx context.Context, tx publishing.Tx) error {
			return tx.RefreshMetrics(ctx, post, string(job))
		}))
		return job
	}
	ask(names.Succeeded, nil)
	ask(names.Failed, fault.New(fault.NotFound, "post.not_found", "Gone."))
	canceled := ask(names.Canceled, nil)
	mustHook(t, db.JobNames().Cancel(t.Context(), us, canceled, audit.By(tenants.SystemScope(us), "job.cancel", string(canceled))))
	mustHook(t, db.JobNames().Cancel(t.Context(), us, canceled, audit.By(tenants.SystemScope(us), "job.cancel", string(canceled)))) // and is told once

	ws := river.NewWorkers()
	jobs.RegisterMetrics(ws, posts, func(context.Context, time.Duration) {})
	client, err := db.Jobs(&river.Config{
		Workers: ws, Queues: map[string]river.QueueConfig{jobs.QueueLater: {MaxWorkers: 2}}, FetchCooldown: 5 * time.Millisecond, TestOnly: true,
		Middleware: []rivertype.Middleware{jobs.Endings(db)},
	})
	mustHook(t, err)
	mustHook(t, client.Start(t.Context()))
	defer func() { mustHook(t, client.Stop(context.WithoutCancel(t.Context()))) }()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := map[names.ID]names.Status{}
	for from := (events.Place{Cursor: events.Start}); len(got) < len(want); {
		for _, e := range page(ctx, t, db, us, &from) {
			var told names.Told
			mustHook(t, json.Unmarshal(e.Data, &told))
			job := names.ID(e.Subject)
			if e.Type != names.EventUpdated || got[job] != "" || told.Type != "metrics.refresh" {
				t.Fatalf("%s about %s: %s", e.Type, job, e.Data)
			}
			got[job] = told.Status
			if now, err := db.JobNames().Job(ctx, us, job); err != nil || now.Status != told.Status || now.FinishedAt.IsZero() {
				t.Errorf("told %s, and it is %+v, %v", told.Status, now, err)
			}
		}
	}
	for job, status := range want {
		if got[job] != status {
			t.Errorf("told %s, want %s", got[job], status)
		}
	}
}

// page reads on from a place, and moves it.
func page(ctx context.Context, t *testing.T, db *postgres.DB, us tenants.ID, from *events.Place) (all []events.Event) {
	t.Helper()
	mustHook(t, db.Events().View(ctx, us, func(tx events.Tx) error {
		p, err := tx.Events(ctx, *from, nil, 100)
		if err == nil && len(p.Events) > 0 {
			all, *from = p.Events, p.Events[len(p.Events)-1].Place
		}
		return err
	}))
	return all
}
