package postgres_test

import (
	"context"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

type namedWork struct {
	Tenant tenants.ID `json:"tenant"`
	N      int        `json:"n"`
}

func (namedWork) Kind() string { return "test.named" }

func TestNamedJobs(t *testing.T) {
	db := postgrestest.Open(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	job := jobs.NewID()
	queue := func(n int) {
		t.Helper()
		must(t, db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
			return tx.Name(ctx, job, "test.named", "whk_x", namedWork{us, n})
		}))
	}
	queue(1)
	got, err := db.JobNames().Job(t.Context(), us, job)
	if err != nil || got.Status != jobs.Waiting || got.Type != "test.named" || got.Subject != "whk_x" || got.CreatedAt.IsZero() {
		t.Fatalf("%+v %v", got, err)
	}
	for state, want := range map[string]jobs.Status{"running": jobs.Running, "retryable": jobs.Waiting} {
		postgrestest.Exec(t, db, "update river.river_job set state = $1::river.river_job_state where args ->> 'tenant' = $2", state, us)
		if got, err := db.JobNames().Job(t.Context(), us, job); err != nil || got.Status != want {
			t.Errorf("%s: %+v %v", state, got, err)
		}
	}
	postgrestest.Exec(t, db, "update river.river_job set state = 'completed', finalized_at = now() where args ->> 'tenant' = $1", us)
	if got, err := db.JobNames().Job(t.Context(), us, job); err != nil || got.Status != jobs.Succeeded || got.FinishedAt.IsZero() {
		t.Errorf("%+v %v", got, err)
	}
	queue(2) // the next page of the same work
	if got, err := db.JobNames().Job(t.Context(), us, job); err != nil || got.Status != jobs.Waiting {
		t.Errorf("%+v %v", got, err)
	}
	for name, who := range map[string]tenants.ID{"another tenant": them, "another job": us} {
		id := job
		if who == us {
			id = jobs.NewID()
		}
		if _, err := db.JobNames().Job(t.Context(), who, id); !fault.Is(err, fault.NotFound) || fault.Of(err).Reason != "job.not_found" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
