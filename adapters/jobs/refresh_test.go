package jobs_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
)

// renewer has two grants that are due until they are renewed.
type renewer struct {
	mu      sync.Mutex
	due     []channels.Due
	renewed chan channels.Due
	purged  bool
}

func (r *renewer) Due(context.Context, int) ([]channels.Due, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.due, nil
}

func (r *renewer) Renew(_ context.Context, who tenants.Scope, id channels.GrantID) error {
	if who.Role == tenants.System {
		r.renewed <- channels.Due{Tenant: who.Tenant, Grant: id}
	}
	return nil
}

func (r *renewer) Purge(context.Context) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purged = true
	return 0, nil
}

func TestTheSweepRenewsEveryTenantsDueGrants(t *testing.T) {
	db := postgrestest.Open(t)
	r := &renewer{renewed: make(chan channels.Due, 10)}
	want := map[channels.Due]bool{}
	for range 2 {
		d := channels.Due{Tenant: postgrestest.Tenant(t, db), Grant: channels.NewGrantID()}
		r.due, want[d] = append(r.due, d), true
	}
	ws := river.NewWorkers()
	jobs.RegisterRenewal(ws, r)
	client, err := db.Jobs(&river.Config{
		Workers: ws, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}}, FetchCooldown: 5 * time.Millisecond,
		PeriodicJobs: []*river.PeriodicJob{jobs.RenewalSchedule()}, TestOnly: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := client.StopAndCancel(ctx); err != nil {
			t.Error(err)
		}
	}()
	deadline := time.After(30 * time.Second)
	for len(want) > 0 {
		select {
		case d := <-r.renewed:
			delete(want, d)
		case <-deadline:
			t.Fatalf("never renewed: %v", want)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.purged {
		t.Error("old sign-ins were not purged")
	}
}
