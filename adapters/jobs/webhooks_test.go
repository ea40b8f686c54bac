package jobs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/webhooks"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// From a commit to a signed request, through the real queue.
func TestWebhooksThroughTheQueue(t *testing.T) {
	type call struct {
		header http.Header
		body   []byte
	}
	calls := make(chan call, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.Header, body}
	}))
	defer srv.Close()
	db := postgrestest.Open(t)
	us := tenants.SystemScope(postgrestest.Tenant(t, db))
	sender := webhooks.New(egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), "test")
	authz, err := casbin.New(nil) // the real one: the workers have to be let
	mustHook(t, err)
	service := events.New(db.Events(), authz, eventstest.Sealer{}, sender, time.Now)
	workers := river.NewWorkers()
	jobs.RegisterWebhooks(workers, service, db)
	client, err := db.Jobs(&river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4, FetchCooldown: 5 * time.Millisecond}}, Workers: workers,
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 100 * time.Millisecond, PeriodicJobs: jobs.PeriodicWebhooks(),
	})
	mustHook(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	mustHook(t, client.Start(ctx))
	defer func() { mustHook(t, client.Stop(context.WithoutCancel(ctx))) }()

	e, secret, err := service.CreateEndpoint(ctx, us, events.NewEndpoint{URL: srv.URL})
	mustHook(t, err)
	var event events.ID
	mustHook(t, db.Events().Update(ctx, us.Tenant, func(tx events.Tx) (err error) {
		event, err = tx.Emit(ctx, events.Draft{Type: events.PostPublished, Subject: id.New("post")})
		return err
	}))

	wh, err := standard.NewWebhook(secret)
	mustHook(t, err)
	receive := func(want events.ID) {
		t.Helper()
		select {
		case c := <-calls:
			if c.header.Get("webhook-id") != string(want) {
				t.Errorf("webhook-id %s, want %s", c.header.Get("webhook-id"), want)
			}
			mustHook(t, wh.Verify(c.body, c.header))
		case <-ctx.Done():
			t.Fatal("nothing arrived")
		}
	}
	receive(event)
	// What is past is what no transaction on the server can still come before:
	// another test's may be open.
	for len(calls) == 0 && ctx.Err() == nil {
		_, err = service.Replay(ctx, us, e.ID, time.Now().Add(-time.Minute))
		mustHook(t, err)
		select {
		case c := <-calls:
			calls <- c
		case <-time.After(time.Second):
		}
	}
	receive(event)
}

func TestVerdict(t *testing.T) {
	for code, want := range map[fault.Code]string{
		fault.RateLimited: "snooze", fault.Unavailable: "retry", fault.Canceled: "retry", fault.Internal: "retry", fault.Conflict: "retry",
		fault.Invalid: "cancel", fault.Unauthenticated: "cancel", fault.Forbidden: "cancel", fault.NotFound: "cancel", fault.Quota: "cancel",
	} {
		err := jobs.Verdict(fault.New(code, "x", "x"))
		var snooze *rivertype.JobSnoozeError
		var cancel *rivertype.JobCancelError
		got := "retry"
		switch {
		case errors.As(err, &snooze):
			got = "snooze"
		case errors.As(err, &cancel):
			got = "cancel"
		case err == nil:
			got = "done"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
	if err := jobs.Verdict(nil); err != nil {
		t.Errorf("nil: %v", err)
	}
}

func mustHook(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
