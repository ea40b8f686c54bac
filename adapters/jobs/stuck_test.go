package jobs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
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
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/exports"
)

// The test binary is the worker that dies, too.
func TestMain(m *testing.M) {
	if app := os.Getenv("WORK_APP"); app != "" {
		if err := workForever(context.Background(), postgres.Config{App: app, System: os.Getenv("WORK_SYSTEM")}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// endless begins, says so, and does not end.
type endless struct{}

func (endless) RefreshMetrics(_ context.Context, _ tenants.Scope, id publishing.PostID) error {
	fmt.Println(id)
	select {}
}

func workForever(ctx context.Context, c postgres.Config) error {
	db, err := postgres.Open(ctx, c)
	if err != nil {
		return err
	}
	ws := river.NewWorkers()
	jobs.RegisterMetrics(ws, endless{}, func(context.Context, time.Duration) {})
	client, err := db.Jobs(&river.Config{
		Workers: ws, Queues: map[string]river.QueueConfig{jobs.QueueLater: {MaxWorkers: 8}}, FetchCooldown: 5 * time.Millisecond, TestOnly: true,
		Middleware: []rivertype.Middleware{jobs.Endings(db)},
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	select {}
}

// A process that is killed in the last try of a job leaves nobody to tell of it
// but the next one.
func TestTheEndOfAJobWhoseProcessDiedIsTold(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	ask := func() names.ID {
		job := names.NewID()
		mustHook(t, db.Posts().Update(t.Context(), us, func(ctx context.Context, tx publishing.Tx) error {
			return tx.RefreshMetrics(ctx, publishing.NewPost(publishing.Content{}, "usr_x").ID, string(job))
		}))
		return job
	}
	last, first, canceled := ask(), ask(), ask()
	postgrestest.Exec(t, db, "update river.river_job set attempt = max_attempts - 1 where metadata ->> 'carillon_job' = $1", string(last))

	kill := work(t, db, 3)
	mustHook(t, db.JobNames().Cancel(t.Context(), us, canceled, audit.By(tenants.SystemScope(us), "job.cancel", string(canceled))))
	mustHook(t, db.EndStuck(t.Context(), time.Hour))
	if got := endings(t, db, us); len(got) != 0 {
		t.Fatalf("ended under way: %v", got)
	}
	kill()
	for range 2 { // and is told once
		mustHook(t, db.EndStuck(t.Context(), 0))
	}
	want := map[names.ID]names.Status{last: names.Failed, canceled: names.Canceled, first: names.Running} // the queue takes that one up again
	for job, status := range want {
		got, err := db.JobNames().Job(t.Context(), us, job)
		if err != nil || got.Status != status || got.FinishedAt.IsZero() != (status == names.Running) {
			t.Errorf("%+v, %v, want %s", got, err, status)
		}
	}
	var told []string
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for len(told) < 2 && ctx.Err() == nil { // an event waits for those who might come in front of it
		told = endings(t, db, us)
	}
	slices.Sort(told)
	wanted := []string{string(canceled) + " canceled", string(last) + " failed"}
	if slices.Sort(wanted); !slices.Equal(told, wanted) {
		t.Errorf("told %v, want %v", told, wanted)
	}
}

// An export takes as long as it takes, also in its last try.
func TestAnExportThatTakesLongIsNotStuck(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	for name, sign := range map[string]string{"in its last try": "attempt = max_attempts", "canceled": "metadata = metadata || '{\"cancel_attempted_at\":\"2026-11-01T00:00:00Z\"}'"} {
		e := &exports.Export{ID: exports.NewID(), Job: string(names.NewID()), State: exports.Running, Covers: []tenants.ID{us}, RequestedBy: "usr_x", CreatedAt: time.Now()}
		mustHook(t, db.Exports().Create(t.Context(), us, e, audit.By(tenants.SystemScope(us), "export.begin", string(e.ID))))
		postgrestest.Exec(t, db, "update river.river_job set state = 'running', attempted_at = now() - interval '2 hours', "+sign+" where metadata ->> 'carillon_job' = $1", e.Job)
		mustHook(t, db.EndStuck(t.Context(), time.Hour))
		if got, err := db.JobNames().Job(t.Context(), us, names.ID(e.Job)); err != nil || got.Status != names.Running {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		postgrestest.Exec(t, db, "update exports set state = 'failed' where id = $1", e.ID) // there is one at a time
	}
}

// work starts a process that works the queue, waits until it is at so many jobs,
// and returns what kills it.
func work(t *testing.T, db *postgres.DB, atJobs int) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	mustHook(t, err)
	urls := postgrestest.Of(t, db)
	cmd := exec.Command(self)
	cmd.Env = []string{"WORK_APP=" + urls.App, "WORK_SYSTEM=" + urls.System, "GORACE=atexit_sleep_ms=0"}
	out, err := cmd.StdoutPipe()
	mustHook(t, err)
	mustHook(t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	lines := bufio.NewScanner(out)
	for range atJobs {
		if !lines.Scan() {
			t.Fatal("the worker left")
		}
		if !strings.HasPrefix(lines.Text(), "post_") {
			t.Fatal(lines.Text())
		}
	}
	return kill
}

// endings are the ends of jobs that a tenant was told.
func endings(t *testing.T, db *postgres.DB, us tenants.ID) (all []string) {
	t.Helper()
	from := events.Place{Cursor: events.Start}
	for _, e := range page(t.Context(), t, db, us, &from) {
		var told names.Told
		mustHook(t, json.Unmarshal(e.Data, &told))
		all = append(all, e.Subject+" "+string(told.Status))
	}
	return all
}
