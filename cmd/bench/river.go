package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/carillonhq/carillon/adapters/dispatch"
	"github.com/carillonhq/carillon/adapters/rules"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

const abreast = 64 // at work at a time, on either side

// dispatchRatio compares the protocol, with a platform that costs nothing, to
// bare River doing the same commits: what it writes and when, without claims
// that are fair, locks, policies or a question whether anything is paused.
//
// Both sides run in this process, on one server that flushes every commit,
// with as many connections for commits and as many posts at a time, and each
// in turn on rows that were put there the same way before its clock began, as
// were River's jobs. Bare River logs in as the owner, whom no policy binds.
// What it sends for a commit is one batch, as ours; its begin, its commit and
// its job each go alone, as River's own API and pgx's have it.
func dispatchRatio(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	n, rounds := h.scale(2000), 5
	if h.opt.short {
		rounds = 3
	}
	b, err := newRiverSide(ctx, h)
	if err != nil {
		return err
	}
	defer b.pool.Close()
	var us, them, ratios []float64
	var usCPU, themCPU spent
	for i := range rounds {
		one, oneCPU, err := h.dispatched(ctx, people.places, fmt.Sprintf("d%d", i), n)
		if err != nil {
			return err
		}
		two, twoCPU, err := b.drained(ctx, h, people.places, fmt.Sprintf("r%d", i), n)
		if err != nil {
			return err
		}
		if i == 0 { // which warms up
			continue
		}
		us, them, ratios = append(us, one), append(them, two), append(ratios, one/two)
		usCPU, themCPU = usCPU.and(oneCPU), themCPU.and(twoCPU)
	}
	r.plain("dispatch, carillon: processor time per post", usCPU.each(n*len(us)), "ms", usCPU.parts(n*len(us)))
	r.plain("dispatch, bare River: processor time per job", themCPU.each(n*len(us)), "ms", themCPU.parts(n*len(us)))
	r.plain("dispatch, carillon", median(us), "posts/s", fmt.Sprintf("%d at a time, a platform that answers at once, no plugin process", abreast))
	r.plain("dispatch, bare River", median(them), "jobs/s", "the same rows in the same two commits")
	r.atLeast("dispatch, ratio to bare River", median(ratios), 0.8, "", fmt.Sprintf("median of %d rounds in turns, %s to %s", len(ratios), number(slices.Min(ratios)), number(slices.Max(ratios))))
	return nil
}

// dispatched plans n posts over the places and has them carried.
func (h *house) dispatched(ctx context.Context, places []place, tag string, n int) (perSecond float64, used spent, err error) {
	if err := h.spread(ctx, places, tag, n); err != nil {
		return 0, used, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	watch := &counter{left: int64(n), done: cancel}
	runner := publishing.NewRunner(h.db.Posts(), h.db.Queue(), instant{}, instant{}, rules.New(), watch, time.Now)
	d := dispatch.New(h.db.Queue(), runner, nil, dispatch.Config{Holder: "bench", Slots: abreast, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	began, before := time.Now(), h.spentAndLogged(ctx)
	err = d.Run(ctx)
	if watch.lost() > 0 {
		return 0, used, fmt.Errorf("%d posts never left", watch.lost())
	}
	return float64(n) / watch.at.Sub(began).Seconds(), h.spentAndLogged(ctx).since(before), err
}

// spread plans n posts, due now, over the first sixteen places.
func (h *house) spread(ctx context.Context, places []place, tag string, n int) error {
	const wide = 16
	for i := range wide {
		if err := h.fill(ctx, places[i], fmt.Sprintf("%s-%d", tag, i), n/wide, func(int) time.Time { return time.Now() }); err != nil {
			return err
		}
	}
	return h.fill(ctx, places[0], tag+"-rest", n%wide, func(int) time.Time { return time.Now() })
}

// counter is an observer that ends a run with its last post.
type counter struct {
	left int64
	once sync.Once
	at   time.Time
	done func()
}

// At implements publishing.Observer.
func (c *counter) At(publishing.Point) {}

// Settled implements publishing.Observer.
func (c *counter) Settled(publishing.State, time.Duration) {
	if atomic.AddInt64(&c.left, -1) == 0 {
		c.once.Do(func() { c.at = time.Now(); c.done() })
	}
}

func (c *counter) lost() int64 { return atomic.LoadInt64(&c.left) }

// instant is a platform that costs nothing, and has no media.
type instant struct{}

func (instant) Describe(context.Context, tenants.Scope, channels.ID) (channels.Target, error) {
	return channels.Target{Manifest: pigeon.New(pigeon.Options{}).Manifest()}, nil
}

func (instant) Publish(_ context.Context, _ tenants.Scope, _ channels.ID, req social.PublishRequest) (social.Step, error) {
	if !req.Commit {
		return social.Step{Next: &social.Next{State: []byte(`{"marker":"` + req.Call.Idempotency + `"}`), Commit: true}}, nil
	}
	return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: req.Call.Idempotency, URL: "http://127.0.0.1/posts/" + req.Call.Idempotency}}}, nil
}

func (i instant) Commit(ctx context.Context, who tenants.Scope, id channels.ID, req social.PublishRequest, ready channels.Ready) (social.Step, error) {
	call, err := ready(ctx)
	if err != nil {
		return social.Step{}, err
	}
	return i.Publish(call, who, id, req)
}

func (instant) Find(context.Context, tenants.Scope, channels.ID, social.FindRequest) (social.Finding, error) {
	return social.Finding{Verdict: social.Absent}, nil
}

func (instant) Metrics(context.Context, tenants.Scope, channels.ID, []social.Ref) ([]social.Metrics, error) {
	return nil, nil
}

func (instant) Attach(context.Context, tenants.Scope, []media.ID) ([]social.Media, error) {
	return nil, nil
}

// riverSide is the baseline.
type riverSide struct{ pool *pgxpool.Pool }

func newRiverSide(ctx context.Context, h *house) (*riverSide, error) {
	cfg, err := pgxpool.ParseConfig(h.Owner)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.RuntimeParams["jit"] = "off" // as on the other side
	cfg.MaxConns = 16 + 2                       // as many for commits as on the other side, and two for River itself
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err = pool.Exec(ctx, "create schema "+bareSchema); err == nil {
		var m *rivermigrate.Migrator[pgx.Tx]
		if m, err = rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: bareSchema}); err == nil {
			_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		}
	}
	return &riverSide{pool}, err
}

// bareSchema has River's tables as River makes them.
const bareSchema = "bare"

// publishArgs is a post to publish.
type publishArgs struct{ Tenant, Post, Delivery, Segment, Channel string }

// Kind implements river.JobArgs.
func (publishArgs) Kind() string { return "bench.publish" }

// afterArgs is the job that follows.
type afterArgs struct{ Tenant, Post string }

// Kind implements river.JobArgs.
func (afterArgs) Kind() string { return "bench.after" }

// InsertOpts implements river.JobArgsWithInsertOpts: nobody works these here.
func (afterArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: "after"} }

func (b *riverSide) drained(ctx context.Context, h *house, places []place, tag string, n int) (perSecond float64, used spent, err error) {
	if err := h.spread(ctx, places, tag, n); err != nil {
		return 0, used, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	watch := &counter{left: int64(n), done: cancel}
	workers := river.NewWorkers()
	insert, err := river.NewClient(riverpgxv5.New(b.pool), &river.Config{Schema: bareSchema}) // one that knows every kind of job
	if err != nil {
		return 0, used, err
	}
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[publishArgs]) error {
		if err := b.publish(ctx, insert, job.Args); err != nil {
			return err
		}
		watch.Settled(publishing.Live, 0)
		return nil
	}))
	client, err := river.NewClient(riverpgxv5.New(b.pool), &river.Config{
		Schema: bareSchema, Queues: map[string]river.QueueConfig{"bench": {MaxWorkers: abreast}}, Workers: workers,
		FetchCooldown: 5 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return 0, used, err
	}
	if err := b.enqueue(ctx, insert, tag); err != nil {
		return 0, used, err
	}
	began, before := time.Now(), h.spentAndLogged(ctx)
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return 0, used, err
	}
	<-ctx.Done()
	if err := client.Stop(context.WithoutCancel(ctx)); err != nil {
		return 0, used, err
	}
	if watch.lost() > 0 {
		return 0, used, fmt.Errorf("%d jobs never ran", watch.lost())
	}
	return float64(n) / watch.at.Sub(began).Seconds(), h.spentAndLogged(ctx).since(before), nil
}

// enqueue makes a job of each planned segment, and takes it from our own queue.
func (b *riverSide) enqueue(ctx context.Context, client *river.Client[pgx.Tx], tag string) error {
	rows, err := b.pool.Query(ctx, `update segments set next_at = null where state = 'scheduled' and part->>'text' like $1 || '-%'
		returning tenant_id, post_id, delivery_id, segment_id, channel_id`, tag)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Tenant, Post, Delivery, Segment, Channel string }])
	if err != nil {
		return err
	}
	params := make([]river.InsertManyParams, len(all))
	for i, a := range all {
		params[i] = river.InsertManyParams{Args: publishArgs(a), InsertOpts: &river.InsertOpts{Queue: "bench"}}
	}
	_, err = client.InsertManyFast(ctx, params)
	return err
}

// publish is what the protocol commits for a post that goes well: an armed
// journal entry before the call; the outcome, two events and the job that
// follows after it. Each commit's statements go in one round trip.
func (b *riverSide) publish(ctx context.Context, client *river.Client[pgx.Tx], a publishArgs) error {
	key := a.Segment + ".0"
	err := pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		batch := new(pgx.Batch)
		batch.Queue(`insert into attempts (tenant_id, segment_id, n, key, request_hash, holder, armed_at) values ($1, $2, 1, $3, $4, 'bench', now())`,
			a.Tenant, a.Segment, key, key)
		batch.Queue(`update segments set state = 'sending', attempt = 1, armed_hash = $3, step = $4, next_at = now() + interval '90 s', holder = 'bench',
			generation = 1, doubt_at = now() where tenant_id = $1 and segment_id = $2`, a.Tenant, a.Segment, key, []byte(`{"marker":"`+key+`"}`))
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		batch := new(pgx.Batch)
		batch.Queue(`update segments set state = 'live', next_at = null, holder = '', ref = $3, live_at = now(), evidence = 'receipt', generation = 2, doubt_at = null
			where tenant_id = $1 and segment_id = $2`, a.Tenant, a.Segment, map[string]string{"id": key, "url": "http://127.0.0.1/posts/" + key})
		batch.Queue(`update attempts set ended_at = now(), outcome = 'applied' where tenant_id = $1 and segment_id = $2 and ended_at is null`, a.Tenant, a.Segment)
		batch.Queue(`update posts set state = 'published' where tenant_id = $1 and post_id = $2`, a.Tenant, a.Post)
		for i, event := range []string{"delivery.updated", "post.published"} {
			batch.Queue(`insert into events (tenant_id, id, n, type, subject, data, request_id, idempotency_key) values ($1, $2, $3, $4, $5, $6, '', '')`,
				a.Tenant, id.New("evt"), i+1, event, a.Post, map[string]string{"post": a.Post, "channel": a.Channel, "segment": a.Segment, "state": "live"})
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		_, err := client.InsertTx(ctx, tx, afterArgs{a.Tenant, a.Post}, nil)
		return err
	})
}
