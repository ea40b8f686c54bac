package postgres_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// trips counts what goes to the database and is waited for.
type trips struct{ n atomic.Int64 }

func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// easy is a platform that takes everything, and asks the database nothing.
type easy struct{}

func (easy) Describe(context.Context, tenants.Scope, channels.ID) (channels.Target, error) {
	return channels.Target{Manifest: social.Manifest{Formats: []social.Format{{ID: "post"}}}}, nil
}

func (easy) Publish(_ context.Context, _ tenants.Scope, _ channels.ID, req social.PublishRequest) (social.Step, error) {
	if !req.Commit {
		return social.Step{Next: &social.Next{State: []byte("ready"), Commit: true}}, nil
	}
	return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: req.Call.Idempotency}}}, nil
}

func (e easy) Commit(ctx context.Context, who tenants.Scope, id channels.ID, req social.PublishRequest, ready channels.Ready) (social.Step, error) {
	call, err := ready(ctx)
	if err != nil {
		return social.Step{}, err
	}
	return e.Publish(call, who, id, req)
}

func (easy) Find(context.Context, tenants.Scope, channels.ID, social.FindRequest) (social.Finding, error) {
	return social.Finding{}, nil
}

func (easy) Metrics(context.Context, tenants.Scope, channels.ID, []social.Ref) ([]social.Metrics, error) {
	return nil, nil
}

func (easy) Attach(context.Context, tenants.Scope, []media.ID) ([]social.Media, error) {
	return nil, nil
}

func (easy) Check(social.Format, *social.Limits, string, []social.Media, string) []fault.Violation {
	return nil
}

func (easy) Settings([]byte, map[string]any, string) []fault.Violation { return nil }

type unobserved struct{}

func (unobserved) At(publishing.Point)                     {}
func (unobserved) Settled(publishing.State, time.Duration) {}

// A post that goes well is one look, two commits and a question in between.
func TestRoundTripsOfAPost(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	ch := channelOf(t, db, us)
	count := new(trips)
	u := postgrestest.Of(t, db)
	traced, err := postgres.Open(t.Context(), postgres.Config{App: u.App, System: u.System, Tracer: count, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traced.Close)
	run := publishing.NewRunner(traced.Posts(), traced.Queue(), easy{}, easy{}, easy{}, unobserved{}, time.Now)
	var took int64
	for range 2 { // the first prepares the statements
		post := duePost(t, db, us, ch, time.Now().Add(-time.Second))
		claims, err := db.Queue().Claim(t.Context(), "w", 1000, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			if c.Post != post {
				continue
			}
			before := count.n.Load()
			if err := run.Run(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			took = count.n.Load() - before
		}
		if p := postOf(t, db, us, post); p.State != publishing.Published {
			t.Fatalf("it is %s", p.State)
		}
	}
	if took == 0 || took > mostTrips {
		t.Errorf("%d round trips for a post, want at most %d", took, mostTrips)
	}
}

// mostTrips: the look; the arming; lock and read, write with commit; and the
// is paused; and the job that follows.
const mostTrips = 5
